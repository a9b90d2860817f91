//! The setting `schedule_icmp`: an ICMP error about a reply of a connection that is not known here opens it, so that the
//! error gets to the real. It is for several directors whose schedulers choose alike (sh, mh): the error may come to
//! another one than the connection's packets.

use super::Pipeline;
use super::output::{Fate, Output};
use crate::connection::Endpoint;
use crate::connection::Identity;
use crate::icmp::Quoted;
use crate::scheduler::Newcomer;
use link::DropReason;
use link::message::ConnectionState;
use rte_rs::Mbuf;

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
        let newcomer = Newcomer { source: client, destination: vip, now: self.now };
        let chosen = service.pick(&mut self.cursors, &newcomer, &self.directory);
        let Some((slot, real)) = chosen.and_then(|slot| Some((slot, *self.tables.services.real_at(slot)?))) else {
            return Fate::Drop(DropReason::NoReal);
        };
        let identity = Identity {
            protocol: quoted.protocol,
            method: real.method,
            client,
            service: vip,
            real: Endpoint { address: real.address, port: real.port },
            real_slot: slot,
            real_generation: real.generation,
        };
        if self.insert(&identity, ConnectionState::None, real.timeouts).is_none() {
            return Fate::Drop(DropReason::TableFull);
        }
        self.connections_changed();
        self.counters.worker.connections_created.add(1);
        if let Some(counters) = self.counters.real(slot) {
            counters.connections.add(1);
        }
        self.error_to_real(&identity, mbuf, out)
    }
}
