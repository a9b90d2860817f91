//! The CPUs of the measurements, and whether they can be had.

use crate::calibration;
use rte_rs::cycles::tsc_hz;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the two cores are watched.
const WATCHED: Duration = Duration::from_millis(150);
/// Less than so many cores' work by two: somebody else has a part of them.
pub const ENOUGH: f64 = 1.7;

/// CPUs of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Of the generator.
    pub generator: u32,
    /// Of the one that is measured: a worker, testpmd's forwarding core.
    pub worker: u32,
    /// Of its main lcore, which sleeps: a core of its own if there is one, else the generator's.
    pub main: u32,
}

impl Cores {
    /// The first cores of this machine; `None` if it has only one.
    pub fn of_this_machine() -> Option<Self> {
        let count = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (count > 1).then_some(Self { generator: 0, worker: 1, main: if count > 2 { 2 } else { 0 } })
    }

    /// All of them, as a list for taskset.
    pub fn list(self) -> String {
        format!("{},{},{}", self.generator, self.worker, self.main)
    }

    /// Keeps this process, and those that it starts and that choose none themselves, off the worker's core: they run on
    /// the main lcore's. Nothing changes where the system does not allow it.
    pub fn keep_to_main(self) {
        pin(self.main);
    }

    /// How much two threads, one on the generator's core and one on the worker's, get done together, as a multiple of
    /// what one gets done that nobody disturbs: 2.0 if both cores are there and free, 1.0 if it is one core in truth.
    pub fn together(self) -> f64 {
        let undisturbed = tsc_hz() as f64 * WATCHED.as_secs_f64() / calibration::cycles_a_step(5);
        work(&[self.generator, self.worker]) / undisturbed
    }

    /// How long a cache line takes from the generator's core to the worker's and back, nanoseconds: each packet over a
    /// cable has several such ways.
    pub fn round_trip(self) -> f64 {
        let (ball, start) = (AtomicU64::new(0), Instant::now());
        // The time is looked at now and then only, and always at last: who waits may have lost the other.
        let play = |core: u32, mine: u64| {
            pin(core);
            for looks in 1_u64.. {
                let turn = ball.load(Ordering::Acquire);
                if turn % 2 == mine {
                    ball.store(turn + 1, Ordering::Release);
                }
                if looks % 1024 == 0 && start.elapsed() > WATCHED {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| play(self.worker, 1));
            scope.spawn(|| play(self.generator, 0));
        });
        WATCHED.as_nanos() as f64 / (ball.into_inner() / 2).max(1) as f64
    }

    /// `Err` with the words for it if the cores do not run side by side now. What others do for a moment is waited for.
    ///
    /// # Errors
    /// See above.
    pub fn must_be_free(self) -> Result<(), String> {
        let mut best = 0.0_f64;
        for attempt in 0..TRIES {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            best = best.max(self.together());
            if best >= ENOUGH {
                break;
            }
        }
        judge(best)
    }
}

fn judge(together: f64) -> Result<(), String> {
    if together >= ENOUGH {
        return Ok(());
    }
    Err(format!("the machine's second core is not free ({together:.2} of 2.0)"))
}

const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(500);

/// Steps that threads on these cores get done, all at the same time.
fn work(cores: &[u32]) -> f64 {
    let start = Barrier::new(cores.len());
    let start = &start;
    thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .map(|&core| {
                scope.spawn(move || {
                    pin(core);
                    start.wait();
                    calibration::steps_in(WATCHED) as f64
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

/// Binds the calling thread to a core.
pub(crate) fn pin(core: u32) {
    let mut set = CpuSet::new();
    set.set(core as usize);
    // Where it is not allowed, the thread runs where it did.
    let _ = sched_setaffinity(None, &set);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_that_do_the_work_of_one_are_not_free() {
        assert_eq!(judge(1.95), Ok(()));
        assert_eq!(judge(1.04).unwrap_err(), "the machine's second core is not free (1.04 of 2.0)");
        // How much it is depends on what else runs here, that it is something does not.
        assert!(Cores { generator: 0, worker: 0, main: 0 }.together() > 0.0);
    }
}
