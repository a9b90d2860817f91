//! The maximum segment size that a TCP end announces in its SYN (RFC 9293 section 3.7.1), lowered where a service asks
//! for it: so large segments fit the way to the real without fragments, even where ICMP gets lost.

use link::model::Protocol;
use wire::checksum::Delta;
use wire::ipv4;
use wire::tcp;

/// Bytes of IPv4 and TCP header that an MSS does not count.
pub const HEADERS: u16 = (ipv4::HEADER_LEN + tcp::HEADER_LEN) as u16;

const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const MAXIMUM_SEGMENT_SIZE_LEN: usize = 4;
/// Where the TCP checksum is in its header.
const CHECKSUM: usize = 16;

/// Lowers the announced size to `most` bytes and adjusts the checksum; returns whether it did. A smaller one stays, and
/// none is added. `packet` is an IPv4 packet with a SYN whose TCP header starts after `header_len` bytes.
pub fn clamp(packet: &mut [u8], header_len: u8, protocol: Protocol, most: u16) -> bool {
    let Some(segment) = packet.get_mut(usize::from(header_len)..).filter(|_| protocol == Protocol::Tcp) else {
        return false;
    };
    let Some(at) = announced_at(segment) else { return false };
    let Some(announced) = segment.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes) else {
        return false;
    };
    let Some(checksum) = segment.get(CHECKSUM..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes) else {
        return false;
    };
    if announced <= most {
        return false;
    }
    // Across two words of the checksum the bytes count in each other's place.
    let (old, new) = if at.is_multiple_of(2) { (announced, most) } else { (announced.swap_bytes(), most.swap_bytes()) };
    let adjusted = Delta::new().replace_u16(old, new).apply(checksum);
    put(segment, at, most);
    put(segment, CHECKSUM, adjusted);
    true
}

/// Where the value of the option is. Of two the first counts, as for the receiver's sake both would have to fit.
fn announced_at(segment: &[u8]) -> Option<usize> {
    let end = usize::from(segment.get(12)? >> 4) * 4;
    let mut at = tcp::HEADER_LEN;
    while at < end {
        let rest = segment.get(at..end)?;
        let len = match *rest.first()? {
            END_OF_OPTIONS => return None,
            NO_OPERATION => 1,
            MAXIMUM_SEGMENT_SIZE if rest.get(1) == Some(&(MAXIMUM_SEGMENT_SIZE_LEN as u8)) => {
                return (rest.len() >= MAXIMUM_SEGMENT_SIZE_LEN).then_some(at + 2);
            }
            _ => usize::from(*rest.get(1)?).max(2),
        };
        at += len;
    }
    None
}

fn put(segment: &mut [u8], at: usize, value: u16) {
    if let Some(field) = segment.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use wire::build::{Frame, eth};

    fn syn(options: &[u8]) -> Frame {
        eth().ipv4("192.168.1.1", "10.200.1.1").tcp(31337, 80).syn().tcp_options(options)
    }

    fn clamped(options: &[u8], most: u16) -> Option<Vec<u8>> {
        let mut packet = syn(options).packet();
        clamp(&mut packet, 20, Protocol::Tcp, most).then_some(packet)
    }

    #[test]
    fn larger_one_is_lowered_and_one_that_fits_stays() {
        let size = |size: u16| [[2, 4], size.to_be_bytes()].concat();
        assert_eq!(clamped(&size(1460), 1440), Some(syn(&size(1440)).packet()));
        assert_eq!(clamped(&size(1440), 1440), None);
        assert_eq!(clamped(&size(536), 1440), None);
    }

    #[test]
    fn it_is_found_behind_other_options_at_any_place() {
        for before in [&[1][..], &[1, 1], &[4, 2], &[3, 3, 7], &[8, 10, 0, 0, 0, 1, 0, 0, 0, 0], &[1, 3, 3, 7]] {
            let options = |size: [u8; 2]| [before, &[2, 4], &size].concat();
            assert_eq!(clamped(&options([0x05, 0xb4]), 1300), Some(syn(&options([0x05, 0x14])).packet()), "{before:?}");
        }
    }

    #[test]
    fn none_is_added_and_broken_options_are_left_alone() {
        for options in
            [&[][..], &[1, 1, 1, 1], &[0, 2, 4, 5], &[2, 4], &[2, 3, 0xff, 0], &[9, 0, 2, 4], &[254, 40, 2, 4]]
        {
            assert_eq!(clamped(options, 100), None, "{options:?}");
        }
        let mut datagram = eth().ipv4("192.168.1.1", "10.200.1.1").udp(1, 2).payload(&[0x60; 40]).packet();
        assert!(!clamp(&mut datagram, 20, Protocol::Udp, 100));
    }

    proptest! {
        #[test]
        fn checksum_is_that_of_a_full_computation(before in vec(Just(1u8), 0..36), size: u16, most: u16, seq: u32) {
            let options = |size: u16| [&before[..], &[2, 4], &size.to_be_bytes()].concat();
            let mut packet = syn(&options(size)).seq(seq).packet();
            clamp(&mut packet, 20, Protocol::Tcp, most);
            let want = syn(&options(size.min(most))).seq(seq).packet();
            let valid = |packet: &[u8]| {
                let view = wire::ipv4::Ipv4::parse(packet).unwrap();
                wire::tcp::Tcp::parse(view.payload()).unwrap().checksum_is_valid(view.source(), view.destination())
            };
            prop_assert!(valid(&packet) && valid(&want));
            prop_assert_eq!(&packet[40..], &want[40..]);
        }

        #[test]
        fn any_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..100), header_len: u8, most: u16) {
            clamp(&mut bytes, header_len, Protocol::Tcp, most);
        }
    }
}
