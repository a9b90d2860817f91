//! Stage 6: the packet is changed into what leaves, and given its way out.

use super::Pipeline;
use super::output::{Fate, Output};
use super::parse::{Flow, IPV4_OFFSET};
use crate::connection::Identity;
use crate::forward::{mss, nat, ttl, tunnel};
use crate::nexthop::{Hop, Unreachable};
use crate::reject::IcmpError;
use crate::tables::Way;
use link::DropReason;
use link::model::ForwardMethod;
use rte_rs::Mbuf;

/// Byte offset of the time to live in an IPv4 header (RFC 791 section 3.1).
const TTL: usize = 8;
/// Byte offset of the flags (RFC 791 section 3.1); the bit is "don't fragment".
const FLAGS: usize = 6;
const DONT_FRAGMENT: u8 = 0x40;
/// The smallest MTU that IPv4 allows (RFC 791 section 3.2).
const MIN_MTU: u16 = 68;

impl Pipeline {
    /// To the real, by the connection's method. In the reference's order: route, time to live (and its decrement), MTU.
    #[inline]
    pub(super) fn forward_to_real<O: Output>(
        &mut self,
        identity: &Identity,
        flow: &Flow,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Fate {
        let Some(way) = self.tables.way(identity.real_slot).copied() else {
            return Fate::Drop(DropReason::RealRemoved);
        };
        let mut hop = match way.hop {
            Ok(hop) => hop,
            Err(why) => {
                let fate = self.unreachable(why, mbuf, out);
                return self.count_error(identity, fate, mbuf);
            }
        };
        let mtu = match identity.method {
            ForwardMethod::Tunnel => {
                hop.mtu = self.settings.path_mtus.limit(hop.mtu, identity.real.address, self.now);
                hop.mtu.saturating_sub(tunnel::OVERHEAD)
            }
            ForwardMethod::Nat | ForwardMethod::Direct => hop.mtu,
        };
        let heeds_dont_fragment = identity.method != ForwardMethod::Tunnel || way.outer.keeps_dont_fragment();
        if let Some(fate) = self.expired(mbuf, out) {
            return self.count_error(identity, fate, mbuf);
        }
        // An error about the size quotes the packet as it is now.
        ttl::decrement(packet_mut(mbuf));
        if let Some(fate) = self.too_large(flow, mtu, heeds_dont_fragment, mbuf, out) {
            return self.count_error(identity, fate, mbuf);
        }
        if flow.is_syn() {
            self.clamp_mss(identity, flow, mtu, mbuf);
        }
        let sent = match identity.method {
            ForwardMethod::Nat => {
                nat::rewrite_destination(packet_mut(mbuf), flow.header_len, flow.protocol, identity.real);
                true
            }
            ForwardMethod::Direct => true,
            ForwardMethod::Tunnel => encapsulate(mbuf, &way, &mut self.identification),
        };
        if !sent {
            return Fate::Drop(DropReason::NoHeadroom);
        }
        leave(mbuf, &hop, flow.length > mtu)
    }

    /// An error that the client gets about its packet counts as one of the real's own, as in the reference; in NAT it
    /// does not, since the reference no longer knows whose packet it quotes.
    #[cold]
    pub(super) fn count_error(&self, identity: &Identity, fate: Fate, mbuf: &Mbuf) -> Fate {
        if matches!(fate, Fate::Answer { .. } | Fate::Forward { .. })
            && identity.method != ForwardMethod::Nat
            && let Some(real) = self.counters.real(identity.real_slot)
        {
            real.out_packets.add(1);
            real.out_bytes.add(packet(mbuf).len() as u64);
        }
        fate
    }

    /// To the client: a NAT reply. In the order of plain IP forwarding: route, time to live, MTU, decrement.
    #[inline]
    pub(super) fn forward_to_client<O: Output>(
        &mut self,
        index: u32,
        identity: &Identity,
        flow: &Flow,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Fate {
        let hop = match self.reply_hop(index, identity.client.address) {
            Ok(hop) => hop,
            Err(why) => return self.unreachable(why, mbuf, out),
        };
        if let Some(fate) = self.expired(mbuf, out) {
            return fate;
        }
        if let Some(fate) = self.too_large(flow, hop.mtu, true, mbuf, out) {
            return fate;
        }
        if flow.is_syn()
            && let Some(way) = self.tables.way(identity.real_slot).and_then(|way| way.hop.ok())
        {
            self.clamp_mss(identity, flow, way.mtu, mbuf);
        }
        let packet = packet_mut(mbuf);
        ttl::decrement(packet);
        nat::rewrite_source(packet, flow.header_len, flow.protocol, identity.service);
        leave(mbuf, &hop, flow.length > hop.mtu)
    }

    /// Lowers what a SYN says of segment sizes to what fits the way to the real, if the service asks for it. The real's own
    /// SYN says what the client may send: it passes here with VS/NAT only.
    #[cold]
    fn clamp_mss(&self, identity: &Identity, flow: &Flow, mtu: u16, mbuf: &mut Mbuf) {
        let services = &self.tables.services;
        let real = services.real(identity.real_slot, identity.real_generation);
        let service = real.and_then(|real| services.service(real.service));
        if service.is_some_and(|service| service.options.clamp_mss) {
            let most = mtu.saturating_sub(mss::HEADERS);
            mss::clamp(packet_mut(mbuf), flow.header_len, flow.protocol, most);
        }
    }

    /// The way to a client, remembered in its connection until the next hops change.
    #[inline]
    pub(super) fn reply_hop(&self, index: u32, client: u32) -> Result<Hop, Unreachable> {
        let next_hops = &self.tables.next_hops;
        let Some(connection) = self.connections.connection(index) else { return Err(Unreachable::NoRoute) };
        let version = next_hops.version();
        let way = match connection.reply_way(version) {
            Some(way) => way,
            None => {
                let way = next_hops.way_to(client)?;
                connection.set_reply_way(way, version);
                way
            }
        };
        next_hops.hop(way, client)
    }

    /// Looks for the client's next hop before its first reply comes: if a neighbour is missing, it is asked for now.
    pub(super) fn prepare_reply<O: Output>(&self, index: u32, client: u32, out: &mut O) {
        if let Err(Unreachable::NoNeighbor { port, address }) = self.reply_hop(index, client) {
            out.want_neighbor(port, address);
        }
    }

    /// An answer if the packet has no time to live left for another hop.
    #[inline]
    pub(super) fn expired<O: Output>(&mut self, mbuf: &mut Mbuf, out: &mut O) -> Option<Fate> {
        if packet(mbuf).get(TTL).is_some_and(|ttl| *ttl > 1) {
            return None;
        }
        Some(self.answer_error(IcmpError::TimeExceeded, DropReason::TtlExceeded, mbuf, out))
    }

    /// An answer if the packet is too large for its way and must not be fragmented.
    #[inline]
    fn too_large<O: Output>(
        &mut self,
        flow: &Flow,
        mtu: u16,
        heeds_dont_fragment: bool,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Option<Fate> {
        if flow.length <= mtu {
            return None;
        }
        if mtu < MIN_MTU {
            return Some(Fate::Drop(DropReason::MtuTooSmall));
        }
        let dont_fragment =
            heeds_dont_fragment && packet(mbuf).get(FLAGS).is_some_and(|flags| flags & DONT_FRAGMENT != 0);
        dont_fragment.then(|| {
            let error = IcmpError::FragmentationNeeded { mtu };
            self.answer_error(error, DropReason::FragmentationNeeded, mbuf, out)
        })
    }

    /// No way: without a route the sender is told; without a neighbour the packet is lost and the neighbour asked for. If
    /// it has not answered for 3 s the sender is told, about the packet as it would have left.
    #[cold]
    pub(super) fn unreachable<O: Output>(&mut self, why: Unreachable, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        match why {
            Unreachable::NoRoute => self.answer_error(IcmpError::HostUnreachable, DropReason::NoRoute, mbuf, out),
            Unreachable::NoNeighbor { port, address } => {
                out.want_neighbor(port, address);
                if !self.unresolved.is_given_up(port, address, self.now) {
                    return Fate::Drop(DropReason::NoNeighbor);
                }
                ttl::decrement(packet_mut(mbuf));
                self.answer_error(IcmpError::HostUnreachable, DropReason::NoNeighbor, mbuf, out)
            }
        }
    }
}

/// Puts the outer header of a tunnel before the packet; `identification` is that of the last one which may be
/// fragmented. False if the mbuf has no room.
#[inline]
pub(crate) fn encapsulate(mbuf: &mut Mbuf, way: &Way, identification: &mut u16) -> bool {
    let mut outer = [0u8; tunnel::OVERHEAD as usize];
    // Only a packet that may be fragmented shows its identification; the others leave it to those.
    let is_fixed = packet(mbuf).get(FLAGS).is_none_or(|flags| flags & DONT_FRAGMENT != 0);
    if !(is_fixed && way.outer.keeps_dont_fragment()) {
        *identification = identification.wrapping_add(1);
    }
    way.outer.write(&mut outer, packet(mbuf), *identification);
    let Some(_) = mbuf.prepend(outer.len()) else { return false };
    let Some(room) = packet_mut(mbuf).first_chunk_mut() else { return false };
    *room = outer;
    true
}

/// The IPv4 packet in a frame that was parsed.
#[inline]
pub(super) fn packet(mbuf: &Mbuf) -> &[u8] {
    mbuf.data().get(IPV4_OFFSET..).unwrap_or(&[])
}

#[inline]
pub(super) fn packet_mut(mbuf: &mut Mbuf) -> &mut [u8] {
    mbuf.data_mut().get_mut(IPV4_OFFSET..).unwrap_or(&mut [])
}

/// Writes the Ethernet header.
#[inline]
pub(super) fn leave(mbuf: &mut Mbuf, hop: &Hop, too_large: bool) -> Fate {
    if let Some(header) = mbuf.data_mut().first_chunk_mut() {
        *header = hop.ethernet;
    }
    if too_large { Fate::ForwardInFragments { port: hop.port, mtu: hop.mtu } } else { Fate::Forward { port: hop.port } }
}
