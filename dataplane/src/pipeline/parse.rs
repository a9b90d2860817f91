//! Stage 1: what a frame is. Every header is validated here, once; later stages rely on it.

use crate::connection::{Endpoint, key};
use crate::icmp::is_translated;
use link::DropReason;
use link::model::Protocol;
use rte_rs::HashKey;
use wire::{ethernet, icmp, ipv4, tcp, udp};

/// Where the IPv4 header starts in a frame that is balanced (untagged Ethernet).
pub const IPV4_OFFSET: usize = ethernet::HEADER_LEN;

/// A TCP or UDP packet, whole, with valid headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where it comes from.
    pub source: Endpoint,
    /// Where it goes.
    pub destination: Endpoint,
    /// The IPv4 total length.
    pub length: u16,
    /// Bytes of IPv4 header: the transport header starts there.
    pub header_len: u8,
    /// The TCP flag byte; 0 for UDP.
    pub tcp_flags: u8,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl Flow {
    /// Whether a TCP SYN is set.
    #[inline]
    pub const fn is_syn(&self) -> bool {
        self.tcp_flags & tcp::Flags::SYN.0 != 0
    }

    /// Whether a TCP ACK is set.
    #[inline]
    pub const fn is_ack(&self) -> bool {
        self.tcp_flags & tcp::Flags::ACK.0 != 0
    }

    /// Whether a TCP RST is set.
    #[inline]
    pub const fn is_reset(&self) -> bool {
        self.tcp_flags & tcp::Flags::RST.0 != 0
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Can belong to a connection.
    Flow(Flow),
    /// A flow that another worker owns; only steering says so.
    Elsewhere {
        /// Which.
        worker: u16,
    },
    /// An ICMP error (destination unreachable, source quench, time exceeded), not fragmented.
    IcmpError {
        /// Destination address, host byte order.
        destination: u32,
    },
    /// An ARP packet for Ethernet and IPv4.
    Arp,
    /// A fragment of an IPv4 packet.
    Fragment {
        /// Source address, host byte order.
        source: u32,
        /// Destination address, host byte order.
        destination: u32,
    },
    /// A packet that another worker has put together from fragments; only it says so.
    Whole,
    /// IPv4 of another kind, valid.
    OtherIpv4 {
        /// Destination address, host byte order.
        destination: u32,
    },
    /// Not for a director: other ethertypes, multicast and broadcast.
    NotBalanced,
    /// Refused.
    Refused(DropReason),
}

/// Parses a frame that came in on a port with MAC address `mac`; `key` is set for a [`Parsed::Flow`]. A frame longer
/// than its IPv4 packet (Ethernet padding) is fine; [`Flow::length`] says where the packet ends.
pub fn parse(frame: &[u8], mac: &[u8; 6], key: &mut HashKey) -> Parsed {
    let Ok(frame) = ethernet::Ethernet::parse(frame) else { return Parsed::Refused(DropReason::FrameMalformed) };
    let destination = frame.destination();
    if destination != *mac {
        let is_group = destination[0] & 1 == 1;
        return match (is_group, frame.ether_type()) {
            (true, ethernet::ether_type::ARP) => Parsed::Arp,
            (true, _) => Parsed::NotBalanced,
            (false, _) => Parsed::Refused(DropReason::OtherHost),
        };
    }
    match frame.ether_type() {
        ethernet::ether_type::IPV4 => parse_ipv4(frame.payload(), key),
        ethernet::ether_type::ARP => Parsed::Arp,
        _ => Parsed::NotBalanced,
    }
}

#[inline]
fn parse_ipv4(packet: &[u8], key: &mut HashKey) -> Parsed {
    let Ok(header) = ipv4::Ipv4::parse(packet) else { return Parsed::Refused(DropReason::Ipv4Malformed) };
    if !header.checksum_is_valid() {
        return Parsed::Refused(DropReason::Ipv4Checksum);
    }
    let destination = header.destination().to_bits();
    if header.is_fragment() {
        return Parsed::Fragment { source: header.source().to_bits(), destination };
    }
    let (protocol, tcp_flags) = match header.protocol() {
        6 => match tcp::Tcp::parse(header.payload()) {
            Ok(segment) => (Protocol::Tcp, segment.flags().0),
            Err(_) => return Parsed::Refused(DropReason::TransportMalformed),
        },
        17 => match udp::Udp::parse(header.payload()) {
            Ok(_) => (Protocol::Udp, 0),
            Err(_) => return Parsed::Refused(DropReason::TransportMalformed),
        },
        1 => return parse_icmp(header.payload(), destination),
        _ => return Parsed::OtherIpv4 { destination },
    };
    let (Some(addresses), Some(ports)) =
        (packet.get(12..).and_then(<[u8]>::first_chunk), header.payload().first_chunk())
    else {
        return Parsed::Refused(DropReason::TransportMalformed);
    };
    *key = key::from_packet(*addresses, *ports, protocol);
    let [source_high, source_low, destination_high, destination_low] = *ports;
    Parsed::Flow(Flow {
        source: Endpoint { address: header.source().to_bits(), port: u16::from_be_bytes([source_high, source_low]) },
        destination: Endpoint { address: destination, port: u16::from_be_bytes([destination_high, destination_low]) },
        length: header.total_len() as u16,
        header_len: header.header_len() as u8,
        tcp_flags,
        protocol,
    })
}

fn parse_icmp(message: &[u8], destination: u32) -> Parsed {
    match icmp::Icmp::parse(message) {
        Ok(message) if is_translated(message.kind()) => Parsed::IcmpError { destination },
        Ok(_) => Parsed::OtherIpv4 { destination },
        Err(_) => Parsed::Refused(DropReason::IcmpMalformed),
    }
}
