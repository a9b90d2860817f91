//! ICMP (RFC 792), with the MTU of RFC 1191 and the original-datagram length of RFC 4884 left to the caller.

use crate::bytes::{from, from_mut, get, put, u8_at, u16_at};
use crate::{Layer, Malformed, checksum};

/// Length of the header, in bytes: type, code, checksum and the rest of header.
pub const HEADER_LEN: usize = 8;

/// Values of the type field.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable; see [`super::code`].
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    /// Source quench (deprecated by RFC 6633).
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded; code 0 in transit, 1 in reassembly.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
}

/// Codes of [`kind::DESTINATION_UNREACHABLE`].
pub mod code {
    /// Network unreachable.
    pub const NETWORK: u8 = 0;
    /// Host unreachable.
    pub const HOST: u8 = 1;
    /// Protocol unreachable.
    pub const PROTOCOL: u8 = 2;
    /// Port unreachable.
    pub const PORT: u8 = 3;
    /// Fragmentation needed and DF set; the MTU is in the low half of the rest of header.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Communication administratively prohibited.
    pub const PROHIBITED: u8 = 13;
}

mod field {
    pub(super) const TYPE: usize = 0;
    pub(super) const CODE: usize = 1;
    pub(super) const CHECKSUM: usize = 2;
    pub(super) const REST: usize = 4;
    pub(super) const MTU: usize = 6;
}

/// Whether a message of this type reports an error and so quotes the packet that caused it: unreachable, source quench,
/// redirect, time exceeded, parameter problem.
#[inline]
pub const fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        kind::DESTINATION_UNREACHABLE
            | kind::SOURCE_QUENCH
            | kind::REDIRECT
            | kind::TIME_EXCEEDED
            | kind::PARAMETER_PROBLEM
    )
}

/// A message: the whole payload of an unfragmented IPv4 packet. `parse` proves: at least a header.
#[derive(Clone, Copy, Debug)]
pub struct Icmp<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Icmp<B> {
    /// Reads a message. The checksum is not looked at: see [`Icmp::checksum_is_valid`].
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if there are fewer than 8 bytes.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < HEADER_LEN {
            return Err(Malformed::Truncated { layer: Layer::Icmp, needed: HEADER_LEN, available });
        }
        Ok(Self { bytes })
    }

    /// The type; see [`kind`].
    #[inline]
    pub fn kind(&self) -> u8 {
        u8_at(self.bytes.as_ref(), field::TYPE)
    }

    /// Whether this is an error message; see [`is_error`].
    #[inline]
    pub fn is_error(&self) -> bool {
        is_error(self.kind())
    }

    /// The code; its meaning depends on the type.
    #[inline]
    pub fn code(&self) -> u8 {
        u8_at(self.bytes.as_ref(), field::CODE)
    }

    /// The checksum, as sent.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::CHECKSUM)
    }

    /// Whether the checksum over the whole message is right.
    #[inline]
    pub fn checksum_is_valid(&self) -> bool {
        checksum::internet(self.bytes.as_ref()) == 0
    }

    /// The four bytes after the checksum: identifier and sequence number of an echo, MTU, gateway, pointer.
    #[inline]
    pub fn rest_of_header(&self) -> [u8; 4] {
        get(self.bytes.as_ref(), field::REST)
    }

    /// The next-hop MTU of a fragmentation-needed error, in bytes; 0 from routers older than RFC 1191.
    #[inline]
    pub fn mtu(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::MTU)
    }

    /// What follows the header: the quoted packet of an error, the data of an echo.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        from(self.bytes.as_ref(), HEADER_LEN)
    }

    /// The packet that an error quotes, cut off by its sender as it may be; `None` if this is no error message.
    #[inline]
    pub fn quoted(&self) -> Option<&[u8]> {
        self.is_error().then(|| self.payload())
    }
}

/// Setters leave the checksum as it is: see [`Icmp::fill_checksum`].
impl<B: AsRef<[u8]> + AsMut<[u8]>> Icmp<B> {
    /// Sets type and code.
    #[inline]
    pub fn set_kind(&mut self, kind: u8, code: u8) {
        put(self.bytes.as_mut(), field::TYPE, [kind, code]);
    }

    /// Sets the four bytes after the checksum.
    #[inline]
    pub fn set_rest_of_header(&mut self, value: [u8; 4]) {
        put(self.bytes.as_mut(), field::REST, value);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::CHECKSUM, value.to_be_bytes());
    }

    /// Computes the checksum in full and sets it.
    #[inline]
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let value = checksum::internet(self.bytes.as_ref());
        self.set_checksum(value);
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

    const ECHO: [u8; 12] = [8, 0, 0x05, 0xe5, 0x12, 0x34, 0x00, 0x01, b'p', b'i', b'n', b'g'];

    #[test]
    fn echo_is_taken_apart_and_built_again() {
        let echo = Icmp::parse(ECHO).unwrap();
        assert_eq!((echo.kind(), echo.code(), echo.rest_of_header()), (kind::ECHO_REQUEST, 0, [0x12, 0x34, 0, 1]));
        assert_eq!((echo.payload(), echo.quoted()), (&b"ping"[..], None));
        let mut copy = Icmp::parse([0u8; 12]).unwrap();
        copy.set_kind(8, 0);
        copy.set_rest_of_header(echo.rest_of_header());
        copy.payload_mut().copy_from_slice(b"ping");
        copy.fill_checksum();
        assert!(copy.checksum_is_valid());
        assert_eq!(copy.bytes[4..], ECHO[4..]);
        copy.payload_mut()[0] = 0;
        assert!(!copy.checksum_is_valid());
    }

    #[test]
    fn errors_quote_and_queries_do_not() {
        for kind in 0..=255 {
            assert_eq!(is_error(kind), [3, 4, 5, 11, 12].contains(&kind), "{kind}");
        }
        let unreachable = [3, 4, 0, 0, 0, 0, 0x05, 0xc8, 0x45];
        let error = Icmp::parse(unreachable).unwrap();
        assert_eq!((error.mtu(), error.quoted()), (1480, Some(&[0x45][..])));
    }

    #[test]
    fn seven_bytes_are_no_message() {
        assert!(Icmp::parse(&ECHO[..8]).is_ok());
        assert!(matches!(Icmp::parse(&ECHO[..7]), Err(Malformed::Truncated { layer: Layer::Icmp, .. })));
    }
}
