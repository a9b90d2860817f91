//! IPv4 (RFC 791).

use crate::bytes::{between, between_mut, get, put, u8_at, u16_at};
use crate::{Layer, Malformed, checksum};
use core::net::Ipv4Addr;

/// Length of a header without options, in bytes.
pub const HEADER_LEN: usize = 20;
/// Length of the longest header, in bytes.
pub const MAX_HEADER_LEN: usize = 60;
/// The bit of the flags-and-offset word that forbids fragmentation.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// The bit of the flags-and-offset word of every fragment but the last.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// The bits of the flags-and-offset word that hold the offset, in units of 8 bytes.
pub const OFFSET_MASK: u16 = 0x1fff;

/// Values of the protocol field.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IPv4 (RFC 2003).
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
}

mod field {
    pub(super) const VERSION_AND_LENGTH: usize = 0;
    pub(super) const TOS: usize = 1;
    pub(super) const TOTAL_LEN: usize = 2;
    pub(super) const IDENTIFICATION: usize = 4;
    pub(super) const FLAGS_AND_OFFSET: usize = 6;
    pub(super) const TTL: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const CHECKSUM: usize = 10;
    pub(super) const SOURCE: usize = 12;
    pub(super) const DESTINATION: usize = 16;
}

/// A packet. `parse` proves: version 4, 20 <= header length <= total length <= bytes given. Bytes beyond the total
/// length (Ethernet padding) are never part of the payload.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Ipv4<B> {
    /// Reads a packet. The checksum is not looked at: see [`Ipv4::checksum_is_valid`].
    ///
    /// # Errors
    /// Which of the proved facts does not hold.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let packet = Self::parse_header(bytes)?;
        let (stated, available) = (packet.total_len(), packet.bytes.as_ref().len());
        if stated < packet.header_len() || stated > available {
            return Err(Malformed::Length { layer: Layer::Ipv4, stated, available });
        }
        Ok(packet)
    }

    /// Reads a packet that may be cut off after its header, as an ICMP error quotes it: the total length may exceed
    /// the bytes given, and the payload is what is there.
    ///
    /// # Errors
    /// If the header itself is not complete, or the total length is less than the header.
    #[inline]
    pub fn parse_quoted(bytes: B) -> Result<Self, Malformed> {
        let packet = Self::parse_header(bytes)?;
        let (stated, available) = (packet.total_len(), packet.bytes.as_ref().len());
        if stated < packet.header_len() {
            return Err(Malformed::Length { layer: Layer::Ipv4, stated, available });
        }
        Ok(packet)
    }

    #[inline]
    fn parse_header(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < HEADER_LEN {
            return Err(Malformed::Truncated { layer: Layer::Ipv4, needed: HEADER_LEN, available });
        }
        let packet = Self { bytes };
        let first = u8_at(packet.bytes.as_ref(), field::VERSION_AND_LENGTH);
        if first >> 4 != 4 {
            return Err(Malformed::Version(first >> 4));
        }
        let stated = packet.header_len();
        if stated < HEADER_LEN || stated > available {
            return Err(Malformed::HeaderLength { layer: Layer::Ipv4, stated, available });
        }
        Ok(packet)
    }

    /// Length of the header with its options, in bytes: 20 to 60.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(u8_at(self.bytes.as_ref(), field::VERSION_AND_LENGTH) & 0x0f) * 4
    }

    /// Length of header and payload, in bytes.
    #[inline]
    pub fn total_len(&self) -> usize {
        usize::from(u16_at(self.bytes.as_ref(), field::TOTAL_LEN))
    }

    /// Type of service: DSCP and, in the low two bits, ECN.
    #[inline]
    pub fn tos(&self) -> u8 {
        u8_at(self.bytes.as_ref(), field::TOS)
    }

    /// Identification: equal in all fragments of a packet.
    #[inline]
    pub fn identification(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::IDENTIFICATION)
    }

    /// The word of flags and fragment offset, as sent.
    #[inline]
    pub fn flags_and_offset(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::FLAGS_AND_OFFSET)
    }

    /// Whether fragmentation is forbidden.
    #[inline]
    pub fn dont_fragment(&self) -> bool {
        self.flags_and_offset() & DONT_FRAGMENT != 0
    }

    /// Whether more fragments follow.
    #[inline]
    pub fn more_fragments(&self) -> bool {
        self.flags_and_offset() & MORE_FRAGMENTS != 0
    }

    /// Where the payload belongs in the unfragmented one, in bytes.
    #[inline]
    pub fn fragment_offset(&self) -> usize {
        usize::from(self.flags_and_offset() & OFFSET_MASK) * 8
    }

    /// Whether this is a fragment, the first one included.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.flags_and_offset() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Time to live, in hops.
    #[inline]
    pub fn ttl(&self) -> u8 {
        u8_at(self.bytes.as_ref(), field::TTL)
    }

    /// What the payload is; see [`protocol`].
    #[inline]
    pub fn protocol(&self) -> u8 {
        u8_at(self.bytes.as_ref(), field::PROTOCOL)
    }

    /// The header checksum, as sent.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::CHECKSUM)
    }

    /// Whether the header checksum is right.
    #[inline]
    pub fn checksum_is_valid(&self) -> bool {
        checksum::internet(self.header()) == 0
    }

    /// Source address.
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4>(self.bytes.as_ref(), field::SOURCE))
    }

    /// Destination address.
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4>(self.bytes.as_ref(), field::DESTINATION))
    }

    /// The header with its options.
    #[inline]
    pub fn header(&self) -> &[u8] {
        between(self.bytes.as_ref(), 0, self.header_len())
    }

    /// The options with their padding, not interpreted; empty in nearly every packet.
    #[inline]
    pub fn options(&self) -> &[u8] {
        between(self.bytes.as_ref(), HEADER_LEN, self.header_len())
    }

    /// Header and payload, without what follows the packet.
    #[inline]
    pub fn packet(&self) -> &[u8] {
        between(self.bytes.as_ref(), 0, self.end())
    }

    /// The payload, without what follows the packet.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        between(self.bytes.as_ref(), self.header_len(), self.end())
    }

    /// Gives the bytes back.
    #[inline]
    pub fn into_inner(self) -> B {
        self.bytes
    }

    /// Where the payload ends: the total length, or the end of the bytes if a quoted packet was cut off.
    #[inline]
    fn end(&self) -> usize {
        self.total_len().min(self.bytes.as_ref().len())
    }
}

