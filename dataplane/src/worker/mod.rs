//! A worker: one lcore that polls its queues and runs each burst to completion.

mod exits;
mod flush;
mod mailbox;

pub use exits::{Exits, NeighborWish, Pools, PortExit};
pub use flush::{FlushBox, FlushProgress, matches};
pub use mailbox::{Mailbox, PeekBox};

use crate::capture::Capture;
use crate::clock::TscClock;
use crate::pipeline::{Origin, Output, Pipeline};
use crate::stopwatch::{Lap, RoundClock};
use crate::tables::Tables;
use config::Idle;
use link::Handle;
use link::counters::PerfCounters;
use rte_rs::rcu::Subscriber;
use rte_rs::{Burst, MbufReceiver, RxQueue, cycles};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Timers looked at in one round: at a million rounds a second more than any table can have due.
const EXPIRE_BUDGET: usize = 64;
/// Empty rounds before a worker that may sleep does.
const ROUNDS_BEFORE_SLEEP: u32 = 1000;
/// How long it sleeps then.
const SLEEP: Duration = Duration::from_micros(50);

/// A receive queue, and the index of its port in sluice.toml (DPDK numbers ports in its own way).
pub struct Queue {
    /// Index of the port.
    pub port: u16,
    /// The queue.
    pub queue: RxQueue,
}

/// Everything that one worker polls and owns; no other writes to the cache lines that it begins and ends with, nor to
/// those beside them, which processors fetch in pairs.
#[repr(align(128))]
pub struct Worker {
    /// Its packet path.
    pub pipeline: Pipeline,
    /// Its ways out.
    pub exits: Exits,
    /// The receive queues that it polls.
    pub queues: Vec<Queue>,
    /// Frames from other workers; `None` if it is the only one.
    pub inbox: Option<MbufReceiver>,
    /// Frames that only have to be sent on a port: from its kernel interface, or for workers without a queue there.
    pub relays: Vec<(u16, MbufReceiver)>,
    /// The tables, as published.
    pub tables: Subscriber<Arc<Tables>>,
    /// Requests of the main lcore.
    pub mailbox: Arc<Mailbox>,
    /// Shows packets, while somebody asks for it.
    pub capture: Capture,
    /// The clock, common to all workers.
    pub clock: TscClock,
    /// What to do when idle.
    pub idle: Idle,
    /// Where its cycles go.
    pub perf: Handle<PerfCounters>,
    /// What times that.
    pub watch: RoundClock,
}

impl Worker {
    /// Polls until `stop` is set, then sends what is left and returns the parts: nothing is torn down on the lcore.
    pub fn run(mut self, stop: &AtomicBool) -> Self {
        let mut burst = Burst::new();
        let mut flush = FlushProgress::default();
        let mut empty_rounds = 0u32;
        while !stop.load(Ordering::Relaxed) {
            let began = cycles::tsc();
            self.pipeline.set_time(self.clock.at(began));
            self.pick_up();
            self.capture.pick_up(&self.mailbox.capture);
            let timed = self.watch.round(began);
            self.exits.clock().set_running(timed);
            let packets = self.breathe(&mut burst);
            self.pipeline.expire_fragments(1, &mut self.exits);
            self.send();
            self.pipeline.expire(EXPIRE_BUDGET);
            self.pipeline.send_resets(&mut self.exits);
            flush.step(&self.mailbox.flush, self.pipeline.connections());
            self.mailbox.peek.step(&self.pipeline);
            empty_rounds = if packets == 0 { empty_rounds.saturating_add(1) } else { 0 };
            self.account(packets, began);
            self.watch.end(packets, &self.perf);
            self.rest(empty_rounds);
        }
        self.exits.flush();
        self
    }

