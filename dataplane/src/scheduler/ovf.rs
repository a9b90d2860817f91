//! Overflow: the candidate with the highest weight among those with no more active connections than their weight.

use super::{Choice, Load};

pub(super) fn pick(choice: &Choice<'_, impl Load>) -> Option<usize> {
    let open = choice.usable().filter(|(_, candidate)| choice.load.active(candidate.slot) <= candidate.weight);
    // Of equal ones `min_by_key` gives the first.
    open.min_by_key(|(_, candidate)| u32::MAX - candidate.weight).map(|(index, _)| index)
}