/// Setters leave the header checksum as it is: see [`Ipv4::fill_checksum`] and [`checksum::Delta`].
impl<B: AsRef<[u8]> + AsMut<[u8]>> Ipv4<B> {
    /// Sets the type of service.
    #[inline]
    pub fn set_tos(&mut self, value: u8) {
        put(self.bytes.as_mut(), field::TOS, [value]);
    }

    /// Sets the identification.
    #[inline]
    pub fn set_identification(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::IDENTIFICATION, value.to_be_bytes());
    }

    /// Sets the word of flags and fragment offset (the offset in units of 8 bytes).
    #[inline]
    pub fn set_flags_and_offset(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::FLAGS_AND_OFFSET, value.to_be_bytes());
    }

    /// Sets the time to live.
    #[inline]
    pub fn set_ttl(&mut self, value: u8) {
        put(self.bytes.as_mut(), field::TTL, [value]);
    }

    /// Sets the protocol.
    #[inline]
    pub fn set_protocol(&mut self, value: u8) {
        put(self.bytes.as_mut(), field::PROTOCOL, [value]);
    }

    /// Sets the source address.
    #[inline]
    pub fn set_source(&mut self, value: Ipv4Addr) {
        put(self.bytes.as_mut(), field::SOURCE, value.octets());
    }

    /// Sets the destination address.
    #[inline]
    pub fn set_destination(&mut self, value: Ipv4Addr) {
        put(self.bytes.as_mut(), field::DESTINATION, value.octets());
    }

    /// Sets the header checksum.
    #[inline]
    pub fn set_checksum(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::CHECKSUM, value.to_be_bytes());
    }

    /// Computes the header checksum in full and sets it.
    #[inline]
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let value = checksum::internet(self.header());
        self.set_checksum(value);
    }

    /// The options, to write to.
    #[inline]
    pub fn options_mut(&mut self) -> &mut [u8] {
        let end = self.header_len();
        between_mut(self.bytes.as_mut(), HEADER_LEN, end)
    }

    /// The payload, to write to.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let (start, end) = (self.header_len(), self.end());
        between_mut(self.bytes.as_mut(), start, end)
    }
}

/// What a new header without options says; see [`Header::emit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of service.
    pub tos: u8,
    /// Length of header and payload, in bytes.
    pub total_len: u16,
    /// Identification.
    pub identification: u16,
    /// Flags, and the fragment offset in units of 8 bytes.
    pub flags_and_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
}

impl Header {
    /// The 20 bytes, checksum filled in.
    #[inline]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let [len0, len1] = self.total_len.to_be_bytes();
        let [id0, id1] = self.identification.to_be_bytes();
        let [flags0, flags1] = self.flags_and_offset.to_be_bytes();
        let [s0, s1, s2, s3] = self.source.octets();
        let [d0, d1, d2, d3] = self.destination.octets();
        let mut bytes = [
            0x45,
            self.tos,
            len0,
            len1,
            id0,
            id1,
            flags0,
            flags1,
            self.ttl,
            self.protocol,
            0,
            0,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ];
        let value = checksum::internet(&bytes);
        put(&mut bytes, field::CHECKSUM, value.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
#[path = "ipv4_tests.rs"]
mod tests;
