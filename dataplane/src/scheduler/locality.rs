//! Which reals a destination had: what `lblc` and `lblcr` remember. Of fixed size for all services of a worker; where
//! there is no room, the destination that was asked for longest ago is forgotten, and simply chosen for anew.

use super::{Candidate, Choice, Load, wlc};
use crate::clock::Milliseconds;

/// Destinations whose hashes are equal that there is room for.
const WAYS: usize = 8;
/// Powers of two; all ways together as many as the reference keeps for a service.
const BUCKETS: usize = 2048;
/// Reals of one destination. More are not kept: the one that came in first is forgotten.
pub(super) const MOST_REALS: usize = 11;
/// How often the reference looks for destinations to forget, in seconds.
const SWEEP_INTERVAL: u32 = 1800;

/// A [`Locality`] in words: 0 is a free one, so that memory is touched only when it is used. Service slot + 1,
/// destination, `used`, `changed` (low, high), real slots + 1.
type Row = [u32; 5 + MOST_REALS];

const _: () = assert!(size_of::<Row>() == 64);

/// The reals of one destination of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locality {
    service: u32,
    destination: u32,
    /// When it was last asked for, in seconds.
    used: u32,
    /// When a real was last added or taken away.
    pub(super) changed: Milliseconds,
    /// Slots + 1 of the reals, the newest first; 0 = none.
    reals: [u32; MOST_REALS],
}

/// A real, and what is to be remembered with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    /// The candidate's index.
    pub(super) index: usize,
    /// The destination, with it.
    pub(super) locality: Locality,
}

/// What one worker remembers of destinations: 1 MiB of address space.
#[derive(Debug)]
pub(super) struct Localities(Box<[[Row; WAYS]]>);

impl Localities {
    pub(super) fn new() -> Self {
        Self(vec![[[0; 5 + MOST_REALS]; WAYS]; BUCKETS].into_boxed_slice())
    }

    /// The destination of a newcomer, asked for now. Without reals if it is not known, or if it was idle for more than
    /// `expiration` seconds when the reference would have looked last.
    pub(super) fn of<L: Load>(&self, choice: &Choice<'_, L>, expiration: u32) -> Locality {
        let now = (choice.newcomer.now / 1000) as u32;
        let swept = now - now % SWEEP_INTERVAL;
        let fresh = Locality {
            service: choice.service,
            destination: choice.newcomer.destination.address,
            used: now,
            changed: choice.newcomer.now,
            reals: [0; MOST_REALS],
        };
        let bucket = self.0.get(fresh.bucket()).into_iter().flatten();
        let known = bucket.filter_map(Locality::from_row).find(|known| known.is_of(&fresh));
        let known = known.filter(|known| known.used.saturating_add(expiration) >= swept);
        known.map_or(fresh, |known| Locality { used: now, ..known })
    }

    /// Remembers a destination.
    pub(super) fn keep(&mut self, locality: &Locality) {
        let Some(bucket) = self.0.get_mut(locality.bucket()) else { return };
        let worth = |row: &Row| match Locality::from_row(row) {
            None => (1, 0),
            Some(other) if other.is_of(locality) => (0, 0),
            Some(other) => (2, other.used),
        };
        if let Some(row) = bucket.iter_mut().min_by_key(|row| worth(row)) {
            *row = locality.to_row();
        }
    }
}

impl Locality {
    /// Its reals that are among the candidates, with their indices, the newest first.
    pub(super) fn candidates<'a>(&self, candidates: &'a [Candidate]) -> impl Iterator<Item = (usize, &'a Candidate)> {
        let of = |real: u32| candidates.iter().enumerate().find(move |(_, candidate)| candidate.slot + 1 == real);
        self.reals.into_iter().take_while(|real| *real != 0).filter_map(of)
    }

    /// How many reals it has, those included that are no candidates now.
    pub(super) fn len(&self) -> usize {
        self.reals.iter().take_while(|real| **real != 0).count()
    }

    /// Has this real and no other.
    pub(super) fn set(&mut self, slot: u32) {
        self.reals = [0; MOST_REALS];
        self.push(slot);
    }

    /// Has this real too; false if it had before.
    pub(super) fn add(&mut self, slot: u32) -> bool {
        let is_new = !self.reals.contains(&(slot + 1));
        if is_new {
            self.push(slot);
        }
        is_new
    }

    /// No longer has this real.
    pub(super) fn remove(&mut self, slot: u32) {
        let mut kept = self.reals.into_iter().filter(|real| *real != slot + 1);
        self.reals = std::array::from_fn(|_| kept.next().unwrap_or(0));
    }

    fn push(&mut self, slot: u32) {
        self.reals.rotate_right(1);
        if let Some(first) = self.reals.first_mut() {
            *first = slot + 1;
        }
    }

    fn is_of(&self, other: &Self) -> bool {
        (self.service, self.destination) == (other.service, other.destination)
    }

    fn bucket(&self) -> usize {
        let both = u64::from(self.service) << 32 | u64::from(self.destination);
        (both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % BUCKETS
    }

    fn from_row(row: &Row) -> Option<Self> {
        let [service, destination, used, low, high, reals @ ..] = *row;
        let changed = u64::from(high) << 32 | u64::from(low);
        service.checked_sub(1).map(|service| Self { service, destination, used, changed, reals })
    }

    fn to_row(self) -> Row {
        let [a, b, c, d, e, f, g, h, i, j, k] = self.reals;
        let (low, high) = (self.changed as u32, (self.changed >> 32) as u32);
        [self.service + 1, self.destination, self.used, low, high, a, b, c, d, e, f, g, h, i, j, k]
    }
}

