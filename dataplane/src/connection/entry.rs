//! One connection: a cache line that its owner writes and others may read at any time.

use super::key;
use super::shared::Position;
use link::message::{ConnectionRow, ConnectionState};
use link::model::{ForwardMethod, Protocol};
use rte_rs::HashKey;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering, fence};

/// An address and port in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// IPv4 address.
    pub address: u32,
    /// TCP or UDP port.
    pub port: u16,
}

impl From<SocketAddrV4> for Endpoint {
    fn from(address: SocketAddrV4) -> Self {
        Self { address: address.ip().to_bits(), port: address.port() }
    }
}

impl From<Endpoint> for SocketAddrV4 {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(Ipv4Addr::from_bits(endpoint.address), endpoint.port)
    }
}

/// Milliseconds by which the clock of a worker may be ahead of one that was read before.
const CLOCKS_APART: u32 = 60_000;

/// What is fixed for a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach the real.
    pub method: ForwardMethod,
    /// The client's end.
    pub client: Endpoint,
    /// The service's end.
    pub service: Endpoint,
    /// The real's end.
    pub real: Endpoint,
    /// The real's slot.
    pub real_slot: u32,
    /// The slot's generation when the connection was made: tells a reused slot from the real that was meant.
    pub real_generation: u32,
}

/// Bits of an entry's flags.
mod flag {
    /// A helper looks at its packets.
    pub(super) const HELPED: u8 = 1;
    /// A helper announced it: its `helper` is the place of the control connection.
    pub(super) const CONTROLLED: u8 = 2;
}

