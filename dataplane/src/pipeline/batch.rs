//! Stages 1 to 3 over a whole burst: what its frames are, whose they are, and which connections they belong to.

use super::PortFacts;
use super::fragments::WHOLE;
use super::output::Verdict;
use super::parse::{IPV4_OFFSET, Parsed, parse};
use super::plain::{self, OwnMac, Plain};
use super::quick::is_quick;
use super::{Origin, Settings};
use crate::connection::key::endpoints;
use crate::connection::{ConnectionTable, Found};
use crate::steer::Steering;
use crate::tables::Tables;
use link::DropReason;
use rte_rs::{Burst, HashKey, Mbuf};
use std::ops::Range;

const CAPACITY: usize = Burst::CAPACITY;

/// What the stages say about the frames of one burst, by position. A mask has a bit for each position.
pub(super) struct Batch {
    pub(super) packets: [Packet; CAPACITY],
    is_plain: u32,
    /// Those that may go the quick way, see [`is_quick`].
    pub(super) quick: u32,
    /// Those not of `is_plain`.
    parsed: [Parsed; CAPACITY],
    /// TCP and UDP packets that stay here. Only they have keys and hashes.
    flows: u32,
    pub(super) origin: Origin,
    /// Those for which the look-up had a candidate.
    pub(super) found: u32,
    /// A connection was made or removed within this burst: another one may have taken the packets of a candidate over.
    pub(super) stale: bool,
    pub(super) verdicts: [Verdict; CAPACITY],
    pub(super) dropped: Burst,
}

/// What the stages note of one packet, in one place: half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Packet {
    /// Flows only, as the hash.
    pub(super) key: HashKey,
    hash: u64,
    /// Those of `is_plain` only.
    pub(super) plain: Plain,
    /// The number of the connection that it very likely belongs to; those of `found` only.
    pub(super) candidate: u32,
}

const _: () = assert!(size_of::<Packet>() == 32);

impl Packet {
    const NONE: Self = Self { key: HashKey([0; 16]), hash: 0, plain: Plain::NONE, candidate: 0 };
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            packets: [Packet::NONE; CAPACITY],
            is_plain: 0,
            quick: 0,
            parsed: [Parsed::NotBalanced; CAPACITY],
            flows: 0,
            origin: Origin::Worker,
            found: 0,
            stale: false,
            verdicts: [Verdict::Kernel; CAPACITY],
            dropped: Burst::new(),
        }
    }
}

/// The positions of a mask, in order.
fn positions(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = mask.trailing_zeros() as usize;
        mask &= mask.checked_sub(1)?;
        Some(position)
    })
}

/// The mask of the first `count` positions.
const fn first(count: usize) -> u32 {
    if count < CAPACITY { (1 << count) - 1 } else { u32::MAX }
}

impl Batch {
    /// Validates each frame and finds its owner and its key. Returns how many bytes there are.
    #[inline(always)]
    pub(super) fn parse(
        &mut self,
        burst: &mut Burst,
        origin: Origin,
        settings: &Settings,
        tables: &Tables,
        connections: &ConnectionTable,
    ) -> usize {
        let ports = &settings.ports;
        let mac = |port: u16| ports.get(usize::from(port)).map_or(OwnMac::NONE, |facts| OwnMac::new(facts.mac));
        let bytes = match origin {
            Origin::Port(port) => {
                let mac = mac(port);
                self.parse_plain(burst, |mbuf| {
                    mbuf.set_port(port);
                    mac
                })
            }
            Origin::Worker => self.parse_plain(burst, |mbuf| mac(mbuf.port())),
        };
        self.hash(burst.len(), connections);
        self.flows = self.is_plain;
        if self.is_plain != first(burst.len()) {
            self.parse_others(burst, ports, connections);
        }
        let steering = Steering::of(settings, tables, origin);
        if !steering.keeps_all() {
            self.steer(&steering);
        }
        self.origin = origin;
        self.found = 0;
        self.stale = false;
        bytes
    }

