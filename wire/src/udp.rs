//! UDP (RFC 768).

use crate::bytes::{between, between_mut, put, u16_at};
use crate::ipv4::protocol;
use crate::{Layer, Malformed, checksum};
use core::net::Ipv4Addr;

/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 8;

mod field {
    pub(super) const SOURCE: usize = 0;
    pub(super) const DESTINATION: usize = 2;
    pub(super) const LENGTH: usize = 4;
    pub(super) const CHECKSUM: usize = 6;
}

/// A datagram. `parse` proves: 8 <= length field <= bytes given.
#[derive(Clone, Copy, Debug)]
pub struct Udp<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Udp<B> {
    /// Reads a datagram from the payload of an unfragmented IPv4 packet.
    ///
    /// # Errors
    /// Which of the proved facts does not hold.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let datagram = Self::parse_start(bytes)?;
        let (stated, available) = (datagram.length(), datagram.bytes.as_ref().len());
        if stated < HEADER_LEN || stated > available {
            return Err(Malformed::Length { layer: Layer::Udp, stated, available });
        }
        Ok(datagram)
    }

    /// Reads a datagram of which only the header need be there: in a first fragment, or as an ICMP error quotes it.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if there are fewer than 8 bytes.
    #[inline]
    pub fn parse_start(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < HEADER_LEN {
            return Err(Malformed::Truncated { layer: Layer::Udp, needed: HEADER_LEN, available });
        }
        Ok(Self { bytes })
    }

    /// Source port.
    #[inline]
    pub fn source_port(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::SOURCE)
    }

    /// Destination port.
    #[inline]
    pub fn destination_port(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::DESTINATION)
    }

    /// Length of header and payload, in bytes.
    #[inline]
    pub fn length(&self) -> usize {
        usize::from(u16_at(self.bytes.as_ref(), field::LENGTH))
    }

    /// The checksum, as sent; 0 = none.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::CHECKSUM)
    }

    /// Whether the checksum is right, or absent.
    #[inline]
    pub fn checksum_is_valid(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        self.checksum() == 0 || checksum::transport(source, destination, protocol::UDP, self.datagram()) == 0
    }

    /// The payload; what is there of it, if the datagram was cut off.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        between(self.bytes.as_ref(), HEADER_LEN, self.end())
    }

    #[inline]
    fn datagram(&self) -> &[u8] {
        between(self.bytes.as_ref(), 0, self.end())
    }

    #[inline]
    fn end(&self) -> usize {
        self.length().min(self.bytes.as_ref().len())
    }
}

/// Setters leave the checksum as it is: see [`Udp::fill_checksum`] and [`checksum::Delta`].
impl<B: AsRef<[u8]> + AsMut<[u8]>> Udp<B> {
    /// Sets the source port.
    #[inline]
    pub fn set_source_port(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::SOURCE, value.to_be_bytes());
    }

    /// Sets the destination port.
    #[inline]
    pub fn set_destination_port(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::DESTINATION, value.to_be_bytes());
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::CHECKSUM, value.to_be_bytes());
    }

    /// Computes the checksum in full and sets it; a computed 0 becomes `0xffff`.
    #[inline]
    pub fn fill_checksum(&mut self, source: Ipv4Addr, destination: Ipv4Addr) {
        self.set_checksum(0);
        let value = checksum::transport(source, destination, protocol::UDP, self.datagram());
        self.set_checksum(checksum::udp_field(value));
    }

    /// The payload, to write to.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        between_mut(self.bytes.as_mut(), HEADER_LEN, end)
    }
}

/// The 8 bytes of a header with a checksum of 0. `length` is that of header and payload.
#[inline]
pub fn header(source_port: u16, destination_port: u16, length: u16) -> [u8; HEADER_LEN] {
    let [s0, s1] = source_port.to_be_bytes();
    let [d0, d1] = destination_port.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    [s0, s1, d0, d1, l0, l1, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 200, 1, 1);

    #[test]
    fn datagram_is_taken_apart_and_built_again() {
        let mut bytes = [0u8; 11];
        bytes[..8].copy_from_slice(&header(31337, 53, 11));
        bytes[8..].copy_from_slice(b"abc");
        let mut datagram = Udp::parse(bytes).unwrap();
        assert_eq!((datagram.source_port(), datagram.destination_port(), datagram.length()), (31337, 53, 11));
        assert_eq!(datagram.payload(), b"abc");
        assert!(datagram.checksum_is_valid(CLIENT, SERVER), "none is valid");
        datagram.fill_checksum(CLIENT, SERVER);
        assert_ne!(datagram.checksum(), 0);
        assert!(datagram.checksum_is_valid(CLIENT, SERVER));
        datagram.set_destination_port(54);
        assert!(!datagram.checksum_is_valid(CLIENT, SERVER));
    }

    #[test]
    fn computed_zero_is_sent_as_all_ones() {
        let mut bytes = [0u8; 10];
        bytes[..8].copy_from_slice(&header(1, 2, 10));
        let mut datagram = Udp::parse(bytes).unwrap();
        datagram.fill_checksum(CLIENT, SERVER);
        let rest = datagram.checksum();
        datagram.payload_mut().copy_from_slice(&rest.to_be_bytes());
        datagram.fill_checksum(CLIENT, SERVER);
        assert_eq!(datagram.checksum(), 0xffff);
        assert!(datagram.checksum_is_valid(CLIENT, SERVER));
    }

    #[test]
    fn length_must_cover_the_header_and_lie_within_the_packet() {
        assert!(Udp::parse(header(1, 2, 8)).is_ok());
        assert!(matches!(Udp::parse(header(1, 2, 7)), Err(Malformed::Length { stated: 7, .. })));
        assert!(matches!(Udp::parse(header(1, 2, 9)), Err(Malformed::Length { stated: 9, available: 8, .. })));
        assert!(matches!(Udp::parse(&[0u8; 7][..]), Err(Malformed::Truncated { .. })));
        assert!(Udp::parse_start(header(1, 2, 9)).is_ok());
    }
}
