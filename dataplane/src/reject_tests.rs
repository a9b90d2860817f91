//! Wherever an answer is compared with hex, Linux 6.1 sent those bytes to the same packet; the ICMP identification,
//! which it draws at random, and the header checksum with it are put in.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::build::{Frame, eth};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

fn from_client() -> Frame {
    eth().ipv4("192.168.1.1", VIP)
}

fn to_client() -> Frame {
    eth().ipv4(VIP, "192.168.1.1")
}

fn reset(request: &Frame) -> Option<Vec<u8>> {
    let mut out = [0; MAX_LEN];
    tcp_reset(&request.packet(), &mut out).map(|len| out[..len].to_vec())
}

fn error(error: IcmpError, request: &Frame) -> Option<Vec<u8>> {
    let mut out = [0; MAX_LEN];
    icmp_error(error, &request.packet(), VIP, &mut out).map(|len| out[..len].to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer as hex with an identification.
fn error_as(kind: IcmpError, request: &Frame, id: u16) -> String {
    let mut packet = Ipv4::parse(error(kind, request).unwrap()).unwrap();
    packet.set_identification(id);
    packet.fill_checksum();
    hex(&packet.into_inner())
}

#[test]
fn syn_is_reset_with_its_acknowledgment_as_linux_does() {
    let syn = from_client().id(7).df().tcp(31337, 81).syn().seq(1000).window(64240).tcp_options(&[2, 4, 5, 180]);
    let want = "450000280000400040066f1d0a090001c0a8010100517a6900000000000003e950140000657a0000";
    assert_eq!(hex(&reset(&syn).unwrap()), want);
    let with_payload = from_client().id(7).tos(0x1d).tcp(31337, 81).syn().seq(0xffff_ffff).payload(b"hello");
    let want = "451c00280000400040066f010a090001c0a8010100517a69000000000000000550140000695e0000";
    assert_eq!(hex(&reset(&with_payload).unwrap()), want, "type of service without ECN");
    let syn_fin = from_client().tos(0xff).tcp(31337, 81).syn().fin().seq(5).payload(b"hello");
    let want = "45fc00280000400040066e210a090001c0a8010100517a69000000000000000c5014000069570000";
    assert_eq!(hex(&reset(&syn_fin).unwrap()), want, "SYN, FIN and five bytes are acknowledged");
}

#[test]
fn segment_with_ack_is_reset_at_the_number_it_expects() {
    let data = from_client().id(7).df().tcp(31337, 80).acking(77).seq(1000).payload(b"hello");
    let want = "450000280000400040066f1d0a090001c0a8010100507a690000004d000000005004000069270000";
    assert_eq!(hex(&reset(&data).unwrap()), want);
    let want = to_client().ttl(64).df().tcp(81, 31337).rst().seq(4).window(0);
    assert_eq!(reset(&from_client().tcp(31337, 81).syn().acking(4).seq(1000)).unwrap(), want.packet());
}

#[test]
fn segment_without_syn_or_ack_is_reset_too() {
    let none = from_client().tcp(31337, 80).seq(1000).payload(b"abc");
    let want = to_client().df().tcp(80, 31337).rst().acking(1003).window(0);
    assert_eq!(reset(&none).unwrap(), want.packet());
}

#[test]
fn what_must_not_be_reset_is_not() {
    let syn = || from_client().tcp(31337, 81).syn();
    assert!(reset(&syn()).is_some());
    assert_eq!(reset(&syn().rst()), None, "a RST");
    assert_eq!(reset(&syn().rst().acking(4)), None);
    assert_eq!(reset(&syn().bad_checksum()), None, "a segment with a wrong checksum");
    assert_eq!(reset(&syn().more_fragments()), None, "a fragment");
    assert_eq!(reset(&from_client().udp(1, 2)), None, "not TCP");
    for sender in ["255.255.255.255", "224.0.0.1", "0.0.0.0", "127.0.0.1"] {
        assert_eq!(reset(&eth().ipv4(sender, VIP).tcp(1, 2).syn()), None, "{sender}");
    }
    assert_eq!(reset(&eth().ipv4("192.168.1.1", "224.0.0.1").tcp(1, 2).syn()), None, "to a group");
    assert_eq!(tcp_reset(&syn().packet(), &mut [0; 39]), None, "no room");
    assert_eq!(tcp_reset(&syn().packet(), &mut [0; 40]), Some(40));
}

#[test]
fn port_unreachable_is_linux_s_but_for_the_identification() {
    let datagram = || from_client().udp(5000, 53).payload(b"hello");
    let want = "45c0003daff800004001fe540a090001c0a801010303c8ce0000000045000021000900004011af10c0a801010a090001138800350\
                00ddc9168656c6c6f";
    assert_eq!(error_as(IcmpError::PortUnreachable, &datagram().id(9), 0xaff8), want);
    let want = "45de003db00500004001fe290a090001c0a801010303c8ce0000000045ff0021000040000311ab1ac0a801010a090001138800350\
                00ddc9168656c6c6f";
    assert_eq!(error_as(IcmpError::PortUnreachable, &datagram().tos(0xff).df().ttl(3), 0xb005), want);
    let want = "45dc003db00d00004001fe230a090001c0a801010303c8ce00000000451d0021000000004011aefcc0a801010a090001138800350\
                00ddc9168656c6c6f";
    assert_eq!(error_as(IcmpError::PortUnreachable, &datagram().tos(0x1d), 0xb00d), want);
}

#[test]
fn other_errors_are_linux_s_but_for_the_identification() {
    let expired = from_client().id(7).ttl(1).tos(0x1d).tcp(31338, 80).syn().seq(1);
    let want = "45dc0044b0ad00004001fd7c0a090001c0a801010b00c0cd00000000451d0028000700000106edf9c0a801010a0900017a6a00500\
                0000001000000005002ffff69740000";
    assert_eq!(error_as(IcmpError::TimeExceeded, &expired, 0xb0ad), want);
    let no_route = from_client().id(7).tcp(31344, 85).syn().seq(1);
    let want = "45c00044b13400004001fd110a090001c0a801010301c8cc0000000045000028000700004006af16c0a801010a0900017a7000550\
                0000001000000005002ffff69690000";
    assert_eq!(error_as(IcmpError::HostUnreachable, &no_route, 0xb134), want);
    let unknown = from_client().protocol(200).payload(b"hello there");
    let want = "45c0003be2d700004001cb770a090001c0a8010103027a30000000004500001f0000000040c8ae64c0a801010a09000168656c6c6\
                f207468657265";
    assert_eq!(error_as(IcmpError::ProtocolUnreachable, &unknown, 0xe2d7), want);
    // Its time to live was decremented before the MTU was looked at.
    let too_large = from_client().id(7).ttl(63).df().tcp(31342, 82).acking(1).seq(2).payload_len(1000);
    let answer = error_as(IcmpError::FragmentationNeeded { mtu: 980 }, &too_large, 0xb0d2);
    let want = "45c00240b0d200004001fb770a090001c0a801010304d5df000003d445000410000740003f066c2ec0a801010a0900017a6e00520\
                0000002000000015010ffffd3f20000000102030405060708";
    assert_eq!((answer.len() / 2, &answer[..want.len()]), (576, want));
}

#[test]
fn quote_is_as_long_as_576_bytes_allow() {
    for (payload, quoted) in [(519, 547), (520, 548), (521, 548), (1400, 548)] {
        let request = from_client().udp(5000, 53).payload_len(payload);
        let answer = error(IcmpError::PortUnreachable, &request).unwrap();
        assert_eq!(answer[28..], request.packet()[..quoted], "{payload}");
        let valid = Ipv4::parse(&answer[..]).map(|packet| {
            packet.checksum_is_valid() && icmp::Icmp::parse(packet.payload()).is_ok_and(|icmp| icmp.checksum_is_valid())
        });
        assert_eq!(valid, Ok(true));
    }
    let mut short = [0; 100];
    let request = from_client().udp(5000, 53).payload_len(100);
    assert_eq!(icmp_error(IcmpError::TimeExceeded, &request.packet(), VIP, &mut short), Some(100));
    assert_eq!(short[28..], request.packet()[..72]);
    assert_eq!(icmp_error(IcmpError::TimeExceeded, &request.packet(), VIP, &mut short[..27]), None);
}

#[test]
fn padding_behind_the_packet_is_not_quoted() {
    let mut padded = from_client().udp(5000, 53).payload(b"x").packet();
    padded.resize(46, 0);
    let mut out = [0; MAX_LEN];
    assert_eq!(icmp_error(IcmpError::PortUnreachable, &padded, VIP, &mut out), Some(28 + 29));
}

#[test]
fn what_must_not_be_answered_is_not() {
    let about = |frame: &Frame| error(IcmpError::TimeExceeded, frame).is_some();
    assert!(about(&from_client().udp(1, 2)));
    assert!(about(&from_client().echo_request(1, 2)));
    assert!(about(&from_client().more_fragments().udp(1, 2).payload_len(8)), "a first fragment");
    assert!(!about(&from_client().fragment_offset(8).protocol(17).payload_len(8)), "a later one");
    for kind in [3, 4, 5, 11, 12, 19, 255] {
        assert!(!about(&from_client().icmp(kind, 0)), "ICMP type {kind}");
    }
    assert!(!about(&from_client().protocol(1)), "ICMP without a type");
    for sender in ["255.255.255.255", "239.1.1.1", "0.0.0.0", "127.0.0.1"] {
        assert!(!about(&eth().ipv4(sender, VIP).udp(1, 2)), "{sender}");
    }
    for destination in ["255.255.255.255", "224.0.0.18"] {
        assert!(!about(&eth().ipv4("192.168.1.1", destination).udp(1, 2)), "{destination}");
    }
    assert!(!about(&from_client().total_len(29).udp(1, 2)), "longer than its bytes");
}

#[test]
fn only_a_datagram_with_a_wrong_checksum_is_found_wrong() {
    let datagram = || from_client().udp(5000, 53).payload(b"hello");
    assert!(udp_checksum_is_valid(&datagram().packet()));
    assert!(udp_checksum_is_valid(&datagram().no_checksum().packet()));
    assert!(!udp_checksum_is_valid(&datagram().bad_checksum().packet()));
    assert!(!udp_checksum_is_valid(&[]));
}

proptest! {
    #[test]
    fn any_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..120), room in 0usize..130) {
        let len = bytes.len() as u8;
        for (at, value) in [(0, 0x45), (2, 0), (3, len)] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let mut out = [0; 130];
        let _ = tcp_reset(&bytes, &mut out[..room]);
        let _ = udp_checksum_is_valid(&bytes);
        let answered = icmp_error(IcmpError::PortUnreachable, &bytes, VIP, &mut out[..room]);
        prop_assert!(answered.is_none_or(|len| len <= room));
    }
}
