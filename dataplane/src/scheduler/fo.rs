//! Failover: the candidate with the highest weight, the first of equal ones.

use super::{Choice, Load};

pub(super) fn pick(choice: &Choice<'_, impl Load>) -> Option<usize> {
    // Of equal ones `min_by_key` gives the first.
    choice.usable().min_by_key(|(_, candidate)| u32::MAX - candidate.weight).map(|(index, _)| index)
}
