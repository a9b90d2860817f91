//! Packets that belong to no service.

use super::Pipeline;
use super::forward::packet_mut;
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::forward::ttl;
use link::DropReason;
use rte_rs::Mbuf;

impl Pipeline {
    /// A packet to no virtual address: the kernel's. From a real behind NAT, from the very port of a service, it can only
    /// belong to a connection that is no more: `nat_icmp_send` has the real told so.
    pub(super) fn no_service_s<O: Output>(&mut self, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let (protocol, from) = (flow.protocol, flow.source);
        if self.tables.services.settings().nat_icmp_send == 0
            || flow.is_reset()
            || !self.tables.is_nat_endpoint(protocol, from.address, from.port)
        {
            return Fate::Kernel;
        }
        // The director is a router here.
        if let Some(fate) = self.expired(mbuf, out) {
            return fate;
        }
        ttl::decrement(packet_mut(mbuf));
        self.answer_unreachable(DropReason::NoConnection, mbuf, out)
    }
}
