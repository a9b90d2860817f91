//! One connection: a cache line that its owner writes and others may read at any time.

mod bonds;

use super::identity::{Endpoint, Identity};
use super::key;
use link::message::{ConnectionRow, ConnectionState};
use link::model::{ForwardMethod, Protocol};
use rte_rs::HashKey;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering, fence};

/// Milliseconds by which the clock of a worker may be ahead of one that was read before.
const CLOCKS_APART: u32 = 60_000;

/// What is told apart for every packet, in one word: protocol, method, state and flags, each a byte. So that a packet's
/// connection is known to be of the usual kind by one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(u32);

/// Where the bytes of a [`Kind`] begin, in bits.
mod byte {
    pub(super) const PROTOCOL: u32 = 0;
    pub(super) const METHOD: u32 = 8;
    pub(super) const STATE: u32 = 16;
    pub(super) const FLAGS: u32 = 24;
}

/// Bits of an entry's flags.
mod flag {
    /// A helper looks at its packets.
    pub(super) const HELPED: u8 = 1;
    /// A helper announced it: its `helper` is the place of the control connection.
    pub(super) const CONTROLLED: u8 = 2;
}

impl Kind {
    /// Flags that make no difference to packets.
    const WITHOUT: u32 = !((flag::CONTROLLED as u32) << byte::FLAGS);

    /// Of a connection that no helper looks at.
    #[inline(always)]
    pub(crate) const fn new(protocol: Protocol, method: ForwardMethod, state: ConnectionState) -> Self {
        let method = (method as u32) << byte::METHOD;
        Self((protocol.number() as u32) << byte::PROTOCOL | method | (state as u32) << byte::STATE)
    }

    const fn byte(self, place: u32) -> u8 {
        (self.0 >> place) as u8
    }

    const fn with(self, place: u32, value: u8) -> Self {
        Self(self.0 & !(0xff << place) | (value as u32) << place)
    }
}

/// A slab entry. Only the owning worker writes; `sequence` is odd while an entry is free or being filled, so that a
/// reader on another core can tell a whole entry from a torn one. All accesses are plain loads and stores (relaxed).
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Connection {
    sequence: AtomicU32,
    last_seen: AtomicU32,
    /// A [`Kind`].
    kind: AtomicU32,
    /// Network byte order, as the other addresses and ports.
    client_address: AtomicU32,
    service_address: AtomicU32,
    real_address: AtomicU32,
    client_port: AtomicU16,
    service_port: AtomicU16,
    real_port: AtomicU16,
    /// Packets from the client, up to 255.
    in_packets: AtomicU8,
    /// Milliseconds that it may idle, as of its last packet.
    timeout: AtomicU32,
    real_slot: AtomicU32,
    real_generation: AtomicU32,
    reply_way: AtomicU32,
    reply_way_version: AtomicU32,
    /// The connection whose replies this one took over, plus one; 0 = none.
    displaced: AtomicU32,
    /// The place among control connections (see `expected`), plus one; 0 = none. By the flags its own or its control's.
    helper: AtomicU32,
    /// The place of its template, plus one; 0 = none. The highest bit is set until the template was assured.
    template: AtomicU32,
}

const NAT: u8 = ForwardMethod::Nat as u8;

/// Addresses and ports stand in the byte order of the network, as packets have them.
#[inline(always)]
fn endpoint(address: &AtomicU32, port: &AtomicU16) -> Endpoint {
    Endpoint {
        address: u32::from_be(address.load(Ordering::Relaxed)),
        port: u16::from_be(port.load(Ordering::Relaxed)),
    }
}

const _: () = assert!(size_of::<Connection>() == 64, "one cache line");

impl Connection {
    /// A free entry.
    pub fn free() -> Self {
        Self {
            sequence: AtomicU32::new(1),
            last_seen: AtomicU32::new(0),
            kind: AtomicU32::new(0),
            client_address: AtomicU32::new(0),
            service_address: AtomicU32::new(0),
            real_address: AtomicU32::new(0),
            client_port: AtomicU16::new(0),
            service_port: AtomicU16::new(0),
            real_port: AtomicU16::new(0),
            in_packets: AtomicU8::new(0),
            timeout: AtomicU32::new(0),
            real_slot: AtomicU32::new(0),
            real_generation: AtomicU32::new(0),
            reply_way: AtomicU32::new(0),
            reply_way_version: AtomicU32::new(0),
            displaced: AtomicU32::new(0),
            helper: AtomicU32::new(0),
            template: AtomicU32::new(0),
        }
    }

