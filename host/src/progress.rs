//! Whether somebody who counts his rounds makes progress.

/// Milliseconds without a finished round after which one counts as stuck. A round takes microseconds to milliseconds.
pub const STUCK_AFTER: u64 = 2000;

/// How far somebody was when he was last seen to move.
#[derive(Clone, Debug)]
pub struct Progress {
    rounds: u64,
    since: u64,
    stuck: bool,
}

/// What a look at him finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// He goes on, or has not been still for long.
    GoesOn,
    /// He goes on, and was stuck at the look before.
    GoesOnAgain,
    /// He has finished no round for [`STUCK_AFTER`].
    Stuck {
        /// He was not at the look before.
        newly: bool,
    },
}

impl Progress {
    /// Of one who has finished no round. `now` is in milliseconds, as in [`Progress::look`].
    pub const fn new(now: u64) -> Self {
        Self { rounds: 0, since: now, stuck: false }
    }

    /// Looks: he has finished so many rounds.
    pub fn look(&mut self, rounds: u64, now: u64) -> Found {
        if rounds != self.rounds {
            (self.rounds, self.since) = (rounds, now);
            return if std::mem::take(&mut self.stuck) { Found::GoesOnAgain } else { Found::GoesOn };
        }
        if now.saturating_sub(self.since) < STUCK_AFTER {
            return Found::GoesOn;
        }
        Found::Stuck { newly: !std::mem::replace(&mut self.stuck, true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_stuck_after_two_seconds_without_a_round_and_recovers_with_the_next() {
        let mut progress = Progress::new(1000);
        assert_eq!(progress.look(10, 1500), Found::GoesOn);
        assert_eq!(progress.look(10, 3499), Found::GoesOn);
        assert_eq!(progress.look(10, 3500), Found::Stuck { newly: true });
        assert_eq!(progress.look(10, 4000), Found::Stuck { newly: false });
        assert_eq!(progress.look(11, 4500), Found::GoesOnAgain);
        assert_eq!(progress.look(11, 5000), Found::GoesOn);
    }

    #[test]
    fn one_that_never_begins_is_stuck() {
        let mut progress = Progress::new(1000);
        assert_eq!(progress.look(0, 1500), Found::GoesOn);
        assert_eq!(progress.look(0, 3000), Found::Stuck { newly: true });
    }
}
