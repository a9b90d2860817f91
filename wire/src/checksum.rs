//! The internet checksum (RFC 1071): over bytes, over the TCP and UDP pseudo header, and incrementally (RFC 1624).
//!
//! A sum is the 16-bit one's complement sum, not yet inverted, held in 32 bits: sums of adjacent even-sized pieces may
//! be added, then [`fold`]ed. A checksum is what the header carries: the inverted, folded sum.
//!
//! UDP (RFC 768): a checksum field of 0 means that the sender made none, so a computed 0 is sent as `0xffff`
//! ([`udp_field`]).

use core::net::Ipv4Addr;

/// The one's complement sum of big-endian 16-bit words; an odd last byte is padded with zero. At most `0xffff`, so up
/// to 65,537 sums can be added without overflow.
#[inline]
pub fn sum(bytes: &[u8]) -> u32 {
    // Native order and 32 bits at a time: the sum does not depend on either (RFC 1071 section 2), the fold repairs it.
    let mut words = bytes.chunks_exact(4);
    let mut total = 0u64;
    for word in &mut words {
        if let Some(word) = word.first_chunk::<4>() {
            total = total.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
        }
    }
    let mut tail = [0u8; 4];
    for (to, from) in tail.iter_mut().zip(words.remainder()) {
        *to = *from;
    }
    total = total.wrapping_add(u64::from(u32::from_ne_bytes(tail)));
    u32::from(u16::from_be(fold64(total)))
}

/// Adds the carries back in: from a sum to 16 bits, not inverted.
#[inline]
pub const fn fold(sum: u32) -> u16 {
    // Both halves stand in the upper one with the carry of the lower: the end-around carry.
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

#[inline]
const fn fold64(sum: u64) -> u16 {
    fold((sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32)
}

/// The checksum of a sum, as the header carries it.
#[inline]
pub const fn of_sum(sum: u32) -> u16 {
    !fold(sum)
}

/// The checksum of bytes whose checksum field is zero. Over bytes that include a right checksum it is 0.
#[inline]
pub fn internet(bytes: &[u8]) -> u16 {
    of_sum(sum(bytes))
}

/// The sum of the pseudo header of RFC 9293 section 3.1 and RFC 768. `length` is that of the transport header and its
/// payload.
#[inline]
pub fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: u16) -> u32 {
    let word_sum = |address: Ipv4Addr| (address.to_bits() >> 16) + (address.to_bits() & 0xffff);
    word_sum(source) + word_sum(destination) + u32::from(protocol) + u32::from(length)
}

/// The checksum of a TCP segment or UDP datagram. Its own checksum field must be zero; over a segment with a right
/// one it is 0. For UDP send [`udp_field`] of it.
#[inline]
pub fn transport(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, segment: &[u8]) -> u16 {
    // A segment of an IPv4 packet is never longer than 65,515 bytes.
    of_sum(pseudo_header(source, destination, protocol, segment.len() as u16) + sum(segment))
}

/// A computed checksum as a UDP header carries it: never 0, which would mean "none".
#[inline]
pub const fn udp_field(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// What replacing fields does to a checksum over them: RFC 1624 equation 3, `HC' = ~(~HC + ~m + m')`, for any number
/// of fields at once. Given a right checksum, the result is exactly what a full computation gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delta(u64);

impl Delta {
    /// Nothing replaced.
    #[inline]
    pub const fn new() -> Self {
        Self(0)
    }

    /// A 16-bit word (at an even offset from the start of what is summed) changed.
    #[inline]
    #[must_use]
    pub const fn replace_u16(self, old: u16, new: u16) -> Self {
        Self(self.0.wrapping_add(!old as u64).wrapping_add(new as u64))
    }

    /// A 32-bit word (at an even offset) changed.
    #[inline]
    #[must_use]
    pub const fn replace_u32(self, old: u32, new: u32) -> Self {
        Self(self.0.wrapping_add(!old as u64).wrapping_add(new as u64))
    }

    /// An address (at an even offset, or in the pseudo header) changed.
    #[inline]
    #[must_use]
    pub const fn replace_address(self, old: Ipv4Addr, new: Ipv4Addr) -> Self {
        self.replace_u32(old.to_bits(), new.to_bits())
    }

    /// Both changes.
    #[inline]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The checksum after the replacements. For UDP: a `checksum` of 0 means none and must not be passed in; send
    /// [`udp_field`] of the result.
    #[inline]
    pub const fn apply(self, checksum: u16) -> u16 {
        !fold64(self.0.wrapping_add(!checksum as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_is_the_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(internet(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn odd_last_byte_counts_as_the_high_half_of_a_word() {
        assert_eq!(sum(&[0x12, 0x34, 0x56]), sum(&[0x12, 0x34, 0x56, 0x00]));
        assert_eq!(sum(&[0x56]), 0x5600);
        assert_eq!(sum(&[]), 0);
    }

    #[test]
    fn delta_is_the_example_of_rfc_1624() {
        // Section 4: a header with checksum 0xdd2f and a field that goes from 0x5555 to 0x3285 ends with 0x0000.
        assert_eq!(Delta::new().replace_u16(0x5555, 0x3285).apply(0xdd2f), 0x0000);
    }

    #[test]
    fn nothing_replaced_changes_nothing() {
        for checksum in [0x0000, 0x0001, 0x1234, 0xfffe] {
            assert_eq!(Delta::new().apply(checksum), checksum);
            assert_eq!(Delta::new().replace_u32(0xdead_beef, 0xdead_beef).apply(checksum), checksum);
        }
    }

    #[test]
    fn udp_sends_a_computed_zero_as_all_ones_and_leaves_the_rest() {
        assert_eq!(udp_field(0), 0xffff);
        assert_eq!(udp_field(1), 1);
        assert_eq!(udp_field(0xffff), 0xffff);
    }

    #[test]
    fn largest_segment_of_all_ones_does_not_overflow() {
        assert_eq!(sum(&[0xff; 65_536]), 0xffff);
        let all = Ipv4Addr::BROADCAST;
        assert_eq!(transport(all, all, 255, &[0xff; 65_515]), {
            let words = 4 * 0xffffu64 + 255 + 65_515 + 32_757 * 0xffff + 0xff00;
            !((words % 0xffff) as u16)
        });
    }
}
