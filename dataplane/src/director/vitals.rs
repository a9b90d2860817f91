//! Whether the workers make progress, and the sign of life to systemd that says so.

use host::notify::Watchdog;
use host::progress::{Found, Progress, STUCK_AFTER};
use link::Handle;
use link::counters::WorkerCounters;

/// A worker: its lcore, what it counts, and how far it was.
struct Watched(u16, Handle<WorkerCounters>, Progress);

/// Looks at the workers. The main lcore has it, so a main lcore that is stuck gives no sign of life either.
pub(super) struct Vitals {
    watchdog: Option<Watchdog>,
    workers: Vec<Watched>,
}

impl Vitals {
    /// Of the workers on these lcores, by their counters.
    pub(super) fn new(workers: impl Iterator<Item = (u16, Handle<WorkerCounters>)>, now: u64) -> Self {
        let workers = workers.map(|(lcore, counters)| Watched(lcore, counters, Progress::new(now))).collect();
        Self { watchdog: Watchdog::of_this_process(), workers }
    }

    /// Gives a sign of life if all workers go on. `now` is in milliseconds.
    pub(super) fn look(&mut self, now: u64) {
        let mut all_go_on = true;
        for Watched(lcore, counters, progress) in &mut self.workers {
            match progress.look(counters.loops.value(), now) {
                Found::GoesOn => {}
                Found::GoesOnAgain => log::info!("the worker on lcore {lcore} goes on"),
                Found::Stuck { newly } => {
                    all_go_on = false;
                    if newly {
                        log::error!(
                            "the worker on lcore {lcore} has finished no round for {} s, its packets wait: another program \
                             may hold its CPU (see isolcpus in docs/deploy.md), else it is a defect; systemd's watchdog \
                             restarts the dataplane if it goes on so",
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
