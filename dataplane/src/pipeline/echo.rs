//! Ping, on a port without a kernel interface: a virtual address and the director's own answer it there themselves.

use super::Pipeline;
use super::forward::{leave, packet, packet_mut};
use super::output::{Fate, Output};
use super::parse::IPV4_OFFSET;
use crate::reject;
use link::DropReason;
use rte_rs::Mbuf;
use wire::icmp::{Icmp, kind};
use wire::ipv4::{self, Ipv4, protocol};

/// Time to live of a reply.
const TTL: u8 = 64;

impl Pipeline {
    /// IPv4 that is not balanced: the kernel's, if the port has a kernel interface. If not, an echo request is answered.
    #[cold]
    pub(super) fn other_ipv4<O: Output>(&self, destination: u32, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(facts) = self.settings.ports.get(usize::from(mbuf.port())).filter(|facts| !facts.has_kernel_interface)
        else {
            return Fate::Kernel;
        };
        let is_ours = facts.addresses.contains(&destination) || self.tables.services.is_virtual(destination);
        if !is_ours || !is_request(packet(mbuf)) {
            return Fate::Kernel;
        }
        let Ok(source) = Ipv4::parse(packet(mbuf)).map(|packet| packet.source().to_bits()) else { return Fate::Kernel };
        let hop = match self.tables.next_hops.route(source) {
            Ok(hop) => hop,
            Err(why) => return self.no_way_back(why, out),
        };
        let Some(length) = reply(mbuf) else { return Fate::Drop(DropReason::IcmpMalformed) };
        match leave(mbuf, &hop, length > usize::from(hop.mtu)) {
            Fate::Forward { port } => Fate::Answer { port, reason: None },
            fate => fate,
        }
    }
}

/// Whether this is an echo request that may be answered. One with a wrong checksum may not.
fn is_request(packet: &[u8]) -> bool {
    let Ok(packet) = Ipv4::parse(packet) else { return false };
    packet.protocol() == protocol::ICMP
        && !packet.is_fragment()
        && reject::may_be_answered(packet.source(), packet.destination())
        && Icmp::parse(packet.payload())
            .is_ok_and(|message| message.kind() == kind::ECHO_REQUEST && message.checksum_is_valid())
}

/// Turns the request into its reply, as the reference does: type of service, code and data stay, "don't fragment" does
/// not. IPv4 options are left out. Returns the packet's length.
fn reply(mbuf: &mut Mbuf) -> Option<usize> {
    let request = Ipv4::parse(packet(mbuf)).ok()?;
    let options = request.options().len();
    let header = ipv4::Header {
        tos: request.tos(),
        total_len: (request.total_len() - options) as u16,
        identification: 0,
        flags_and_offset: 0,
        ttl: TTL,
        protocol: protocol::ICMP,
        source: request.destination(),
        destination: request.source(),
    };
    let length = request.total_len();
    mbuf.truncate(IPV4_OFFSET + length);
    // The Ethernet header is written anew.
    mbuf.trim_front(options);
    let (network, message) = packet_mut(mbuf).split_at_mut_checked(ipv4::HEADER_LEN)?;
    network.copy_from_slice(&header.emit());
    let mut message = Icmp::parse(message).ok()?;
    let code = message.code();
    message.set_kind(kind::ECHO_REPLY, code);
    message.fill_checksum();
    Some(length - options)
}
