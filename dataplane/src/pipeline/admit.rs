//! A packet without a connection: the service is looked up, a real chosen, a connection made; or it is refused.

use super::Pipeline;
use super::follow::after;
use super::forward::packet;
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::connection::tcp::Direction;
use crate::connection::{Endpoint, Identity};
use crate::reject;
use crate::scheduler::Newcomer;
use crate::service::RealEntry;
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
        if flow.source.port == FTP_DATA || (flow.protocol == Protocol::Tcp && !opens_a_connection(flow)) {
            return self.without_connection(flow, mbuf, out);
        }
        let newcomer = Newcomer { source: flow.source, destination, now: self.now };
        let chosen = service.pick(&mut self.cursors, &newcomer, &self.directory);
        let Some((slot, real)) = chosen.and_then(|slot| Some((slot, *self.tables.services.real_at(slot)?))) else {
            return self.answer_unreachable(DropReason::NoReal, mbuf, out);
        };
        self.connect(slot, &real, flow, mbuf, out)
    }

    /// Why a client with this endpoint can't have a connection here.
    fn may_not_open(&self, client: Endpoint) -> Option<DropReason> {
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
    fn connect<O: Output>(&mut self, slot: u32, real: &RealEntry, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let identity = Identity {
            protocol: flow.protocol,
            method: real.method,
            client: flow.source,
            service: flow.destination,
            real: Endpoint { address: real.address, port: real.port },
            real_slot: slot,
            real_generation: real.generation,
        };
        let state = after_first(flow, identity.method);
        let Ok(index) = self.connections.insert(&identity, state, self.now) else {
            return Fate::Drop(DropReason::TableFull);
        };
        self.connections_changed();
        self.counters.worker.connections_created.add(1);
        self.begin_help(index, &identity, real.service);
        if let Some(counters) = self.counters.real(slot) {
            counters.connections.add(1);
        }
        if identity.method == ForwardMethod::Nat {
            self.prepare_reply(index, identity.client.address, out);
        }
        self.count_inbound(slot, flow);
        self.forward_to_real(&identity, flow, mbuf, out)
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
fn opens_a_connection(flow: &Flow) -> bool {
    flow.is_syn() && !flow.is_reset()
}

/// Whether an address can be one host's: not 0/8, loopback, multicast or broadcast (RFC 1122 section 3.2.1.3).
fn is_host(address: u32) -> bool {
    let first = address >> 24;
    first != 0 && first != 127 && !(224..240).contains(&first) && address != u32::MAX
}

/// The state of a connection that a packet opens: the tables' answer to it in a connection that had none before.
fn after_first(flow: &Flow, method: ForwardMethod) -> ConnectionState {
    after(flow, Direction::of_inbound(method), ConnectionState::None)
}
