//! How long connections may idle, by service and state.

use link::message::ConnectionState;
use link::model::{TimeoutOverrides, Timeouts};
use std::collections::HashMap;

const STATES: usize = ConnectionState::ALL.len();

/// Milliseconds by state. A cache line of its own, since every packet reads one of a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct TimeoutSet([u32; STATES]);

/// The different sets of timeouts that services have. Set 0 is the general one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeoutSets {
    sets: Vec<TimeoutSet>,
    by_overrides: HashMap<TimeoutOverrides, u32>,
    general: Timeouts,
}

impl TimeoutSets {
    /// The general set alone.
    pub(super) fn new(general: Timeouts) -> Self {
        let none = (TimeoutOverrides::default(), 0);
        Self { sets: vec![milliseconds(&general)], by_overrides: HashMap::from([none]), general }
    }

    /// The number of the set of a service with these overrides; a new one if no service before had the same.
    pub(super) fn number_of(&mut self, overrides: &TimeoutOverrides) -> u32 {
        *self.by_overrides.entry(*overrides).or_insert_with(|| {
            self.sets.push(milliseconds(&overrides.over(&self.general)));
            (self.sets.len() - 1) as u32
        })
    }

    /// Milliseconds that a connection of this set may idle in `state`; of a number that is no set's, as in general.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a variant's number is below the array's length; no check is left")]
    pub(super) fn of(&self, set: u32, state: ConnectionState) -> u32 {
        self.sets.get(set as usize).or(self.sets.first()).map_or(0, |set| set.0[state as usize])
    }
}

fn milliseconds(timeouts: &Timeouts) -> TimeoutSet {
    TimeoutSet(timeouts.entries().map(|(_, seconds)| seconds.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use super::TimeoutSets;
    use link::message::ConnectionState::{Established, Udp};
    use link::model::{TimeoutOverrides, Timeouts};

    fn overriding(position: usize, seconds: u32) -> TimeoutOverrides {
        let mut overrides = TimeoutOverrides::default();
        overrides.0[position] = seconds;
        overrides
    }

    #[test]
    fn a_service_has_its_own_timeouts_over_the_general_ones_and_equal_ones_share_a_set() {
        let mut sets = TimeoutSets::new(Timeouts::default());
        assert_eq!(sets.number_of(&TimeoutOverrides::default()), 0);
        let short = sets.number_of(&overriding(1, 30));
        assert_eq!((sets.of(short, Established), sets.of(short, Udp)), (30_000, 300_000));
        assert_eq!((sets.of(0, Established), sets.of(77, Established)), (900_000, 900_000));
        assert_eq!(sets.number_of(&overriding(1, 30)), short);
        assert_ne!(sets.number_of(&overriding(1, 31)), short);
    }
}
