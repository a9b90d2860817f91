//! ARP for IPv4 over Ethernet (RFC 826).

use crate::bytes::{get, put, u16_at};
use crate::{Layer, Malformed};
use core::net::Ipv4Addr;

/// Length of the packet, in bytes.
pub const LEN: usize = 28;

/// Values of the operation field.
pub mod operation {
    /// Who has the target address?
    pub const REQUEST: u16 = 1;
    /// The sender has it.
    pub const REPLY: u16 = 2;
}

mod field {
    /// Hardware type 1, protocol type 0x0800, address lengths 6 and 4.
    pub(super) const KIND: usize = 0;
    pub(super) const OPERATION: usize = 6;
    pub(super) const SENDER_MAC: usize = 8;
    pub(super) const SENDER: usize = 14;
    pub(super) const TARGET_MAC: usize = 18;
    pub(super) const TARGET: usize = 24;
}

const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// An ARP packet. `parse` proves: 28 bytes, Ethernet and IPv4 addresses.
#[derive(Clone, Copy, Debug)]
pub struct Arp<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Arp<B> {
    /// Reads an ARP packet; bytes beyond it (padding) are ignored.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if there are fewer than 28 bytes, [`Malformed::ArpKind`] for other address types.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < LEN {
            return Err(Malformed::Truncated { layer: Layer::Arp, needed: LEN, available });
        }
        if get(bytes.as_ref(), field::KIND) != ETHERNET_IPV4 {
            return Err(Malformed::ArpKind);
        }
        Ok(Self { bytes })
    }

    /// The operation; see [`operation`].
    #[inline]
    pub fn operation(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::OPERATION)
    }

    /// MAC address of the sender.
    #[inline]
    pub fn sender_mac(&self) -> [u8; 6] {
        get(self.bytes.as_ref(), field::SENDER_MAC)
    }

    /// IPv4 address of the sender; 0.0.0.0 in a probe (RFC 5227).
    #[inline]
    pub fn sender(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4>(self.bytes.as_ref(), field::SENDER))
    }

    /// MAC address of the target; of no meaning in a request.
    #[inline]
    pub fn target_mac(&self) -> [u8; 6] {
        get(self.bytes.as_ref(), field::TARGET_MAC)
    }

    /// IPv4 address of the target.
    #[inline]
    pub fn target(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4>(self.bytes.as_ref(), field::TARGET))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Arp<B> {
    /// Turns a request into the reply that says `mac` has the target address (RFC 826: swap sender and target, fill
    /// in the own hardware address).
    #[inline]
    pub fn answer(&mut self, mac: [u8; 6]) {
        let (asker_mac, asker, own) = (self.sender_mac(), self.sender(), self.target());
        write(self.bytes.as_mut(), operation::REPLY, (mac, own), (asker_mac, asker));
    }
}

/// Writes a packet over the first 28 bytes.
///
/// # Errors
/// [`Malformed::Truncated`] if there are fewer; nothing is written then.
#[inline]
pub fn emit(
    bytes: &mut [u8],
    operation: u16,
    sender: ([u8; 6], Ipv4Addr),
    target: ([u8; 6], Ipv4Addr),
) -> Result<(), Malformed> {
    if bytes.len() < LEN {
        return Err(Malformed::Truncated { layer: Layer::Arp, needed: LEN, available: bytes.len() });
    }
    write(bytes, operation, sender, target);
    Ok(())
}

#[inline]
fn write(bytes: &mut [u8], operation: u16, sender: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) {
    put(bytes, field::KIND, ETHERNET_IPV4);
    put(bytes, field::OPERATION, operation.to_be_bytes());
    put(bytes, field::SENDER_MAC, sender.0);
    put(bytes, field::SENDER, sender.1.octets());
    put(bytes, field::TARGET_MAC, target.0);
    put(bytes, field::TARGET, target.1.octets());
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; 28] =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 1, 0xfe, 10, 0, 1, 254, 0, 0, 0, 0, 0, 0, 10, 0, 1, 1];

    #[test]
    fn request_is_taken_apart_and_built_again() {
        let request = Arp::parse(REQUEST).unwrap();
        assert_eq!(request.operation(), operation::REQUEST);
        assert_eq!(request.target(), Ipv4Addr::new(10, 0, 1, 1));
        let mut copy = [0u8; LEN];
        let (sender, target) = ((request.sender_mac(), request.sender()), (request.target_mac(), request.target()));
        emit(&mut copy, request.operation(), sender, target).unwrap();
        assert_eq!(copy, REQUEST);
    }

    #[test]
    fn answer_goes_back_to_the_asker_with_the_own_mac() {
        let mut request = Arp::parse(REQUEST).unwrap();
        request.answer([2, 0, 0, 0, 1, 1]);
        assert_eq!(request.operation(), operation::REPLY);
        assert_eq!((request.sender_mac(), request.sender()), ([2, 0, 0, 0, 1, 1], Ipv4Addr::new(10, 0, 1, 1)));
        assert_eq!((request.target_mac(), request.target()), ([2, 0, 0, 0, 1, 0xfe], Ipv4Addr::new(10, 0, 1, 254)));
    }

    #[test]
    fn short_packets_and_other_address_types_are_refused() {
        assert!(matches!(Arp::parse(&REQUEST[..27]), Err(Malformed::Truncated { .. })));
        let mut infiniband = REQUEST;
        infiniband[1] = 32;
        assert_eq!(Arp::parse(infiniband).unwrap_err(), Malformed::ArpKind);
        assert!(emit(&mut [0; 27], 1, ([0; 6], Ipv4Addr::LOCALHOST), ([0; 6], Ipv4Addr::LOCALHOST)).is_err());
    }
}
