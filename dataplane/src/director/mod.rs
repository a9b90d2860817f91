//! The running director: start-up, housekeeping on the main lcore, and the end.

mod ports;
mod start;
mod wiring;

pub use start::{StartError, start};

use crate::clock::TscClock;
use crate::control_link::ControlLink;
use crate::kernel::KernelPath;
use crate::worker::Worker;
use rte_rs::{Burst, LcoreTask, PortHandle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long the main lcore sleeps when there is nothing to do. It bounds what a request of control and a packet to the
/// kernel wait; packets from the kernel end the sleep.
const REST: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// The same after [`QUIET`] milliseconds without anything to do.
const LONG_REST: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
const QUIET: u64 = 100;
/// Milliseconds between two rounds of [`ControlLink::keep_house`].
const HOUSE_INTERVAL: u64 = 500;

/// Everything that runs.
pub struct Director {
    control: ControlLink,
    kernel: Vec<KernelPath>,
    workers: Vec<LcoreTask<Worker>>,
    ports: Vec<PortHandle>,
    clock: TscClock,
    /// Ends the workers.
    stop: Arc<AtomicBool>,
}

impl Director {
    /// Keeps house until `stop` is set, then ends the workers and closes the ports.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut burst = Burst::new();
        let (mut last_round, mut last_busy) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let now = self.clock.now();
            let mut busy = self.control.step(now);
            for path in &mut self.kernel {
                busy |= path.service(&mut burst) > 0;
            }
            if now.saturating_sub(last_round) >= HOUSE_INTERVAL {
                last_round = now;
                self.control.keep_house(now);
            }
            if busy {
                last_busy = now;
            } else {
                self.rest(if now.saturating_sub(last_busy) < QUIET { &REST } else { &LONG_REST });
            }
        }
        self.end();
    }

    fn rest(&self, length: &Timespec) {
        let mut waiting: Vec<PollFd<'_>> =
            self.kernel.iter().map(|path| PollFd::from_borrowed_fd(path.as_fd(), PollFlags::IN)).collect();
        // A signal ends the sleep early, which is as good as its end.
        let _ = poll(&mut waiting, Some(length));
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let workers: Vec<Worker> = self.workers.into_iter().map(LcoreTask::join).collect();
        // Queues first, then the ports that they belong to.
        drop(workers);
        drop(self.ports);
    }
}
