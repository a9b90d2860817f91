//! The path to Linux: per port a TAP interface, served by the main lcore. What is not for a virtual address goes there
//! (ARP, ping, BGP, ssh, traffic that reals start themselves), and what the kernel sends goes out on the port.

use crate::pipeline::IPV4_OFFSET;
use crate::vip_checks::{Departure, VipChecks};
use link::DropReason;
use link::counters::{Handle, PortCounters, WorkerCounters};
use rte_rs::{Burst, Mbuf, MbufReceiver, MbufSender, Mempool, Tap};
use std::os::fd::{AsFd, BorrowedFd};

/// Bursts moved in each direction of a port in one call: bounds what one busy port can take from the others.
const BURSTS: usize = 8;

/// One port's way to the kernel and back.
pub struct KernelPath {
    /// The TAP interface.
    pub tap: Tap,
    /// From the workers.
    pub to_kernel: MbufReceiver,
    /// To the worker that sends on this port.
    pub from_kernel: MbufSender,
    /// Where frames from the kernel are put.
    pub pool: Mempool,
    /// The port's MTU: the longest frame read is this and an Ethernet header with a VLAN tag.
    pub mtu: u16,
    /// The main lcore's counters.
    pub counters: Handle<WorkerCounters>,
    /// The main lcore's counters of this port.
    pub port_counters: Handle<PortCounters>,
    /// The interface was deleted: nothing more comes from it.
    pub is_gone: bool,
}

/// An Ethernet header with one VLAN tag.
const LINK_HEADER: usize = IPV4_OFFSET + 4;

impl KernelPath {
    /// Moves what waits in both directions; says how many frames. Those of checks that go the way of clients are changed
    /// on their way.
    pub fn service(&mut self, burst: &mut Burst, checks: &mut VipChecks) -> usize {
        let mut moved = 0;
        for _ in 0..BURSTS {
            let frames = self.write_burst(burst, checks) + self.read_burst(burst, checks);
            if frames == 0 {
                break;
            }
            moved += frames;
        }
        moved
    }

    fn write_burst(&mut self, burst: &mut Burst, checks: &VipChecks) -> usize {
        let frames = self.to_kernel.dequeue(burst);
        let mut taken = 0;
        for mbuf in burst.iter_mut() {
            checks.arrive(mbuf.data_mut());
            // An interface that is down or full refuses; the kernel's own counters tell which.
            if matches!(self.tap.write(mbuf.data()), Ok(true)) {
                taken += 1;
            }
        }
        burst.clear();
        self.counters.to_kernel.add(taken);
        self.port_counters.to_kernel.add(taken);
        self.counters.dropped(DropReason::KernelRefused).add(frames as u64 - taken);
        frames
    }

    fn read_burst(&mut self, burst: &mut Burst, checks: &mut VipChecks) -> usize {
        let mut others = 0;
        while !burst.is_full() && others < Burst::CAPACITY {
            let Some(mbuf) = self.read_frame() else { break };
            match checks.leave(mbuf) {
                Departure::Plain(mbuf) => drop(burst.push(mbuf)),
                other => {
                    self.count_check(other);
                    others += 1;
                }
            }
        }
        let frames = burst.len();
        let taken = self.from_kernel.enqueue(burst);
        burst.clear();
        self.counters.received_from_kernel.add((frames + others) as u64);
        self.port_counters.from_kernel.add((frames + others) as u64);
        self.counters.dropped(DropReason::KernelQueueFull).add((frames - taken) as u64);
        frames + others
    }

    /// What is not for this port's worker.
    fn count_check(&mut self, departure: Departure) {
        match departure {
            Departure::Answer(mbuf) if matches!(self.tap.write(mbuf.data()), Ok(true)) => {
                self.counters.to_kernel.add(1);
                self.port_counters.to_kernel.add(1);
            }
            Departure::Answer(_) => self.counters.dropped(DropReason::KernelRefused).add(1),
            Departure::Lost(reason) => self.counters.dropped(reason).add(1),
            Departure::Plain(_) | Departure::Sent => {}
        }
    }

    /// The next frame from the kernel; none if there is none, or no mbuf to hold it.
    fn read_frame(&mut self) -> Option<Mbuf> {
        let mut mbuf = self.pool.alloc()?;
        let room = mbuf.append(LINK_HEADER + usize::from(self.mtu))?;
        let length = self.tap.read(room).ok().flatten()?;
        mbuf.truncate(length);
        Some(mbuf)
    }
}

impl AsFd for KernelPath {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tap.as_fd()
    }
}
