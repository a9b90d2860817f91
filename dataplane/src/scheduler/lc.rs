//! Least connection: the candidate with the least overhead; weights only count as zero or not.

use super::{Choice, Load};

pub(super) fn pick(choice: &Choice<'_, impl Load>) -> Option<usize> {
    // Of equal ones `min_by_key` gives the first.
    choice.usable().min_by_key(|(_, candidate)| choice.overhead(candidate)).map(|(index, _)| index)
}
