//! VS/NAT: addresses and ports rewritten in place, checksums adjusted by what changed (RFC 1624 equation 3). The payload
//! is not read, with the reference's one exception: a UDP datagram without a checksum gets one.

use crate::connection::Endpoint;
use link::model::Protocol;
use wire::checksum::{self, Delta};

/// Client to real: the destination becomes `to`.
///
/// `packet` is a whole IPv4 packet whose transport header starts after `header_len` bytes and is complete; bytes that
/// hold none are left alone.
#[inline]
pub fn rewrite_destination(packet: &mut [u8], header_len: u8, protocol: Protocol, to: Endpoint) {
    rewrite::<false>(packet, header_len, protocol, to);
}

/// Real to client: the source becomes `to`. As [`rewrite_destination`] else.
#[inline]
pub fn rewrite_source(packet: &mut [u8], header_len: u8, protocol: Protocol, to: Endpoint) {
    rewrite::<true>(packet, header_len, protocol, to);
}

/// The fields that NAT touches.
struct Fields<'a> {
    header_checksum: &'a mut [u8; 2],
    addresses: [&'a mut [u8; 4]; 2],
    ports: [&'a mut [u8; 2]; 2],
    checksum: &'a mut [u8; 2],
}

#[inline(always)]
fn rewrite<const SOURCE: bool>(packet: &mut [u8], header_len: u8, protocol: Protocol, to: Endpoint) {
    let Some(fields) = fields(packet, header_len, protocol) else { return };
    let ([source, destination], [source_port, destination_port]) = (fields.addresses, fields.ports);
    let (address, port) = if SOURCE { (source, source_port) } else { (destination, destination_port) };

    let moved = Delta::new().replace_u32(u32::from_be_bytes(*address), to.address);
    adjust(fields.header_checksum, moved);
    let moved = moved.replace_u16(u16::from_be_bytes(*port), to.port);
    *address = to.address.to_be_bytes();
    *port = to.port.to_be_bytes();
    match protocol {
        Protocol::Tcp => adjust(fields.checksum, moved),
        Protocol::Udp if *fields.checksum == [0, 0] => fill_udp_checksum(packet, header_len),
        Protocol::Udp => {
            let adjusted = moved.apply(u16::from_be_bytes(*fields.checksum));
            *fields.checksum = checksum::udp_field(adjusted).to_be_bytes();
        }
    }
}

#[inline(always)]
fn adjust(checksum: &mut [u8; 2], moved: Delta) {
    *checksum = moved.apply(u16::from_be_bytes(*checksum)).to_be_bytes();
}

/// Takes both headers apart; `None` if one is not complete.
#[inline(always)]
fn fields(packet: &mut [u8], header_len: u8, protocol: Protocol) -> Option<Fields<'_>> {
    let (header, transport) = packet.split_at_mut_checked(usize::from(header_len))?;
    let (_, header) = header.split_first_chunk_mut::<10>()?;
    let (header_checksum, header) = header.split_first_chunk_mut()?;
    let (source, header) = header.split_first_chunk_mut()?;
    let (destination, _) = header.split_first_chunk_mut()?;
    let (source_port, transport) = transport.split_first_chunk_mut()?;
    let (destination_port, transport) = transport.split_first_chunk_mut()?;
    let before_checksum = match protocol {
        Protocol::Tcp => 12,
        Protocol::Udp => 2,
    };
    let (checksum, _) = transport.get_mut(before_checksum..)?.split_first_chunk_mut()?;
    Some(Fields { header_checksum, addresses: [source, destination], ports: [source_port, destination_port], checksum })
}

