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
use rte_rs::{Burst, HashKey, Hasher, Mbuf};

const CAPACITY: usize = Burst::CAPACITY;

/// What the stages say about the frames of one burst, by position. A mask has a bit for each position.
pub(super) struct Batch {
    hasher: Hasher,
    /// Those of `is_plain` only.
    pub(super) plain: [Plain; CAPACITY],
    is_plain: u32,
    /// Those that may go the quick way, see [`is_quick`].
    pub(super) quick: u32,
    /// Those not of `is_plain`.
    parsed: [Parsed; CAPACITY],
    /// TCP and UDP packets that stay here. Only they have keys and hashes.
    flows: u32,
    keys: [HashKey; CAPACITY],
    hashes: [u32; CAPACITY],
    pub(super) origin: Origin,
    /// Those whose connection the bulk look-up found, each with its value.
    pub(super) found: u32,
    pub(super) values: [u64; CAPACITY],
    /// A connection was made or removed within this burst: what the bulk look-up said may no longer hold.
    pub(super) stale: bool,
    pub(super) verdicts: [Verdict; CAPACITY],
    pub(super) dropped: Burst,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            hasher: Hasher::new(),
            plain: [Plain::NONE; CAPACITY],
            is_plain: 0,
            quick: 0,
            parsed: [Parsed::NotBalanced; CAPACITY],
            flows: 0,
            keys: [HashKey([0; 16]); CAPACITY],
            hashes: [0; CAPACITY],
            origin: Origin::Worker,
            found: 0,
            values: [0; CAPACITY],
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
    pub(super) fn parse(&mut self, burst: &mut Burst, origin: Origin, settings: &Settings, tables: &Tables) -> usize {
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
        self.flows = self.is_plain;
        if self.is_plain != first(burst.len()) {
            self.parse_others(burst, ports);
        }
        let steering = Steering::of(settings, tables, origin);
        if !steering.keeps_all() {
            self.steer(&steering);
        }
        self.origin = origin;
        self.stale = false;
        bytes
    }

    /// The plain frames; `mac` is that of the port which a frame came in on.
    #[inline(always)]
    fn parse_plain(&mut self, burst: &mut Burst, mac: impl Fn(&mut Mbuf) -> OwnMac) -> usize {
        let (hasher, mut bytes, mut is_plain, mut quick) = (self.hasher, 0, 0u32, 0u32);
        let places = self.keys.iter_mut().zip(&mut self.hashes).zip(&mut self.plain);
        for ((position, mbuf), ((key, hash), plain)) in burst.iter_mut().enumerate().zip(places) {
            bytes += mbuf.len();
            let mac = mac(mbuf);
            if !mbuf.is_contiguous() {
                continue;
            }
            let Some((known, time_to_live)) = plain::parse(mbuf.data(), mac, key) else { continue };
            end_at(mbuf, known.length);
            *plain = known;
            *hash = hasher.hash(key);
            is_plain |= 1 << position;
            quick |= u32::from(is_quick(known, time_to_live)) << position;
        }
        (self.is_plain, self.quick) = (is_plain, quick);
        bytes
    }

    /// All other frames.
    #[cold]
    fn parse_others(&mut self, burst: &mut Burst, ports: &[PortFacts]) {
        let places = self.keys.iter_mut().zip(&mut self.hashes).zip(&mut self.parsed);
        for ((position, mbuf), ((key, hash), parsed)) in burst.iter_mut().enumerate().zip(places) {
            if self.is_plain >> position & 1 == 1 {
                continue;
            }
            *parsed = match ports.get(usize::from(mbuf.port())) {
                Some(facts) if mbuf.is_contiguous() => parse(mbuf.data(), &facts.mac, key),
                None if mbuf.port() & WHOLE != 0 => Parsed::Whole,
                _ => Parsed::Refused(DropReason::FrameMalformed),
            };
            if let Parsed::Flow(flow) = parsed {
                end_at(mbuf, flow.length);
                *hash = self.hasher.hash(key);
                self.flows |= 1 << position;
            }
        }
    }

    /// Finds those that another worker owns.
    #[inline(never)]
    fn steer(&mut self, steering: &Steering<'_>) {
        for position in positions(self.flows) {
            let (Some(key), Some(parsed)) = (self.keys.get(position), self.parsed.get_mut(position)) else { continue };
            let (source, destination) = endpoints(key);
            if let Some(worker) = steering.elsewhere(source, destination) {
                *parsed = Parsed::Elsewhere { worker };
                let others = !(1 << position);
                self.flows &= others;
                self.is_plain &= others;
                self.quick &= others;
            }
        }
    }

    /// Looks all flows up at once, and asks for the cache lines of the connections found.
    #[inline(always)]
    pub(super) fn look_up(&mut self, count: usize, connections: &ConnectionTable) {
        self.found = match self.keys.get(..count) {
            Some(keys) if self.flows == first(count) => {
                connections.lookup_bulk(keys, &mut self.hashes, &mut self.values) as u32
            }
            _ if self.flows == 0 => 0,
            _ => self.look_up_some(connections),
        };
        let entries = connections.entries();
        for (position, value) in self.values.iter().enumerate().take(count) {
            if self.found >> position & 1 == 1
                && let Some(entry) = entries.get(Found::from_value(*value).index as usize)
            {
                rte_rs::prefetch(entry);
            }
        }
    }

    /// The same, of a burst in which there are other frames too.
    #[inline(never)]
    fn look_up_some(&mut self, connections: &ConnectionTable) -> u32 {
        let (mut keys, mut hashes, mut values) = ([HashKey::default(); CAPACITY], [0; CAPACITY], [0; CAPACITY]);
        let flows = positions(self.flows).filter_map(|at| Some((self.keys.get(at)?, self.hashes.get(at)?)));
        let mut count = 0;
        for ((key, hash), (its_key, its_hash)) in keys.iter_mut().zip(&mut hashes).zip(flows) {
            (*key, *hash) = (*its_key, *its_hash);
            count += 1;
        }
        let found = keys.get(..count).map_or(0, |keys| connections.lookup_bulk(keys, &mut hashes, &mut values));
        let mut by_position = 0;
        for ((packed, value), position) in values.iter().enumerate().zip(positions(self.flows)) {
            if let Some(place) = self.values.get_mut(position) {
                *place = *value;
                by_position |= ((found >> packed & 1) as u32) << position;
            }
        }
        by_position
    }

    /// What the frame at `position` is.
    #[inline]
    pub(super) fn parsed(&self, position: usize) -> Option<Parsed> {
        if self.is_plain >> (position % CAPACITY) & 1 == 0 {
            return self.parsed.get(position).copied();
        }
        Some(Parsed::Flow(self.plain.get(position)?.flow(self.keys.get(position)?)))
    }

    /// The connection of the flow at `position`. After a change within the burst the table is asked again: two packets
    /// of one new connection in a burst make one connection.
    #[inline]
    pub(super) fn connection(&self, position: usize, connections: &ConnectionTable) -> Option<Found> {
        if self.stale {
            return connections.lookup(self.keys.get(position)?);
        }
        let value = self.values.get(position)?;
        (self.found >> (position % CAPACITY) & 1 == 1).then(|| Found::from_value(*value))
    }
}

/// Ethernet padding ends here, so that no later length counts it.
#[inline(always)]
fn end_at(mbuf: &mut Mbuf, length: u16) {
    mbuf.truncate(IPV4_OFFSET + usize::from(length));
}
