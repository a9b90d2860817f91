//! Packets of control connections that have a helper, and the first packets of connections that one announced.

use super::Pipeline;
use super::forward::{packet, packet_mut};
use super::output::{Fate, Output};
use super::parse::{Flow, IPV4_OFFSET};
use crate::connection::expected::Expectation;
use crate::connection::tcp::Direction;
use crate::connection::{Endpoint, Identity};
use crate::helper::segment::Segment;
use crate::helper::stream::Read;
use crate::service::ServiceEntry;
use crate::steer;
use link::DropReason;
use link::message::ConnectionState;
use link::model::{ForwardMethod, Helper, Protocol, ServiceKey};
use rte_rs::Mbuf;

impl Pipeline {
    /// A connection has been made, to a real of the service in this slot: a helper may be for it.
    pub(super) fn begin_help(&self, index: u32, identity: &Identity, service: u32) {
        if identity.protocol == Protocol::Tcp
            && identity.method == ForwardMethod::Nat
            && self.tables.services.service(service).is_some_and(|service| helps(service, identity.service.port))
            && let Some(connection) = self.connections.connection(index)
        {
            connection.set_helped(true);
        }
    }

    /// A client's packet of a connection that is helped, before it is forwarded.
    ///
    /// # Errors
    /// What becomes of a packet that is not to be forwarded.
    #[cold]
    #[inline(never)]
    pub(super) fn help_request(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf) -> Result<(), Fate> {
        let segment = self.segment(flow, mbuf)?;
        let reads = self.reads(index);
        let Some((place, identity)) = self.helper_state(index) else { return Ok(()) };
        let Some((conversation, mut lines)) = self.connections.helpers().reader(place, &identity, self.now) else {
            return Ok(());
        };
        let read = conversation.client_segment(packet_mut(mbuf), &segment, reads.then_some(&mut lines));
        let announced = lines.announced();
        self.count_help(&read, announced);
        Ok(())
    }

    /// A real's packet of a connection that is helped.
    #[cold]
    #[inline(never)]
    pub(super) fn helped_reply<O: Output>(&mut self, index: u32, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let segment = match self.segment(flow, mbuf) {
            Ok(segment) => segment,
            Err(fate) => return fate,
        };
        let reads = self.reads(index);
        if segment.has_payload() {
            self.begin_helper_state(index);
        }
        let Some((place, identity)) = self.helper_state(index) else {
            return self.reply(index, flow, mbuf, out);
        };
        let before = usize::from(flow.length);
        let mtu = self.reply_hop(index, identity.client.address).map_or(0, |hop| usize::from(hop.mtu));
        // A text that grows must not make a packet that is too large for its way.
        let room = mtu.max(before).min(before + mbuf.tailroom());
        let Some((conversation, mut lines)) = self.connections.helpers().reader(place, &identity, self.now) else {
            return self.reply(index, flow, mbuf, out);
        };
        let (plan, read) = conversation.plan(packet(mbuf), &segment, reads.then_some(&mut lines), room);
        let announced = lines.announced();
        if plan.working_length() > before && mbuf.append(plan.working_length() - before).is_none() {
            return Fate::Drop(DropReason::NoHeadroom);
        }
        conversation.carry_out(packet_mut(mbuf), &segment, &plan);
        mbuf.truncate(IPV4_OFFSET + plan.length);
        self.count_help(&read, announced);
        let flow = Flow { length: plan.length as u16, ..*flow };
        self.reply(index, &flow, mbuf, out)
    }

    /// Takes the packet apart. Text that was damaged on its way must not be read.
    fn segment(&self, flow: &Flow, mbuf: &Mbuf) -> Result<Segment, Fate> {
        let segment = Segment::parse(packet(mbuf), flow.header_len);
        segment.ok_or(Fate::Drop(DropReason::ControlChecksum))
    }

    /// Lines count while the connection is established, as in the reference.
    fn reads(&self, index: u32) -> bool {
        let connection = self.connections.connection(index);
        connection.is_some_and(|connection| connection.state() == ConnectionState::Established)
    }

    /// The place of the connection's state, if it has one yet.
    fn helper_state(&self, index: u32) -> Option<(u32, Identity)> {
        let connection = self.connections.connection(index)?;
        Some((connection.helper_state()?, connection.identity()))
    }

