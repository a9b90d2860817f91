//! From a description to bytes.

use super::transport::{Transport, TransportHeader};
use super::{Carried, Checksum, DEFAULT_DESTINATION, Frame, Packet};
use crate::bytes::put;
use crate::ethernet::{MIN_LEN, ether_type};
use crate::ipv4::{DONT_FRAGMENT, Ipv4, MORE_FRAGMENTS};
use crate::{arp, checksum, icmp, ipv4, udp};
use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

impl Frame {
    /// The frame's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.wrap(self.packet())
    }

    /// The bytes after the Ethernet header and the tags: an IPv4 packet from its header on, for one.
    pub fn packet(&self) -> Vec<u8> {
        match &self.carried {
            Carried::Raw(_, bytes) => bytes.clone(),
            Carried::Ipv4(packet) => packet.bytes(),
            Carried::Arp { operation, sender, target, target_mac } => {
                let mut bytes = vec![0; arp::LEN];
                // The buffer is as long as the packet, so this cannot be refused.
                let _ = arp::emit(&mut bytes, *operation, (self.source, *sender), (*target_mac, *target));
                bytes
            }
        }
    }

    /// The frames of the packet's fragments, each with at most `payload_len` bytes (rounded down to a multiple of 8, at
    /// least 8) after its IPv4 header. The options, and "don't fragment", are repeated in each as they are.
    pub fn fragments(&self, payload_len: usize) -> Vec<Vec<u8>> {
        let whole = self.packet();
        let Ok(packet) = Ipv4::parse(&whole[..]) else {
            return vec![self.bytes()];
        };
        let step = (payload_len & !7).max(8);
        let pieces = packet.payload().chunks(step).enumerate();
        pieces
            .map(|(index, piece)| {
                let last = (index + 1) * step >= packet.payload().len();
                let mut bytes = packet.header().to_vec();
                bytes.extend_from_slice(piece);
                let total_len = bytes.len() as u16;
                put(&mut bytes, 2, total_len.to_be_bytes());
                if let Ok(mut fragment) = Ipv4::parse(&mut bytes[..]) {
                    let more = if last { packet.flags_and_offset() & MORE_FRAGMENTS } else { MORE_FRAGMENTS };
                    let offset = (packet.fragment_offset() + index * step) / 8;
                    let fixed = packet.flags_and_offset() & DONT_FRAGMENT;
                    fragment.set_flags_and_offset(fixed | more | offset as u16);
                    fragment.fill_checksum();
                }
                self.wrap(bytes)
            })
            .collect()
    }

    fn wrap(&self, packet: Vec<u8>) -> Vec<u8> {
        let carried_type = match &self.carried {
            Carried::Raw(carried_type, _) => *carried_type,
            Carried::Arp { .. } => ether_type::ARP,
            Carried::Ipv4(_) => ether_type::IPV4,
        };
        let mut frame = Vec::with_capacity(packet.len() + 22);
        frame.extend_from_slice(&self.destination.unwrap_or(DEFAULT_DESTINATION));
        frame.extend_from_slice(&self.source);
        for (id, priority) in &self.tags {
            frame.extend_from_slice(&ether_type::VLAN.to_be_bytes());
            frame.extend_from_slice(&((u16::from(*priority & 7) << 13) | (id & 0x0fff)).to_be_bytes());
        }
        frame.extend_from_slice(&carried_type.to_be_bytes());
        frame.extend_from_slice(&packet);
        if self.padded && frame.len() < MIN_LEN {
            frame.resize(MIN_LEN, 0);
        }
        frame
    }
}

impl Packet {
    fn bytes(&self) -> Vec<u8> {
        let segment = self.transport.bytes(self.source, self.destination);
        let header_len = ipv4::HEADER_LEN + self.options.len();
        let fixed = ipv4::Header {
            tos: self.tos,
            total_len: self.total_len.unwrap_or((header_len + segment.len()) as u16),
            identification: self.identification,
            flags_and_offset: self.flags_and_offset,
            ttl: self.ttl,
            protocol: self.protocol.unwrap_or(self.transport.header.protocol()),
            source: self.source,
            destination: self.destination,
        };
        let mut header = fixed.emit().to_vec();
        header.extend_from_slice(&self.options);
        put(&mut header, 0, [self.first_byte.unwrap_or(0x40 | (header_len / 4) as u8)]);
        fill(&mut header, 10, self.checksum, checksum::internet);
        header.extend_from_slice(&segment);
        header
    }
}

impl Transport {
    fn bytes(&self, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
        let mut bytes = self.header_bytes();
        bytes.extend_from_slice(&self.payload);
        let protocol = self.header.protocol();
        match self.header {
            TransportHeader::Raw | TransportHeader::Ipip => {}
            TransportHeader::Tcp { .. } => {
                fill(&mut bytes, 16, self.checksum, |bytes| checksum::transport(from, to, protocol, bytes));
            }
            TransportHeader::Udp { .. } => fill(&mut bytes, 6, self.checksum, |bytes| {
                checksum::udp_field(checksum::transport(from, to, protocol, bytes))
            }),
            TransportHeader::Icmp { .. } => fill(&mut bytes, 2, self.checksum, checksum::internet),
        }
        bytes
    }

    fn header_bytes(&self) -> Vec<u8> {
        match &self.header {
            TransportHeader::Raw | TransportHeader::Ipip => Vec::new(),
            TransportHeader::Tcp { header, options, data_offset } => {
                let mut bytes = header.emit().to_vec();
                bytes.extend_from_slice(options);
                let words = data_offset.unwrap_or((bytes.len() / 4) as u8);
                put(&mut bytes, 12, [words << 4]);
                bytes
            }
            TransportHeader::Udp { source, destination, length } => {
                let length = length.unwrap_or((udp::HEADER_LEN + self.payload.len()) as u16);
                udp::header(*source, *destination, length).to_vec()
            }
            TransportHeader::Icmp { kind, code, rest } => {
                let mut bytes = vec![0; icmp::HEADER_LEN];
                put(&mut bytes, 0, [*kind, *code]);
                put(&mut bytes, 4, *rest);
                bytes
            }
        }
    }
}

/// Fills the checksum field at `at`: zero while it is computed.
fn fill(bytes: &mut [u8], at: usize, how: Checksum, compute: impl Fn(&[u8]) -> u16) {
    put(bytes, at, [0, 0]);
    let right = compute(bytes);
    match how {
        Checksum::Right => put(bytes, at, right.to_be_bytes()),
        // Not the inverse: for a sum of 0 that would be the other way to write a right one.
        Checksum::Wrong => put(bytes, at, (right ^ 0x0101).to_be_bytes()),
        Checksum::None => {}
    }
}
