//! A packet of a connection that exists: the path of nearly every packet.

use super::Pipeline;
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::connection::tcp::{Direction, Event, next_state};
use crate::connection::{Connection, Found};
use crate::service::RealEntry;
use link::DropReason;
use link::message::ConnectionState;
use link::model::{ForwardMethod, Protocol};
use rte_rs::Mbuf;

/// The bit of `conn_reuse_mode` for connections in FIN_WAIT.
const REUSE_FIN_WAIT: u32 = 2;

impl Pipeline {
    #[inline(always)]
    pub(super) fn follow<O: Output>(&mut self, found: Found, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(connection) = self.connections.connection(found.index) else {
            return Fate::Drop(DropReason::NoConnection);
        };
        if found.outbound {
            if connection.is_helped() {
                return self.helped_reply(found.index, flow, mbuf, out);
            }
            return self.reply_inline(found.index, flow, mbuf, out);
        }
        let identity = connection.identity();
        let state = connection.state();
        if flow.is_syn() && self.is_replaced(connection) {
            return self.begin_again(found.index, flow, mbuf, out);
        }
        let Some(real) = self.real(identity.real_slot, identity.real_generation) else {
            return self.without_real(found.index, flow, mbuf, out);
        };
        let timeouts = real.timeouts;
        connection.count_inbound();
        self.count_inbound(identity.real_slot, flow);
        let is_helped = connection.is_helped();
        if self.defence.notes_positions && self.note_and_judge(found.index, flow, mbuf) {
            return self.forward_the_last(found.index, flow, mbuf, out);
        }
        let state = self.after(flow, Direction::of_inbound(identity.method), state);
        self.enter_state(found.index, state, timeouts);
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

    /// A real's packet to its client, of a connection that is found another way, or has a helper.
    #[inline(never)]
    pub(super) fn reply<O: Output>(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        self.reply_inline(index, flow, mbuf, out)
    }

    /// A real's packet to its client: VS/NAT's way back. It is routed (time to live, MTU) before the connection sees it.
    #[inline(always)]
    fn reply_inline<O: Output>(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(connection) = self.connections.connection(index) else {
            return Fate::Drop(DropReason::NoConnection);
        };
        let identity = connection.identity();
        let state = connection.state();
        let known = self.tables.services.real(identity.real_slot, identity.real_generation);
        let (timeouts, real_is_there) = known.map_or((0, false), |real| (real.timeouts, real.available));
        let assures = flow.protocol == Protocol::Udp && connection.owes_assurance();
        let fate = self.forward_to_client(index, &identity, flow, mbuf, out);
        if !matches!(fate, Fate::Forward { .. } | Fate::ForwardInFragments { .. }) {
            return fate;
        }
        // A real that was removed keeps the replies of its connections; only its statistics have ended.
        if real_is_there && let Some(real) = self.counters.real(identity.real_slot) {
            real.out_packets.add(1);
            real.out_bytes.add(u64::from(flow.length));
        }
        if assures {
            self.connections.assure(index);
        }
        let state = self.after(flow, Direction::Outbound, state);
        self.enter_state(index, state, timeouts);
        fate
    }

    /// The real that a connection was made with, if it is still in the service table.
    #[inline]
    pub(super) fn real(&self, slot: u32, generation: u32) -> Option<&RealEntry> {
        self.tables.services.real(slot, generation).filter(|real| real.available)
    }

    /// The state after a packet.
    #[inline]
    pub(super) fn after(&self, flow: &Flow, direction: Direction, state: ConnectionState) -> ConnectionState {
        match flow.protocol {
            Protocol::Tcp => next_state(self.defence.rules, direction, state, Event::from_flags(flow.tcp_flags)),
            Protocol::Udp => ConnectionState::Udp,
        }
    }

    /// A packet leads a connection, of a real with these timeouts, to `state`.
    #[inline(always)]
    pub(super) fn enter_state(&mut self, index: u32, state: ConnectionState, timeouts: u32) {
        let timeout = self.tables.services.timeout_ms(timeouts, state);
        self.connections.enter_state(index, state, timeout, self.now);
    }

    /// Whether a SYN begins a new connection in place of this one: one that is over (`conn_reuse_mode`), or one whose
    /// real is quiesced, if such are given up (`expire_nodest_conn`).
    #[inline(never)]
    fn is_replaced(&self, connection: &Connection) -> bool {
        let settings = self.tables.services.settings();
        let real = || self.real(connection.real_slot(), connection.real_generation());
        if settings.expire_nodest_conn != 0 && real().is_some_and(|real| real.weight == 0) {
            return true;
        }
        match connection.state() {
            // One that another connection or a template controls keeps its real.
            _ if connection.is_controlled() => false,
            ConnectionState::TimeWait | ConnectionState::Close => settings.conn_reuse_mode != 0,
            // The end of a connection of which one half only is seen.
            ConnectionState::FinWait => {
                settings.conn_reuse_mode & REUSE_FIN_WAIT != 0 && connection.method() != ForwardMethod::Nat
            }
            _ => false,
        }
    }

    /// A packet of a connection whose real was removed. The real may come back, so the packet alone is lost; or the
    /// connection is given up, and the packet handled as if it never was (`expire_nodest_conn`).
    #[cold]
    fn without_real<O: Output>(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        match self.tables.services.settings().expire_nodest_conn {
            0 => Fate::Drop(DropReason::RealRemoved),
            _ => self.begin_again(index, flow, mbuf, out),
        }
    }

    /// Removes a connection, and handles its packet as that of none: a real is chosen in this same packet. The scheduler
    /// and the thresholds still count the connection, and an error that there is no real is one about it, as in the
    /// reference.
    #[inline(never)]
    fn begin_again<O: Output>(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let replaced = self.connections.connection(index).map(Connection::identity);
        let counted = self.connections.remove_counted(index);
        self.connections_changed();
        let fate = self.admit(flow, mbuf, out);
        if let Some(counted) = counted {
            self.connections.uncount(counted);
        }
        match replaced {
            Some(identity)
                if matches!(fate, Fate::Answer { reason: Some(DropReason::NoReal), .. })
                    && self.real(identity.real_slot, identity.real_generation).is_some() =>
            {
                self.count_error(&identity, fate, mbuf)
            }
            _ => fate,
        }
    }
}
