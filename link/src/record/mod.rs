//! Fixed-layout records: what a message looks like in a slot of a ring.
//!
//! 64 bytes: a head of 12 (`kind`, `reserved`, `session`, `sequence`, in the machine's byte order) and a payload of 52
//! whose layout depends on the kind ([`request`], [`reply`]). Integers are in the machine's byte order except those
//! whose name ends in `_be`, which are in network byte order. Bytes without a meaning are zero, and a reader refuses
//! them otherwise: so each message has exactly one encoding, and the checksum of a decoded row is that of its record.

mod capture;
pub mod reply;
pub mod request;
mod services;

mod check;
mod key;

use crate::message::{Refusal, Reply, Request};
use std::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a record.
pub const RECORD_BYTES: usize = 64;
/// Bytes of a record's payload.
pub const PAYLOAD_BYTES: usize = 52;

/// The payload of a record; its meaning depends on the kind.
pub type Payload = [u8; PAYLOAD_BYTES];

/// A message as it lies in a ring.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// Which message. Requests are below 0x100, replies from there on.
    pub kind: u16,
    /// Zero.
    pub reserved: u16,
    /// Which attachment of control: see [`Address`].
    pub session: u32,
    /// Which request of that session: see [`Address`].
    pub sequence: u32,
    /// The kind's fields.
    pub payload: Payload,
}

const _: () = {
    assert!(size_of::<Record>() == RECORD_BYTES);
    assert!(std::mem::offset_of!(Record, session) == 4);
    assert!(std::mem::offset_of!(Record, sequence) == 8);
    assert!(std::mem::offset_of!(Record, payload) == 12);
};

/// Which request a record is, or answers. A reply carries the address of its request; a reply that nobody asked for
/// has the session of the last [`Request::Hello`] and sequence 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// Each control that attaches gets another number, never 0.
    pub session: u32,
    /// Counts the requests of a session from 1.
    pub sequence: u32,
}

impl Record {
    /// The record of a request.
    pub fn from_request(from: Address, request: &Request) -> Self {
        let (kind, payload) = request::encode(request);
        Self::new(kind, from, payload)
    }

    /// The record of a reply.
    pub fn from_reply(to: Address, reply: &Reply) -> Self {
        let (kind, payload) = reply::encode(reply);
        Self::new(kind, to, payload)
    }

    /// Session and sequence; not validated.
    pub const fn address(&self) -> Address {
        Address { session: self.session, sequence: self.sequence }
    }

    const fn new(kind: u16, address: Address, payload: Payload) -> Self {
        Self { kind, reserved: 0, session: address.session, sequence: address.sequence, payload }
    }

    fn check_head(&self) -> Result<(), RecordError> {
        let refused = |field, value, allowed| RecordError::Field { kind: "head", field, value, allowed };
        if self.reserved != 0 {
            return Err(refused("reserved", u64::from(self.reserved), "0"));
        }
        if self.session == 0 {
            return Err(refused("session", 0, "1 or more"));
        }
        Ok(())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ kind: {:#06x}, {:?}, payload:", self.kind, self.address())?;
        self.payload.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
        f.write_str(" }")
    }
}

impl TryFrom<&Record> for Request {
    type Error = RecordError;

    /// Validates every field.
    fn try_from(record: &Record) -> Result<Self, RecordError> {
        record.check_head()?;
        request::decode(record.kind, record.payload)
    }
}

impl TryFrom<&Record> for Reply {
    type Error = RecordError;

    /// Validates every field.
    fn try_from(record: &Record) -> Result<Self, RecordError> {
        record.check_head()?;
        reply::decode(record.kind, record.payload)
    }
}

/// Why a record is no message. In a transaction it counts as [`Refusal::RecordInvalid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The kind is not one of this ring's.
    #[error("record of unknown kind {0:#06x}")]
    UnknownKind(u16),
    /// A field is out of its range.
    #[error("{kind} record: {field} {value}, allowed: {allowed}")]
    Field {
        /// The record's kind.
        kind: &'static str,
        /// The field.
        field: &'static str,
        /// Its value, in host byte order.
        value: u64,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl From<RecordError> for Refusal {
    fn from(_: RecordError) -> Self {
        Self::RecordInvalid
    }
}

/// The checksum of a transaction: over kind and payload of each row, in order. It finds rows that were lost, doubled,
/// changed or reordered by a mistake; it is no protection against someone who means to deceive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// Of no rows.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in one row.
    pub fn add(&mut self, row: &Request) {
        let (kind, payload) = request::encode(row);
        self.step(u64::from(kind));
        for chunk in payload.chunks(8) {
            let word: [u8; 8] = std::array::from_fn(|index| chunk.get(index).copied().unwrap_or(0));
            self.step(u64::from_le_bytes(word));
        }
    }

    /// What [`Request::Commit`] carries.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Each factor is odd and each shift-xor can be undone, so two different words never give the same value.
    const fn step(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
