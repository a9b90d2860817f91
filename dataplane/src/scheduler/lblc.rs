//! Locality-based least connection: a destination's connections go to one real until it has too many or can't be used;
//! then to the one that `wlc` chooses. The real's upper threshold stops only the latter.

use super::locality::{Decision, Localities, anew, has_too_many};
use super::{Choice, Load};

/// The choice for a newcomer; `expiration` in seconds.
pub(super) fn decide(localities: &Localities, choice: &Choice<'_, impl Load>, expiration: u32) -> Option<Decision> {
    let mut locality = localities.of(choice, expiration);
    let last = locality.candidates(choice.candidates).next();
    let last = last.filter(|(_, candidate)| candidate.weight > 0 && !has_too_many(candidate, choice));
    let index = match last {
        Some((index, _)) => index,
        None => {
            let (index, candidate) = anew(choice)?;
            locality.set(candidate.slot);
            index
        }
    };
    Some(Decision { index, locality })
}
