//! The running director: start-up, housekeeping on the main lcore, and the end.

mod memory;
mod ports;
mod start;
mod steering;
mod vitals;
mod wiring;

pub(crate) use ports::steering_of;
pub use start::{StartError, start};

use crate::clock::TscClock;
use crate::control_link::ControlLink;
use crate::kernel::KernelPath;
use crate::vip_checks::VipChecks;
use crate::worker::Worker;
use link::Handle;
use link::counters::PortCounters;
use rte_rs::{Burst, LcoreTask, PortHandle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vitals::Vitals;

/// How long the main lcore sleeps when there is nothing to do. It bounds what a request of control and a packet to the
/// kernel wait; packets from the kernel end the sleep.
const REST: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// The same after [`QUIET`] milliseconds without anything to do.
const LONG_REST: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
const QUIET: u64 = 100;
/// How long it sleeps when an interface is ready and yet nothing could be read from it.
const NOTHING_READ: Duration = Duration::from_millis(1);
/// Milliseconds between two rounds of [`ControlLink::keep_house`].
const HOUSE_INTERVAL: u64 = 500;

/// Everything that runs.
pub struct Director {
    control: ControlLink,
    kernel: Vec<KernelPath>,
    /// Checks that go the way of clients.
    vip_checks: VipChecks,
    workers: Vec<LcoreTask<Worker>>,
    ports: Vec<PortHandle>,
    /// The main lcore's counters of each port.
    port_counters: Vec<Handle<PortCounters>>,
    clock: TscClock,
    vitals: Vitals,
    /// Ends the workers.
    stop: Arc<AtomicBool>,
    /// Sleeps in a row that ended early and for nothing.
    idle_wakes: u32,
}

impl Director {
    /// Keeps house until `stop` is set, then ends the workers and closes the ports. False if a worker ended before that,
    /// which only a defect can cause: packets of its connections would be lost, so the process had better start anew.
    pub fn run(mut self, stop: &AtomicBool) -> bool {
        let mut burst = Burst::new();
        let (mut last_round, mut last_busy) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let now = self.clock.now();
            let mut busy = self.control.step(now);
            self.vip_checks.adopt(&self.control.tables());
            for path in &mut self.kernel {
                busy |= path.service(&mut burst, &mut self.vip_checks) > 0;
            }
            if now.saturating_sub(last_round) >= HOUSE_INTERVAL {
                last_round = now;
                self.control.keep_house(now);
                self.copy_port_counts();
                self.vitals.look(now);
                if self.workers.iter().any(LcoreTask::is_finished) {
                    log::error!("a worker has ended by itself; stopping");
                    self.end();
                    return false;
                }
            }
            if busy {
                last_busy = now;
                self.idle_wakes = 0;
            } else {
                self.rest(if now.saturating_sub(last_busy) < QUIET { &REST } else { &LONG_REST });
            }
        }
        self.end();
        true
    }

    /// What only the devices count, for control to read.
    fn copy_port_counts(&self) {
        for (port, cells) in self.ports.iter().zip(&self.port_counters) {
            let Some(counts) = port.statistics() else { continue };
            cells.rx_missed.set(counts.rx_missed + counts.rx_no_mbuf);
            cells.rx_errors.set(counts.rx_errors);
            cells.tx_errors.set(counts.tx_errors);
        }
    }

    /// Sleeps until something comes from the kernel, or `length` is over. An interface whose frames can't be read (no
    /// mbufs are left) does not keep the lcore awake.
    fn rest(&mut self, length: &Timespec) {
        let living = self.kernel.iter().filter(|path| !path.is_gone);
        let mut waiting: Vec<PollFd<'_>> =
            living.map(|path| PollFd::from_borrowed_fd(path.as_fd(), PollFlags::IN)).collect();
        // A signal ends the sleep early, which is as good as its end.
        let ready = poll(&mut waiting, Some(length)).is_ok_and(|ready| ready > 0);
        let gone: Vec<bool> = waiting
            .iter()
            .map(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL))
            .collect();
        for (path, is_gone) in self.kernel.iter_mut().filter(|path| !path.is_gone).zip(gone) {
            path.is_gone = is_gone;
            if is_gone {
                log::error!(
                    "kernel interface {}: it was deleted; what is for the kernel is dropped until the dataplane starts again",
                    path.tap.name()
                );
            }
        }
        if ready && self.idle_wakes > 0 {
            std::thread::sleep(NOTHING_READ);
        }
        self.idle_wakes = if ready { self.idle_wakes + 1 } else { 0 };
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let workers: Vec<Worker> = self.workers.into_iter().map(LcoreTask::join).collect();
        // Queues first, then the ports that they belong to.
        drop(workers);
        drop(self.ports);
    }
}
