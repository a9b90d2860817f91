//! Where a worker's connections are found: an open-addressing table of cache lines, from the hash of a key to a slab entry.
//!
//! A bucket is one line: seven slots, each with 32 bits of the hash and the entry's index, and the number of entries that
//! found no room in it or in those before, and lie behind. The key itself stands in the entry, which a packet needs
//! anyway: so a packet of a connection waits for two lines that are far away, the bucket and the entry, and what has the
//! same 32 bits by chance is told apart there.
//!
//! One writer, and readers on other cores at any time: a slot is one word, nothing is ever moved, and what a slot says
//! counts only if the entry agrees. Keys are hashed with a secret (`rte_rs::Hasher`), so nobody outside can fill a bucket.

use super::table::Found;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots of a bucket.
const SLOTS: usize = 7;
/// Tenths of the slots that all keys fill at most.
const FULL_TENTHS: u64 = 7;
/// Buckets behind its own in which an entry is looked for: a bound. With 7 of 10 slots in use it seldom lies far behind.
const REACH: u64 = 64;

/// A cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    /// 0: free. Else 32 bits of the hash, never 0, above 32 of [`Found`].
    slots: [AtomicU64; SLOTS],
    /// Entries that passed here, on their way to a bucket behind.
    passed: AtomicU64,
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The table. Clones are the same one: the writer keeps to itself which of them changes it.
#[derive(Clone, Debug)]
pub(super) struct Index {
    buckets: Arc<Box<[Bucket]>>,
    mask: u64,
}

/// The buckets at hand: where they are is not looked for again by each look-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets<'a> {
    buckets: &'a [Bucket],
    index: &'a Index,
}

/// No bucket in reach has a free slot.
#[derive(Debug)]
pub(super) struct Full;

impl Bucket {
    /// The number of the entry with this tag, if there is one: the least of the differences between slots and tag.
    /// Without a branch, as nobody can foresee which slot it is.
    #[inline(always)]
    fn find(&self, tag: u64) -> Option<u32> {
        let differences = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed) ^ tag);
        let least = differences.fold(u64::MAX, u64::min);
        u32::try_from(least).ok()
    }

    fn slot(&self, word: u64) -> Option<&AtomicU64> {
        self.slots.iter().find(|slot| slot.load(Ordering::Relaxed) == word)
    }

    fn count_passed(&self, change: u64) {
        self.passed.store(self.passed.load(Ordering::Relaxed).wrapping_add(change), Ordering::Relaxed);
    }

    #[inline(always)]
    fn is_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed) != 0
    }
}

/// The upper half of a slot with this hash.
#[inline(always)]
const fn tag(hash: u64) -> u64 {
    hash & !0xffff_ffff | 1 << 32
}

impl Buckets<'_> {
    #[inline(always)]
    fn own(&self, hash: u64) -> Option<&Bucket> {
        // Their number is a power of two, so this is the index's mask.
        self.buckets.get(hash as usize & self.buckets.len().checked_sub(1)?)
    }

    /// Asks for the line in which an entry with this hash is; it comes while other work goes on.
    #[inline(always)]
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some(bucket) = self.own(hash) {
            rte_rs::prefetch(bucket);
        }
    }

    /// The number (see [`Found::from_value`]) of the entry that a key with this hash very likely belongs to: its tag is
    /// right. The entry is sure.
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: u64) -> Option<u32> {
        let own = self.own(hash)?;
        let found = own.find(tag(hash));
        if found.is_none() && own.is_passed() { self.index.candidate_behind(hash) } else { found }
    }
}

impl Index {
    /// For so many keys.
    pub(super) fn new(keys: u64) -> Self {
        let buckets = (keys * 10).div_ceil(FULL_TENTHS * SLOTS as u64).next_power_of_two().max(2);
        Self { buckets: Arc::new(rte_rs::huge::slice(buckets as usize, |_| Bucket::default())), mask: buckets - 1 }
    }

    #[inline(always)]
    fn bucket(&self, hash: u64, behind: u64) -> Option<&Bucket> {
        self.buckets.get((hash.wrapping_add(behind) & self.mask) as usize)
    }

    /// The buckets in which an entry with this hash may be, from its own on.
    fn chain(&self, hash: u64) -> impl Iterator<Item = &Bucket> {
        (0..REACH.min(self.mask + 1)).filter_map(move |behind| self.bucket(hash, behind))
    }

    /// For many look-ups, one after the other.
    #[inline(always)]
    pub(super) fn buckets(&self) -> Buckets<'_> {
        Buckets { buckets: &self.buckets, index: self }
    }

    #[cold]
    fn candidate_behind(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true).map(|found| found.to_value() as u32)
    }

    /// The entry with this hash that `is` it.
    #[inline(never)]
    pub(super) fn find(&self, hash: u64, is: impl Fn(Found) -> bool) -> Option<Found> {
        for bucket in self.chain(hash) {
            let words = bucket.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
            let with_tag = words.map(|word| word ^ tag(hash)).filter(|difference| difference >> 32 == 0);
            if let Some(found) = with_tag.map(Found::from_value).find(|found| is(*found)) {
                return Some(found);
            }
            if !bucket.is_passed() {
                return None;
            }
        }
        None
    }

    /// Enters an entry; no other with the same key may be there.
    pub(super) fn insert(&self, hash: u64, found: Found) -> Result<(), Full> {
        let place = self.chain(hash).enumerate().find_map(|(behind, bucket)| Some((behind, bucket.slot(0)?)));
        let (behind, slot) = place.ok_or(Full)?;
        self.chain(hash).take(behind).for_each(|bucket| bucket.count_passed(1));
        slot.store(tag(hash) | found.to_value(), Ordering::Release);
        Ok(())
    }

    /// Puts `new` in the place of `old`, which has the same key.
    pub(super) fn replace(&self, hash: u64, old: Found, new: Found) {
        if let Some(slot) = self.chain(hash).find_map(|bucket| bucket.slot(tag(hash) | old.to_value())) {
            slot.store(tag(hash) | new.to_value(), Ordering::Release);
        }
    }

    /// Takes an entry out; false if it was not there.
    pub(super) fn remove(&self, hash: u64, found: Found) -> bool {
        let word = tag(hash) | found.to_value();
        for (behind, bucket) in self.chain(hash).enumerate() {
            if let Some(slot) = bucket.slot(word) {
                slot.store(0, Ordering::Relaxed);
                self.chain(hash).take(behind).for_each(|bucket| bucket.count_passed(u64::MAX));
                return true;
            }
            if !bucket.is_passed() {
                return false;
            }
        }
        false
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
