//! The checks that records are read with. Each names the record's kind and the field in its refusal.

use super::RecordError;
use crate::drop_reason::DropReason;
use crate::model::{MacAddress, Protocol};
use crate::wire_number::WireNumber;
use std::net::Ipv4Addr;
use zerocopy::network_endian::U32;

/// Reads the fields of one kind of record.
#[derive(Clone, Copy)]
pub(super) struct Check(pub(super) &'static str);

type Checked<T> = Result<T, RecordError>;

impl Check {
    pub(super) fn refuse<T>(self, field: &'static str, value: impl Into<u64>, allowed: &'static str) -> Checked<T> {
        Err(RecordError::Field { kind: self.0, field, value: value.into(), allowed })
    }

    /// Bytes without a meaning.
    pub(super) fn zero(self, field: &'static str, bytes: &[u8]) -> Checked<()> {
        match bytes.iter().find(|byte| **byte != 0) {
            Some(byte) => self.refuse(field, *byte, "0"),
            None => Ok(()),
        }
    }

    pub(super) fn number<T: WireNumber>(self, field: &'static str, number: u8) -> Checked<T> {
        T::from_wire_number(number).map_or_else(|| self.refuse(field, number, T::ALLOWED), Ok)
    }

    pub(super) fn protocol(self, number: u8) -> Checked<Protocol> {
        Protocol::from_number(number).map_or_else(|| self.refuse("protocol", number, "6 (tcp), 17 (udp)"), Ok)
    }

    pub(super) fn reason(self, number: u8) -> Checked<DropReason> {
        DropReason::from_index(usize::from(number))
            .map_or_else(|| self.refuse("reason", number, "the index of a drop reason"), Ok)
    }

    pub(super) fn bool(self, field: &'static str, byte: u8) -> Checked<bool> {
        match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.refuse(field, byte, "0, 1"),
        }
    }

    /// A byte of flags of which `known` have a meaning.
    pub(super) fn flags(self, flags: u8, known: u8) -> Checked<u8> {
        if flags & !known == 0 { Ok(flags) } else { self.refuse("flags", flags, "only the flags of this kind") }
    }

    pub(super) fn within(
        self,
        field: &'static str,
        value: u32,
        least: u32,
        most: u32,
        text: &'static str,
    ) -> Checked<u32> {
        if (least..=most).contains(&value) { Ok(value) } else { self.refuse(field, value, text) }
    }

    pub(super) fn generation(self, generation: u64) -> Checked<u64> {
        if generation == 0 { self.refuse("generation", generation, "1 or more") } else { Ok(generation) }
    }

    /// An address that one machine can have: not 0.0.0.0, multicast or broadcast.
    pub(super) fn host(self, field: &'static str, address_be: U32) -> Checked<Ipv4Addr> {
        let address = Ipv4Addr::from_bits(address_be.get());
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return self.refuse(field, address_be.get(), "a unicast IPv4 address");
        }
        Ok(address)
    }

    /// A value that is there if `present`, and zero bytes if not.
    pub(super) fn option<T>(self, present: bool, field: &'static str, bytes: &[u8], value: T) -> Checked<Option<T>> {
        if present { Ok(Some(value)) } else { self.zero(field, bytes).map(|()| None) }
    }

    /// The address of one interface: not zero, not a group.
    pub(super) fn mac(self, mac: [u8; 6]) -> Checked<MacAddress> {
        let [first, ..] = mac;
        if mac == [0; 6] || first & 1 == 1 {
            return self.refuse("mac", first, "a unicast MAC address other than 00:00:00:00:00:00");
        }
        Ok(MacAddress(mac))
    }
}
