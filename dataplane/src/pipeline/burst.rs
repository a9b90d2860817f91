//! A burst's way through the stages, and the end of each packet.

use super::output::Fate;
use super::parse::{Flow, Parsed};
use super::{Output, Pipeline, Stage, Stopwatch, Verdict};
use crate::connection::Found;
use link::DropReason;
use rte_rs::burst::Drain;
use rte_rs::{Burst, Mbuf};
use wire::ipv4;

/// Where a burst comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A port's receive queue.
    Port(u16),
    /// Another worker, which found that its connections are owned here.
    Worker,
}

/// Packets of a burst that are looked up, and carried, together: while the entries of some are on their way, work goes on
/// with others. Who asks for the waits sees one stage after the other.
const fn group<S: Stopwatch>() -> usize {
    if S::WAITS { Burst::CAPACITY } else { 8 }
}

/// Groups that are looked up before the first one is carried.
const GROUPS_AHEAD: usize = 2;

impl Pipeline {
    /// Takes every frame of `burst` to its end. The frames are in the order in which they came; those of one flow leave
    /// in that order.
    pub fn process<O: Output>(&mut self, burst: &mut Burst, origin: Origin, out: &mut O) {
        self.process_timed(burst, origin, out, &mut ());
    }

    /// [`Pipeline::process`], with somebody told when each stage ends.
    pub fn process_timed<O: Output, S: Stopwatch>(
        &mut self,
        burst: &mut Burst,
        origin: Origin,
        out: &mut O,
        stopwatch: &mut S,
    ) {
        burst.prefetch();
        let count = burst.len();
        let bytes = self.batch.parse(burst, origin, &self.settings, &self.tables, &self.connections);
        self.counters.received(origin, count, bytes);
        stopwatch.lap(Stage::Parse);
        let (mut looked_up, mut position) = (0, 0);
        while looked_up < count.min(GROUPS_AHEAD * group::<S>()) {
            looked_up = self.look_up_group(looked_up, count, stopwatch);
        }
        self.time_waits(count, stopwatch);
        let mut frames = burst.drain();
        while position < count {
            let end = (position + group::<S>()).min(count);
            self.carry_group(&mut frames, &mut position, end, out);
            if looked_up < count {
                stopwatch.lap(Stage::Forward);
                looked_up = self.look_up_group(looked_up, count, stopwatch);
            }
        }
        self.batch.dropped.clear();
        stopwatch.lap(Stage::Forward);
    }

    #[inline(always)]
    fn look_up_group<S: Stopwatch>(&mut self, from: usize, count: usize, stopwatch: &mut S) -> usize {
        let end = (from + group::<S>()).min(count);
        self.batch.look_up(from..end, &self.connections);
        stopwatch.lap(Stage::LookUp);
        end
    }

    /// Takes the frames from `position` up to `end` to their ends.
    #[inline(always)]
    fn carry_group<O: Output>(&mut self, frames: &mut Drain<'_>, position: &mut usize, end: usize, out: &mut O) {
        while *position < end
            && let Some(mbuf) = self.carry_quickly(frames, position, end, out)
        {
            self.carry_fully(*position, mbuf, out);
            *position += 1;
        }
    }

    /// What became of the frame at `position` of the last burst.
    pub fn verdict(&self, position: usize) -> Option<Verdict> {
        self.batch.verdicts.get(position).copied()
    }

    /// Takes a frame that needs more than the quick way to its end.
    #[inline(never)]
    fn carry_fully<O: Output>(&mut self, position: usize, mut mbuf: Mbuf, out: &mut O) {
        let fate = self.decide(position, &mut mbuf, out);
        let verdict = self.finish_inline(fate, mbuf, out);
        if let Some(slot) = self.batch.verdicts.get_mut(position) {
            *slot = verdict;
        }
    }

