//! All header changes of a common packet in one pass over its frame: the Ethernet header, the time to live, the addresses
//! and ports of NAT. A frame without VLAN tag and IPv4 options, whose packet was validated; its time to live is above 1.
//!
//! Sums are taken in the byte order of this machine: the result does not depend on it (RFC 1071 section 2).

use super::tunnel::{OVERHEAD, OuterHeader};
use crate::connection::Endpoint;
use link::model::Protocol;
use wire::checksum::{Delta, udp_field};
use wire::ethernet::HEADER_LEN;

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

/// One hop less, the destination (or source) becomes `to`, and the frame gets its Ethernet header. False, and nothing done:
/// a UDP datagram without a checksum, or a frame that is none of those above.
#[inline(always)]
pub fn translate<const IS_SOURCE: bool>(
    frame: &mut [u8],
    protocol: Protocol,
    to: Endpoint,
    ethernet: &[u8; HEADER_LEN],
) -> bool {
    let is_udp = protocol == Protocol::Udp;
    let at_checksum = if is_udp { field::UDP_CHECKSUM } else { field::TCP_CHECKSUM };
    let Some((head, rest)) = frame.split_first_chunk_mut::<{ field::UDP_CHECKSUM }>() else { return false };
    let Some(field) = rest.get_mut(at_checksum - field::UDP_CHECKSUM..).and_then(<[u8]>::first_chunk_mut) else {
        return false;
    };
    let checksum = u16::from_ne_bytes(*field);
    if is_udp && checksum == 0 {
        return false;
    }
    let (at_address, at_port) =
        if IS_SOURCE { (field::SOURCE, field::SOURCE_PORT) } else { (field::DESTINATION, field::DESTINATION_PORT) };
    let (address, port) = (to.address.to_be_bytes(), to.port.to_be_bytes());
    let moved = Delta::new().replace_u32(u32::from_ne_bytes(get(head, at_address)), u32::from_ne_bytes(address));
    hop(head, moved);
    let moved = moved.replace_u16(u16::from_ne_bytes(get(head, at_port)), u16::from_ne_bytes(port));
    let adjusted = moved.apply(checksum);
    put(head, at_address, address);
    put(head, at_port, port);
    *field = (if is_udp { udp_field(adjusted) } else { adjusted }).to_ne_bytes();
    copy(head, 0, ethernet);
    true
}

/// What one hop less does to the header checksum: the word with the time to live becomes less by one in its upper byte.
const HOP: Delta = Delta::new().replace_u16(u16::from_ne_bytes([1, 0]), 0);

/// One hop less, with what else has `moved` in the header.
#[inline(always)]
fn hop<const N: usize>(head: &mut [u8; N], moved: Delta) {
    let [ttl] = get(head, field::TTL);
    let checksum = u16::from_ne_bytes(get(head, field::HEADER_CHECKSUM));
    put(head, field::TTL, [ttl.wrapping_sub(1)]);
    put(head, field::HEADER_CHECKSUM, moved.and(HOP).apply(checksum).to_ne_bytes());
}

/// One hop less, and the frame gets its Ethernet header. False, and nothing done: a frame that is none of those above.
#[inline(always)]
pub fn pass_on(frame: &mut [u8], ethernet: &[u8; HEADER_LEN]) -> bool {
    let Some(head) = frame.first_chunk_mut::<{ field::SOURCE }>() else { return false };
    hop(head, Delta::new());
    copy(head, 0, ethernet);
    true
}

/// Bytes that [`encapsulate`] touches: the new headers, and of the frame as it came what tells them.
pub const ENCAPSULATED: usize = OVERHEAD as usize + field::SOURCE;

/// One hop less, and the headers of a tunnel: `head` begins with room for the outer one, then comes the frame as it was.
/// `identification` is that of the last outer packet which may be fragmented.
#[inline(always)]
pub fn encapsulate(
    head: &mut [u8; ENCAPSULATED],
    outer: &OuterHeader,
    identification: &mut u16,
    ethernet: &[u8; HEADER_LEN],
) {
    let Some(frame) = head.last_chunk_mut::<{ field::SOURCE }>() else { return };
    hop(frame, Delta::new());
    let inner = get(frame, HEADER_LEN);
    if outer.is_fragmentable(&inner) {
        *identification = identification.wrapping_add(1);
    }
    put(head, HEADER_LEN, outer.before(&inner, *identification));
    copy(head, 0, ethernet);
}

