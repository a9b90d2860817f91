//! Neighbours that do not answer: after a while their packets are answered in their place, as hosts and routers do
//! (RFC 1812 section 5.3.3 has the reason). The reference holds the packets until then; here they are lost.

use crate::clock::Milliseconds;

/// How long a neighbour may take, in milliseconds: three requests of a second each.
const PATIENCE: Milliseconds = 3_000;
/// Packets further apart than this do not belong to one attempt.
const PAUSE: Milliseconds = 10_000;
const PLACES: usize = 64;

/// The neighbours that packets wait for now. A neighbour has one place that it may have; two that share it keep each
/// other from being given up, and their packets are lost without a word.
#[derive(Clone, Debug)]
pub(super) struct Unresolved {
    places: [Neighbor; PLACES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Neighbor {
    port: u16,
    address: u32,
    since: Milliseconds,
    last: Milliseconds,
}

impl Default for Unresolved {
    fn default() -> Self {
        Self { places: [Neighbor::default(); PLACES] }
    }
}

impl Unresolved {
    /// A packet met a neighbour that is not known. True if packets have for so long that it is not going to answer.
    pub(super) fn is_given_up(&mut self, port: u16, address: u32, now: Milliseconds) -> bool {
        let place = (address.wrapping_mul(0x9e37_79b9) >> 26) as usize % PLACES;
        let Some(neighbor) = self.places.get_mut(place) else { return false };
        let is_same = (neighbor.port, neighbor.address) == (port, address);
        if !is_same || now.saturating_sub(neighbor.last) > PAUSE {
            *neighbor = Neighbor { port, address, since: now, last: now };
        }
        neighbor.last = now;
        now.saturating_sub(neighbor.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_neighbor_is_given_up_after_three_seconds_of_packets() {
        let mut unresolved = Unresolved::default();
        for (now, given_up) in [(50, false), (1_050, false), (3_049, false), (3_050, true), (9_000, true)] {
            assert_eq!(unresolved.is_given_up(1, 7, now), given_up, "at {now}");
        }
        assert!(!unresolved.is_given_up(1, 7, 20_000), "a new attempt after a pause");
        assert!(!unresolved.is_given_up(0, 7, 20_001), "another port has another neighbour");
    }

    #[test]
    fn many_neighbors_do_no_harm() {
        let mut unresolved = Unresolved::default();
        assert_eq!((0..100_000).filter(|n| unresolved.is_given_up(0, *n, u64::from(*n))).count(), 0);
    }
}
