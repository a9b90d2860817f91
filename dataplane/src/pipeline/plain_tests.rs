//! What is plain is what [`parse`] says it is.

use super::{OwnMac, Plain};
use crate::pipeline::{Parsed, parse};
use link::model::Protocol;
use proptest::prelude::*;
use rte_rs::HashKey;
use wire::build::{Frame, eth};

const MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];

fn frame() -> Frame {
    eth().from("02:00:00:00:01:fe").to("02:00:00:00:01:01").ipv4("202.100.1.2", "202.103.106.5")
}

fn plain(bytes: &[u8]) -> Option<(Plain, HashKey, u8)> {
    let mut key = HashKey::default();
    super::parse(bytes, OwnMac::new(MAC), &mut key).map(|(plain, ttl)| (plain, key, ttl))
}

/// Whether it was plain; if so, it must be what the parser says.
fn agrees(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let Some((plain, key, ttl)) = plain(bytes) else { return Ok(false) };
    let mut judged = HashKey::default();
    prop_assert_eq!(parse(bytes, &MAC, &mut judged), Parsed::Flow(plain.flow(&key)));
    prop_assert_eq!(judged, key);
    prop_assert_eq!(ttl, bytes[22]);
    Ok(true)
}

#[test]
fn ordinary_packets_are_plain_and_others_are_not() {
    let tcp = || frame().tcp(1000, 80);
    let datagram = || frame().udp(1000, 53);
    for ordinary in [
        tcp().syn(),
        tcp().acking(1).payload(b"hello"),
        tcp().acking(1).padded(),
        tcp().df().tos(0xff).ttl(1),
        tcp().tcp_options(&[1, 1, 1, 1]),
        datagram(),
        datagram().payload(b"hello").padded(),
        datagram().no_checksum(),
    ] {
        assert!(agrees(&ordinary.bytes()).unwrap(), "{ordinary:?}");
    }
    for other in [
        tcp().to("02:00:00:00:01:02"),
        tcp().vlan(7),
        frame().options(&[1]).tcp(1000, 80),
        frame().more_fragments().udp(1000, 53).payload_len(16),
        frame().fragment_offset(8).udp(1000, 53).payload_len(16),
        tcp().bad_ip_checksum(),
        tcp().data_offset(4),
        tcp().data_offset(6),
        datagram().udp_length(7),
        datagram().udp_length(9),
        datagram().total_len(27),
        tcp().total_len(39),
        datagram().version_and_length(0x55),
        frame().icmp(8, 0),
        frame().protocol(132),
    ] {
        assert!(!agrees(&other.bytes()).unwrap(), "{other:?}");
    }
    let whole = datagram().bytes();
    assert!((0..whole.len()).all(|length| plain(&whole[..length]).is_none()));
}

#[test]
fn facts_that_the_key_does_not_tell_are_the_packet_s() {
    let bytes = frame().ttl(9).tcp(1000, 80).fin().payload(b"hello").bytes();
    let (plain, _, ttl) = plain(&bytes).expect("a plain packet");
    assert_eq!((plain.length, plain.tcp_flags & 1, plain.protocol, ttl), (45, 1, Protocol::Tcp, 9));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_plain_is_what_the_parser_says(
        ends: (u32, u16, u32, u16), tcp: bool, flags: u8, ttl: u8, tos: u8, id: u16, length in 0usize..100,
        changed in proptest::collection::vec((0usize..80, any::<u8>()), 0..3), cut in prop_oneof![4 => Just(200), 1 => 0usize..120usize],
        repair: bool,
    ) {
        let packet = eth().from("02:00:00:00:01:fe").to("02:00:00:00:01:01")
            .ipv4(ends.0.to_be_bytes(), ends.2.to_be_bytes()).ttl(ttl).tos(tos).id(id);
        let packet = if tcp { packet.tcp(ends.1, ends.3).flags(wire::tcp::Flags(flags)) } else { packet.udp(ends.1, ends.3) };
        let mut bytes = packet.payload_len(length).bytes();
        for (place, value) in changed {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        if repair && let Ok(mut header) = wire::ipv4::Ipv4::parse(&mut bytes[14..]) {
            header.fill_checksum();
        }
        bytes.truncate(cut);
        agrees(&bytes)?;
    }
}
