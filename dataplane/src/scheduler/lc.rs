//! Least connection: the candidate with the least overhead; weights only count as zero or not.

use super::{Candidate, Load, overhead};

pub(super) fn pick(candidates: &[Candidate], load: &impl Load) -> Option<usize> {
    let usable = candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0);
    // Of equal ones `min_by_key` gives the first.
    usable.min_by_key(|(_, candidate)| overhead(load, candidate.slot)).map(|(index, _)| index)
}