/// The bytes at an offset within the array: no check is left.
#[inline(always)]
fn get<const M: usize, const N: usize>(head: &[u8; N], offset: usize) -> [u8; M] {
    head.get(offset..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; M])
}

#[inline(always)]
fn put<const M: usize, const N: usize>(head: &mut [u8; N], offset: usize, value: [u8; M]) {
    copy(head, offset, &value);
}

#[inline(always)]
fn copy<const M: usize, const N: usize>(head: &mut [u8; N], offset: usize, value: &[u8; M]) {
    if let Some(field) = head.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        *field = *value;
    }
}

#[cfg(test)]
mod tests {
    use super::{encapsulate, pass_on, translate};
    use crate::connection::Endpoint;
    use crate::forward::tunnel::OuterHeader;
    use crate::forward::{nat, ttl};
    use link::model::Protocol;
    use proptest::prelude::*;
    use wire::build::eth;

    const ETHERNET: [u8; 14] = *b"to the real\0\x08\x00";

    fn both(mut frame: Vec<u8>, protocol: Protocol, to: Endpoint, is_source: bool) -> (Vec<u8>, bool, Vec<u8>) {
        let mut step_by_step = frame.clone();
        step_by_step[..14].copy_from_slice(&ETHERNET);
        ttl::decrement(&mut step_by_step[14..]);
        if is_source {
            nat::rewrite_source(&mut step_by_step[14..], 20, protocol, to);
        } else {
            nat::rewrite_destination(&mut step_by_step[14..], 20, protocol, to);
        }
        let done = if is_source {
            translate::<true>(&mut frame, protocol, to, &ETHERNET)
        } else {
            translate::<false>(&mut frame, protocol, to, &ETHERNET)
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
    fn a_packet_passed_on_is_one_hop_further() {
        for id in 0..=u16::MAX {
            let frame = eth().ipv4("192.168.1.1", "10.200.1.1").ttl(id as u8 | 2).id(id).udp(id, 53).bytes();
            let (mut quick, mut steps) = (frame.clone(), frame);
            assert!(pass_on(&mut quick, &ETHERNET));
            steps[..14].copy_from_slice(&ETHERNET);
            ttl::decrement(&mut steps[14..]);
            assert_eq!(quick, steps, "{id}");
        }
        assert!(!pass_on(&mut [7; 25], &ETHERNET));
    }

    proptest! {
        #[test]
        fn a_tunnel_s_headers_are_those_of_the_steps(tos: u8, ttl in 2u8.., id: u16, df: bool, fixed: bool, last: u16) {
            let frame = eth().ipv4("192.168.1.1", "10.200.1.1").ttl(ttl).id(id).tos(tos).udp(id, 53);
            let frame = if df { frame.df() } else { frame }.bytes();
            let outer = OuterHeader::new([10, 0, 2, 1], [10, 0, 2, 2]);
            let outer = if fixed { outer } else { outer.always_fragmentable() };
            let mut inner = frame[14..].to_vec();
            ttl::decrement(&mut inner);
            let counted = if df && fixed { last } else { last.wrapping_add(1) };
            let mut header = [0; 20];
            outer.write(&mut header, &inner, counted);

            let mut quick = [&[7; 20][..], &frame].concat();
            let mut identification = last;
            let head = quick.first_chunk_mut().expect("long enough");
            encapsulate(head, &outer, &mut identification, &ETHERNET);
            prop_assert_eq!(quick, [&ETHERNET[..], &header, &inner].concat());
            prop_assert_eq!(identification, counted);
        }
    }

    #[test]
    fn datagram_without_a_checksum_and_short_frames_are_left_alone() {
        let to = Endpoint { address: 1, port: 2 };
        let mut frame = eth().ipv4("192.168.1.1", "10.200.1.1").udp(1, 53).no_checksum().bytes();
        let before = frame.clone();
        assert!(!translate::<false>(&mut frame, Protocol::Udp, to, &ETHERNET));
        assert_eq!(frame, before);
        let mut short = [7; 51];
        assert!(!translate::<true>(&mut short, Protocol::Tcp, to, &ETHERNET));
        assert_eq!(short, [7; 51]);
    }
}
