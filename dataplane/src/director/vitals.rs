//! Whether the workers make progress, and the sign of life to systemd that says so.

use host::notify::Watchdog;
use link::Handle;
use link::counters::WorkerCounters;

/// Milliseconds without a finished round after which a worker counts as stuck. A round takes microseconds.
const STUCK_AFTER: u64 = 2000;

/// Looks at the workers. The main lcore has it, so a main lcore that is stuck gives no sign of life either.
pub(super) struct Vitals {
    watchdog: Option<Watchdog>,
    workers: Vec<Progress<Handle<WorkerCounters>>>,
}

impl Vitals {
    /// Of the workers on these lcores, by their counters.
    pub(super) fn new(workers: impl Iterator<Item = (u16, Handle<WorkerCounters>)>, now: u64) -> Self {
        let workers = workers.map(|(lcore, counters)| Progress::new(lcore, counters, now)).collect();
        Self { watchdog: Watchdog::of_this_process(), workers }
    }

    /// Gives a sign of life if all workers go on. `now` is in milliseconds.
    pub(super) fn look(&mut self, now: u64) {
        let mut all_go_on = true;
        for worker in &mut self.workers {
            let rounds = worker.of.loops.value();
            match worker.look(rounds, now) {
                Found::GoesOn => {}
                Found::GoesOnAgain => log::info!("the worker on lcore {} goes on", worker.lcore),
                Found::Stuck { newly } => {
                    all_go_on = false;
                    if newly {
                        log::error!(
                            "the worker on lcore {} has finished no round for {} s, its packets wait: another program \
                             may hold its CPU (see isolcpus in docs/deploy.md), else it is a defect; systemd's watchdog \
                             restarts the dataplane if it goes on so",
                            worker.lcore,
                            STUCK_AFTER / 1000
                        );
                    }
                }
            }
        }
        if let Some(watchdog) = self.watchdog.as_ref().filter(|_| all_go_on) {
            watchdog.alive();
        }
    }
}

/// How far a worker was when it was last seen to move.
struct Progress<T> {
    lcore: u16,
    of: T,
    rounds: u64,
    since: u64,
    stuck: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    GoesOn,
    GoesOnAgain,
    Stuck { newly: bool },
}

impl<T> Progress<T> {
    fn new(lcore: u16, of: T, now: u64) -> Self {
        Self { lcore, of, rounds: 0, since: now, stuck: false }
    }

    fn look(&mut self, rounds: u64, now: u64) -> Found {
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
    fn a_worker_is_stuck_after_two_seconds_without_a_round_and_recovers_with_the_next() {
        let mut worker = Progress::new(1, (), 1000);
        assert_eq!(worker.look(10, 1500), Found::GoesOn);
        assert_eq!(worker.look(10, 3499), Found::GoesOn);
        assert_eq!(worker.look(10, 3500), Found::Stuck { newly: true });
        assert_eq!(worker.look(10, 4000), Found::Stuck { newly: false });
        assert_eq!(worker.look(11, 4500), Found::GoesOnAgain);
        assert_eq!(worker.look(11, 5000), Found::GoesOn);
    }

    #[test]
    fn a_worker_that_never_begins_is_stuck() {
        let mut worker = Progress::new(1, (), 1000);
        assert_eq!(worker.look(0, 1500), Found::GoesOn);
        assert_eq!(worker.look(0, 3000), Found::Stuck { newly: true });
    }
}
