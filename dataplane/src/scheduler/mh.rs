//! Maglev hash: each candidate takes places of a table in an order of its own, made of its address and port only, so a
//! change of the list moves few clients (D. Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load
//! Balancer", 2016, section 3.4; hash function and weights are the reference's, not the paper's). The candidates take
//! places in turn, as many at a time as their weight says. The keys are constants: directors with the same list, in the
//! same order, have the same table. In which order the list stands matters where two want one place.
//!
//! A candidate that is quiesced keeps its places, so the others' clients stay where they are; its own clients get nobody, or
//! with the flag `mh-fallback` another. With the flag `mh-port` the source port counts too.

use super::places::{NOBODY, Places};
use super::siphash::{self, Key};
use super::{Choice, Load, Member};
use link::model::SchedulerFlags;

/// How many places there are: a prime, so that every step from place to place comes to all of them.
const PLACES: u32 = 4093;
/// Bits of the most places that a candidate takes at a time.
const TURN_BITS: u32 = 6;
/// The key of clients' hashes, and of where a candidate begins.
const FIRST: Key = Key(2_654_435_761);
/// The key of how far a candidate goes from place to place.
const SECOND: Key = Key(2_654_446_892);

/// Where a candidate goes.
struct Walk {
    next: u32,
    step: u32,
    /// Places that it takes at a time.
    turn: u32,
}

/// The table of these members, in the order of the candidates. Those after the 4093rd get no place.
pub(super) fn places(members: impl Iterator<Item = Member>) -> Places {
    let members: Vec<Member> = members.collect();
    let (divisor, largest) = members.iter().fold((0, 0), |(divisor, largest), member| {
        (greatest_common_divisor(divisor, member.lasting_weight), member.lasting_weight.max(largest))
    });
    let Some(bits) = largest.checked_div(divisor).map(|units| u32::BITS - units.leading_zeros()) else {
        return Places::new(Vec::new());
    };
    let mut walks: Vec<Walk> =
        members.iter().map(|member| Walk::of(member, divisor, bits.saturating_sub(TURN_BITS))).collect();
    let mut places = vec![NOBODY; PLACES as usize];
    let mut left = PLACES;
    while left > 0 {
        for (index, walk) in (0..NOBODY).zip(&mut walks) {
            for _ in 0..walk.turn.min(left) {
                left -= u32::from(walk.take(index, &mut places));
            }
        }
    }
    Places::new(places)
}

impl Walk {
    fn of(member: &Member, divisor: u32, scale: u32) -> Self {
        let number = member.endpoint.address.wrapping_add(u32::from(member.endpoint.port));
        let turn = match member.lasting_weight / divisor {
            0 => 0,
            units => (units >> scale).max(1),
        };
        Self {
            next: siphash::hash(FIRST, number) % PLACES,
            step: siphash::hash(SECOND, number) % (PLACES - 1) + 1,
            turn,
        }
    }

    /// Takes the next place that is free. There is one: the caller counts.
    fn take(&mut self, index: u16, places: &mut [u16]) -> bool {
        for _ in 0..PLACES {
            let here = self.next as usize;
            self.next += self.step;
            if self.next >= PLACES {
                self.next -= PLACES;
            }
            if let Some(place) = places.get_mut(here).filter(|place| **place == NOBODY) {
                *place = index;
                return true;
            }
        }
        false
    }
}

const fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

pub(super) fn pick(places: &Places, flags: SchedulerFlags, choice: &Choice<'_, impl Load>) -> Option<usize> {
    let source = choice.newcomer.source;
    let port = if flags.contains(SchedulerFlags::PORT) { u32::from(source.port) } else { 0 };
    let number = source.address.wrapping_add(port);
    let place = |offset: u32| siphash::hash(FIRST, number.wrapping_add(offset)) % PLACES;
    let usable = |place: u32| {
        let index = places.at(place)?;
        choice.candidates.get(index).filter(|candidate| choice.is_usable(candidate)).map(|_| index)
    };
    let first = place(0);
    let found = usable(first);
    if found.is_some() || !flags.contains(SchedulerFlags::FALLBACK) || choice.usable().next().is_none() {
        return found;
    }
    (0..PLACES).find_map(|step| usable(place((first + step) % PLACES)))
}
