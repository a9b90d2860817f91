//! ICMP errors that belong to a connection go to its other end, translated; the others are the kernel's.

use super::Pipeline;
use super::forward::{encapsulate, leave, packet, packet_mut};
use super::output::{Fate, Output};
use crate::connection::{Found, Identity, key};
use crate::forward::ttl;
use crate::icmp::{self, About, Quoted, TunnelError, Unusable};
use crate::reject;
use crate::steer::Steering;
use config::Unmatched;
use link::DropReason;
use link::model::ForwardMethod;
use rte_rs::Mbuf;

/// Byte offset of the time to live in an IPv4 header (RFC 791 section 3.1).
const TTL: usize = 8;

impl Pipeline {
    #[cold]
    pub(super) fn icmp_error<O: Output>(&mut self, destination: u32, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let to_service = self.tables.services.is_virtual(destination);
        match icmp::parse(packet(mbuf)) {
            Ok(About::Flow(quoted)) => self.flow_error(&quoted, to_service, mbuf, out),
            Ok(About::Tunnel(error)) if self.tables.next_hops.is_own(destination) => {
                let mut answer = [0u8; reject::MAX_LEN];
                match self.tunnel_error(&error, &mut answer) {
                    Ok((length, identity)) => {
                        // The reference counts the quoted packet, and then the error that it makes of it.
                        if let Some(real) = self.counters.real(identity.real_slot) {
                            real.out_packets.add(1);
                            real.out_bytes.add(error.quoted_len() as u64);
                        }
                        let fate = self.forward_answer(answer.get(..length), mbuf, out);
                        self.count_error(&identity, fate, mbuf)
                    }
                    Err(fate) => fate,
                }
            }
            Err(Unusable::Malformed | Unusable::Checksum) if to_service => Fate::Drop(DropReason::IcmpMalformed),
            Ok(About::Tunnel(_)) | Err(_) => Fate::Kernel,
        }
    }

    /// The quoted packet, reversed, is what its connection would receive from there: that finds the connection.
    fn flow_error<O: Output>(&mut self, quoted: &Quoted, to_service: bool, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let (from, to) = (quoted.destination, quoted.source);
        if let Some(worker) = Steering::of(&self.settings, &self.tables, self.batch.origin).elsewhere(from, to) {
            return Fate::HandOff { worker };
        }
        let found = self.connections.lookup(&key::key(quoted.protocol, from, to));
        let connection = found.and_then(|found| Some((found, self.connections.connection(found.index)?.identity())));
        match connection {
            Some((found, identity)) if found.outbound => self.error_to_client(found, &identity, mbuf, out),
            Some((_, identity)) if to_service => self.error_to_real(&identity, mbuf, out),
            _ if to_service && self.tables.services.settings().schedule_icmp != 0 => {
                self.schedule_error(quoted, mbuf, out)
            }
            _ if to_service && self.settings.unmatched != Unmatched::Kernel => Fate::Drop(DropReason::IcmpNoConnection),
            _ => Fate::Kernel,
        }
    }

    /// From the client's side, about a reply. An ICMP error is never too large for its way: nobody could be told. It is
    /// sent in fragments, whatever its "don't fragment" says.
    pub(super) fn error_to_real<O: Output>(&mut self, identity: &Identity, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        if let Some(real) = self.counters.real(identity.real_slot) {
            real.in_packets.add(1);
            real.in_bytes.add(packet(mbuf).len() as u64);
        }
        let Some(way) = self.tables.way(identity.real_slot).copied() else {
            return Fate::Drop(DropReason::RealRemoved);
        };
        let mut hop = match way.hop {
            Ok(hop) => hop,
            Err(why) => return self.unreachable(why, mbuf, out),
        };
        if has_expired(mbuf) {
            return Fate::Drop(DropReason::TtlExceeded);
        }
        ttl::decrement(packet_mut(mbuf));
        if identity.method == ForwardMethod::Tunnel {
            hop.mtu = self.settings.path_mtus.limit(hop.mtu, identity.real.address, self.now);
        }
        let ready = match identity.method {
            ForwardMethod::Nat => icmp::rewrite_for_real(packet_mut(mbuf), identity.real),
            ForwardMethod::Direct => true,
            ForwardMethod::Tunnel => encapsulate(mbuf, &way, &mut self.identification),
        };
        let is_too_large = packet(mbuf).len() > usize::from(hop.mtu);
        if ready { leave(mbuf, &hop, is_too_large) } else { Fate::Drop(DropReason::IcmpMalformed) }
    }

    /// From the real's side, about a request: the client hears of it from the service.
    fn error_to_client<O: Output>(&mut self, found: Found, identity: &Identity, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let hop = match self.reply_hop(found.index, identity.client.address) {
            Ok(hop) => hop,
            Err(why) => return self.unreachable(why, mbuf, out),
        };
        if has_expired(mbuf) {
            return Fate::Drop(DropReason::TtlExceeded);
        }
        if let Some(real) = self.counters.real(identity.real_slot) {
            real.out_packets.add(1);
            real.out_bytes.add(packet(mbuf).len() as u64);
        }
        ttl::decrement(packet_mut(mbuf));
        if !icmp::rewrite_for_client(packet_mut(mbuf), identity.service) {
            return Fate::Drop(DropReason::IcmpMalformed);
        }
        let is_too_large = packet(mbuf).len() > usize::from(hop.mtu);
        leave(mbuf, &hop, is_too_large)
    }

    /// From the way of a tunnel, to the director: the client is told about its own packet.
    fn tunnel_error(&self, error: &TunnelError<'_>, answer: &mut [u8]) -> Result<(usize, Identity), Fate> {
        let flow = &error.flow;
        let steering = Steering::of(&self.settings, &self.tables, self.batch.origin);
        if let Some(worker) = steering.elsewhere(flow.source, flow.destination) {
            return Err(Fate::HandOff { worker });
        }
        let found = self.connections.lookup(&key::key(flow.protocol, flow.source, flow.destination));
        let connection = found.and_then(|found| self.connections.connection(found.index));
        let is_tunnel = |identity: &Identity| {
            identity.method == ForwardMethod::Tunnel && identity.real.address == error.destination.to_bits()
        };
        let Some(identity) = connection.map(|connection| connection.identity()).filter(is_tunnel) else {
            return Err(Fate::Kernel);
        };
        // The MTU is remembered whether or not this client can do with it.
        if error.is_fragmentation_needed() {
            self.settings.path_mtus.learn(error.destination, error.mtu, self.now);
        }
        let way = self.tables.way(identity.real_slot);
        let mtu = way.and_then(|way| way.hop.ok()).map_or(error.mtu, |hop| hop.mtu);
        let mtu = self.settings.path_mtus.limit(mtu, error.destination.to_bits(), self.now);
        error.for_client(mtu, answer).map(|length| (length, identity)).ok_or(Fate::Kernel)
    }
}

fn has_expired(mbuf: &Mbuf) -> bool {
    packet(mbuf).get(TTL).is_none_or(|ttl| *ttl <= 1)
}
