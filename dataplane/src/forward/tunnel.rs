//! VS/TUN: an IPv4 header put before the client's packet (RFC 2003).

use std::net::Ipv4Addr;
use wire::checksum;
use wire::ipv4::{DONT_FRAGMENT, protocol};

/// Bytes that the outer header takes from the MTU.
pub const OVERHEAD: u16 = 20;

/// The outer header to one real, made once; each packet fills in what it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterHeader {
    /// Source and destination.
    addresses: [u8; 8],
    /// Of the words that no packet changes: version, protocol, addresses.
    sum: u32,
    /// The flags that are copied from the inner packet.
    copied: u16,
}

impl OuterHeader {
    /// The header from the director's `source` address to a real.
    pub fn new(source: impl Into<Ipv4Addr>, destination: impl Into<Ipv4Addr>) -> Self {
        let (source, destination) = (source.into(), destination.into());
        let ([a, b, c, d], [e, f, g, h]) = (source.octets(), destination.octets());
        Self {
            addresses: [a, b, c, d, e, f, g, h],
            sum: 0x4500 + checksum::pseudo_header(source, destination, protocol::IPIP, 0),
            copied: DONT_FRAGMENT,
        }
    }

    /// The same without "don't fragment", whatever the inner packet says: too large ones are split on the way.
    pub fn always_fragmentable(self) -> Self {
        Self { copied: 0, ..self }
    }

    /// Whether a packet that must not be fragmented is not fragmented within the tunnel either.
    #[inline]
    pub fn keeps_dont_fragment(&self) -> bool {
        self.copied != 0
    }

    /// Writes the header for `inner`, an IPv4 packet after its TTL was decremented. See [`OuterHeader::before`].
    #[inline]
    pub fn write(&self, out: &mut [u8; OVERHEAD as usize], inner: &[u8], identification: u16) {
        if let Some([inner @ .., _, _, _, _, _, _, _, _]) = inner.first_chunk::<20>() {
            *out = self.before(inner, identification);
        }
    }

