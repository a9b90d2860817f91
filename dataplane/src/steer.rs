//! Which worker owns a connection.
//!
//! Owner = f(client address, client port), in both directions: both halves of a NAT connection meet on one worker, and
//! nothing is shared. The client is the source of a packet to a virtual address and the destination of any other.
//!
//! The function is one that network cards compute, too. Their hash (Toeplitz, as in the specification of RSS) is linear:
//! each bit of the input that is set adds the 32 bits of the key that begin at its place. With a key that repeats every 16
//! bits ([`toeplitz_key`]) it depends on nothing but the exclusive or of the input's 16-bit words; so it does not matter
//! where in its input, or in which order, a card has the words of the client's address and port. The key has few bits set,
//! so that the seven bits of the hash that choose an entry of the card's table are five shifts of that one word here.

use crate::connection::Endpoint;
use crate::fragment::PacketKey;
use crate::pipeline::{Origin, Settings};
use crate::tables::Tables;

/// Connections are dealt to workers in so many shares: the entries of the smallest table that a card may have.
pub const SHARES: u16 = 128;

/// The 16 bits that a key repeats. Bits 0, 4, 6, 7 and 8, from the left: shifted seven times these are a code (BCH, 15
/// and 7) in which any two words differ in five places or more, so each choice of shares takes in five bits of the client.
const KEY_WORD: u16 = 0x8b80;

/// The worker, of `workers`, that owns the connections of this client endpoint (host byte order).
#[inline]
pub fn owner(address: u32, port: u16, workers: u16) -> u16 {
    let client = (address >> 16) ^ (address & 0xffff) ^ u32::from(port);
    let hash = client ^ client >> 1 ^ client >> 2 ^ client >> 4 ^ client >> 8;
    owner_of_share(hash, workers)
}

/// The owner of a share, of which the low seven bits count. Neighbouring shares go to different workers: an odd factor
/// permutes them, and the multiplication maps to the range without a division.
#[inline]
fn owner_of_share(share: u32, workers: u16) -> u16 {
    const STEP: u32 = 79;
    let share = share.wrapping_mul(STEP) % u32::from(SHARES);
    (share * u32::from(workers) / u32::from(SHARES)) as u16
}

/// The key, of so many bytes, with which a card's hash finds the owner.
pub fn toeplitz_key(length: usize) -> Vec<u8> {
    KEY_WORD.to_be_bytes().into_iter().cycle().take(length).collect()
}

/// The owner by entry of a card's table, for a table of `size` entries, a power of two and [`SHARES`] or more. A card
/// takes the low bits of the hash as the entry; they are those of a share in the opposite order.
pub fn table(size: u32, workers: u16) -> Vec<u16> {
    let share = |entry: u32| (entry % u32::from(SHARES)).reverse_bits() >> (u32::BITS - SHARES.trailing_zeros());
    (0..size).map(|entry| owner_of_share(share(entry), workers)).collect()
}

/// The worker, of `workers`, where the fragments of a packet meet (addresses in host byte order). They have no ports, but
/// for the first: the owner of the connection is known when they are together.
#[inline]
pub fn meeting_place(key: &PacketKey, workers: u16) -> u16 {
    let rest = u32::from(key.identification) << 8 | u32::from(key.protocol);
    owner(key.source ^ key.destination.rotate_left(16) ^ rest.rotate_left(4), key.identification, workers)
}

/// Decides for the packets of one burst whether they belong to another worker.
#[derive(Clone, Copy)]
pub struct Steering<'a> {
    tables: &'a Tables,
    worker: u16,
    /// 1: all that comes stays.
    workers: u16,
}

impl<'a> Steering<'a> {
    /// What was handed over by another worker stays: a packet changes workers at most once.
    #[inline]
    pub fn of(settings: &Settings, tables: &'a Tables, origin: Origin) -> Self {
        let workers = if origin == Origin::Worker { 1 } else { settings.workers };
        Self { tables, worker: settings.worker, workers }
    }

    /// Whether there is no other worker that could own what came.
    #[inline]
    pub fn keeps_all(&self) -> bool {
        self.workers == 1
    }

    /// The worker that owns packets of this tuple (host byte order), if it is not this one.
    #[inline]
    pub fn elsewhere(&self, source: Endpoint, destination: Endpoint) -> Option<u16> {
        if self.keeps_all() {
            return None;
        }
        let client = if self.tables.services.is_virtual(destination.address) { source } else { destination };
        let owner = owner(client.address, client.port, self.workers);
        (owner != self.worker).then_some(owner)
    }
}

#[cfg(test)]
#[path = "steer_tests.rs"]
mod tests;
