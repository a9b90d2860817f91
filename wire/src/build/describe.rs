//! One line for people, for the messages of failing tests.

use crate::arp::{Arp, operation};
use crate::ethernet::{Ethernet, ether_type};
use crate::icmp::{Icmp, kind};
use crate::ipv4::{Ipv4, protocol};
use crate::tcp::Tcp;
use crate::udp::Udp;
use crate::vlan::Vlan;
use alloc::format;
use alloc::string::String;

/// How deep packets in packets (IPIP, ICMP errors) are described.
const MAX_DEPTH: u8 = 4;

/// A frame in one line: who to whom, what, and what is wrong with it. What is usual (no TOS, identification 0, right
/// checksums) is left out.
pub fn describe(frame: &[u8]) -> String {
    let Ok(frame) = Ethernet::parse(frame) else {
        return format!("{} bytes that are no frame", frame.len());
    };
    let mut text = format!("{} > {}", mac(frame.source()), mac(frame.destination()));
    let (mut carried_type, mut carried) = (frame.ether_type(), frame.payload());
    while carried_type == ether_type::VLAN {
        match Vlan::parse(carried) {
            Ok(tag) => {
                text += &format!(" vlan {}", tag.id());
                (carried_type, carried) = (tag.ether_type(), carried.get(crate::vlan::TAG_LEN..).unwrap_or(&[]));
            }
            Err(malformed) => return format!("{text} malformed: {malformed}"),
        }
    }
    text.push(' ');
    text += &match carried_type {
        ether_type::IPV4 => describe_packet(carried, MAX_DEPTH, false),
        ether_type::ARP => describe_arp(carried),
        other => format!("type {other:#06x} len {}", carried.len()),
    };
    text
}

fn mac([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

fn describe_arp(bytes: &[u8]) -> String {
    match Arp::parse(bytes) {
        Ok(arp) if arp.operation() == operation::REQUEST => {
            format!("arp who has {} tell {}", arp.target(), arp.sender())
        }
        Ok(arp) if arp.operation() == operation::REPLY => {
            format!("arp {} is at {} told to {}", arp.sender(), mac(arp.sender_mac()), arp.target())
        }
        Ok(arp) => format!("arp operation {}", arp.operation()),
        Err(malformed) => format!("malformed: {malformed}"),
    }
}

fn describe_packet(bytes: &[u8], depth: u8, quoted: bool) -> String {
    let parsed = if quoted { Ipv4::parse_quoted(bytes) } else { Ipv4::parse(bytes) };
    let packet = match parsed {
        Ok(packet) => packet,
        Err(malformed) => return format!("malformed: {malformed}"),
    };
    let mut text = if packet.fragment_offset() == 0 {
        describe_transport(&packet, depth, quoted)
    } else {
        format!("{} > {} protocol {}", packet.source(), packet.destination(), packet.protocol())
    };
    text += &format!(" ttl {}", packet.ttl());
    if packet.is_fragment() {
        let more = if packet.more_fragments() { "+" } else { "" };
        text += &format!(" fragment {}@{}{more}", packet.payload().len(), packet.fragment_offset());
    }
    for (shown, word) in [
        (packet.tos() != 0, format!(" tos {:#04x}", packet.tos())),
        (packet.identification() != 0, format!(" id {}", packet.identification())),
        (packet.dont_fragment(), String::from(" df")),
        (!packet.options().is_empty(), format!(" options {:02x?}", packet.options())),
        (!packet.checksum_is_valid(), String::from(" BAD IP CHECKSUM")),
    ] {
        if shown {
            text += &word;
        }
    }
    text
}

fn describe_transport(packet: &Ipv4<&[u8]>, depth: u8, quoted: bool) -> String {
    let (source, destination, payload) = (packet.source(), packet.destination(), packet.payload());
    // Over a cut-off or fragmented payload no checksum can be right.
    let whole = !quoted && !packet.is_fragment();
    let bad = |valid: bool| if whole && !valid { " BAD CHECKSUM" } else { "" };
    match packet.protocol() {
        protocol::TCP => match Tcp::parse(payload) {
            Ok(tcp) => {
                format!("{} tcp {}", ports(packet, tcp.source_port(), tcp.destination_port()), segment(&tcp))
                    + bad(tcp.checksum_is_valid(source, destination))
            }
            Err(malformed) if !quoted => format!("{source} > {destination} malformed: {malformed}"),
            Err(_) => quoted_ports(packet, "tcp"),
        },
        protocol::UDP => match if whole { Udp::parse(payload) } else { Udp::parse_start(payload) } {
            Ok(udp) => {
                let none = if udp.checksum() == 0 { " no checksum" } else { "" };
                let ports = ports(packet, udp.source_port(), udp.destination_port());
                format!("{ports} udp len {}{none}", udp.payload().len())
                    + bad(udp.checksum_is_valid(source, destination))
            }
            Err(malformed) => format!("{source} > {destination} malformed: {malformed}"),
        },
        protocol::ICMP => match Icmp::parse(payload) {
            Ok(icmp) => {
                format!("{source} > {destination} icmp {}", message(&icmp, depth)) + bad(icmp.checksum_is_valid())
            }
            Err(malformed) => format!("{source} > {destination} malformed: {malformed}"),
        },
        protocol::IPIP if depth > 0 => {
            format!("{source} > {destination} ipip [{}]", describe_packet(payload, depth - 1, quoted))
        }
        other => format!("{source} > {destination} protocol {other} len {}", payload.len()),
    }
}

fn ports(packet: &Ipv4<&[u8]>, source: u16, destination: u16) -> String {
    format!("{}:{source} > {}:{destination}", packet.source(), packet.destination())
}

/// An ICMP error need quote no more than the ports and the sequence number.
fn quoted_ports(packet: &Ipv4<&[u8]>, name: &str) -> String {
    match packet.payload().first_chunk::<4>() {
        Some(&[a, b, c, d]) => {
            format!("{} {name}", ports(packet, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        None => format!("{} > {} {name} without ports", packet.source(), packet.destination()),
    }
}

fn segment(tcp: &Tcp<&[u8]>) -> String {
    let mut text = format!("{} seq {}", tcp.flags(), tcp.sequence());
    if tcp.flags().ack() || tcp.acknowledgment() != 0 {
        text += &format!(" ack {}", tcp.acknowledgment());
    }
    text += &format!(" win {} len {}", tcp.window(), tcp.payload().len());
    for option in tcp.options() {
        text += &format!(" {option:?}");
    }
    text
}

fn message(icmp: &Icmp<&[u8]>, depth: u8) -> String {
    let [a, b, c, d] = icmp.rest_of_header();
    match (icmp.kind(), icmp.quoted()) {
        (kind::ECHO_REQUEST | kind::ECHO_REPLY, _) => {
            let name = if icmp.kind() == kind::ECHO_REQUEST { "echo request" } else { "echo reply" };
            let (id, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            format!("{name} id {id} seq {sequence} len {}", icmp.payload().len())
        }
        (kind, Some(quoted)) if depth > 0 => {
            let mtu = if icmp.mtu() != 0 { format!(" mtu {}", icmp.mtu()) } else { String::new() };
            format!(
                "{kind}/{}{mtu} quoting {} [{}]",
                icmp.code(),
                quoted.len(),
                describe_packet(quoted, depth - 1, true)
            )
        }
        (kind, _) => format!("{kind}/{} len {}", icmp.code(), icmp.payload().len()),
    }
}
