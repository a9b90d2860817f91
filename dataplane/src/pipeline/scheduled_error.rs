//! The setting `schedule_icmp`: an ICMP error about a reply of a connection that is not known here opens it, so that the
//! error gets to the real. It is for several directors whose schedulers choose alike (sh, mh): the error may come to
//! another one than the connection's packets.

use super::Pipeline;
use super::output::{Fate, Output};
use super::parse::Flow;
use super::persistence::choose;
use crate::icmp::Quoted;
use crate::scheduler::Newcomer;
use link::DropReason;
use link::message::ConnectionState;
use link::model::Protocol;
use rte_rs::Mbuf;

/// Milliseconds that a connection has until its first packet, whatever the timeouts are: as in the reference.
const UNTIL_FIRST_PACKET: u32 = 3000;

impl Pipeline {
    /// The connection is one that has seen no packet yet, and is soon gone without one. An error without a service or a
    /// real is dropped: nobody is told about an error.
    #[cold]
    pub(super) fn schedule_error<O: Output>(&mut self, quoted: &Quoted, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let (client, vip) = (quoted.destination, quoted.source);
        if let Some(reason) = self.may_not_open(client) {
            return Fate::Drop(reason);
        }
        let Some(service) = self.tables.services.lookup(quoted.protocol, vip.address, vip.port) else {
            return Fate::Drop(DropReason::IcmpNoConnection);
        };
        if let Some(rate) = self.drop_rate()
            && self.defence.chooses(rate)
        {
            return Fate::Drop(DropReason::DropPacket);
        }
        let newcomer = Newcomer { source: client, destination: vip, now: self.now };
        let pick = || service.pick(&mut self.cursors, &newcomer, &self.directory);
        let flow = Flow {
            source: client,
            destination: vip,
            length: 0,
            header_len: 0,
            tcp_flags: 0,
            protocol: quoted.protocol,
        };
        let services = &self.tables.services;
        let choice = match choose(service, services, &self.settings.templates, &flow, self.now, pick) {
            Ok(choice) => choice,
            Err(reason) => return Fate::Drop(reason),
        };
        let identity = choice.identity(&flow);
        if choice.one_packet {
            // A connection that ends with this packet.
            self.leave_template(&choice);
        } else {
            let state = match quoted.protocol {
                Protocol::Tcp => ConnectionState::None,
                Protocol::Udp => ConnectionState::Udp,
            };
            let Some(index) = self.insert_chosen(&choice, &identity, state) else {
                return Fate::Drop(DropReason::TableFull);
            };
            self.connections.enter_state(index, state, UNTIL_FIRST_PACKET, self.now);
            self.connections_changed();
            self.counters.worker.connections_created.add(1);
            self.begin_help(index, &identity, choice.service());
        }
        self.count_connection(choice.slot);
        self.error_to_real(&identity, mbuf, out)
    }
}