    #[inline(always)]
    fn decide<O: Output>(&mut self, position: usize, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(parsed) = self.batch.parsed(position) else { return Fate::Drop(DropReason::FrameMalformed) };
        match parsed {
            Parsed::Flow(flow) => {
                // Two packets of one new flow in a burst make one connection.
                let found = self.batch.key(position).and_then(|key| self.connections.lookup(key));
                self.carry_inline(&flow, found, mbuf, out)
            }
            Parsed::Elsewhere { worker } => Fate::HandOff { worker },
            Parsed::IcmpError { destination } => self.icmp_error(destination, mbuf, out),
            Parsed::Fragment { source, destination } => self.fragment(source, destination, mbuf, out),
            Parsed::Whole => self.whole_from_worker(mbuf, out),
            Parsed::Arp => self.arp(mbuf),
            Parsed::OtherIpv4 { destination } => self.other_ipv4(destination, mbuf, out),
            Parsed::NotBalanced => Fate::Kernel,
            Parsed::Refused(reason) => Fate::Drop(reason),
        }
    }

    /// A packet of a connection, or one that may open one; for those that come another way than in a burst.
    #[cold]
    #[inline(never)]
    pub(super) fn carry<O: Output>(&mut self, flow: &Flow, found: Option<Found>, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        self.carry_inline(flow, found, mbuf, out)
    }

    // The stages of a burst are one function each, whoever else uses what they are made of: a call costs more than the
    // tests in it.
    #[inline(always)]
    fn carry_inline<O: Output>(&mut self, flow: &Flow, found: Option<Found>, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        if usize::from(flow.header_len) != ipv4::HEADER_LEN
            && let Some(fate) = self.refused_for_options(flow, found, mbuf, out)
        {
            return fate;
        }
        match found {
            Some(found) => self.follow(found, flow, mbuf, out),
            None => self.admit(flow, mbuf, out),
        }
    }

    /// A connection was made or removed.
    pub(super) fn connections_changed(&mut self) {
        self.batch.stale = true;
    }

    /// The end of a frame that is in no burst.
    #[cold]
    #[inline(never)]
    pub(super) fn finish<O: Output>(&mut self, fate: Fate, mbuf: Mbuf, out: &mut O) -> Verdict {
        self.finish_inline(fate, mbuf, out)
    }

    #[inline(always)]
    fn finish_inline<O: Output>(&mut self, fate: Fate, mbuf: Mbuf, out: &mut O) -> Verdict {
        match fate {
            Fate::Forward { port } => {
                out.transmit(port, mbuf);
                Verdict::Forwarded { port }
            }
            Fate::Answer { port, reason } => {
                if let Some(reason) = reason {
                    self.counters.worker.answered(reason).add(1);
                }
                out.transmit(port, mbuf);
                Verdict::Answered { reason, port }
            }
            Fate::ForwardInFragments { port, mtu } => self.transmit_fragments(port, mtu, mbuf, out),
            Fate::Kernel => self.hand_to_kernel(mbuf, out),
            Fate::KernelInFragments => self.kernel_in_fragments(mbuf, out),
            Fate::Held => {
                self.release(mbuf);
                Verdict::Held
            }
            Fate::HandOff { worker } => {
                self.counters.worker.handed_off.add(1);
                out.hand_off(worker, mbuf);
                Verdict::HandedOff { worker }
            }
            Fate::Drop(reason) => self.give_up(reason, mbuf),
        }
    }

    pub(super) fn give_up(&mut self, reason: DropReason, mbuf: Mbuf) -> Verdict {
        self.counters.worker.dropped(reason).add(1);
        // Room for a whole burst: one drop a frame at most. Should it ever be full, the mbuf is freed right here.
        drop(self.batch.dropped.push(mbuf));
        Verdict::Dropped(reason)
    }

    /// Frees a frame whose contents have left in others.
    pub(super) fn release(&mut self, mbuf: Mbuf) {
        drop(self.batch.dropped.push(mbuf));
    }

    fn hand_to_kernel<O: Output>(&mut self, mbuf: Mbuf, out: &mut O) -> Verdict {
        let port = usize::from(mbuf.port());
        if self.settings.ports.get(port).is_some_and(|facts| facts.has_kernel_interface) {
            out.to_kernel(port as u16, mbuf);
            return Verdict::Kernel;
        }
        self.give_up(DropReason::NoKernelPath, mbuf)
    }
}
