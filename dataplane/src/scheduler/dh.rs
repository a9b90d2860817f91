//! Destination hash: 256 places, filled with the candidates in turn; weights only count as zero or not. A destination
//! whose candidate can't be used has none: there is no way round it.

use super::places::Places;
use super::{Candidate, Choice, Load};

/// How many places there are.
const PLACES: u16 = 256;

/// The places of these candidates.
pub(super) fn places(candidates: &[Candidate]) -> Places {
    let candidates = u16::try_from(candidates.len()).unwrap_or(PLACES).min(PLACES);
    Places::new((0..PLACES).filter_map(|place| place.checked_rem(candidates)).collect())
}

pub(super) fn pick(places: &Places, choice: &Choice<'_, impl Load>) -> Option<usize> {
    let index = places.at(place(choice.newcomer.destination.address))?;
    choice.candidates.get(index).filter(|candidate| choice.is_usable(candidate)).map(|_| index)
}

/// The place of a number: the highest eight bits of its product with 2^32 divided by the golden ratio squared
/// (multiplicative hashing: Knuth, The Art of Computer Programming, volume 3, section 6.4).
#[inline]
pub(super) const fn place(number: u32) -> u32 {
    number.wrapping_mul(0x61C8_8647) >> 24
}
