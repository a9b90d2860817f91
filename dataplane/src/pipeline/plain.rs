//! The common frame, from a few wide loads: for this port, with a whole TCP or UDP packet and no IPv4 options. Of any other
//! it says nothing, and [`super::parse`] judges; where it says something, both say the same.

use super::parse::Flow;
use crate::connection::key;
use link::model::Protocol;
use rte_rs::HashKey;
use wire::{ethernet, ipv4, tcp, udp};

/// What a key does not tell of a [`Flow`] without IPv4 options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    /// The IPv4 total length.
    pub(super) length: u16,
    /// The TCP flag byte; 0 for UDP.
    pub(super) tcp_flags: u8,
    pub(super) protocol: Protocol,
}

impl Plain {
    pub(super) const NONE: Self = Self { length: 0, tcp_flags: 0, protocol: Protocol::Udp };

    /// The whole of it.
    pub(super) fn flow(self, key: &HashKey) -> Flow {
        let (source, destination) = key::endpoints(key);
        let header_len = ipv4::HEADER_LEN as u8;
        Flow {
            source,
            destination,
            length: self.length,
            header_len,
            tcp_flags: self.tcp_flags,
            protocol: self.protocol,
        }
    }
}

/// A MAC address as [`parse`] compares it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnMac(u64);

impl OwnMac {
    /// Of a port that there is not: no frame is for it.
    pub(super) const NONE: Self = Self(u64::MAX);

    pub(super) fn new([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

const HEADERS: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
/// EtherType IPv4; version 4 and five words of header; any type of service.
const IPV4_WITHOUT_OPTIONS: u32 = u32::from_le_bytes([0x08, 0x00, 0x45, 0]);
/// More fragments, or an offset.
const FRAGMENT: u16 = u16::from_le_bytes([0x3f, 0xff]);
const UDP_LENGTH: usize = HEADERS + 4;
const TCP_DATA_OFFSET: usize = HEADERS + 12;
const TCP_FLAGS: usize = HEADERS + 13;

/// The frame's packet with its key, and its time to live; `None`: it is not of the common kind, or not valid.
#[inline(always)]
pub(super) fn parse(frame: &[u8], mac: OwnMac, key: &mut HashKey) -> Option<(Plain, u8)> {
    let head: &[u8; HEADERS + udp::HEADER_LEN] = frame.first_chunk()?;
    let kind = u32::from_le_bytes(at(head, 12));
    let (first, second, third) = (u64_at(head, 14), u64_at(head, 22), u32::from_le_bytes(at(head, 30)));
    let is_common = (u64_at(head, 0) ^ mac.0) << 16 == 0
        && kind & 0x00ff_ffff == IPV4_WITHOUT_OPTIONS
        && (first >> 48) as u16 & FRAGMENT == 0;
    let length = ((first >> 16) as u16).swap_bytes();
    let payload = usize::from(length).checked_sub(ipv4::HEADER_LEN)?;
    if !is_common || frame.len() < ethernet::HEADER_LEN + usize::from(length) || !sums_up(first, second, third) {
        return None;
    }
    let (protocol, tcp_flags) = match (second >> 8) as u8 {
        ipv4::protocol::TCP if payload >= tcp::HEADER_LEN => {
            let header_len = usize::from(frame.get(TCP_DATA_OFFSET)? >> 4) * 4;
            if header_len < tcp::HEADER_LEN || header_len > payload {
                return None;
            }
            (Protocol::Tcp, *frame.get(TCP_FLAGS)?)
        }
        ipv4::protocol::UDP if payload >= udp::HEADER_LEN => {
            let stated = usize::from(u16::from_be_bytes(at(head, UDP_LENGTH)));
            if stated < udp::HEADER_LEN || stated > payload {
                return None;
            }
            (Protocol::Udp, 0)
        }
        _ => return None,
    };
    *key = key::from_packet(at(head, 26), at(head, 34), protocol);
    Some((Plain { length, tcp_flags, protocol }, second as u8))
}

/// Whether the words of a header (RFC 791 section 3.1) add up to all ones, in whatever byte order (RFC 1071 section 2):
/// whether their sum, of which one at least is not zero, is a multiple of all ones.
#[inline(always)]
fn sums_up(first: u64, second: u64, third: u32) -> bool {
    // A carry out of 64 bits is worth one, as one out of 16 is.
    let (sum, carry) = first.overflowing_add(second);
    let (sum, again) = sum.overflowing_add(u64::from(third) + u64::from(carry));
    (sum + u64::from(again)) % 0xffff == 0
}

#[inline(always)]
fn u64_at(head: &[u8; HEADERS + udp::HEADER_LEN], offset: usize) -> u64 {
    u64::from_le_bytes(at(head, offset))
}

/// The bytes at an offset that is written down above, within the array: no check is left.
#[inline(always)]
fn at<const N: usize>(head: &[u8; HEADERS + udp::HEADER_LEN], offset: usize) -> [u8; N] {
    head.get(offset..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