    /// One burst from each queue, and what others hand over.
    #[inline]
    fn breathe(&mut self, burst: &mut Burst) -> usize {
        let mut packets = 0;
        for Queue { port, queue } in &mut self.queues {
            let received = queue.receive(burst);
            if received > 0 {
                self.perf.filled(received);
                let way = (&mut self.pipeline, &mut self.exits);
                carry(way, burst, Origin::Port(*port), &mut self.watch, &mut self.capture);
                packets += received;
            }
        }
        if let Some(inbox) = &mut self.inbox {
            // As much as the other workers can have received for this one meanwhile.
            for _ in 0..self.queues.len().max(1) {
                let received = inbox.dequeue(burst);
                if received == 0 {
                    break;
                }
                let way = (&mut self.pipeline, &mut self.exits);
                carry(way, burst, Origin::Worker, &mut self.watch, &mut self.capture);
                packets += received;
            }
        }
        self.watch.lap(Lap::Receive);
        for (port, relay) in &mut self.relays {
            packets += relay.dequeue(burst);
            for mbuf in burst.drain() {
                self.exits.transmit(*port, mbuf);
            }
        }
        packets
    }

    /// Sends what waits.
    #[inline]
    fn send(&mut self) {
        if self.watch.is_running() {
            return self.send_timed();
        }
        self.exits.flush();
    }

    /// The same in a timed round. What was sent in the midst of forwarding, as there was a full burst, is no part of that.
    #[cold]
    #[inline(never)]
    fn send_timed(&mut self) {
        self.watch.lap(Lap::Forward);
        let (transmit, hand_off) = self.exits.clock().take();
        self.watch.shift(Lap::Forward, Lap::Transmit, transmit);
        self.watch.shift(Lap::Forward, Lap::HandOff, hand_off);
        self.exits.flush();
        self.watch.lap(Lap::Transmit);
        let (_, hand_off) = self.exits.clock().take();
        self.watch.shift(Lap::Transmit, Lap::HandOff, hand_off);
    }

    #[inline]
    fn pick_up(&mut self) {
        let newest = self.tables.read();
        if !Arc::ptr_eq(newest, self.pipeline.tables()) {
            self.pipeline.adopt(newest);
        }
        self.tables.quiescent();
    }

    #[inline]
    fn account(&mut self, packets: usize, began: u64) {
        let live = self.pipeline.connections().len() as u64;
        let released = self.pipeline.connections().take_released();
        let worker = &self.pipeline.counters().worker;
        worker.loops.add(1);
        worker.connections.set(live);
        worker.connections_expired.add(released);
        if packets == 0 {
            worker.empty_polls.add(1);
        } else {
            worker.busy_cycles.add(cycles::tsc().wrapping_sub(began));
        }
    }

    #[inline]
    fn rest(&mut self, empty_rounds: u32) {
        match self.idle {
            Idle::Spin => {}
            Idle::Pause if empty_rounds > 0 => std::hint::spin_loop(),
            Idle::Sleep if empty_rounds >= ROUNDS_BEFORE_SLEEP => {
                self.perf.sleeps.add(1);
                self.tables.offline(|| std::thread::sleep(SLEEP));
            }
            Idle::Pause | Idle::Sleep => {}
        }
    }
}

/// Takes a burst to its end; stage by stage with the clock in hand, if the round is timed; packet by packet, while some
/// are shown.
#[inline]
fn carry(
    (pipeline, exits): (&mut Pipeline, &mut Exits),
    burst: &mut Burst,
    origin: Origin,
    watch: &mut RoundClock,
    capture: &mut Capture,
) {
    if capture.is_on() {
        watch.lap(Lap::Receive);
        capture.carry(pipeline, burst, origin, exits);
        return watch.lap(Lap::Forward);
    }
    if watch.is_running() {
        return carry_timed(pipeline, burst, origin, exits, watch);
    }
    pipeline.process(burst, origin, exits);
}

#[cold]
#[inline(never)]
fn carry_timed(pipeline: &mut Pipeline, burst: &mut Burst, origin: Origin, exits: &mut Exits, watch: &mut RoundClock) {
    watch.lap(Lap::Receive);
    watch.await_frames(burst);
    pipeline.process_timed(burst, origin, exits, watch);
}