    /// Makes the connection's state with the first text of the real, which speaks first (RFC 959 section 5.4): a client
    /// whose handshake is forged gets none, and takes no place. If there is none left, the connection goes on without
    /// its helper.
    fn begin_helper_state(&mut self, index: u32) {
        if self.connections.connection(index).is_none_or(|connection| connection.helper_state().is_some()) {
            return;
        }
        let place = self.connections.helpers().begin();
        let Some(connection) = self.connections.connection(index) else { return };
        match place {
            Some(place) => connection.set_helper_state(place),
            None => {
                connection.set_helped(false);
                self.counters.worker.helper_exhausted.add(1);
            }
        }
    }

    fn count_help(&self, read: &Read, announced: u8) {
        let counters = &self.counters.worker;
        counters.helper_announced.add(u64::from(announced));
        counters.helper_replaced.add(u64::from(read.replaced));
        counters.helper_refused.add(u64::from(read.refused));
    }

    /// A client's first packet of a connection that was announced.
    pub(super) fn expected_from_client<O: Output>(
        &mut self,
        flow: &Flow,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Option<Fate> {
        if self.settings.expected.is_empty() || !opens(flow) {
            return None;
        }
        let expected = &self.settings.expected;
        let expectation = expected.take_from_client(flow.protocol, flow.source, flow.destination, self.now)?;
        let identity = expectation.identity(flow.source);
        if self.real(identity.real_slot, identity.real_generation).is_none() {
            expected.release(expectation.control.index);
            return Some(Fate::Drop(DropReason::RealRemoved));
        }
        let Some(index) = self.connect_expected(&expectation, flow.source, Direction::Inbound, flow) else {
            return Some(Fate::Drop(DropReason::TableFull));
        };
        self.prepare_reply(index, flow.source.address, out);
        self.count_inbound(identity.real_slot, flow);
        Some(self.forward_to_real(&identity, flow, mbuf, out))
    }

    /// A real's first packet of a connection that was announced.
    pub(super) fn expected_from_real<O: Output>(&mut self, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Option<Fate> {
        if self.settings.expected.is_empty() || !opens(flow) {
            return None;
        }
        let client = flow.destination;
        let owner = steer::owner(client.address, client.port, self.settings.workers);
        if owner != self.settings.worker {
            // Handed over by a worker with other tables.
            return None;
        }
        let expected = &self.settings.expected;
        let expectation = expected.take_from_real(flow.protocol, flow.source, client, self.now)?;
        match self.connect_expected(&expectation, client, Direction::Outbound, flow) {
            Some(index) => Some(self.reply(index, flow, mbuf, out)),
            None => Some(Fate::Drop(DropReason::TableFull)),
        }
    }

    /// Makes the connection, in state LISTEN before its first packet. Its control connection stays while it does.
    fn connect_expected(
        &mut self,
        expectation: &Expectation,
        client: Endpoint,
        direction: Direction,
        flow: &Flow,
    ) -> Option<u32> {
        let control = expectation.control.index;
        let state = match direction {
            Direction::Inbound => self.after(flow, direction, ConnectionState::Listen),
            // The reply path makes the transition.
            _ => ConnectionState::Listen,
        };
        let identity = expectation.identity(client);
        let known = self.tables.services.real(identity.real_slot, identity.real_generation);
        let timeouts = known.map_or(0, |real| real.timeouts);
        let Some(index) = self.insert(&identity, state, timeouts) else {
            self.settings.expected.release(control);
            return None;
        };
        if let Some(connection) = self.connections.connection(index) {
            connection.set_control(control);
        }
        self.connections_changed();
        self.counters.worker.connections_created.add(1);
        Some(index)
    }
}

/// Whether connections to this port of a service have a helper. Of a service on many ports, FTP's own has, as in the
/// reference.
fn helps(service: &ServiceEntry, port: u16) -> bool {
    match service.key {
        ServiceKey::Endpoint(endpoint) if endpoint.address.port() != 0 => service.options.helper.is_some(),
        _ => port == Helper::FTP_PORT,
    }
}

/// A TCP packet that begins a connection.
fn opens(flow: &Flow) -> bool {
    flow.protocol == Protocol::Tcp && flow.is_syn() && !flow.is_reset() && !flow.is_ack()
}
