//! A worker's ways out: transmit queues, the kernel's ring, the other workers' rings. What is pushed waits for a full
//! burst or the end of the round; what is not taken then is counted and freed, here only.

use crate::counters::Counters;
use crate::pipeline::Output;
use crate::stopwatch::SendClock;
use link::DropReason;
use rte_rs::{Burst, Mbuf, MbufSender, Mempool, TxQueue};
use rtrb::Producer;

/// A neighbour whose MAC address packets wait for: port index, address in host byte order.
pub type NeighborWish = (u16, u32);

/// How a worker reaches a port.
pub enum PortExit {
    /// It has a transmit queue of its own.
    Queue(TxQueue),
    /// The port has fewer queues than there are workers: the worker that has one sends for this one.
    Relay(MbufSender),
}

/// Where new mbufs come from.
#[derive(Clone, Debug)]
pub struct Pools {
    /// For frames that come from a port or go to one.
    pub frames: Mempool,
    /// For packets put together from fragments, with [`crate::pipeline::LARGE_ROOM`].
    pub large: Mempool,
}

/// One way out and what waits for it.
struct Lane<S> {
    sink: S,
    pending: Burst,
    bytes: u64,
}

impl<S> Lane<S> {
    fn new(sink: S) -> Self {
        Self { sink, pending: Burst::new(), bytes: 0 }
    }
}

/// See the module.
pub struct Exits {
    ports: Vec<Lane<PortExit>>,
    kernel: Vec<Option<Lane<MbufSender>>>,
    workers: Vec<Option<Lane<MbufSender>>>,
    wishes: Producer<NeighborWish>,
    pools: Pools,
    counters: Counters,
    clock: SendClock,
}

impl Exits {
    /// Exits by port index and worker index; `None` where there is no kernel interface, and for this worker itself.
    pub fn new(
        ports: Vec<PortExit>,
        kernel: Vec<Option<MbufSender>>,
        workers: Vec<Option<MbufSender>>,
        wishes: Producer<NeighborWish>,
        pools: Pools,
        counters: Counters,
    ) -> Self {
        Self {
            ports: ports.into_iter().map(Lane::new).collect(),
            kernel: kernel.into_iter().map(|sink| sink.map(Lane::new)).collect(),
            workers: workers.into_iter().map(|sink| sink.map(Lane::new)).collect(),
            wishes,
            pools,
            counters,
            clock: SendClock::default(),
        }
    }

    /// What times the ways out.
    #[inline]
    pub fn clock(&mut self) -> &mut SendClock {
        &mut self.clock
    }

    /// Sends everything that waits. Called once a round.
    pub fn flush(&mut self) {
        for (index, lane) in self.ports.iter_mut().enumerate() {
            if !lane.pending.is_empty() {
                flush_port(index as u16, lane, &self.counters, &mut self.clock);
            }
        }
        for lane in self.kernel.iter_mut().flatten() {
            flush_ring(lane, DropReason::KernelQueueFull, &self.counters, &mut self.clock);
        }
        for lane in self.workers.iter_mut().flatten() {
            flush_ring(lane, DropReason::HandOffQueueFull, &self.counters, &mut self.clock);
        }
    }
}

impl Output for Exits {
    #[inline]
    fn transmit(&mut self, port: u16, mbuf: Mbuf) {
        let Some(lane) = self.ports.get_mut(usize::from(port)) else {
            self.counters.worker.dropped(DropReason::PortDown).add(1);
            return;
        };
        lane.bytes += mbuf.len() as u64;
        push(&mut lane.pending, mbuf);
        if lane.pending.is_full() {
            flush_port(port, lane, &self.counters, &mut self.clock);
        }
    }

    fn to_kernel(&mut self, port: u16, mbuf: Mbuf) {
        let Some(Some(lane)) = self.kernel.get_mut(usize::from(port)) else {
            self.counters.worker.dropped(DropReason::NoKernelPath).add(1);
            return;
        };
        push(&mut lane.pending, mbuf);
        if lane.pending.is_full() {
            flush_ring(lane, DropReason::KernelQueueFull, &self.counters, &mut self.clock);
        }
    }

    #[inline]
    fn hand_off(&mut self, worker: u16, mbuf: Mbuf) {
        let Some(Some(lane)) = self.workers.get_mut(usize::from(worker)) else {
            self.counters.worker.dropped(DropReason::HandOffQueueFull).add(1);
            return;
        };
        if let Some(cells) = self.counters.port(mbuf.port()) {
            cells.handed_off.add(1);
        }
        push(&mut lane.pending, mbuf);
        if lane.pending.is_full() {
            flush_ring(lane, DropReason::HandOffQueueFull, &self.counters, &mut self.clock);
        }
    }

    fn want_neighbor(&mut self, port: u16, address: u32) {
        // A full ring means that the main lcore has more wishes than it can pass on: the next packet asks again.
        let _ = self.wishes.push((port, address));
    }

    fn new_mbuf(&mut self) -> Option<Mbuf> {
        self.pools.frames.alloc()
    }

    fn new_large_mbuf(&mut self) -> Option<Mbuf> {
        self.pools.large.alloc()
    }
}

/// There is room: a lane is flushed as soon as it is full.
#[inline]
fn push(pending: &mut Burst, mbuf: Mbuf) {
    drop(pending.push(mbuf));
}

fn flush_port(port: u16, lane: &mut Lane<PortExit>, counters: &Counters, clock: &mut SendClock) {
    let began = clock.begin();
    let wanted = lane.pending.len();
    let bytes = std::mem::take(&mut lane.bytes);
    match &mut lane.sink {
        PortExit::Queue(queue) => {
            let sent = queue.send(&mut lane.pending);
            let unsent = wanted - sent;
            let unsent_bytes: u64 = lane.pending.iter().map(|mbuf| mbuf.len() as u64).sum();
            counters.worker.transmitted.add(sent as u64);
            if let Some(cells) = counters.port(port) {
                cells.tx_packets.add(sent as u64);
                cells.tx_bytes.add(bytes - unsent_bytes);
                cells.tx_unsent.add(unsent as u64);
            }
            counters.worker.dropped(DropReason::TransmitQueueFull).add(unsent as u64);
        }
        PortExit::Relay(sender) => {
            let taken = sender.enqueue(&mut lane.pending);
            counters.worker.dropped(DropReason::TransmitQueueFull).add((wanted - taken) as u64);
        }
    }
    lane.pending.clear();
    clock.transmitted(began);
}

fn flush_ring(lane: &mut Lane<MbufSender>, full: DropReason, counters: &Counters, clock: &mut SendClock) {
    let wanted = lane.pending.len();
    if wanted == 0 {
        return;
    }
    let began = clock.begin();
    let taken = lane.sink.enqueue(&mut lane.pending);
    counters.worker.dropped(full).add((wanted - taken) as u64);
    lane.pending.clear();
    clock.handed_off(began);
}