/// The sender made no UDP checksum: the reference makes one when it rewrites. Not for a fragment, whose payload is not
/// all here. Over the datagram as its length field says: the reference goes on to the end of the IPv4 packet, which a
/// receiver finds wrong if there is more.
#[cold]
fn fill_udp_checksum(packet: &mut [u8], header_len: u8) {
    let Ok(mut packet) = wire::ipv4::Ipv4::parse(packet) else { return };
    if packet.is_fragment() || packet.header_len() != usize::from(header_len) {
        return;
    }
    let (source, destination) = (packet.source(), packet.destination());
    if let Ok(mut datagram) = wire::udp::Udp::parse(packet.payload_mut()) {
        datagram.fill_checksum(source, destination);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use wire::build::{Frame, eth};

    const REAL: Endpoint = Endpoint { address: 0x0a00_0003, port: 8080 };
    const SERVICE: Endpoint = Endpoint { address: 0x0ac8_0101, port: 80 };

    fn request() -> Frame {
        eth().ipv4("192.168.1.1", "10.200.1.1").tcp(31337, 80).syn().payload(b"hello")
    }

    #[test]
    fn request_goes_to_the_real_and_the_reply_comes_from_the_service() {
        let mut packet = request().packet();
        rewrite_destination(&mut packet, 20, Protocol::Tcp, REAL);
        let want = eth().ipv4("192.168.1.1", "10.0.0.3").tcp(31337, 8080).syn().payload(b"hello");
        assert_eq!(packet, want.packet());

        let mut reply = eth().ipv4("10.0.0.3", "192.168.1.1").tcp(8080, 31337).syn().acking(1).packet();
        rewrite_source(&mut reply, 20, Protocol::Tcp, SERVICE);
        assert_eq!(reply, eth().ipv4("10.200.1.1", "192.168.1.1").tcp(80, 31337).syn().acking(1).packet());
    }

    #[test]
    fn missing_udp_checksum_is_filled_as_the_reference_does() {
        let datagram = eth().ipv4("192.168.1.1", "10.200.1.1").udp(31337, 53).payload(b"hello");
        let mut packet = datagram.no_checksum().packet();
        rewrite_destination(&mut packet, 20, Protocol::Udp, REAL);
        assert_eq!(packet, eth().ipv4("192.168.1.1", "10.0.0.3").udp(31337, 8080).payload(b"hello").packet());
    }

    #[test]
    fn missing_udp_checksum_of_a_fragment_stays_missing() {
        let first = |to, port| eth().ipv4("192.168.1.1", to).more_fragments().udp(31337, port).no_checksum();
        let mut packet = first("10.200.1.1", 53).payload_len(16).packet();
        rewrite_destination(&mut packet, 20, Protocol::Udp, REAL);
        assert_eq!(packet, first("10.0.0.3", 8080).payload_len(16).packet());
    }

    #[test]
    fn wrong_checksum_stays_wrong_for_the_receiver_to_see() {
        let mut packet = request().bad_checksum().packet();
        rewrite_destination(&mut packet, 20, Protocol::Tcp, REAL);
        let view = wire::ipv4::Ipv4::parse(&packet[..]).unwrap();
        let segment = wire::tcp::Tcp::parse(view.payload()).unwrap();
        assert!(view.checksum_is_valid() && !segment.checksum_is_valid(view.source(), view.destination()));
    }

    #[test]
    fn bytes_behind_the_packet_change_nothing() {
        let mut padded = eth().ipv4("192.168.1.1", "10.200.1.1").udp(1, 2).payload(b"x").no_checksum().packet();
        let (len, mut alone) = (padded.len(), padded.clone());
        padded.resize(46, 0xee);
        rewrite_destination(&mut padded, 20, Protocol::Udp, REAL);
        rewrite_destination(&mut alone, 20, Protocol::Udp, REAL);
        assert_eq!((&padded[..len], &padded[len..]), (&alone[..], &[0xee; 17][..]));
    }

    #[test]
    fn incomplete_headers_are_left_alone_and_complete_ones_are_not() {
        for (protocol, enough) in [(Protocol::Tcp, 38), (Protocol::Udp, 28)] {
            for len in 0..60 {
                let mut bytes = vec![1; len];
                rewrite_source(&mut bytes, 20, protocol, SERVICE);
                assert_eq!(bytes != vec![1; len], len >= enough, "{protocol} {len}");
            }
        }
        let mut bytes = vec![1; 60];
        rewrite_source(&mut bytes, 16, Protocol::Udp, SERVICE);
        assert_eq!(bytes, vec![1; 60], "a header of 16 bytes is none");
    }

    proptest! {
        #[test]
        fn any_rewrite_equals_a_packet_built_so(
            client: (u32, u16), service: (u32, u16), real: (u32, u16), tcp: bool, outbound: bool, options in vec(any::<u8>(), 0..=40),
            payload in vec(any::<u8>(), 0..64),
        ) {
            let build = |from: (u32, u16), to: (u32, u16)| {
                let frame = eth().ipv4(from.0.to_be_bytes(), to.0.to_be_bytes()).options(&options);
                if tcp { frame.tcp(from.1, to.1).acking(9) } else { frame.udp(from.1, to.1) }.payload(&payload).packet()
            };
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            let header_len = 20 + options.len().next_multiple_of(4) as u8;
            let endpoint = |(address, port)| Endpoint { address, port };
            let (mut packet, want) = if outbound {
                (build(real, client), build(service, client))
            } else {
                (build(client, service), build(client, real))
            };
            if outbound {
                rewrite_source(&mut packet, header_len, protocol, endpoint(service));
            } else {
                rewrite_destination(&mut packet, header_len, protocol, endpoint(real));
            }
            prop_assert_eq!(packet, want);
        }

        #[test]
        fn any_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..100), header_len: u8, tcp: bool) {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            rewrite_source(&mut bytes, header_len, protocol, SERVICE);
            rewrite_destination(&mut bytes, header_len, protocol, REAL);
        }
    }
}
