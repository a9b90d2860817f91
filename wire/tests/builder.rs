//! The builder makes the frames that it says, and `describe` says what they are.

use wire::build::{describe, eth};
use wire::ethernet::{BROADCAST, Ethernet, ether_type};
use wire::icmp::{Icmp, code, kind};
use wire::ipv4::{Ipv4, protocol};
use wire::tcp::{Tcp, TcpOption};
use wire::udp::Udp;

/// What follows the two MAC addresses and a space.
fn described(frame: &wire::build::Frame) -> String {
    describe(&frame.bytes())[38..].to_owned()
}

#[test]
fn tcp_frame_has_right_lengths_and_checksums() {
    let frame = eth().ipv4("192.168.1.1", "10.200.1.1").ttl(63).df().id(7).tcp(31337, 80).syn().payload(b"hello");
    let bytes = frame.bytes();
    assert_eq!(bytes.len(), 14 + 20 + 20 + 5);
    let ethernet = Ethernet::parse(&bytes[..]).unwrap();
    let packet = Ipv4::parse(ethernet.payload()).unwrap();
    assert!(packet.checksum_is_valid() && packet.dont_fragment());
    assert_eq!((packet.protocol(), packet.ttl(), packet.identification()), (protocol::TCP, 63, 7));
    let segment = Tcp::parse(packet.payload()).unwrap();
    assert!(segment.checksum_is_valid(packet.source(), packet.destination()));
    assert_eq!((segment.source_port(), segment.destination_port(), segment.payload()), (31337, 80, &b"hello"[..]));
    assert_eq!(described(&frame), "192.168.1.1:31337 > 10.200.1.1:80 tcp SYN seq 0 win 65535 len 5 ttl 63 id 7 df");
}

#[test]
fn options_of_both_headers_are_padded_and_counted() {
    let frame =
        eth().ipv4("10.0.0.1", "10.0.0.2").options(&[7, 3, 4]).tcp(1, 2).acking(9).tcp_options(&[2, 4, 5, 180, 1]);
    let packet = frame.packet();
    let packet = Ipv4::parse(&packet[..]).unwrap();
    assert_eq!(packet.options(), [7, 3, 4, 0]);
    let segment = Tcp::parse(packet.payload()).unwrap();
    assert_eq!(segment.header_len(), 28);
    assert_eq!(segment.options().next(), Some(TcpOption::MaximumSegmentSize(1460)));
    assert!(packet.checksum_is_valid() && segment.checksum_is_valid(packet.source(), packet.destination()));
}

#[test]
fn wrong_checksums_are_wrong_and_described_so() {
    let frame = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(b"x");
    assert_eq!(described(&frame), "10.0.0.1:1 > 10.0.0.2:2 udp len 1 ttl 64");
    assert_eq!(described(&frame.clone().bad_checksum()), "10.0.0.1:1 > 10.0.0.2:2 udp len 1 BAD CHECKSUM ttl 64");
    assert_eq!(described(&frame.clone().bad_ip_checksum()), "10.0.0.1:1 > 10.0.0.2:2 udp len 1 ttl 64 BAD IP CHECKSUM");
    assert_eq!(described(&frame.no_checksum()), "10.0.0.1:1 > 10.0.0.2:2 udp len 1 no checksum ttl 64");
}

#[test]
fn contradicting_lengths_are_refused_by_the_views() {
    let frame = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(b"x");
    assert!(described(&frame.clone().udp_length(10)).contains("malformed: UDP length field 10"));
    assert!(described(&frame.clone().total_len(30)).contains("malformed: IPv4 length field 30"));
    assert!(described(&frame.version_and_length(0x44)).contains("malformed: IPv4 header length 16"));
    let segment = eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2);
    assert!(described(&segment.data_offset(6)).contains("malformed: TCP header length 24"));
}

#[test]
fn icmp_error_quotes_the_packet_whole_or_briefly() {
    let request = eth().ipv4("192.168.1.1", "10.0.0.3").tcp(31337, 8080).seq(5).payload_len(100);
    let error = eth().ipv4("10.0.0.254", "192.168.1.1").icmp(kind::DESTINATION_UNREACHABLE, code::FRAGMENTATION_NEEDED);
    let whole = error.clone().mtu(1480).quoting(&request);
    let packet = whole.packet();
    let icmp_bytes = Ipv4::parse(&packet[..]).unwrap().payload().to_vec();
    let icmp = Icmp::parse(&icmp_bytes[..]).unwrap();
    assert!(icmp.checksum_is_valid());
    assert_eq!((icmp.mtu(), icmp.quoted()), (1480, Some(&request.packet()[..])));
    assert_eq!(
        described(&error.quoting_briefly(&request)),
        "10.0.0.254 > 192.168.1.1 icmp 3/4 quoting 28 [192.168.1.1:31337 > 10.0.0.3:8080 tcp ttl 64] ttl 64"
    );
}

#[test]
fn arp_vlan_ipip_and_echo_read_as_what_they_are() {
    let request = eth().from("02:00:00:00:01:fe").arp_request("10.0.1.254", "10.0.1.1").padded();
    assert_eq!(Ethernet::parse(&request.bytes()[..]).unwrap().destination(), BROADCAST);
    assert_eq!(request.bytes().len(), 60);
    assert_eq!(described(&request), "arp who has 10.0.1.1 tell 10.0.1.254");
    let reply = eth().from("02:00:00:00:01:01").to("02:00:00:00:01:fe").arp_reply("10.0.1.1", "10.0.1.254");
    assert_eq!(described(&reply), "arp 10.0.1.1 is at 02:00:00:00:01:01 told to 10.0.1.254");
    let inner = eth().ipv4("192.168.1.1", "10.200.1.1").udp(1, 2);
    let outer = eth().vlan(5).vlan(6).ipv4("10.0.2.1", "10.0.2.2").tos(2).ipip(&inner);
    assert_eq!(
        described(&outer),
        "vlan 5 vlan 6 10.0.2.1 > 10.0.2.2 ipip [192.168.1.1:1 > 10.200.1.1:2 udp len 0 ttl 64] ttl 64 tos 0x02"
    );
    let echo = eth().ipv4("10.0.0.1", "10.0.0.2").echo_request(3, 4).payload(b"ping");
    assert_eq!(described(&echo), "10.0.0.1 > 10.0.0.2 icmp echo request id 3 seq 4 len 4 ttl 64");
    assert_eq!(described(&eth().raw(ether_type::IPV6, &[0; 40])), "type 0x86dd len 40");
}

#[test]
fn fragments_cover_the_payload_once_in_order() {
    let frame = eth().ipv4("10.0.0.1", "10.0.0.2").id(9).udp(1, 2).payload_len(40);
    let fragments = frame.fragments(20);
    let described: Vec<_> = fragments.iter().map(|fragment| describe(fragment)[38..].to_owned()).collect();
    assert_eq!(
        described,
        [
            "10.0.0.1:1 > 10.0.0.2:2 udp len 8 ttl 64 fragment 16@0+ id 9",
            "10.0.0.1 > 10.0.0.2 protocol 17 ttl 64 fragment 16@16+ id 9",
            "10.0.0.1 > 10.0.0.2 protocol 17 ttl 64 fragment 16@32 id 9",
        ]
    );
    let joined: Vec<u8> = fragments.iter().flat_map(|fragment| fragment[34..].to_vec()).collect();
    assert_eq!(joined, frame.packet()[20..]);
    assert_eq!(Udp::parse(&joined[..]).unwrap().length(), 48);
}
