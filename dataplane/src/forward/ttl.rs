//! Time to live: one less at each hop (RFC 1812 section 5.3.1).

/// Takes one hop off the packet and adjusts the header checksum.
///
/// The caller has answered packets with a TTL of 0 or 1 already. A TTL of 0, or bytes shorter than an IPv4 header, are
/// left alone.
#[inline]
pub fn decrement(packet: &mut [u8]) {
    let Some((_, [ttl, _protocol, high, low, ..])) = packet.split_first_chunk_mut::<8>() else { return };
    let Some(less) = ttl.checked_sub(1) else { return };
    *ttl = less;
    // RFC 1624 equation 3 for a word that falls by 0x0100: the checksum rises by as much, end-around carry included.
    // Rising to 0xffff counts as a carry: the other way to write zero.
    let sum = u32::from(u16::from_be_bytes([*high, *low])) + 0x0100;
    [*high, *low] = ((sum + u32::from(sum >= 0xffff)) as u16).to_be_bytes();
}

#[cfg(test)]
mod tests {
    use super::decrement;
    use proptest::prelude::*;
    use wire::build::eth;
    use wire::ipv4::Ipv4;

    proptest! {
        #[test]
        fn is_one_less_with_the_checksum_of_a_full_computation(source: u32, ttl in 2u8.., id: u16, tos: u8) {
            let frame = eth().ipv4(source.to_be_bytes(), "10.200.1.1").id(id).tos(tos).tcp(1, 2);
            let mut packet = frame.clone().ttl(ttl).packet();
            decrement(&mut packet);
            prop_assert_eq!(packet, frame.ttl(ttl - 1).packet());
        }
    }

    #[test]
    fn every_identification_and_so_every_checksum_comes_out_right() {
        for id in 0..=u16::MAX {
            let mut packet = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            let mut view = Ipv4::parse(&mut packet[..]).unwrap();
            view.set_identification(id);
            view.fill_checksum();
            decrement(&mut packet);
            let mut full = Ipv4::parse(packet).unwrap();
            full.fill_checksum();
            assert_eq!(full.into_inner(), packet, "identification {id}");
        }
    }

    #[test]
    fn zero_and_short_packets_are_left_alone() {
        let mut exhausted = eth().ipv4("10.0.0.1", "10.0.0.2").ttl(0).udp(1, 2).packet();
        let before = exhausted.clone();
        decrement(&mut exhausted);
        assert_eq!(exhausted, before);
        for len in 0..12 {
            let mut short = vec![7; len];
            decrement(&mut short);
            assert_eq!(short, vec![7; len]);
        }
    }
}
