//! TCP (RFC 9293).

use crate::bytes::{between, from, from_mut, put, u8_at, u16_at, u32_at};
use crate::ipv4::protocol;
use crate::{Layer, Malformed, checksum};
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::BitOr;

/// Length of a header without options, in bytes.
pub const HEADER_LEN: usize = 20;
/// Length of the longest header, in bytes.
pub const MAX_HEADER_LEN: usize = 60;

/// Option kind: selective acknowledgments (RFC 2018 section 3).
const SELECTIVE_ACKNOWLEDGMENT: u8 = 5;

mod field {
    pub(super) const SOURCE: usize = 0;
    pub(super) const DESTINATION: usize = 2;
    pub(super) const SEQUENCE: usize = 4;
    pub(super) const ACKNOWLEDGMENT: usize = 8;
    pub(super) const DATA_OFFSET: usize = 12;
    pub(super) const FLAGS: usize = 13;
    pub(super) const WINDOW: usize = 14;
    pub(super) const CHECKSUM: usize = 16;
    pub(super) const URGENT: usize = 18;
}

/// The eight control bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Opens a connection.
    pub const SYN: Self = Self(0x02);
    /// Resets the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether all of `flags` are set.
    #[inline]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.contains(Self::FIN)
    }

    /// SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.contains(Self::SYN)
    }

    /// RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.contains(Self::RST)
    }

    /// ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.contains(Self::ACK)
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    /// `SYN+ACK`, or `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 8] = [
            (Flags::SYN, "SYN"),
            (Flags::FIN, "FIN"),
            (Flags::RST, "RST"),
            (Flags::PSH, "PSH"),
            (Flags::ACK, "ACK"),
            (Flags::URG, "URG"),
            (Flags::ECE, "ECE"),
            (Flags::CWR, "CWR"),
        ];
        let mut separator = "";
        for (flag, name) in NAMES {
            if self.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = "+";
            }
        }
        if separator.is_empty() { f.write_str("-") } else { Ok(()) }
    }
}

/// A segment. `parse` proves: 20 <= data offset <= bytes given.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Tcp<B> {
    /// Reads a segment: the whole payload of an IPv4 packet.
    ///
    /// # Errors
    /// Which of the proved facts does not hold.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < HEADER_LEN {
            return Err(Malformed::Truncated { layer: Layer::Tcp, needed: HEADER_LEN, available });
        }
        let segment = Self { bytes };
        let stated = segment.header_len();
        if stated < HEADER_LEN || stated > available {
            return Err(Malformed::HeaderLength { layer: Layer::Tcp, stated, available });
        }
        Ok(segment)
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

    /// Sequence number of the first byte (of the SYN, if set).
    #[inline]
    pub fn sequence(&self) -> u32 {
        u32_at(self.bytes.as_ref(), field::SEQUENCE)
    }

    /// The next sequence number that the sender expects; counts only with ACK.
    #[inline]
    pub fn acknowledgment(&self) -> u32 {
        u32_at(self.bytes.as_ref(), field::ACKNOWLEDGMENT)
    }

    /// Length of the header with its options (the data offset), in bytes: 20 to 60.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(u8_at(self.bytes.as_ref(), field::DATA_OFFSET) >> 4) * 4
    }

    /// The control bits.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(u8_at(self.bytes.as_ref(), field::FLAGS))
    }

    /// The window, in bytes, before scaling.
    #[inline]
    pub fn window(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::WINDOW)
    }

    /// The checksum, as sent.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::CHECKSUM)
    }

    /// The urgent pointer.
    #[inline]
    pub fn urgent(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::URGENT)
    }

    /// Whether the checksum is right.
    #[inline]
    pub fn checksum_is_valid(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        checksum::transport(source, destination, protocol::TCP, self.bytes.as_ref()) == 0
    }

    /// The options, in order; ends at the end-of-options byte or at the first malformed one.
    #[inline]
    pub fn options(&self) -> Options<'_> {
        Options { rest: between(self.bytes.as_ref(), HEADER_LEN, self.header_len()) }
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        from(self.bytes.as_ref(), self.header_len())
    }

    /// How many sequence numbers the segment takes: payload, SYN and FIN (SEG.LEN of RFC 9293 section 3.4).
    #[inline]
    pub fn sequence_len(&self) -> u32 {
        let flags = self.flags();
        self.payload().len() as u32 + u32::from(flags.syn()) + u32::from(flags.fin())
    }
}

/// Setters leave the checksum as it is: see [`Tcp::fill_checksum`] and [`checksum::Delta`].
impl<B: AsRef<[u8]> + AsMut<[u8]>> Tcp<B> {
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