/// A slab entry. Only the owning worker writes; `sequence` is odd while an entry is free or being filled, so that a
/// reader on another core can tell a whole entry from a torn one. All accesses are plain loads and stores (relaxed).
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Connection {
    sequence: AtomicU32,
    last_seen: AtomicU32,
    /// Network byte order, as the other addresses and ports.
    client_address: AtomicU32,
    service_address: AtomicU32,
    real_address: AtomicU32,
    client_port: AtomicU16,
    service_port: AtomicU16,
    real_port: AtomicU16,
    protocol: AtomicU8,
    method: AtomicU8,
    state: AtomicU8,
    flags: AtomicU8,
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
    /// The place of its template, plus one; 0 = none. [`OWES`] is set until the template was assured.
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

/// In [`Connection::template`]: the connection has yet to assure its template.
const OWES: u32 = 1 << 31;

const _: () = assert!(size_of::<Connection>() == 64, "one cache line");

impl Connection {
    /// A free entry.
    pub fn free() -> Self {
        Self {
            sequence: AtomicU32::new(1),
            last_seen: AtomicU32::new(0),
            client_address: AtomicU32::new(0),
            service_address: AtomicU32::new(0),
            real_address: AtomicU32::new(0),
            client_port: AtomicU16::new(0),
            service_port: AtomicU16::new(0),
            real_port: AtomicU16::new(0),
            protocol: AtomicU8::new(0),
            method: AtomicU8::new(0),
            state: AtomicU8::new(0),
            flags: AtomicU8::new(0),
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
        self.protocol.store(identity.protocol.number(), Ordering::Relaxed);
        self.method.store(identity.method as u8, Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Relaxed);
        self.in_packets.store(1, Ordering::Relaxed);
        self.timeout.store(timeout, Ordering::Relaxed);
        self.real_slot.store(identity.real_slot, Ordering::Relaxed);
        self.real_generation.store(identity.real_generation, Ordering::Relaxed);
        self.reply_way_version.store(0, Ordering::Relaxed);
        self.displaced.store(0, Ordering::Relaxed);
        self.flags.store(0, Ordering::Relaxed);
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
        if self.protocol.load(Ordering::Relaxed) == Protocol::Tcp.number() { Protocol::Tcp } else { Protocol::Udp }
    }

    /// How packets reach the real.
    #[inline]
    pub fn method(&self) -> ForwardMethod {
        match self.method.load(Ordering::Relaxed) {
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

    /// Whether it is live and packets with this key are its own, in that direction. Exact for the owner, a snapshot for
    /// others.
    #[inline(always)]
    pub(crate) fn has_key(&self, key: &HashKey, outbound: bool) -> bool {
        let (source, destination) = key::endpoints(key);
        let (client, other) = if outbound { (destination, source) } else { (source, destination) };
        // Only NAT sees packets of reals.
        let (end, method) =
            if outbound { (self.real(), self.method.load(Ordering::Relaxed)) } else { (self.service(), NAT) };
        let protocol = key::protocol(key) ^ self.protocol.load(Ordering::Relaxed);
        let ports = (client.port ^ self.client().port) | (other.port ^ end.port);
        let addresses = (client.address ^ self.client().address) | (other.address ^ end.address);
        let rest = u32::from(protocol) | u32::from(ports) | u32::from(method ^ NAT);
        (addresses | rest | self.sequence.load(Ordering::Relaxed) & 1) == 0
    }

    /// Its state.
    #[inline]
    pub fn state(&self) -> ConnectionState {
        let number = usize::from(self.state.load(Ordering::Relaxed));
        ConnectionState::ALL.get(number).copied().unwrap_or(ConnectionState::None)
    }

    /// Whether it is in `state`, and may idle for `timeout` milliseconds.
    #[inline]
    pub(crate) fn rests_in(&self, state: ConnectionState, timeout: u32) -> bool {
        self.state.load(Ordering::Relaxed) == state as u8 && self.timeout() == timeout
    }

    /// Owner only.
    #[inline]
    pub(super) fn set_state(&self, state: ConnectionState) {
        self.state.store(state as u8, Ordering::Relaxed);
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

    /// Owner only: the slab index of the connection whose replies this one took over.
    pub(super) fn displaced(&self) -> Option<u32> {
        self.displaced.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Owner only.
    pub(super) fn set_displaced(&self, index: u32) {
        self.displaced.store(index.wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether a helper looks at its packets.
    #[inline]
    pub fn is_helped(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & flag::HELPED != 0
    }

    /// Owner only: a helper looks at its packets from now on, or no more.
    pub(crate) fn set_helped(&self, helped: bool) {
        let others = self.flags.load(Ordering::Relaxed) & !flag::HELPED;
        self.flags.store(others | if helped { flag::HELPED } else { 0 }, Ordering::Relaxed);
    }

    /// Of a connection that is helped: the place of its state, once it has one.
    pub(crate) fn helper_state(&self) -> Option<u32> {
        self.helper.load(Ordering::Relaxed).checked_sub(1).filter(|_| self.is_helped())
    }

    /// Owner only.
    pub(crate) fn set_helper_state(&self, place: u32) {
        self.helper.store(place.wrapping_add(1), Ordering::Relaxed);
    }

    /// The place of the control connection that announced this one.
    pub fn control(&self) -> Option<u32> {
        let controlled = self.flags.load(Ordering::Relaxed) & flag::CONTROLLED != 0;
        self.helper.load(Ordering::Relaxed).checked_sub(1).filter(|_| controlled)
    }

    /// Owner only: a helper announced it.
    pub(crate) fn set_control(&self, place: u32) {
        self.flags.store(self.flags.load(Ordering::Relaxed) | flag::CONTROLLED, Ordering::Relaxed);
        self.helper.store(place.wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether it belongs to another one or to a template: it is not replaced by a new connection from the same port.
    #[inline]
    pub fn is_controlled(&self) -> bool {
        self.control().is_some() || self.template().is_some()
    }

    /// The place of its template, if it has one.
    #[inline]
    pub fn template(&self) -> Option<Position> {
        (self.template.load(Ordering::Relaxed) & !OWES).checked_sub(1)
    }

    /// Whether it has a template that it has not assured yet.
    #[inline]
    pub fn owes_assurance(&self) -> bool {
        self.template.load(Ordering::Relaxed) & OWES != 0
    }

    /// Owner only: it has the template at this place.
    pub(super) fn set_template(&self, place: Position) {
        self.template.store((place + 1) | OWES, Ordering::Relaxed);
    }

    /// Owner only: its template is assured.
    pub(super) fn set_assured(&self) {
        self.template.store(self.template.load(Ordering::Relaxed) & !OWES, Ordering::Relaxed);
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
