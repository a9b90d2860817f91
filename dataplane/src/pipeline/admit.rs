//! A packet without a connection: the service is looked up, a real chosen, a connection made; or it is refused.

use super::Pipeline;
use super::forward::packet;
use super::output::{Fate, Output};
use super::parse::Flow;
use super::persistence::{Choice, choose};
use crate::connection::tcp::Direction;
use crate::connection::{Endpoint, Identity};
use crate::reject;
use crate::scheduler::Newcomer;
use crate::steer;
use config::Unmatched;
use link::DropReason;
use link::message::ConnectionState;
use link::model::{ForwardMethod, Protocol};
use rte_rs::Mbuf;

/// FTP's data port: a real server's own active connection, never a client's.
pub(crate) const FTP_DATA: u16 = 20;

impl Pipeline {
    #[inline(never)]
    pub(super) fn admit<O: Output>(&mut self, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let destination = flow.destination;
        if !self.tables.services.is_virtual(destination.address) {
            if let Some(fate) = self.expected_from_real(flow, mbuf, out) {
                return fate;
            }
            return self.no_service_s(flow, mbuf, out);
        }
        if let Some(reason) = self.may_not_open(flow.source) {
            return Fate::Drop(reason);
        }
        if let Some(fate) = self.expected_from_client(flow, mbuf, out) {
            return fate;
        }
        let Some(service) = self.tables.services.lookup(flow.protocol, destination.address, destination.port) else {
            return self.unmatched(flow, mbuf, out);
        };
        let sloppy = self.tables.services.settings().sloppy_tcp != 0;
        if flow.source.port == FTP_DATA || (flow.protocol == Protocol::Tcp && !opens_a_connection(flow, sloppy)) {
            return self.without_connection(flow, mbuf, out);
        }
        if let Some(rate) = self.drop_rate()
            && self.defence.chooses(rate)
        {
            return Fate::Drop(DropReason::DropPacket);
        }
        let newcomer = Newcomer { source: flow.source, destination, now: self.now };
        let pick = || service.pick(&mut self.cursors, &newcomer, &self.directory);
        match choose(service, &self.tables.services, &self.settings.templates, flow, self.now, pick) {
            Ok(choice) if choice.one_packet => self.send_once(&choice, flow, mbuf, out),
            Ok(choice) => self.connect(&choice, flow, mbuf, out),
            Err(DropReason::NoReal) => self.answer_unreachable(DropReason::NoReal, mbuf, out),
            Err(reason) => Fate::Drop(reason),
        }
    }

    /// Why a client with this endpoint can't have a connection here.
    pub(super) fn may_not_open(&self, client: Endpoint) -> Option<DropReason> {
        let address = client.address;
        let tables = &*self.tables;
        if !is_host(address) || tables.services.is_virtual(address) || tables.next_hops.is_own(address) {
            return Some(DropReason::MartianSource);
        }
        // The worker that handed it over may have had other tables. A connection in the wrong place would not be found.
        let settings = &self.settings;
        let owner = steer::owner(address, client.port, settings.workers);
        (owner != settings.worker).then_some(DropReason::NotOwner)
    }

    /// Makes the connection and forwards its first packet.
    fn connect<O: Output>(&mut self, choice: &Choice, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let identity = choice.identity(flow);
        // The tables' answer to the packet in a connection that had none before.
        let state = self.after(flow, Direction::of_inbound(identity.method), ConnectionState::None);
        let Some(index) = self.insert_chosen(choice, &identity, state) else {
            return Fate::Drop(DropReason::TableFull);
        };
        self.connections_changed();
        self.counters.worker.connections_created.add(1);
        self.begin_help(index, &identity, choice.service());
        if identity.method == ForwardMethod::Nat {
            self.prepare_reply(index, identity.client.address, out);
        }
        self.count_connection(choice.slot);
        self.count_inbound(choice.slot, flow);
        self.forward_to_real(&identity, flow, mbuf, out)
    }

    /// Enters a connection, with a real of these timeouts; in a full table in place of one that can be spared. `None`:
    /// there was none.
    pub(super) fn insert(&mut self, identity: &Identity, state: ConnectionState, timeouts: u32) -> Option<u32> {
        let timeout = self.tables.services.timeout_ms(timeouts, state);
        if let Ok(index) = self.connections.insert(identity, state, timeout, self.now) {
            return Some(index);
        }
        if !self.connections.evict_one(self.now) {
            return None;
        }
        self.connections_changed();
        self.counters.worker.connections_evicted.add(1);
        self.connections.insert(identity, state, timeout, self.now).ok()
    }

    /// A virtual address, but no service on that port.
    fn unmatched<O: Output>(&mut self, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        match self.settings.unmatched {
            Unmatched::Kernel => Fate::Kernel,
            Unmatched::Drop => Fate::Drop(DropReason::NoService),
            Unmatched::Reject if flow.protocol == Protocol::Tcp => self.answer_reset(DropReason::NoService, mbuf, out),
            // A host looks at the checksum before it looks for the port.
            Unmatched::Reject if !reject::udp_checksum_is_valid(packet(mbuf)) => Fate::Drop(DropReason::NoService),
            Unmatched::Reject => self.answer_unreachable(DropReason::NoService, mbuf, out),
        }
    }

    /// A packet that may not open a connection: what a host without the connection would answer.
    fn without_connection<O: Output>(&mut self, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        match flow.protocol {
            Protocol::Tcp => self.answer_reset(DropReason::NoConnection, mbuf, out),
            Protocol::Udp => self.answer_unreachable(DropReason::NoConnection, mbuf, out),
        }
    }
}

/// TCP connections begin with a SYN. A SYN+ACK may begin one too: an active FTP server's, seen by tunnel and direct.
/// With `sloppy_tcp` all but a RST may.
fn opens_a_connection(flow: &Flow, sloppy: bool) -> bool {
    (flow.is_syn() || sloppy) && !flow.is_reset()
}

/// Whether an address can be one host's: not 0/8, loopback, multicast or broadcast (RFC 1122 section 3.2.1.3).
fn is_host(address: u32) -> bool {
    let first = address >> 24;
    first != 0 && first != 127 && !(224..240).contains(&first) && address != u32::MAX
}