    /// Sets the sequence number.
    #[inline]
    pub fn set_sequence(&mut self, value: u32) {
        put(self.bytes.as_mut(), field::SEQUENCE, value.to_be_bytes());
    }

    /// Sets the acknowledgment number.
    #[inline]
    pub fn set_acknowledgment(&mut self, value: u32) {
        put(self.bytes.as_mut(), field::ACKNOWLEDGMENT, value.to_be_bytes());
    }

    /// Sets the control bits.
    #[inline]
    pub fn set_flags(&mut self, value: Flags) {
        put(self.bytes.as_mut(), field::FLAGS, [value.0]);
    }

    /// Sets the window.
    #[inline]
    pub fn set_window(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::WINDOW, value.to_be_bytes());
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::CHECKSUM, value.to_be_bytes());
    }

    /// Computes the checksum in full and sets it.
    #[inline]
    pub fn fill_checksum(&mut self, source: Ipv4Addr, destination: Ipv4Addr) {
        self.set_checksum(0);
        let value = checksum::transport(source, destination, protocol::TCP, self.bytes.as_ref());
        self.set_checksum(value);
    }

    /// Replaces each block of selective acknowledgments, `[left edge, right edge]`, in the options of kind 5 (RFC 2018
    /// section 3), by what `map` makes of it. An option whose length is not that of whole blocks, or that does not lie
    /// within the header, is left alone, and those behind it too in the latter case.
    pub fn map_selective_acknowledgments(&mut self, mut map: impl FnMut([u32; 2]) -> [u32; 2]) {
        let end = self.header_len();
        let bytes = self.bytes.as_mut();
        let mut at = HEADER_LEN;
        while at < end {
            let (kind, length) = (u8_at(bytes, at), usize::from(u8_at(bytes, at + 1)));
            match kind {
                0 => return,
                1 => at += 1,
                _ if length < 2 || at + length > end => return,
                _ => {
                    if kind == SELECTIVE_ACKNOWLEDGMENT && length % 8 == 2 {
                        for block in (at + 2..at + length).step_by(8) {
                            let [left, right] = map([u32_at(bytes, block), u32_at(bytes, block + 4)]);
                            put(bytes, block, left.to_be_bytes());
                            put(bytes, block + 4, right.to_be_bytes());
                        }
                    }
                    at += length;
                }
            }
        }
    }

    /// The payload, to write to.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let start = self.header_len();
        from_mut(self.bytes.as_mut(), start)
    }
}

/// A header option; see [`Tcp::options`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption<'a> {
    /// Kind 1: padding between options.
    NoOperation,
    /// Kind 2: maximum segment size, in bytes.
    MaximumSegmentSize(u16),
    /// Kind 3: window shift count (RFC 7323).
    WindowScale(u8),
    /// Kind 4: selective acknowledgments permitted (RFC 2018).
    SackPermitted,
    /// Kind 8: timestamp value and echo reply (RFC 7323).
    Timestamps(u32, u32),
    /// Any other kind, or one of the above with another length: the kind, and what follows the length byte.
    Other(u8, &'a [u8]),
}

/// Iterator over header options.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        let (&kind, after_kind) = self.rest.split_first()?;
        if kind == 0 {
            self.rest = &[];
            return None;
        }
        if kind == 1 {
            self.rest = after_kind;
            return Some(TcpOption::NoOperation);
        }
        let body = after_kind.first().and_then(|&length| self.rest.get(2..usize::from(length)));
        let Some(body) = body else {
            self.rest = &[];
            return None;
        };
        self.rest = from(self.rest, 2 + body.len());
        Some(match (kind, body) {
            (2, &[a, b]) => TcpOption::MaximumSegmentSize(u16::from_be_bytes([a, b])),
            (3, &[shift]) => TcpOption::WindowScale(shift),
            (4, &[]) => TcpOption::SackPermitted,
            (8, &[a, b, c, d, e, f, g, h]) => {
                TcpOption::Timestamps(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
            }
            _ => TcpOption::Other(kind, body),
        })
    }
}

/// What a new header without options says; see [`Header::emit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: Flags,
    /// Window.
    pub window: u16,
}

impl Header {
    /// The 20 bytes, with a checksum of 0.
    #[inline]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let [s0, s1] = self.source_port.to_be_bytes();
        let [d0, d1] = self.destination_port.to_be_bytes();
        let [q0, q1, q2, q3] = self.sequence.to_be_bytes();
        let [a0, a1, a2, a3] = self.acknowledgment.to_be_bytes();
        let [w0, w1] = self.window.to_be_bytes();
        [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, 0x50, self.flags.0, w0, w1, 0, 0, 0, 0]
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
