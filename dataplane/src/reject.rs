//! Answers that the director sends itself: a TCP RST, or an ICMP error. Byte for byte what Linux sends from a host that
//! owns the address, but for the ICMP packet's identification (0 here) and for IPv4 options, which are not echoed.
//!
//! All take the packet that asks, from its IPv4 header on, and write an IPv4 packet. `None`: no answer is allowed, or
//! `out` is too short.

use std::net::Ipv4Addr;
use wire::icmp::{self, code, kind};
use wire::ipv4::{self, DONT_FRAGMENT, Ipv4, protocol};
use wire::tcp::{self, Flags, Tcp};
use wire::udp::Udp;

/// The longest answer, in bytes: what every host can take in (RFC 1812 section 4.3.2.3).
pub const MAX_LEN: usize = 576;

const TTL: u8 = 64;
/// What an ICMP error copies of the type of service, beside precedence "internetwork control" (RFC 1812 section
/// 4.3.2.5): as Linux.
const TOS_COPIED: u8 = 0x1e;
const INTERNETWORK_CONTROL: u8 = 0xc0;
/// The ECN bits, which a RST does not copy.
const ECN: u8 = 0x03;

/// The ICMP errors that a director sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// Nothing listens on the port, or no real is available.
    PortUnreachable,
    /// Nothing at the address speaks the protocol.
    ProtocolUnreachable,
    /// There is no route to the destination.
    HostUnreachable,
    /// The time to live ran out.
    TimeExceeded,
    /// The other fragments of a packet did not come in time.
    ReassemblyTimeExceeded,
    /// An IPv4 option makes no sense.
    ParameterProblem {
        /// The offset of the byte that does not, in the header.
        pointer: u8,
    },
    /// The packet is too large for the way and must not be fragmented.
    FragmentationNeeded {
        /// The largest packet that may pass, in bytes.
        mtu: u16,
    },
}

impl IcmpError {
    /// ICMP type, code and rest of header.
    const fn fields(self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::PortUnreachable => (kind::DESTINATION_UNREACHABLE, code::PORT, [0; 4]),
            Self::ProtocolUnreachable => (kind::DESTINATION_UNREACHABLE, code::PROTOCOL, [0; 4]),
            Self::HostUnreachable => (kind::DESTINATION_UNREACHABLE, code::HOST, [0; 4]),
            Self::TimeExceeded => (kind::TIME_EXCEEDED, 0, [0; 4]),
            Self::ReassemblyTimeExceeded => (kind::TIME_EXCEEDED, 1, [0; 4]),
            Self::ParameterProblem { pointer } => (kind::PARAMETER_PROBLEM, 0, [pointer, 0, 0, 0]),
            Self::FragmentationNeeded { mtu } => {
                let [high, low] = mtu.to_be_bytes();
                (kind::DESTINATION_UNREACHABLE, code::FRAGMENTATION_NEEDED, [0, 0, high, low])
            }
        }
    }
}

/// The RST for a segment that belongs to no connection (RFC 9293 section 3.10.7.1); returns its length.
///
/// Never about a RST, a fragment, a segment with a wrong checksum, or from and to addresses that are no host's.
pub fn tcp_reset(request: &[u8], out: &mut [u8]) -> Option<usize> {
    let packet = Ipv4::parse(request).ok()?;
    let (source, destination) = (packet.source(), packet.destination());
    if packet.protocol() != protocol::TCP || packet.is_fragment() || !may_be_answered(source, destination) {
        return None;
    }
    let segment = Tcp::parse(packet.payload()).ok()?;
    if segment.flags().rst() || !segment.checksum_is_valid(source, destination) {
        return None;
    }
    let (sequence, acknowledgment, flags) = if segment.flags().ack() {
        (segment.acknowledgment(), 0, Flags::RST)
    } else {
        (0, segment.sequence().wrapping_add(segment.sequence_len()), Flags::RST | Flags::ACK)
    };
    let reset = tcp::Header {
        source_port: segment.destination_port(),
        destination_port: segment.source_port(),
        sequence,
        acknowledgment,
        flags,
        window: 0,
    };
    let total_len = ipv4::HEADER_LEN + tcp::HEADER_LEN;
    let header = ipv4::Header {
        tos: packet.tos() & !ECN,
        total_len: total_len as u16,
        identification: 0,
        flags_and_offset: DONT_FRAGMENT,
        ttl: TTL,
        protocol: protocol::TCP,
        source: destination,
        destination: source,
    };
    let (network, transport) = out.get_mut(..total_len)?.split_at_mut_checked(ipv4::HEADER_LEN)?;
    network.copy_from_slice(&header.emit());
    transport.copy_from_slice(&reset.emit());
    Tcp::parse(transport).ok()?.fill_checksum(destination, source);
    Some(total_len)
}

