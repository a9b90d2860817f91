//! Both header changes of a common packet in one pass over its frame: the time to live with the addresses and ports of
//! NAT. A frame without VLAN tag and IPv4 options, whose packet was validated; its time to live is above 1.
//!
//! Sums are taken in the byte order of this machine: the result does not depend on it (RFC 1071 section 2).

use crate::connection::Endpoint;
use link::model::Protocol;
use wire::checksum::{Delta, udp_field};

/// Byte offsets in such a frame.
mod field {
    pub(super) const TTL: usize = 22;
    pub(super) const HEADER_CHECKSUM: usize = 24;
    pub(super) const SOURCE: usize = 26;
    pub(super) const DESTINATION: usize = 30;
    pub(super) const SOURCE_PORT: usize = 34;
    pub(super) const DESTINATION_PORT: usize = 36;
    pub(super) const UDP_CHECKSUM: usize = 40;
    pub(super) const TCP_CHECKSUM: usize = 50;
}

/// One hop less, and the destination (or source) becomes `to`. False, and nothing done: a UDP datagram without a checksum,
/// or a frame that is none of those above.
#[inline(always)]
pub fn translate<const IS_SOURCE: bool>(frame: &mut [u8], protocol: Protocol, to: Endpoint) -> bool {
    match protocol {
        Protocol::Tcp => frame.first_chunk_mut().is_some_and(|head: &mut [u8; field::TCP_CHECKSUM + 2]| {
            rewrite::<IS_SOURCE, { field::TCP_CHECKSUM }, _>(head, to)
        }),
        Protocol::Udp => frame.first_chunk_mut().is_some_and(|head: &mut [u8; field::UDP_CHECKSUM + 2]| {
            rewrite::<IS_SOURCE, { field::UDP_CHECKSUM }, _>(head, to)
        }),
    }
}

#[inline(always)]
fn rewrite<const IS_SOURCE: bool, const CHECKSUM: usize, const N: usize>(head: &mut [u8; N], to: Endpoint) -> bool {
    let is_udp = CHECKSUM == field::UDP_CHECKSUM;
    let checksum = u16::from_ne_bytes(get(head, CHECKSUM));
    if is_udp && checksum == 0 {
        return false;
    }
    let (at_address, at_port) =
        if IS_SOURCE { (field::SOURCE, field::SOURCE_PORT) } else { (field::DESTINATION, field::DESTINATION_PORT) };
    let address = to.address.to_be_bytes();
    let port = to.port.to_be_bytes();
    let moved = Delta::new().replace_u32(u32::from_ne_bytes(get(head, at_address)), u32::from_ne_bytes(address));
    hop(head, moved);
    let moved = moved.replace_u16(u16::from_ne_bytes(get(head, at_port)), u16::from_ne_bytes(port));
    let adjusted = moved.apply(checksum);
    put(head, at_address, address);
    put(head, at_port, port);
    put(head, CHECKSUM, (if is_udp { udp_field(adjusted) } else { adjusted }).to_ne_bytes());
    true
}

/// One hop less, with what else has `moved` in the header.
#[inline(always)]
fn hop<const N: usize>(head: &mut [u8; N], moved: Delta) {
    let [ttl, protocol] = get(head, field::TTL);
    let less = [ttl.wrapping_sub(1), protocol];
    let moved = moved.replace_u16(u16::from_ne_bytes([ttl, protocol]), u16::from_ne_bytes(less));
    let checksum = u16::from_ne_bytes(get(head, field::HEADER_CHECKSUM));
    put(head, field::TTL, less);
    put(head, field::HEADER_CHECKSUM, moved.apply(checksum).to_ne_bytes());
}

/// The bytes at an offset within the array: no check is left.
#[inline(always)]
fn get<const M: usize, const N: usize>(head: &[u8; N], offset: usize) -> [u8; M] {
    head.get(offset..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; M])
}

#[inline(always)]
fn put<const M: usize, const N: usize>(head: &mut [u8; N], offset: usize, value: [u8; M]) {
    if let Some(field) = head.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::translate;
    use crate::connection::Endpoint;
    use crate::forward::{nat, ttl};
    use link::model::Protocol;
    use proptest::prelude::*;
    use wire::build::eth;

    fn both(mut frame: Vec<u8>, protocol: Protocol, to: Endpoint, is_source: bool) -> (Vec<u8>, bool, Vec<u8>) {
        let mut step_by_step = frame.clone();
        ttl::decrement(&mut step_by_step[14..]);
        if is_source {
            nat::rewrite_source(&mut step_by_step[14..], 20, protocol, to);
        } else {
            nat::rewrite_destination(&mut step_by_step[14..], 20, protocol, to);
        }
        let done = if is_source {
            translate::<true>(&mut frame, protocol, to)
        } else {
            translate::<false>(&mut frame, protocol, to)
        };
        (frame, done, step_by_step)
    }

    proptest! {
        #[test]
        fn one_pass_is_what_the_steps_do(
            ends: (u32, u16, u32, u16), to: (u32, u16), tcp: bool, is_source: bool, ttl in 2u8.., id: u16, tos: u8,
            wrong: bool, payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let packet = eth().ipv4(ends.0.to_be_bytes(), ends.2.to_be_bytes()).ttl(ttl).id(id).tos(tos);
            let packet = if tcp { packet.tcp(ends.1, ends.3).acking(9) } else { packet.udp(ends.1, ends.3) };
            let packet = packet.payload(&payload);
            let bytes = if wrong { packet.bad_checksum().bytes() } else { packet.bytes() };
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            let (quick, done, steps) = both(bytes, protocol, Endpoint { address: to.0, port: to.1 }, is_source);
            prop_assume!(done || tcp || wrong);
            prop_assert!(!done || quick == steps);
        }
    }

    #[test]
    fn every_identification_and_so_every_checksum_comes_out_right() {
        let to = Endpoint { address: 0x0a00_0003, port: 8080 };
        for id in 0..=u16::MAX {
            let frame = eth().ipv4("192.168.1.1", "10.200.1.1").id(id).udp(id, 53).bytes();
            let (quick, done, steps) = both(frame, Protocol::Udp, to, false);
            assert!(done && quick == steps, "{id}");
        }
    }

    #[test]
    fn datagram_without_a_checksum_and_short_frames_are_left_alone() {
        let to = Endpoint { address: 1, port: 2 };
        let mut frame = eth().ipv4("192.168.1.1", "10.200.1.1").udp(1, 53).no_checksum().bytes();
        let before = frame.clone();
        assert!(!translate::<false>(&mut frame, Protocol::Udp, to));
        assert_eq!(frame, before);
        let mut short = [7; 51];
        assert!(!translate::<true>(&mut short, Protocol::Tcp, to));
        assert_eq!(short, [7; 51]);
    }
}
