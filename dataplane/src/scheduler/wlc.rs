//! Weighted least connection: the candidate with the least overhead by weight, compared by cross-multiplication.

use super::{Candidate, Load, overhead};

pub(super) fn pick(candidates: &[Candidate], load: &impl Load) -> Option<usize> {
    let mut least: Option<(usize, u64, u64)> = None;
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0) {
        // Below 2^41, and weights below 2^17, so the products fit.
        let (load, weight) = (overhead(load, candidate.slot), u64::from(candidate.weight));
        if least.is_none_or(|(_, least_load, least_weight)| least_load * weight > load * least_weight) {
            least = Some((index, load, weight));
        }
    }
    least.map(|(index, ..)| index)
}