    /// Owner only: makes a free entry a live one, by its first packet.
    pub(super) fn fill(&self, identity: &Identity, state: ConnectionState, timeout: u32, now: u64) {
        self.last_seen.store(now as u32, Ordering::Relaxed);
        self.client_address.store(identity.client.address.to_be(), Ordering::Relaxed);
        self.service_address.store(identity.service.address.to_be(), Ordering::Relaxed);
        self.real_address.store(identity.real.address.to_be(), Ordering::Relaxed);
        self.client_port.store(identity.client.port.to_be(), Ordering::Relaxed);
        self.service_port.store(identity.service.port.to_be(), Ordering::Relaxed);
        self.real_port.store(identity.real.port.to_be(), Ordering::Relaxed);
        self.set_kind(Kind::new(identity.protocol, identity.method, state));
        self.in_packets.store(1, Ordering::Relaxed);
        self.timeout.store(timeout, Ordering::Relaxed);
        self.real_slot.store(identity.real_slot, Ordering::Relaxed);
        self.real_generation.store(identity.real_generation, Ordering::Relaxed);
        self.reply_way_version.store(0, Ordering::Relaxed);
        self.displaced.store(0, Ordering::Relaxed);
        self.helper.store(0, Ordering::Relaxed);
        self.template.store(0, Ordering::Relaxed);
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Release);
    }

    /// Owner only: makes a live entry a free one.
    pub(super) fn vacate(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        // Later stores of `fill` must not be seen before the odd sequence.
        fence(Ordering::Release);
    }

    /// Whether the entry is live. Exact for the owner, a snapshot for others.
    #[inline]
    pub fn is_live(&self) -> bool {
        self.sequence.load(Ordering::Relaxed) & 1 == 0
    }

    /// What is fixed for its life.
    #[inline]
    pub fn identity(&self) -> Identity {
        Identity {
            protocol: self.protocol(),
            method: self.method(),
            client: self.client(),
            service: self.service(),
            real: self.real(),
            real_slot: self.real_slot(),
            real_generation: self.real_generation(),
        }
    }

    /// TCP or UDP.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        if self.kind().byte(byte::PROTOCOL) == Protocol::Tcp.number() { Protocol::Tcp } else { Protocol::Udp }
    }

    /// How packets reach the real.
    #[inline]
    pub fn method(&self) -> ForwardMethod {
        match self.kind().byte(byte::METHOD) {
            0 => ForwardMethod::Nat,
            1 => ForwardMethod::Tunnel,
            _ => ForwardMethod::Direct,
        }
    }

    /// The client's end.
    #[inline]
    pub fn client(&self) -> Endpoint {
        endpoint(&self.client_address, &self.client_port)
    }

    /// The service's end.
    #[inline]
    pub fn service(&self) -> Endpoint {
        endpoint(&self.service_address, &self.service_port)
    }

    /// The real's end.
    #[inline]
    pub fn real(&self) -> Endpoint {
        endpoint(&self.real_address, &self.real_port)
    }

    /// The real's slot in the directory, the counters and the service table.
    #[inline]
    pub fn real_slot(&self) -> u32 {
        self.real_slot.load(Ordering::Relaxed)
    }

    /// The generation of the real's slot when the connection was made.
    #[inline]
    pub fn real_generation(&self) -> u32 {
        self.real_generation.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn kind(&self) -> Kind {
        Kind(self.kind.load(Ordering::Relaxed))
    }

    /// Owner only.
    #[inline(always)]
    fn set_kind(&self, kind: Kind) {
        self.kind.store(kind.0, Ordering::Relaxed);
    }

    /// Whether it is live and packets with this key are its own, in that direction. Exact for the owner, a snapshot for
    /// others.
    #[inline]
    pub(crate) fn has_key(&self, key: &HashKey, outbound: bool) -> bool {
        let kind = self.kind();
        // Only NAT sees packets of reals.
        let is_seen = !outbound || kind.byte(byte::METHOD) == NAT;
        let has_ends = if outbound { self.has_ends::<true>(key) } else { self.has_ends::<false>(key) };
        has_ends && is_seen && kind.byte(byte::PROTOCOL) == key::protocol(key)
    }

    /// Whether it is live and packets between the ends of this key are its own, as far as those tell, in that direction.
    #[inline(always)]
    pub(crate) fn has_ends<const OUTBOUND: bool>(&self, key: &HashKey) -> bool {
        let (source, destination, source_port, destination_port) = if OUTBOUND {
            (&self.real_address, &self.client_address, &self.real_port, &self.client_port)
        } else {
            (&self.client_address, &self.service_address, &self.client_port, &self.service_port)
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = key.0;
        let addresses = (u32::from_ne_bytes([a, b, c, d]) ^ source.load(Ordering::Relaxed))
            | (u32::from_ne_bytes([e, f, g, h]) ^ destination.load(Ordering::Relaxed));
        let ports = (u16::from_ne_bytes([i, j]) ^ source_port.load(Ordering::Relaxed))
            | (u16::from_ne_bytes([k, l]) ^ destination_port.load(Ordering::Relaxed));
        addresses | u32::from(ports) | self.sequence.load(Ordering::Relaxed) & 1 == 0
    }

    /// Whether it is of this kind, and may idle for `timeout` milliseconds.
    #[inline(always)]
    pub(crate) fn rests_as(&self, kind: Kind, timeout: u32) -> bool {
        self.kind().0 & Kind::WITHOUT == kind.0 && self.timeout() == timeout
    }

    /// Its state.
    #[inline]
    pub fn state(&self) -> ConnectionState {
        let number = usize::from(self.kind().byte(byte::STATE));
        ConnectionState::ALL.get(number).copied().unwrap_or(ConnectionState::None)
    }

    /// Owner only.
    #[inline]
    pub(super) fn set_state(&self, state: ConnectionState) {
        self.set_kind(self.kind().with(byte::STATE, state as u8));
    }

    /// Owner only: one more packet of the client.
    #[inline]
    pub(crate) fn count_inbound(&self) {
        self.in_packets.store(self.in_packets().saturating_add(1), Ordering::Relaxed);
    }

    /// Packets of the client so far; 255 stands for all from there on.
    #[inline]
    pub fn in_packets(&self) -> u8 {
        self.in_packets.load(Ordering::Relaxed)
    }

    /// Which of the place's owners it is: no later connection there has the number, for 2^31 of them. Never odd.
    #[inline]
    pub(super) fn incarnation(&self) -> u32 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// Owner only: a packet passed.
    #[inline]
    pub(crate) fn touch(&self, now: u64) {
        self.last_seen.store(now as u32, Ordering::Relaxed);
    }

    /// Milliseconds since the last packet. Right for gaps under 49 days; the longest timeout is 31.
    #[inline]
    pub fn idle(&self, now: u64) -> u32 {
        (now as u32).wrapping_sub(self.last_seen.load(Ordering::Relaxed))
    }

    /// Milliseconds for which its time has been up; 0 if it is not.
    pub(super) fn overdue(&self, now: u64) -> u32 {
        // A packet may have come at a time that is a little after this `now`.
        let idle = Some(self.idle(now)).filter(|idle| *idle < u32::MAX - CLOCKS_APART).unwrap_or(0);
        idle.saturating_sub(self.timeout())
    }

    /// Milliseconds that it may idle, as of its last packet.
    #[inline]
    pub fn timeout(&self) -> u32 {
        self.timeout.load(Ordering::Relaxed)
    }

    /// Owner only.
    #[inline]
    pub(super) fn set_timeout(&self, timeout: u32) {
        self.timeout.store(timeout, Ordering::Relaxed);
    }

    /// The way of replies that was found under this version of the next-hop table, if it is still that one.
    #[inline]
    pub(crate) fn reply_way(&self, version: u32) -> Option<u32> {
        (self.reply_way_version.load(Ordering::Relaxed) == version).then(|| self.reply_way.load(Ordering::Relaxed))
    }

    /// Owner only: remembers the way of replies; `version` is never 0.
    #[inline]
    pub(crate) fn set_reply_way(&self, way: u32, version: u32) {
        self.reply_way.store(way, Ordering::Relaxed);
        self.reply_way_version.store(version, Ordering::Relaxed);
    }

    /// Any core: a consistent copy, or `None` if the entry is free or changed hands meanwhile.
    pub fn row(&self, now: u64, worker: u16) -> Option<ConnectionRow> {
        let before = self.sequence.load(Ordering::Acquire);
        if before & 1 == 1 {
            return None;
        }
        let state = self.state();
        let identity = self.identity();
        // The owner's clock may be ahead of the reader's: that is no idle time of 49 days.
        let idle = Some(self.idle(now)).filter(|idle| *idle < u32::MAX - CLOCKS_APART).unwrap_or(0);
        let expires_in = self.timeout().saturating_sub(idle);
        fence(Ordering::Acquire);
        (self.sequence.load(Ordering::Relaxed) == before).then(|| ConnectionRow {
            protocol: Some(identity.protocol),
            template: None,
            client: identity.client.into(),
            service: identity.service.into(),
            real: identity.real.into(),
            method: identity.method,
            state,
            expires_in,
            worker,
        })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
