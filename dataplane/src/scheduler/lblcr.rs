//! Locality-based least connection with replication: a destination has a set of reals, of which the least loaded by
//! weight is chosen. If that has too many connections, or none can be used, the choice of `wlc` joins the set. A set
//! that has not changed for a while loses its most loaded real.

use super::locality::{Decision, Localities, Locality, anew, has_too_many};
use super::{Choice, Load, PerWeight, least};

/// The choice for a newcomer; `expiration` in seconds.
pub(super) fn decide(localities: &Localities, choice: &Choice<'_, impl Load>, expiration: u32) -> Option<Decision> {
    let mut locality = localities.of(choice, expiration);
    let usable = locality.candidates(choice.candidates).filter(|(_, candidate)| choice.is_usable(candidate));
    let best = least(usable, |candidate| choice.overhead(candidate));
    let idle = choice.newcomer.now.saturating_sub(locality.changed);
    if locality.len() > 1 && idle > u64::from(expiration) * 1000 {
        take_most_loaded_away(&mut locality, choice);
    }
    let index = match best.filter(|(_, candidate)| !has_too_many(candidate, choice)) {
        Some((index, _)) => index,
        None => {
            let (index, candidate) = anew(choice)?;
            if locality.add(candidate.slot) {
                locality.changed = choice.newcomer.now;
            }
            index
        }
    };
    Some(Decision { index, locality })
}

fn take_most_loaded_away(locality: &mut Locality, choice: &Choice<'_, impl Load>) {
    let weighted = locality.candidates(choice.candidates).filter(|(_, candidate)| candidate.weight > 0);
    let load = weighted
        .map(|(_, candidate)| (candidate, PerWeight { load: choice.overhead(candidate), weight: candidate.weight }));
    let most = load.reduce(|most, next| if most.1.is_less_than(next.1) { next } else { most });
    if let Some((candidate, _)) = most {
        locality.remove(candidate.slot);
        locality.changed = choice.newcomer.now;
    }
}