    /// The header for a packet of which these are the first bytes, after its TTL was decremented.
    ///
    /// As the reference: TTL and DF are the inner ones. DSCP too; ECN by the full-functionality rule of RFC 3168 section
    /// 9.1.1 (inner CE becomes ECT(0), the rest is copied). `identification` tells the packets of a tunnel apart while
    /// they may be fragmented; with DF it is not sent (0). The inner packet is at most 65,515 bytes long.
    #[inline(always)]
    pub fn before(&self, inner: &[u8; 12], identification: u16) -> [u8; OVERHEAD as usize] {
        let [_, tos, len0, len1, _, _, flags0, _, ttl, ..] = *inner;
        let tos = tos & !(tos & (tos >> 1) & 1);
        let total_len = u16::from_be_bytes([len0, len1]).saturating_add(OVERHEAD);
        let flags = u16::from_be_bytes([flags0, 0]) & self.copied;
        let identification = if flags == 0 { identification } else { 0 };
        let varying = [u16::from(tos), total_len, identification, flags, u16::from_be_bytes([ttl, 0])];
        let sum = varying.into_iter().fold(self.sum, |sum, word| sum + u32::from(word));

        let word = |value: u16, bits: u32| u64::from(value) << bits;
        let first = word(0x4500 | u16::from(tos), 48) | word(total_len, 32) | word(identification, 16) | word(flags, 0);
        let lifetime = u16::from_be_bytes([ttl, protocol::IPIP]);
        let second = word(lifetime, 16) | word(checksum::of_sum(sum), 0);
        let ([a, b, c, d, e, f, g, h], [_, _, _, _, i, j, k, l]) = (first.to_be_bytes(), second.to_be_bytes());
        let [m, n, o, p, q, r, s, t] = self.addresses;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]
    }

    /// Whether the packet with these first bytes may be fragmented within the tunnel, and so shows its identification.
    #[inline(always)]
    pub fn is_fragmentable(&self, inner: &[u8; 12]) -> bool {
        let [_, _, _, _, _, _, flags, ..] = *inner;
        u16::from_be_bytes([flags, 0]) & self.copied == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::build::{Frame, eth};

    fn client_packet() -> Frame {
        eth().ipv4("192.168.1.1", "10.9.0.1").ttl(8).id(7).tcp(31342, 82)
    }

    fn outer(inner: &[u8], identification: u16) -> [u8; 20] {
        let mut out = [0; 20];
        OuterHeader::new([10, 0, 2, 1], [10, 0, 2, 2]).write(&mut out, inner, identification);
        out
    }

    /// What Linux 6.1 IPVS put before the same three packets.
    #[test]
    fn header_is_the_reference_s_byte_for_byte() {
        let syn = client_packet().tos(0x1d).syn().seq(1).packet();
        let sent = [0x45, 0x1d, 0, 0x3c, 0x9a, 0xd8, 0, 0, 8, 4, 0xff, 0xc6, 10, 0, 2, 1, 10, 0, 2, 2];
        assert_eq!(outer(&syn, 0x9ad8), sent, "ECT(1) is kept");
        let with_df = client_packet().tos(0x1f).df().seq(2).acking(1).packet();
        let sent = [0x45, 0x1e, 0, 0x3c, 0, 0, 0x40, 0, 8, 4, 0x5a, 0x9e, 10, 0, 2, 1, 10, 0, 2, 2];
        assert_eq!(outer(&with_df, 0x9ad9), sent, "CE becomes ECT(0), DF is copied, no identification");
        let ect0 = client_packet().id(0).tos(0x02).seq(2).acking(1).packet();
        let sent = [0x45, 0x02, 0, 0x3c, 0x9a, 0xf5, 0, 0, 8, 4, 0xff, 0xc4, 10, 0, 2, 1, 10, 0, 2, 2];
        assert_eq!(outer(&ect0, 0x9af5), sent);
    }

    #[test]
    fn outer_packet_can_be_fragmentable_whatever_the_inner_one_is() {
        let inner = client_packet().df().packet();
        let header = OuterHeader::new([10, 0, 2, 1], [10, 0, 2, 2]);
        assert!(header.keeps_dont_fragment() && !header.always_fragmentable().keeps_dont_fragment());
        let mut out = [0; 20];
        header.always_fragmentable().write(&mut out, &inner, 77);
        assert_eq!(out[..20], outer(&client_packet().packet(), 77));
    }

    #[test]
    fn more_fragments_of_the_inner_packet_is_not_the_outer_s_business() {
        let fragment = client_packet().more_fragments().fragment_offset(80).payload_len(8).packet();
        assert_eq!(outer(&fragment, 1)[6..8], [0, 0]);
    }

    #[test]
    fn bytes_that_are_no_packet_write_nothing() {
        assert_eq!(outer(&[0x45; 19], 1), [0; 20]);
        assert_ne!(outer(&[0x45; 20], 1), [0; 20]);
    }

    proptest! {
        #[test]
        fn header_equals_one_built_so(ends: (u32, u32), tos: u8, ttl: u8, df: bool, id: u16, len in 0usize..1500) {
            let inner = eth().ipv4("192.168.1.1", "10.9.0.1").tos(tos).ttl(ttl).udp(1, 2).payload_len(len);
            let inner = if df { inner.df() } else { inner };
            let ecn = if tos & 3 == 3 { 2 } else { tos & 3 };
            let outer = eth().ipv4(ends.0.to_be_bytes(), ends.1.to_be_bytes()).tos(tos & !3 | ecn).ttl(ttl).ipip(&inner);
            let outer = if df { outer.df() } else { outer.id(id) };
            let mut out = [0; 20];
            OuterHeader::new(ends.0, ends.1).write(&mut out, &inner.packet(), id);
            prop_assert_eq!(&out[..], &outer.packet()[..20]);
        }
    }
}
