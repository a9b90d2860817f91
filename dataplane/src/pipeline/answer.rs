//! Answers: what the director sends back itself, in the mbuf of the packet that asked for it, within the rate limit.

use super::Pipeline;
use super::forward::{leave, packet};
use super::output::{Fate, Output};
use super::parse::IPV4_OFFSET;
use crate::nexthop::{Hop, Unreachable};
use crate::reject::{self, IcmpError};
use link::DropReason;
use rte_rs::Mbuf;
use std::net::Ipv4Addr;

impl Pipeline {
    /// A RST, as a host would send that has no such connection. A packet that must not be answered is dropped.
    #[cold]
    pub(super) fn answer_reset<O: Output>(&mut self, reason: DropReason, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let mut answer = [0u8; reject::MAX_LEN];
        let length = reject::tcp_reset(packet(mbuf), &mut answer);
        self.answer_with(answer.get(..length.unwrap_or(0)), reason, mbuf, out)
    }

    /// ICMP port unreachable: no service, or no real for it.
    #[cold]
    pub(super) fn answer_unreachable<O: Output>(&mut self, reason: DropReason, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        self.answer_error(IcmpError::PortUnreachable, reason, mbuf, out)
    }

    /// An ICMP error. About a packet to a virtual address it comes from that address; else from the director's address
    /// on the way to the sender.
    #[cold]
    pub(super) fn answer_error<O: Output>(
        &mut self,
        error: IcmpError,
        reason: DropReason,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Fate {
        let request = packet(mbuf);
        let Some((sender, destination)) = addresses(request) else { return Fate::Drop(reason) };
        let source = if self.tables.services.is_virtual(destination) || self.tables.next_hops.is_own(destination) {
            destination
        } else {
            match self.tables.next_hops.route(sender) {
                Ok(Hop { source, .. }) if source != 0 => source,
                _ => return Fate::Drop(reason),
            }
        };
        let mut answer = [0u8; reject::MAX_LEN];
        let length = reject::icmp_error(error, request, Ipv4Addr::from_bits(source), &mut answer);
        self.answer_with(answer.get(..length.unwrap_or(0)), reason, mbuf, out)
    }

    fn answer_with<O: Output>(
        &mut self,
        answer: Option<&[u8]>,
        reason: DropReason,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Fate {
        if answer.is_none_or(<[u8]>::is_empty) {
            return Fate::Drop(reason);
        }
        if !self.limiter.allow(self.now) {
            self.counters.worker.answers_suppressed.add(1);
            return Fate::Drop(reason);
        }
        match self.forward_answer(answer, mbuf, out) {
            Fate::Forward { port } => Fate::Answer { port, reason: Some(reason) },
            _ => Fate::Drop(reason),
        }
    }

    /// Puts a packet that the director made into the mbuf of the one that caused it, on its way to its destination.
    pub(super) fn forward_answer<O: Output>(&self, answer: Option<&[u8]>, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some((answer, (_, to))) = answer.and_then(|answer| Some((answer, addresses(answer)?))) else {
            return Fate::Drop(DropReason::NoRoute);
        };
        let hop = match self.tables.next_hops.route(to) {
            Ok(hop) => hop,
            Err(why) => return self.no_way_back(why, out),
        };
        mbuf.truncate(0);
        mbuf.clear_offload_flags();
        let Some(frame) = mbuf.append(IPV4_OFFSET + answer.len()) else { return Fate::Drop(DropReason::NoHeadroom) };
        if let Some(room) = frame.get_mut(IPV4_OFFSET..) {
            room.copy_from_slice(answer);
        }
        leave(mbuf, &hop, false)
    }
}

impl Pipeline {
    /// An answer can't leave: nobody is told.
    pub(super) fn no_way_back<O: Output>(&self, why: Unreachable, out: &mut O) -> Fate {
        match why {
            Unreachable::NoNeighbor { port, address } => {
                out.want_neighbor(port, address);
                Fate::Drop(DropReason::NoNeighbor)
            }
            Unreachable::NoRoute => Fate::Drop(DropReason::NoRoute),
        }
    }
}

/// Source and destination of an IPv4 header, host byte order.
fn addresses(packet: &[u8]) -> Option<(u32, u32)> {
    let source = packet.get(12..16)?.first_chunk()?;
    let destination = packet.get(16..20)?.first_chunk()?;
    Some((u32::from_be_bytes(*source), u32::from_be_bytes(*destination)))
}
