//! What holds for any frame: it reads back as it was built, and an incremental checksum is a full one.

use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use wire::build::{Frame, eth};
use wire::checksum::{self, Delta};
use wire::ethernet::Ethernet;
use wire::icmp::Icmp;
use wire::ipv4::{Ipv4, protocol};
use wire::tcp::{Flags, Tcp};
use wire::udp::Udp;
use wire::vlan::Vlan;

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn packet() -> impl Strategy<Value = Frame> {
    let addresses = (address(), address());
    (addresses, any::<u8>(), any::<u8>(), any::<u16>(), any::<bool>(), vec(any::<u8>(), 0..=40)).prop_map(
        |((source, destination), tos, ttl, id, df, options)| {
            let frame = eth().ipv4(source, destination).tos(tos).ttl(ttl).id(id).options(&options);
            if df { frame.df() } else { frame }
        },
    )
}

proptest! {
    #[test]
    fn ipv4_and_udp_read_back_as_built(
        source in address(), destination in address(), tos: u8, ttl: u8, id: u16, options in vec(any::<u8>(), 0..=40),
        source_port: u16, destination_port: u16, payload in vec(any::<u8>(), 0..100),
    ) {
        let frame = eth().ipv4(source, destination).tos(tos).ttl(ttl).id(id).options(&options)
            .udp(source_port, destination_port).payload(&payload).padded().bytes();
        let ethernet = Ethernet::parse(&frame[..]).unwrap();
        let packet = Ipv4::parse(ethernet.payload()).unwrap();
        prop_assert_eq!((packet.source(), packet.destination()), (source, destination));
        prop_assert_eq!((packet.tos(), packet.ttl(), packet.identification()), (tos, ttl, id));
        prop_assert_eq!(&packet.options()[..options.len()], &options[..]);
        prop_assert!(packet.checksum_is_valid() && !packet.is_fragment());
        let datagram = Udp::parse(packet.payload()).unwrap();
        prop_assert_eq!((datagram.source_port(), datagram.destination_port()), (source_port, destination_port));
        prop_assert_eq!(datagram.payload(), &payload[..]);
        prop_assert!(datagram.checksum() != 0 && datagram.checksum_is_valid(source, destination));
    }

    #[test]
    fn tcp_reads_back_as_built(
        frame in packet(), ports: (u16, u16), numbers: (u32, u32), flags: u8, window: u16,
        options in vec(any::<u8>(), 0..=40), payload in vec(any::<u8>(), 0..100),
    ) {
        let packet = frame.tcp(ports.0, ports.1).seq(numbers.0).acking(numbers.1).flags(Flags(flags)).window(window)
            .tcp_options(&options).payload(&payload).packet();
        let packet = Ipv4::parse(&packet[..]).unwrap();
        let segment = Tcp::parse(packet.payload()).unwrap();
        prop_assert_eq!((segment.source_port(), segment.destination_port()), ports);
        prop_assert_eq!((segment.sequence(), segment.acknowledgment()), numbers);
        prop_assert_eq!((segment.flags(), segment.window()), (Flags(flags) | Flags::ACK, window));
        prop_assert_eq!(segment.header_len(), 20 + options.len().next_multiple_of(4));
        prop_assert_eq!(segment.payload(), &payload[..]);
        prop_assert!(segment.checksum_is_valid(packet.source(), packet.destination()));
    }

    #[test]
    fn icmp_and_vlan_read_back_as_built(
        frame in packet(), id in 0u16..4096, kind: u8, code: u8, rest: [u8; 4], payload in vec(any::<u8>(), 0..100),
    ) {
        let bytes = frame.vlan(id).icmp(kind, code).rest_of_header(rest).payload(&payload).bytes();
        let tag = Vlan::parse(Ethernet::parse(&bytes[..]).unwrap().payload().to_vec()).unwrap();
        prop_assert_eq!(tag.id(), id);
        let packet = Ipv4::parse(tag.payload()).unwrap();
        let message = Icmp::parse(packet.payload()).unwrap();
        prop_assert_eq!((message.kind(), message.code(), message.rest_of_header()), (kind, code, rest));
        prop_assert_eq!(message.payload(), &payload[..]);
        prop_assert!(message.checksum_is_valid());
    }

    #[test]
    fn incremental_checksum_of_an_ipv4_header_is_the_full_one(
        frame in packet(), source in address(), destination in address(), ttl: u8,
    ) {
        let mut packet = Ipv4::parse(frame.packet()).unwrap();
        let before = (packet.source(), packet.destination(), packet.ttl());
        let incremental = Delta::new()
            .replace_address(before.0, source)
            .replace_u32(before.1.to_bits(), destination.to_bits())
            .replace_u16(u16::from_be_bytes([before.2, packet.protocol()]), u16::from_be_bytes([ttl, packet.protocol()]))
            .apply(packet.checksum());
        packet.set_source(source);
        packet.set_destination(destination);
        packet.set_ttl(ttl);
        packet.fill_checksum();
        prop_assert_eq!(incremental, packet.checksum());
    }

    #[test]
    fn incremental_checksum_of_a_datagram_is_the_full_one(
        ends: [u32; 4], ports: [u16; 4], payload in vec(any::<u8>(), 0..64),
    ) {
        let [source, destination, new_source, new_destination] = ends.map(Ipv4Addr::from_bits);
        let build = |source, destination, from, to| eth().ipv4(source, destination).udp(from, to).payload(&payload).packet();
        let field = |packet: Vec<u8>| Udp::parse(Ipv4::parse(packet).unwrap().payload()).unwrap().checksum();
        let before = field(build(source, destination, ports[0], ports[1]));
        let after = Delta::new()
            .replace_address(source, new_source)
            .replace_address(destination, new_destination)
            .replace_u16(ports[0], ports[2])
            .replace_u16(ports[1], ports[3])
            .apply(before);
        prop_assert_eq!(checksum::udp_field(after), field(build(new_source, new_destination, ports[2], ports[3])));
    }

    #[test]
    fn sum_equals_word_by_word_addition_in_pieces(bytes in vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        let naive = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
        prop_assert_eq!(checksum::fold(checksum::sum(&bytes)), checksum::fold(naive));
        let at = cut.index(bytes.len() + 1) & !1;
        prop_assert_eq!(checksum::fold(checksum::sum(&bytes[..at]) + checksum::sum(&bytes[at..])), checksum::fold(naive));
    }

    #[test]
    fn fragments_put_together_are_the_packet(frame in packet(), len in 0usize..300, step in 8usize..100) {
        let frame = frame.udp(1, 2).payload_len(len);
        let whole = frame.packet();
        let whole = Ipv4::parse(&whole[..]).unwrap();
        let mut joined = Vec::new();
        for bytes in frame.fragments(step) {
            let fragment = Ipv4::parse(bytes[14..].to_vec()).unwrap();
            prop_assert_eq!(fragment.fragment_offset(), joined.len());
            prop_assert_eq!(fragment.dont_fragment(), whole.dont_fragment());
            prop_assert!(fragment.checksum_is_valid() && fragment.protocol() == protocol::UDP);
            joined.extend_from_slice(fragment.payload());
            prop_assert_eq!(fragment.more_fragments(), joined.len() < whole.payload().len());
        }
        prop_assert_eq!(joined, whole.payload());
    }
}