/// Whether a candidate has more active connections than its weight while another has less than half its own.
pub(super) fn has_too_many(candidate: &Candidate, choice: &Choice<'_, impl Load>) -> bool {
    let active = |candidate: &Candidate| choice.load.active(candidate.slot);
    active(candidate) > candidate.weight
        && choice.candidates.iter().any(|other| u64::from(active(other)) * 2 < u64::from(other.weight))
}

/// The choice for a destination that no candidate was remembered for: as `wlc`.
pub(super) fn anew<'a>(choice: &Choice<'a, impl Load>) -> Option<(usize, &'a Candidate)> {
    let index = wlc::pick(choice)?;
    choice.candidates.get(index).map(|candidate| (index, candidate))
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Localities, Locality, MOST_REALS, WAYS};
    use crate::connection::Endpoint;
    use crate::scheduler::{Choice, Load, Newcomer, Start};

    struct Idle;

    impl Load for Idle {
        fn active(&self, _: u32) -> u32 {
            0
        }

        fn inactive(&self, _: u32) -> u32 {
            0
        }

        fn is_overloaded(&self, _: u32) -> bool {
            false
        }
    }

    fn of(localities: &Localities, destination: u32, seconds: u64) -> Locality {
        let end = Endpoint { address: destination, port: 80 };
        let newcomer = Newcomer { source: end, destination: end, now: seconds * 1000 };
        localities.of(&Choice { service: 0, start: Start::default(), candidates: &[], load: &Idle, newcomer }, 100)
    }

    fn keep(localities: &mut Localities, destination: u32, slot: u32, seconds: u64) {
        let mut locality = of(localities, destination, seconds);
        locality.set(slot);
        localities.keep(&locality);
    }

    #[test]
    fn a_destination_keeps_its_real_and_another_service_has_its_own() {
        let mut localities = Localities::new();
        keep(&mut localities, 1, 7, 0);
        assert_eq!(of(&localities, 1, 0).reals[..2], [8, 0]);
        assert_eq!(of(&localities, 2, 0).len(), 0);
        let elsewhere = Locality { service: 3, ..of(&localities, 1, 0) };
        localities.keep(&Locality { reals: [0; MOST_REALS], ..elsewhere });
        assert_eq!(of(&localities, 1, 0).len(), 1);
    }

    #[test]
    fn an_idle_destination_is_forgotten_at_the_next_half_hour() {
        let mut localities = Localities::new();
        keep(&mut localities, 1, 7, 1_690);
        keep(&mut localities, 2, 7, 1_710);
        assert_eq!((of(&localities, 1, 1_799).len(), of(&localities, 2, 1_799).len()), (1, 1));
        assert_eq!((of(&localities, 1, 1_801).len(), of(&localities, 2, 1_801).len()), (0, 1));
    }

    #[test]
    fn where_there_is_no_room_the_destination_of_longest_ago_makes_it() {
        let mut localities = Localities::new();
        let bucket = of(&localities, 0, 0).bucket();
        let alike: Vec<u32> =
            (0..u32::MAX).filter(|to| of(&localities, *to, 0).bucket() == bucket).take(WAYS + 1).collect();
        for (seconds, destination) in (10..).zip(&alike[..WAYS]) {
            keep(&mut localities, *destination, 7, seconds);
        }
        keep(&mut localities, alike[0], 7, 30);
        keep(&mut localities, alike[WAYS], 7, 31);
        let known: Vec<usize> = alike.iter().map(|to| of(&localities, *to, 31).len()).collect();
        assert_eq!(known, [1, 0, 1, 1, 1, 1, 1, 1, 1], "all but the second");
    }

    #[test]
    fn a_set_has_its_newest_reals_once_each() {
        let mut locality = of(&Localities::new(), 1, 0);
        assert!((0..13).all(|slot| locality.add(slot)));
        assert_eq!((locality.len(), locality.reals[0], locality.reals[MOST_REALS - 1]), (MOST_REALS, 13, 3));
        assert!(!locality.add(5));
        locality.remove(12);
        assert_eq!((locality.len(), locality.reals[0]), (MOST_REALS - 1, 12));
        assert!(BUCKETS.is_power_of_two());
    }
}
