//! Source hash: 256 places; each candidate takes as many in a row as its weight says (at least one, even with weight
//! 0), and so on in turn until all are taken. With the flag `sh-port` the source port counts too. A place whose
//! candidate can't be used has none, unless the flag `sh-fallback` sends its clients on to other places.

use super::dh::place;
use super::places::Places;
use super::{Candidate, Choice, Load};
use link::model::SchedulerFlags;

/// How many places there are.
const PLACES: u32 = 256;

/// The places of these candidates.
pub(super) fn places(candidates: &[Candidate]) -> Places {
    let turn = (0_u16..).zip(candidates).flat_map(|(index, candidate)| {
        let places = candidate.weight.clamp(1, PLACES) as usize;
        std::iter::repeat_n(index, places)
    });
    Places::new(turn.cycle().take(PLACES as usize).collect())
}

pub(super) fn pick(places: &Places, flags: SchedulerFlags, choice: &Choice<'_, impl Load>) -> Option<usize> {
    let source = choice.newcomer.source;
    let port = if flags.contains(SchedulerFlags::PORT) { u32::from(source.port) } else { 0 };
    let first = place(source.address.wrapping_add(port));
    let usable = |place: u32| {
        let index = places.at(place)?;
        choice.candidates.get(index).filter(|candidate| choice.is_usable(candidate)).map(|_| index)
    };
    let found = usable(first);
    if found.is_some() || !flags.contains(SchedulerFlags::FALLBACK) || choice.usable().next().is_none() {
        return found;
    }
    // The client's own place is the step as well as the start, so clients of one place that failed spread.
    (0..PLACES).find_map(|step| usable((first + (first + step) % PLACES) % PLACES))
}