    /// The plain frames; `mac` is that of the port which a frame came in on. As the other stages of a burst a function of
    /// its own: what it needs stays in registers.
    #[inline(never)]
    fn parse_plain(&mut self, burst: &mut Burst, mac: impl Fn(&mut Mbuf) -> OwnMac) -> usize {
        let (mut bytes, mut is_plain, mut quick) = (0, 0u32, 0u32);
        for ((position, mbuf), packet) in burst.iter_mut().enumerate().zip(&mut self.packets) {
            bytes += mbuf.len();
            let mac = mac(mbuf);
            if !mbuf.is_contiguous() {
                continue;
            }
            let Some((plain, time_to_live)) = plain::parse(mbuf.data(), mac, &mut packet.key) else { continue };
            end_at(mbuf, plain.length);
            packet.plain = plain;
            is_plain |= 1 << position;
            quick |= u32::from(is_quick(plain, time_to_live)) << position;
        }
        (self.is_plain, self.quick) = (is_plain, quick);
        bytes
    }

    /// The hashes of the plain frames' keys; the buckets are asked for. Places of other frames have keys from before: it
    /// does no harm to ask for their buckets too.
    #[inline(never)]
    fn hash(&mut self, count: usize, connections: &ConnectionTable) {
        let (hasher, buckets) = (connections.hasher(), connections.buckets());
        for packet in self.packets.iter_mut().take(count) {
            packet.hash = hasher.hash(&packet.key);
            buckets.prefetch(packet.hash);
        }
    }

    /// All other frames.
    #[cold]
    fn parse_others(&mut self, burst: &mut Burst, ports: &[PortFacts], connections: &ConnectionTable) {
        let places = self.packets.iter_mut().zip(&mut self.parsed);
        for ((position, mbuf), (packet, parsed)) in burst.iter_mut().enumerate().zip(places) {
            if self.is_plain >> position & 1 == 1 {
                continue;
            }
            *parsed = match ports.get(usize::from(mbuf.port())) {
                Some(facts) if mbuf.is_contiguous() => parse(mbuf.data(), &facts.mac, &mut packet.key),
                None if mbuf.port() & WHOLE != 0 => Parsed::Whole,
                _ => Parsed::Refused(DropReason::FrameMalformed),
            };
            if let Parsed::Flow(flow) = parsed {
                end_at(mbuf, flow.length);
                packet.hash = connections.hasher().hash(&packet.key);
                self.flows |= 1 << position;
            }
        }
    }

    /// Finds those that another worker owns.
    #[inline(never)]
    fn steer(&mut self, steering: &Steering<'_>) {
        for position in positions(self.flows) {
            let (Some(packet), Some(parsed)) = (self.packets.get(position), self.parsed.get_mut(position)) else {
                continue;
            };
            let (source, destination) = endpoints(&packet.key);
            if let Some(worker) = steering.elsewhere(source, destination) {
                *parsed = Parsed::Elsewhere { worker };
                let others = !(1 << position);
                self.flows &= others;
                self.is_plain &= others;
                self.quick &= others;
            }
        }
    }

    /// Looks the flows at some places up, and asks for the cache lines of their connections.
    #[inline(never)]
    pub(super) fn look_up(&mut self, places: Range<usize>, connections: &ConnectionTable) {
        let (entries, buckets) = (connections.entries(), connections.buckets());
        let here = self.flows & first(places.end) & !first(places.start);
        let (mut left, mut found) = (here, 0);
        while left != 0 {
            let place = left.trailing_zeros() as usize % CAPACITY;
            let this = left & left.wrapping_neg();
            left ^= this;
            let Some(packet) = self.packets.get_mut(place) else { continue };
            let Some(candidate) = buckets.candidate(packet.hash) else { continue };
            if let Some(entry) = entries.get(Found::from_value(candidate.into()).index as usize) {
                rte_rs::prefetch(entry);
            }
            packet.candidate = candidate;
            found |= this;
        }
        self.found = self.found & !here | found;
    }

    /// What the frame at `position` is.
    #[inline]
    pub(super) fn parsed(&self, position: usize) -> Option<Parsed> {
        if self.is_plain >> (position % CAPACITY) & 1 == 0 {
            return self.parsed.get(position).copied();
        }
        let packet = self.packets.get(position)?;
        Some(Parsed::Flow(packet.plain.flow(&packet.key)))
    }

    /// The key of the flow at `position`.
    pub(super) fn key(&self, position: usize) -> Option<&HashKey> {
        self.packets.get(position).map(|packet| &packet.key)
    }
}

/// Ethernet padding ends here, so that no later length counts it.
#[inline(always)]
fn end_at(mbuf: &mut Mbuf, length: u16) {
    mbuf.truncate(IPV4_OFFSET + usize::from(length));
}