/// An ICMP error about a packet, from `source`; returns its length. `request` is quoted as it is given, as much of it as
/// the error has room for: [`MAX_LEN`] bytes, or the length of `out` if that is less.
///
/// Never about an ICMP error, a fragment but the first, or from and to addresses that are no host's (RFC 1122 section
/// 3.2.2, RFC 1812 section 4.3.2.7). Checksums of the transport are not looked at: a host that refuses a datagram checks
/// [`udp_checksum_is_valid`] first.
pub fn icmp_error(error: IcmpError, request: &[u8], source: Ipv4Addr, out: &mut [u8]) -> Option<usize> {
    Ipv4::parse(request).ok()?;
    let (kind, code, rest) = error.fields();
    write_error((kind, code, rest), request, source, out)
}

/// Whether a UDP packet's checksum is right or absent. A host drops the others before it looks for the port.
pub fn udp_checksum_is_valid(request: &[u8]) -> bool {
    Ipv4::parse(request).is_ok_and(|packet| {
        Udp::parse(packet.payload())
            .is_ok_and(|datagram| datagram.checksum_is_valid(packet.source(), packet.destination()))
    })
}

/// An ICMP error with these fields about a packet that may be cut off already.
pub(crate) fn write_error(
    (kind, code, rest): (u8, u8, [u8; 4]),
    about: &[u8],
    source: Ipv4Addr,
    out: &mut [u8],
) -> Option<usize> {
    let packet = Ipv4::parse_quoted(about).ok()?;
    if !may_be_answered(packet.source(), packet.destination()) || packet.fragment_offset() != 0 || is_error(&packet) {
        return None;
    }
    let room = out.len().min(MAX_LEN).checked_sub(ipv4::HEADER_LEN + icmp::HEADER_LEN)?;
    let quoted = packet.packet().get(..room).unwrap_or(packet.packet());
    let total_len = ipv4::HEADER_LEN + icmp::HEADER_LEN + quoted.len();
    let header = ipv4::Header {
        tos: packet.tos() & TOS_COPIED | INTERNETWORK_CONTROL,
        total_len: total_len as u16,
        identification: 0,
        flags_and_offset: 0,
        ttl: TTL,
        protocol: protocol::ICMP,
        source,
        destination: packet.source(),
    };
    let (network, message) = out.get_mut(..total_len)?.split_at_mut_checked(ipv4::HEADER_LEN)?;
    network.copy_from_slice(&header.emit());
    let mut message = icmp::Icmp::parse(message).ok()?;
    message.set_kind(kind, code);
    message.set_rest_of_header(rest);
    message.payload_mut().copy_from_slice(quoted);
    message.fill_checksum();
    Some(total_len)
}

/// Both ends are single hosts, and not this one by another name.
pub(crate) fn may_be_answered(source: Ipv4Addr, destination: Ipv4Addr) -> bool {
    let is_host = |address: Ipv4Addr| !(address.is_multicast() || address.is_broadcast() || address.is_unspecified());
    is_host(source) && is_host(destination) && !source.is_loopback()
}

/// Whether the packet is an ICMP error, or ICMP of a type that might be one.
fn is_error(packet: &Ipv4<&[u8]>) -> bool {
    /// The last type that Linux knows: address mask reply.
    const LAST_KNOWN: u8 = 18;
    packet.protocol() == protocol::ICMP
        && packet.payload().first().is_none_or(|kind| icmp::is_error(*kind) || *kind > LAST_KNOWN)
}

#[cfg(test)]
#[path = "reject_tests.rs"]
mod tests;
