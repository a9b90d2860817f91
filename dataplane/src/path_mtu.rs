//! The MTUs of the ways to the reals of tunnels, as routers tell them (RFC 1191): "fragmentation needed" about an outer
//! packet goes to the director, which has to remember it, since the client can only be told about packets of its own.
//!
//! One table for all workers, of fixed size. An entry is two words that are read and written each by itself: at worst a
//! reader takes the old MTU for one packet more, or a stale one for another ten minutes.

use crate::clock::Milliseconds;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long an MTU is believed, in milliseconds: the reference's 10 minutes.
pub const LIFETIME: Milliseconds = 600_000;
/// No way is believed to be narrower, in bytes: the reference's limit. Whoever makes messages up can slow a tunnel down,
/// but not stop it.
pub const LEAST: u16 = 552;

const SETS: usize = 256;
const WAYS: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct PathMtus {
    /// When the last entry ends.
    latest: AtomicU64,
    sets: Box<[[Entry; WAYS]]>,
}

/// A way: its address in the upper half, its MTU in the lower; 0 = free. It ends at `until`.
#[derive(Debug, Default)]
struct Entry {
    way: AtomicU64,
    until: AtomicU64,
}

impl Entry {
    fn mtu(&self, address: u32, now: Milliseconds) -> Option<u16> {
        let way = self.way.load(Ordering::Relaxed);
        let is_valid = (way >> 32) as u32 == address && now < self.until.load(Ordering::Relaxed);
        is_valid.then_some(way as u16).filter(|mtu| *mtu != 0)
    }
}

impl Default for PathMtus {
    fn default() -> Self {
        Self { latest: AtomicU64::new(0), sets: (0..SETS).map(|_| Default::default()).collect() }
    }
}

impl PathMtus {
    /// Whether there is any entry.
    #[inline]
    pub fn knows_any(&self, now: Milliseconds) -> bool {
        now < self.latest.load(Ordering::Relaxed)
    }

    /// The MTU of the way to `address` (host byte order), in bytes: `mtu`, which is its port's, or less. Without any
    /// entry this is one load of a word that nobody writes.
    #[inline]
    pub fn limit(&self, mtu: u16, address: u32, now: Milliseconds) -> u16 {
        if self.knows_any(now) { self.known(address, now).unwrap_or(mtu).min(mtu) } else { mtu }
    }

    #[cold]
    fn known(&self, address: u32, now: Milliseconds) -> Option<u16> {
        self.set(address)?.iter().find_map(|entry| entry.mtu(address, now))
    }

    /// A router said that packets of `mtu` bytes are the largest that get to `address`; 0 from one older than RFC 1191.
    /// What is known already is only ever lowered. An address that finds no room takes the place of the one that ends
    /// first.
    #[cold]
    pub fn learn(&self, address: Ipv4Addr, mtu: u16, now: Milliseconds) {
        let address = address.to_bits();
        let mtu = mtu.max(LEAST);
        if self.known(address, now).is_some_and(|known| known < mtu) {
            return;
        }
        let Some(set) = self.set(address) else { return };
        let is_its_own = |entry: &&Entry| (entry.way.load(Ordering::Relaxed) >> 32) as u32 == address;
        let first_to_end = || set.iter().min_by_key(|entry| entry.until.load(Ordering::Relaxed));
        let Some(entry) = set.iter().find(is_its_own).or_else(first_to_end) else { return };
        entry.way.store(u64::from(address) << 32 | u64::from(mtu), Ordering::Relaxed);
        entry.until.store(now + LIFETIME, Ordering::Relaxed);
        self.latest.fetch_max(now + LIFETIME, Ordering::Relaxed);
    }

    fn set(&self, address: u32) -> Option<&[Entry; WAYS]> {
        self.sets.get((address.wrapping_mul(0x9e37_79b9) >> 24) as usize % SETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: u32 = 0x0a00_0203;

    fn learn(table: &PathMtus, address: u32, mtu: u16, now: Milliseconds) {
        table.learn(Ipv4Addr::from_bits(address), mtu, now);
    }

    #[test]
    fn mtu_that_was_told_holds_for_ten_minutes_and_for_its_address() {
        let table = PathMtus::default();
        assert_eq!(table.limit(1500, REAL, 0), 1500);
        learn(&table, REAL, 1300, 1000);
        assert_eq!((table.limit(1500, REAL, 1000), table.limit(1500, REAL + 1, 1000)), (1300, 1500));
        assert_eq!(table.limit(1200, REAL, 1000), 1200, "the port's is smaller");
        assert_eq!(table.limit(1500, REAL, 600_999), 1300);
        assert_eq!(table.limit(1500, REAL, 601_000), 1500);
    }

    #[test]
    fn what_is_known_is_lowered_and_not_raised_until_it_ends() {
        let table = PathMtus::default();
        for (told, now, known) in
            [(1490, 0, 1490), (1495, 1, 1490), (2000, 2, 1490), (1300, 3, 1300), (1400, 600_003, 1400)]
        {
            learn(&table, REAL, told, now);
            assert_eq!(table.limit(1500, REAL, now), known, "after {told}");
        }
        assert_eq!(table.limit(1500, REAL, 600_000), 1400);
    }

    #[test]
    fn nobody_can_make_a_way_narrower_than_the_least() {
        for told in [0, 67, 500, 551, 552] {
            let table = PathMtus::default();
            learn(&table, REAL, told, 0);
            assert_eq!(table.limit(1500, REAL, 1), 552);
        }
    }

    #[test]
    fn table_is_bounded_and_the_newest_find_room() {
        let table = PathMtus::default();
        for address in 0..100_000 {
            learn(&table, address, 1000, u64::from(address));
        }
        let known = (0..100_000).filter(|address| table.limit(1500, *address, 100_000) == 1000).count();
        assert!((500..=SETS * WAYS).contains(&known), "{known}");
        assert_eq!(table.limit(1500, 99_999, 100_000), 1000);
    }
}
