//! Wherever a packet is compared with hex, Linux 6.1 IPVS sent those bytes for the same packet (but for the time to live
//! of the outer header, which the caller decrements).

use super::*;
use crate::forward::ttl;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::build::{Frame, describe, eth};

const VIP: &str = "10.9.0.1";
const CLIENT: Endpoint = Endpoint { address: 0xc0a8_0101, port: 40000 };
const SERVICE: Endpoint = Endpoint { address: 0x0a09_0001, port: 80 };
const REAL: Endpoint = Endpoint { address: 0x0a00_0202, port: 8080 };

/// A reply, as the client's side saw it.
fn reply() -> Frame {
    eth().ipv4(VIP, "192.168.1.1").ttl(59).id(3).tcp(80, 40000).syn().acking(2).seq(9)
}

/// A request, as the real's side saw it.
fn request() -> Frame {
    eth().ipv4("192.168.1.1", "10.0.2.2").ttl(59).id(3).tcp(40000, 8080).acking(2).seq(9)
}

fn from_router() -> Frame {
    eth().ipv4("10.55.0.1", VIP).id(5)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn for_real(frame: &Frame) -> String {
    let mut packet = frame.packet();
    ttl::decrement(&mut packet);
    assert!(rewrite_for_real(&mut packet, REAL));
    hex(&packet)
}

fn for_client(frame: &Frame) -> String {
    let mut packet = frame.packet();
    ttl::decrement(&mut packet);
    assert!(rewrite_for_client(&mut packet, SERVICE));
    hex(&packet)
}

#[test]
fn error_names_the_flow_that_it_quotes() {
    let about_reply = from_router().icmp(3, 4).mtu(1400).quoting_briefly(&reply()).packet();
    let flow = Quoted { protocol: Protocol::Tcp, source: SERVICE, destination: CLIENT };
    assert_eq!(parse(&about_reply), Ok(About::Flow(flow)));
    let about_request = eth().ipv4("10.0.2.2", "192.168.1.1").icmp(3, 3).quoting(&request()).packet();
    let flow = Quoted { protocol: Protocol::Tcp, source: CLIENT, destination: REAL };
    assert_eq!(parse(&about_request), Ok(About::Flow(flow)));
    assert_eq!(flow.reversed(), Quoted { protocol: Protocol::Tcp, source: REAL, destination: CLIENT });
}

#[test]
fn error_from_the_client_s_side_reaches_the_real_as_from_the_reference() {
    let whole = eth().ipv4("192.168.1.1", VIP).id(5).tos(0xc0).icmp(3, 3).quoting(&reply());
    let want = "45c00044000500003f01ad49c0a801010a0002020303a98a0000000045000028000300003b06b2220a000202c0a801011f909c400\
                0000009000000025012ffff47840000";
    assert_eq!(for_real(&whole), want);
    let brief = from_router().icmp(3, 4).mtu(1400).quoting_briefly(&reply());
    let want = "45000038000500003f0165870a3700010a00020203043baa0000057845000028000300003b06b2220a000202c0a801011f909c400\
                0000009";
    assert_eq!(for_real(&brief), want);
    let bad_inner_header = from_router().id(0).icmp(11, 0).quoting_briefly(&reply().bad_ip_checksum());
    let want = "45000038000000003f01658c0a3700010a0002020b0039260000000045000028000300003b06b2220a000202c0a801011f909c400\
                0000009";
    assert_eq!(for_real(&bad_inner_header), want, "the quoted header's checksum is computed anew");
    let ports_only = from_router().id(0).icmp(11, 0).payload(&reply().packet()[..24]);
    let want =
        "45000034000000003f0165900a3700010a0002020b00392f0000000045000028000300003b06b2220a000202c0a801011f909c40";
    assert_eq!(for_real(&ports_only), want);
}

#[test]
fn error_from_the_real_s_side_reaches_the_client_as_from_the_reference() {
    let from_real = eth().ipv4("10.0.2.2", "192.168.1.1").id(5).icmp(3, 3).quoting(&request());
    let want = "45000044000500003f01b0010a090001c0a801010303ea020000000045000028000300003b06b41ac0a801010a0900019c4000500\
                0000009000000025010ffff264e0000";
    assert_eq!(for_client(&from_real), want);
    let from_router = eth().ipv4("10.77.2.2", "192.168.1.1").id(5).tos(0xc0).icmp(3, 4).mtu(1300);
    let want = "45c00038000500003f01af4d0a090001c0a8010103045b4e0000051445000028000300003b06b41ac0a801010a0900019c4000500\
                0000009";
    assert_eq!(for_client(&from_router.quoting_briefly(&request())), want, "the router's address is hidden too");
}

#[test]
fn options_of_both_headers_stay() {
    let quoted = reply().options(&[1, 1, 1, 1]);
    let error = from_router().options(&[7, 7, 4, 0, 0, 0, 0]).icmp(11, 0).quoting_briefly(&quoted);
    let mut packet = error.packet();
    assert!(rewrite_for_real(&mut packet, REAL));
    let frame = [&[0; 12][..], &[8, 0], &packet].concat();
    assert!(describe(&frame).ends_with(
        "10.55.0.1 > 10.0.2.2 icmp 11/0 quoting 32 [10.0.2.2:8080 > 192.168.1.1:40000 tcp ttl 59 id 3 options [01, 01, \
         01, 01]] ttl 64 id 5 options [07, 07, 04, 00, 00, 00, 00, 00]"
    ));
}

#[test]
fn what_is_not_about_a_connection_is_refused_with_the_reason_and_not_changed() {
    let about = |frame: &Frame| from_router().icmp(11, 0).quoting_briefly(frame);
    let cases = [
        (about(&reply()).bad_checksum(), Unusable::Checksum),
        (from_router().icmp(5, 0).quoting(&reply()), Unusable::NotOurs),
        (from_router().icmp(12, 0).quoting(&reply()), Unusable::NotOurs),
        (from_router().echo_request(1, 2), Unusable::NotOurs),
        (from_router().udp(1, 2), Unusable::NotOurs),
        (about(&reply()).more_fragments(), Unusable::NotOurs),
        (about(&reply().fragment_offset(8)), Unusable::NotOurs),
        (about(&eth().ipv4(VIP, "192.168.1.1").echo_reply(1, 2)), Unusable::NotOurs),
        (from_router().icmp(11, 0).payload(&reply().packet()[..23]), Unusable::Malformed),
        (from_router().icmp(11, 0).payload(&reply().packet()[..19]), Unusable::Malformed),
        (from_router().icmp(11, 0), Unusable::Malformed),
        (from_router().protocol(1).payload(&[11, 0, 0, 0, 0, 0, 0]), Unusable::Malformed),
    ];
    for (frame, reason) in cases {
        let mut packet = frame.packet();
        assert_eq!(parse(&packet), Err(reason), "{}", describe(&frame.bytes()));
        assert!(!rewrite_for_real(&mut packet, REAL) && !rewrite_for_client(&mut packet, SERVICE));
        assert_eq!(packet, frame.packet());
    }
    assert!(parse(&about(&reply()).packet()).is_ok());
    assert!(parse(&about(&reply().more_fragments()).packet()).is_ok(), "a first fragment has ports");
}

fn client_packet() -> Frame {
    eth().ipv4("192.168.1.1", VIP).ttl(63).df().tcp(40002, 82).acking(2).seq(2).payload_len(100)
}

fn tunnel_error(kind: u8, code: u8, inner: &Frame) -> Vec<u8> {
    let outer = eth().ipv4("10.0.2.1", "10.0.2.2").ttl(60).df().ipip(inner);
    eth().ipv4("10.88.0.1", "10.0.2.1").icmp(kind, code).mtu(900).quoting(&outer).packet()
}

/// What the client is told, with an identification.
fn told(packet: &[u8], id: u16) -> Option<String> {
    let Ok(About::Tunnel(error)) = parse(packet) else { panic!("not about a tunnel: {:?}", parse(packet)) };
    let mut out = [0; reject::MAX_LEN];
    let len = error.for_client(error.mtu, &mut out)?;
    let mut told = Ipv4::parse(&mut out[..len]).unwrap();
    told.set_identification(id);
    told.fill_checksum();
    Some(hex(&out[..len]))
}

#[test]
fn error_about_a_tunnel_names_both_packets() {
    let packet = tunnel_error(3, 4, &client_packet());
    let Ok(About::Tunnel(error)) = parse(&packet) else { panic!("not about a tunnel") };
    assert_eq!((error.source, error.destination), ([10, 0, 2, 1].into(), [10, 0, 2, 2].into()));
    assert_eq!((error.mtu, error.is_fragmentation_needed()), (900, true));
    let (source, destination) = (Endpoint { port: 40002, ..CLIENT }, Endpoint { port: 82, ..SERVICE });
    assert_eq!(error.flow, Quoted { protocol: Protocol::Tcp, source, destination });
}

#[test]
fn client_is_told_about_its_own_packet_as_by_the_reference() {
    let want = "45c000a8b43400004001f9ad0a090001c0a801010301c930000000004500008c000040003f066fb9c0a801010a0900019c4200520\
                0000002000000025010ffffab570000";
    let unreachable = told(&tunnel_error(3, 1, &client_packet()), 0xb434).unwrap();
    assert_eq!((unreachable.len() / 2, &unreachable[..want.len()]), (0xa8, want));
    let want =
        "45c000a8b44c00004001f9950a090001c0a801010b00c131000000004500008c000040003f066fb9c0a801010a0900019c420052";
    assert!(told(&tunnel_error(11, 0, &client_packet()), 0xb44c).unwrap().starts_with(want));
}

#[test]
fn client_s_mtu_is_the_tunnel_s_less_the_outer_header() {
    let told_mtu = |mtu: u16| {
        let outer = eth().ipv4("10.0.2.1", "10.0.2.2").df().ipip(&client_packet());
        let packet = eth().ipv4("10.88.0.1", "10.0.2.1").icmp(3, 4).mtu(mtu).quoting(&outer).packet();
        told(&packet, 0).map(|hex| u16::from_str_radix(&hex[52..56], 16).unwrap())
    };
    assert_eq!(told_mtu(900), Some(880));
    assert_eq!(told_mtu(88), Some(68));
    assert_eq!(told_mtu(60), Some(68), "no IPv4 network has less");
}

#[test]
fn client_that_allows_fragments_is_not_told_that_they_are_needed() {
    let allows = eth().ipv4("192.168.1.1", VIP).ttl(63).tcp(40002, 82).acking(2).seq(2).payload_len(100);
    assert_eq!(told(&tunnel_error(3, 4, &allows), 0), None);
    assert!(told(&tunnel_error(3, 1, &allows), 0).is_some(), "but of other errors it is");
}

#[test]
fn tunnel_error_with_too_short_a_quote_is_malformed() {
    let outer = eth().ipv4("10.0.2.1", "10.0.2.2").df().ipip(&client_packet());
    let error = eth().ipv4("10.88.0.1", "10.0.2.1").icmp(3, 4).mtu(900);
    assert_eq!(parse(&error.clone().quoting_briefly(&outer).packet()), Err(Unusable::Malformed));
    assert_eq!(parse(&error.clone().payload(&outer.packet()[..43]).packet()), Err(Unusable::Malformed));
    assert!(parse(&error.clone().payload(&outer.packet()[..44]).packet()).is_ok());
    assert_eq!(parse(&error.quoting(&outer).bad_checksum().packet()), Err(Unusable::Checksum));
}

proptest! {
    #[test]
    fn rewritten_errors_have_right_checksums_and_quote_the_other_end(
        real: (u32, u16), len in 0usize..600, udp: bool, inbound: bool,
    ) {
        let real = Endpoint { address: real.0, port: real.1 };
        let quoted = eth().ipv4(VIP, "192.168.1.1");
        let quoted = if udp { quoted.udp(80, 40000) } else { quoted.tcp(80, 40000) }.payload_len(len);
        let mut packet = from_router().icmp(3, 4).mtu(1400).quoting(&quoted).packet();
        let rewrite = if inbound { rewrite_for_real } else { rewrite_for_client };
        prop_assert!(rewrite(&mut packet, real));
        let Ok(About::Flow(flow)) = parse(&packet) else { panic!("not about a flow any more") };
        prop_assert_eq!(if inbound { flow.source } else { flow.destination }, real);
        let outer = Ipv4::parse(&packet[..]).unwrap();
        prop_assert!(outer.checksum_is_valid());
        prop_assert_eq!(if inbound { outer.destination() } else { outer.source() }.to_bits(), real.address);
        prop_assert!(Ipv4::parse(&packet[28..]).unwrap().checksum_is_valid());
    }

    #[test]
    fn any_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 28..160), kind in 3u8..12, inner_protocol in 0u8..20) {
        let len = bytes.len();
        for (at, value) in [(0, 0x45), (2, 0), (3, len as u8), (6, 0), (7, 0), (9, 1), (20, kind), (28, 0x45), (37, inner_protocol)] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        Icmp::parse(&mut bytes[20..]).unwrap().fill_checksum();
        if let Ok(About::Tunnel(error)) = parse(&bytes) {
            let _ = error.for_client(error.mtu, &mut [0; reject::MAX_LEN]);
        }
        let _ = rewrite_for_real(&mut bytes, REAL);
        let _ = rewrite_for_client(&mut bytes, SERVICE);
    }
}
