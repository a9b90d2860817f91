use super::*;

/// The example of Wikipedia's article on the IPv4 header checksum.
const HEADER: [u8; 20] = [
    0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00,
    0xc7,
];

fn packet() -> [u8; 0x73] {
    let mut bytes = [0u8; 0x73];
    bytes[..20].copy_from_slice(&HEADER);
    bytes
}

#[test]
fn header_is_taken_apart_and_built_again() {
    let packet = Ipv4::parse(packet()).unwrap();
    assert!(packet.checksum_is_valid());
    assert!(packet.dont_fragment() && !packet.more_fragments() && !packet.is_fragment());
    let header = Header {
        tos: packet.tos(),
        total_len: packet.total_len() as u16,
        identification: packet.identification(),
        flags_and_offset: packet.flags_and_offset(),
        ttl: packet.ttl(),
        protocol: packet.protocol(),
        source: packet.source(),
        destination: packet.destination(),
    };
    assert_eq!(header.emit(), HEADER);
}

#[test]
fn setters_write_what_accessors_read_and_fill_makes_the_checksum_right() {
    let mut packet = Ipv4::parse(packet()).unwrap();
    packet.set_tos(0xb8);
    packet.set_identification(0x1234);
    packet.set_flags_and_offset(MORE_FRAGMENTS | 185);
    packet.set_ttl(63);
    packet.set_protocol(protocol::TCP);
    packet.set_source(Ipv4Addr::new(10, 0, 0, 1));
    packet.set_destination(Ipv4Addr::new(10, 0, 0, 2));
    assert!(!packet.checksum_is_valid());
    packet.fill_checksum();
    assert!(packet.checksum_is_valid());
    assert_eq!((packet.tos(), packet.identification(), packet.ttl(), packet.protocol()), (0xb8, 0x1234, 63, 6));
    assert_eq!((packet.fragment_offset(), packet.more_fragments(), packet.is_fragment()), (1480, true, true));
    assert_eq!((packet.source(), packet.destination()), ([10, 0, 0, 1].into(), [10, 0, 0, 2].into()));
}

#[test]
fn padding_after_the_packet_is_not_payload() {
    let mut bytes = [0u8; 60];
    bytes[..20].copy_from_slice(&HEADER);
    bytes[3] = 28;
    let packet = Ipv4::parse(&mut bytes[..]).unwrap();
    assert_eq!((packet.payload().len(), packet.packet().len()), (8, 28));
}

#[test]
fn options_lie_between_fixed_header_and_payload() {
    let mut bytes = packet();
    bytes[0] = 0x47;
    bytes[20..28].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let mut packet = Ipv4::parse(bytes).unwrap();
    assert_eq!(packet.options(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((packet.header().len(), packet.payload().len()), (28, 0x73 - 28));
    packet.options_mut().fill(0);
    packet.payload_mut().fill(1);
    assert_eq!(packet.options(), [0; 8]);
}

#[test]
fn each_broken_length_is_refused_by_name() {
    let refused = |change: fn(&mut [u8; 0x73])| {
        let mut bytes = packet();
        change(&mut bytes);
        Ipv4::parse(bytes).unwrap_err()
    };
    assert_eq!(refused(|bytes| bytes[0] = 0x65), Malformed::Version(6));
    assert!(matches!(refused(|bytes| bytes[0] = 0x44), Malformed::HeaderLength { stated: 16, .. }));
    assert!(matches!(refused(|bytes| bytes[3] = 19), Malformed::Length { stated: 19, .. }));
    assert!(matches!(refused(|bytes| bytes[3] = 0x74), Malformed::Length { stated: 0x74, available: 0x73, .. }));
    assert!(matches!(Ipv4::parse(&HEADER[..19]), Err(Malformed::Truncated { needed: 20, available: 19, .. })));
    let mut options_cut = HEADER;
    options_cut[0] = 0x46;
    assert!(matches!(Ipv4::parse(options_cut), Err(Malformed::HeaderLength { stated: 24, available: 20, .. })));
}

#[test]
fn quoted_packet_may_be_cut_off_after_its_header() {
    let quoted = Ipv4::parse_quoted(&HEADER[..]).unwrap();
    assert_eq!((quoted.total_len(), quoted.payload()), (0x73, &[][..]));
    assert!(Ipv4::parse(&HEADER[..]).is_err());
    assert!(Ipv4::parse_quoted(&HEADER[..19]).is_err());
}
