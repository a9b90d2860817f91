//! The 802.1Q tag: four bytes between the Ethernet source address and the type of what it carries. A view starts right
//! after the Ethernet header whose type is [`crate::ethernet::ether_type::VLAN`].

use crate::bytes::{from, put, u16_at};
use crate::{Layer, Malformed};

/// Length of the rest of the tag (control information and inner type), in bytes.
pub const TAG_LEN: usize = 4;
/// The largest VLAN identifier that can be used.
pub const MAX_ID: u16 = 4094;

mod field {
    pub(super) const CONTROL: usize = 0;
    pub(super) const TYPE: usize = 2;
}

/// A tag and what it carries. `parse` proves: at least a tag.
#[derive(Clone, Copy, Debug)]
pub struct Vlan<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> Vlan<B> {
    /// Reads the tag.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if there are fewer than 4 bytes.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, Malformed> {
        let available = bytes.as_ref().len();
        if available < TAG_LEN {
            return Err(Malformed::Truncated { layer: Layer::Vlan, needed: TAG_LEN, available });
        }
        Ok(Self { bytes })
    }

    /// VLAN identifier, 0 to 4095; 0 means priority only.
    #[inline]
    pub fn id(&self) -> u16 {
        self.control() & 0x0fff
    }

    /// Priority code point, 0 to 7.
    #[inline]
    pub fn priority(&self) -> u8 {
        (self.control() >> 13) as u8
    }

    /// Drop eligible indicator.
    #[inline]
    pub fn drop_eligible(&self) -> bool {
        self.control() & 0x1000 != 0
    }

    /// The type of what the tag carries.
    #[inline]
    pub fn ether_type(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::TYPE)
    }

    /// What follows the tag.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        from(self.bytes.as_ref(), TAG_LEN)
    }

    #[inline]
    fn control(&self) -> u16 {
        u16_at(self.bytes.as_ref(), field::CONTROL)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Vlan<B> {
    /// Sets identifier (its low 12 bits), priority (its low 3 bits) and drop eligibility.
    #[inline]
    pub fn set_control(&mut self, id: u16, priority: u8, drop_eligible: bool) {
        let control = (u16::from(priority & 7) << 13) | (u16::from(drop_eligible) << 12) | (id & 0x0fff);
        put(self.bytes.as_mut(), field::CONTROL, control.to_be_bytes());
    }

    /// Sets the type of what the tag carries.
    #[inline]
    pub fn set_ether_type(&mut self, value: u16) {
        put(self.bytes.as_mut(), field::TYPE, value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_is_taken_apart_and_built_again() {
        let bytes = [0xb0, 0x64, 0x08, 0x00, 0x45];
        let tag = Vlan::parse(bytes).unwrap();
        assert_eq!((tag.id(), tag.priority(), tag.drop_eligible(), tag.ether_type()), (100, 5, true, 0x0800));
        assert_eq!(tag.payload(), [0x45]);
        let mut copy = Vlan::parse([0u8; 4]).unwrap();
        copy.set_control(100, 5, true);
        copy.set_ether_type(0x0800);
        assert_eq!(copy.bytes, bytes[..4]);
    }

    #[test]
    fn three_bytes_are_no_tag() {
        assert!(Vlan::parse([0u8; 4]).is_ok());
        assert!(matches!(Vlan::parse([0u8; 3]), Err(Malformed::Truncated { layer: Layer::Vlan, .. })));
    }
}
