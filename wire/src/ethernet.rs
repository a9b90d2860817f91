//! Ethernet II frames, without the frame check sequence (the network card's business).

use crate::bytes::{from, from_mut, get, put, u16_at};
use crate::{Layer, Malformed};

/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 14;
/// The shortest frame without its check sequence; shorter ones are padded.
pub const MIN_LEN: usize = 60;
/// The broadcast address.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// Values of the type field.
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

mod field {
    pub(super) const DESTINATION: usize = 0;
    pub(super) const SOURCE: usize = 6;
    pub(super) const TYPE: usize = 12;
}

/// Whether the group bit is set: multicast or broadcast.
#[inline]
pub const fn is_group(mac: [u8; 6]) -> bool {
    mac[0] & 1 != 0
}

/// A frame. `parse` proves: at least a header.
#[derive(Clone, Copy, Debug)]
pub struct Ethernet<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Ethernet<B> {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if there are fewer than 14 bytes.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < HEADER_LEN {
            return Err(Malformed::Truncated { layer: Layer::Ethernet, needed: HEADER_LEN, available });
        }
        Ok(Self { bytes })
    }

    /// Destination MAC address.
    #[inline]
    pub fn destination(&self) -> [u8; 6] {
        get(self.bytes.as_ref(), field::DESTINATION)
    }

    /// Source MAC address.
    #[inline]
    pub fn source(&self) -> [u8; 6] {
        get(self.bytes.as_ref(), field::SOURCE)
    }

    /// The type field; see [`ether_type`]. Below 0x0600 it is an 802.3 length.
    #[inline]
    pub fn ether_type(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::TYPE)
    }

    /// What follows the header, padding included.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        from(self.bytes.as_ref(), HEADER_LEN)
    }

    /// Gives the bytes back.
    #[inline]
    pub fn into_inner(self) -> B {
        self.bytes
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Ethernet<B> {
    /// Sets the destination MAC address.
    #[inline]
    pub fn set_destination(&mut self, mac: [u8; 6]) {
        put(self.bytes.as_mut(), field::DESTINATION, mac);
    }

    /// Sets the source MAC address.
    #[inline]
    pub fn set_source(&mut self, mac: [u8; 6]) {
        put(self.bytes.as_mut(), field::SOURCE, mac);
    }

    /// Sets the type field.
    #[inline]
    pub fn set_ether_type(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::TYPE, value.to_be_bytes());
    }

    /// What follows the header, to write to.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        from_mut(self.bytes.as_mut(), HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 16] = [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 0xfe, 0x08, 0x00, 0x45, 0x00];

    #[test]
    fn frame_is_taken_apart_and_built_again() {
        let frame = Ethernet::parse(FRAME).unwrap();
        let mut copy = Ethernet::parse([0u8; 16]).unwrap();
        copy.set_destination(frame.destination());
        copy.set_source(frame.source());
        copy.set_ether_type(frame.ether_type());
        copy.payload_mut().copy_from_slice(frame.payload());
        assert_eq!(frame.ether_type(), ether_type::IPV4);
        assert_eq!(copy.into_inner(), FRAME);
    }

    #[test]
    fn header_alone_is_a_frame_and_one_byte_less_is_not() {
        assert_eq!(Ethernet::parse(&FRAME[..14]).unwrap().payload(), []);
        let refused = Ethernet::parse(&FRAME[..13]).unwrap_err();
        assert_eq!(refused, Malformed::Truncated { layer: Layer::Ethernet, needed: 14, available: 13 });
    }

    #[test]
    fn group_addresses_are_told_from_unicast() {
        assert!(is_group(BROADCAST));
        assert!(is_group([1, 0, 0x5e, 0, 0, 1]));
        assert!(!is_group([2, 0, 0, 0, 0, 1]));
    }
}
