//! A packet of a connection that exists: the path of nearly every packet.

use super::Pipeline;
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::connection::tcp::{Direction, Event, next_state};
use crate::connection::{Connection, Found, Identity};
use crate::service::RealEntry;
use link::DropReason;
use link::message::ConnectionState;
use link::model::Protocol;
use rte_rs::Mbuf;

impl Pipeline {
    #[inline]
    pub(super) fn follow<O: Output>(&mut self, found: Found, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(connection) = self.connections.connection(found.index) else {
            return Fate::Drop(DropReason::NoConnection);
        };
        if found.outbound {
            if connection.is_helped() {
                return self.helped_reply(found.index, flow, mbuf, out);
            }
            return self.reply(found.index, flow, mbuf, out);
        }
        let identity = connection.identity();
        let state = connection.state();
        if is_reuse(flow, state) && connection.control().is_none() {
            // A new connection from a port whose last one is over: a server is chosen in this same packet.
            self.connections.remove(found.index);
            self.connections_changed();
            return self.admit(flow, mbuf, out);
        }
        if self.real_of(connection).is_none() {
            return Fate::Drop(DropReason::RealRemoved);
        }
        self.count_inbound(identity.real_slot, flow);
        let state = after(flow, Direction::of_inbound(identity.method), state);
        let is_helped = connection.is_helped();
        self.connections.enter_state(found.index, state, self.now);
        if is_helped && let Err(refused) = self.help_request(found.index, flow, mbuf) {
            return refused;
        }
        self.forward_to_real(&identity, flow, mbuf, out)
    }

    #[inline]
    pub(super) fn count_inbound(&self, real_slot: u32, flow: &Flow) {
        if let Some(real) = self.counters.real(real_slot) {
            real.in_packets.add(1);
            real.in_bytes.add(u64::from(flow.length));
        }
    }

    /// A real's packet to its client: VS/NAT's way back. It is routed (time to live, MTU) before the connection sees it.
    #[inline]
    pub(super) fn reply<O: Output>(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(connection) = self.connections.connection(index) else {
            return Fate::Drop(DropReason::NoConnection);
        };
        let identity = connection.identity();
        let state = connection.state();
        let real_is_there = self.real_of(connection).is_some();
        let fate = self.forward_to_client(index, &identity, flow, mbuf, out);
        if !matches!(fate, Fate::Forward { .. } | Fate::ForwardInFragments { .. }) {
            return fate;
        }
        // A real that was removed keeps the replies of its connections; only its statistics have ended.
        if real_is_there && let Some(real) = self.counters.real(identity.real_slot) {
            real.out_packets.add(1);
            real.out_bytes.add(u64::from(flow.length));
        }
        let state = after(flow, Direction::Outbound, state);
        self.connections.enter_state(index, state, self.now);
        fate
    }

    /// Whether a connection's real is still in the service table.
    pub(super) fn real_is_available(&self, identity: &Identity) -> bool {
        let services = &self.tables.services;
        services.real(identity.real_slot, identity.real_generation).is_some_and(|real| real.available)
    }

    /// The connection's real, if it is still in the service table.
    #[inline]
    fn real_of(&self, connection: &Connection) -> Option<&RealEntry> {
        let services = &self.tables.services;
        services.real(connection.real_slot(), connection.real_generation()).filter(|real| real.available)
    }
}

/// The state after a packet.
#[inline]
pub(super) fn after(flow: &Flow, direction: Direction, state: ConnectionState) -> ConnectionState {
    match flow.protocol {
        Protocol::Tcp => next_state(direction, state, Event::from_flags(flow.tcp_flags)),
        Protocol::Udp => ConnectionState::Udp,
    }
}

/// Whether a packet opens a new connection where an old one has ended.
#[inline]
fn is_reuse(flow: &Flow, state: ConnectionState) -> bool {
    flow.is_syn() && matches!(state, ConnectionState::TimeWait | ConnectionState::Close)
}
