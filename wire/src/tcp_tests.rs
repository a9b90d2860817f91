use super::*;
use std::string::ToString;
use std::vec::Vec;

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 200, 1, 1);

/// A SYN as Linux sends it: MSS 1460, SACK permitted, timestamps, window scale 7.
const SYN: [u8; 40] = [
    0x7a, 0x69, 0x00, 0x50, 0xe8, 0xdb, 0xa0, 0x7a, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02, 0xfa, 0xf0, 0x00, 0x00, 0x00,
    0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03,
    0x03, 0x07,
];

fn options_of(options: [u8; 4]) -> Vec<std::string::String> {
    let mut bytes = [0u8; 24];
    bytes[12] = 0x60;
    bytes[20..].copy_from_slice(&options);
    Tcp::parse(bytes).unwrap().options().map(|option| std::format!("{option:?}")).collect()
}

#[test]
fn syn_is_taken_apart() {
    let segment = Tcp::parse(SYN).unwrap();
    assert_eq!((segment.source_port(), segment.destination_port()), (31337, 80));
    assert_eq!((segment.sequence(), segment.acknowledgment(), segment.window()), (0xe8db_a07a, 0, 64240));
    assert_eq!((segment.header_len(), segment.payload(), segment.sequence_len()), (40, &[][..], 1));
    assert_eq!(segment.flags(), Flags::SYN);
    let options: Vec<_> = segment.options().collect();
    assert_eq!(
        options,
        [
            TcpOption::MaximumSegmentSize(1460),
            TcpOption::SackPermitted,
            TcpOption::Timestamps(9, 0),
            TcpOption::NoOperation,
            TcpOption::WindowScale(7)
        ]
    );
}

#[test]
fn header_is_built_and_setters_write_what_accessors_read() {
    let header = Header {
        source_port: 31337,
        destination_port: 80,
        sequence: 0xe8db_a07a,
        acknowledgment: 7,
        flags: Flags::SYN | Flags::ACK,
        window: 64240,
    };
    let mut segment = Tcp::parse([0u8; 20].map(|_| 0x50)).unwrap();
    segment.set_source_port(31337);
    segment.set_destination_port(80);
    segment.set_sequence(0xe8db_a07a);
    segment.set_acknowledgment(7);
    segment.set_flags(Flags::SYN | Flags::ACK);
    segment.set_window(64240);
    segment.set_checksum(0);
    assert_eq!(segment.bytes[..18], header.emit()[..18]);
    assert_eq!((segment.flags().to_string(), segment.urgent()), ("SYN+ACK".into(), 0x5050));
}

#[test]
fn filled_checksum_is_valid_for_these_addresses_only() {
    let mut segment = Tcp::parse(SYN).unwrap();
    assert!(!segment.checksum_is_valid(CLIENT, SERVER));
    segment.fill_checksum(CLIENT, SERVER);
    assert!(segment.checksum_is_valid(CLIENT, SERVER));
    assert!(!segment.checksum_is_valid(CLIENT, CLIENT));
}

#[test]
fn data_offset_must_cover_the_header_and_lie_within_the_segment() {
    let with_offset = |words: u8| {
        let mut bytes = [0u8; 24];
        bytes[12] = words << 4;
        Tcp::parse(bytes).map(|segment| segment.payload().len())
    };
    assert_eq!(with_offset(5), Ok(4));
    assert_eq!(with_offset(6), Ok(0));
    assert!(matches!(with_offset(4), Err(Malformed::HeaderLength { stated: 16, .. })));
    assert!(matches!(with_offset(7), Err(Malformed::HeaderLength { stated: 28, available: 24, .. })));
    assert!(matches!(Tcp::parse(&SYN[..19]), Err(Malformed::Truncated { .. })));
}

#[test]
fn options_end_at_the_first_that_makes_no_sense() {
    assert_eq!(options_of([1, 1, 1, 0]), ["NoOperation"; 3]);
    assert_eq!(options_of([1, 2, 4, 5]), ["NoOperation"], "longer than what is left");
    assert_eq!(options_of([3, 0, 1, 1]), [""; 0], "length 0 would never end");
    assert_eq!(options_of([3, 1, 1, 1]), [""; 0], "length 1 does not cover itself");
    assert_eq!(options_of([1, 1, 1, 3]), ["NoOperation"; 3], "no length byte");
    assert_eq!(options_of([2, 3, 5, 1]), ["Other(2, [5])", "NoOperation"], "an MSS of one byte is no MSS");
}

#[test]
fn flags_read_as_names() {
    assert_eq!(Flags::default().to_string(), "-");
    assert_eq!((Flags::RST | Flags::ACK).to_string(), "RST+ACK");
    assert!((Flags::RST | Flags::ACK).rst() && !(Flags::RST | Flags::ACK).syn());
    assert!((Flags::FIN | Flags::ACK).fin() && (Flags::FIN | Flags::ACK).ack());
}

#[test]
fn blocks_of_selective_acknowledgments_are_mapped_wherever_they_stand() {
    let blocks = |edges: [u32; 4]| edges.map(u32::to_be_bytes).concat();
    let options = |edges| [&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 18][..], &blocks(edges)].concat();
    let segment = |edges| crate::build::eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).tcp_options(&options(edges));
    let mut packet = segment([100, 200, 300, 400]).packet();
    let mut tcp = Tcp::parse(&mut packet[20..]).unwrap();
    tcp.map_selective_acknowledgments(|[left, right]| [left + 7, right - 7]);
    tcp.fill_checksum("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    assert_eq!(packet, segment([107, 193, 307, 393]).packet());
}

#[test]
fn selective_acknowledgments_that_are_cut_short_are_left_alone() {
    for options in
        [[5, 10, 0, 0, 0, 1, 0, 0], [5, 6, 0, 0, 0, 1, 1, 1], [5, 0, 0, 0, 0, 1, 0, 0], [0, 5, 10, 0, 0, 0, 0, 0]]
    {
        let mut packet = crate::build::eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).tcp_options(&options).packet();
        let before = packet.clone();
        Tcp::parse(&mut packet[20..]).unwrap().map_selective_acknowledgments(|_| [1; 2]);
        assert_eq!(packet, before, "{options:?}");
    }
}
