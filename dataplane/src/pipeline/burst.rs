//! Stages 1 to 4 over a whole burst, and the end of each packet.

use super::fragments::WHOLE;
use super::output::Fate;
use super::parse::{Flow, Parsed, parse_inline};
use super::{IPV4_OFFSET, Output, Pipeline, Stage, Stopwatch, Verdict};
use crate::connection::Found;
use crate::steer::Steering;
use link::DropReason;
use rte_rs::{Burst, HashKey, Mbuf};
use wire::ipv4;

/// What the stages say about the frames of one burst, by position.
pub(super) struct Batch {
    parsed: [Parsed; Burst::CAPACITY],
    /// Keys of the flows that stay here, packed; `key_at[position]` is the index of a position's key.
    pub(super) keys: [HashKey; Burst::CAPACITY],
    key_at: [u8; Burst::CAPACITY],
    pub(super) key_count: usize,
    pub(super) origin: Origin,
    /// The answer of the bulk look-up, by key.
    pub(super) found: u64,
    pub(super) values: [u64; Burst::CAPACITY],
    /// A connection was made or removed within this burst: what the bulk look-up said may no longer hold.
    stale: bool,
    verdicts: [Verdict; Burst::CAPACITY],
    pub(super) dropped: Burst,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            parsed: [Parsed::NotBalanced; Burst::CAPACITY],
            keys: [HashKey([0; 16]); Burst::CAPACITY],
            key_at: [0; Burst::CAPACITY],
            key_count: 0,
            origin: Origin::Worker,
            found: 0,
            values: [0; Burst::CAPACITY],
            stale: false,
            verdicts: [Verdict::Kernel; Burst::CAPACITY],
            dropped: Burst::new(),
        }
    }
}

/// Where a burst comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A port's receive queue.
    Port(u16),
    /// Another worker, which found that its connections are owned here.
    Worker,
}

impl Pipeline {
    /// Takes every frame of `burst` to its end. The frames are in the order in which they came; those of one flow leave
    /// in that order.
    pub fn process<O: Output>(&mut self, burst: &mut Burst, origin: Origin, out: &mut O) {
        self.process_timed(burst, origin, out, &mut ());
    }

    /// [`Pipeline::process`], with somebody told when each stage ends.
    pub fn process_timed<O: Output>(
        &mut self,
        burst: &mut Burst,
        origin: Origin,
        out: &mut O,
        stopwatch: &mut impl Stopwatch,
    ) {
        burst.prefetch();
        self.parse_burst(burst, origin);
        stopwatch.lap(Stage::Parse);
        self.look_up_burst();
        stopwatch.lap(Stage::LookUp);
        self.time_waits(stopwatch);
        for (position, mut mbuf) in burst.drain().enumerate() {
            let fate = self.decide(position, &mut mbuf, out);
            let verdict = self.finish_inline(fate, mbuf, out);
            if let Some(slot) = self.batch.verdicts.get_mut(position) {
                *slot = verdict;
            }
        }
        self.batch.dropped.clear();
        stopwatch.lap(Stage::Forward);
    }

    /// What became of the frame at `position` of the last burst.
    pub fn verdict(&self, position: usize) -> Option<Verdict> {
        self.batch.verdicts.get(position).copied()
    }

    /// Validates each frame and finds its owner; the keys of the flows that stay are packed for the bulk look-up.
    fn parse_burst(&mut self, burst: &mut Burst, origin: Origin) {
        let batch = &mut self.batch;
        let steering = Steering::of(&self.settings, &self.tables, origin);
        let mut keys = 0usize;
        let mut bytes = 0usize;
        for (position, mbuf) in burst.iter_mut().enumerate() {
            bytes += mbuf.len();
            if let Origin::Port(port) = origin {
                mbuf.set_port(port);
            }
            let (Some(parsed), Some(key), Some(key_at)) =
                (batch.parsed.get_mut(position), batch.keys.get_mut(keys), batch.key_at.get_mut(position))
            else {
                continue;
            };
            *parsed = match self.settings.ports.get(usize::from(mbuf.port())) {
                Some(facts) if mbuf.is_contiguous() => parse_inline(mbuf.data(), &facts.mac, key),
                None if mbuf.port() & WHOLE != 0 => Parsed::Whole,
                _ => Parsed::Refused(DropReason::FrameMalformed),
            };
            if let Parsed::Flow(flow) = parsed {
                if let Some(worker) = steering.elsewhere(flow.source, flow.destination) {
                    *parsed = Parsed::Elsewhere { worker };
                    continue;
                }
                // Ethernet padding ends here, so that no later length counts it.
                mbuf.truncate(IPV4_OFFSET + usize::from(flow.length));
                *key_at = keys as u8;
                keys += 1;
            }
        }
        batch.key_count = keys;
        batch.origin = origin;
        batch.stale = false;
        self.counters.received(origin, burst.len(), bytes);
    }

    fn look_up_burst(&mut self) {
        let batch = &mut self.batch;
        batch.found = match batch.keys.get(..batch.key_count) {
            Some(keys) if !keys.is_empty() => self.connections.lookup_bulk(keys, &mut batch.values),
            _ => 0,
        };
        let mut found = batch.found;
        while found != 0 {
            let key = found.trailing_zeros() as usize;
            found &= found - 1;
            if let Some(entry) =
                batch.values.get(key).and_then(|value| self.connections.connection(Found::from_value(*value).index))
            {
                rte_rs::prefetch(entry);
            }
        }
    }

    #[inline]
    fn decide<O: Output>(&mut self, position: usize, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(parsed) = self.batch.parsed.get(position).copied() else {
            return Fate::Drop(DropReason::FrameMalformed);
        };
        match parsed {
            Parsed::Flow(flow) => self.carry_inline(&flow, self.found(position), mbuf, out),
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

    /// The connection of the flow at `position`. After a change within the burst the table is asked again: two packets
    /// of one new connection in a burst make one connection.
    #[inline]
    fn found(&self, position: usize) -> Option<Found> {
        let batch = &self.batch;
        let key = usize::from(*batch.key_at.get(position)?);
        if batch.stale {
            return self.connections.lookup(batch.keys.get(key)?);
        }
        (batch.found >> key & 1 == 1).then(|| batch.values.get(key).map(|value| Found::from_value(*value)))?
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
