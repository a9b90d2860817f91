//! A table that all workers read and write: what several connections share and no single worker owns. Touched when a
//! connection comes or goes, never for each packet.
//!
//! Of fixed size, in buckets of seven entries and 512 bytes. A bucket has a version, which is odd while one worker
//! changes it (a sequence lock); readers copy and look at the version again. Nobody waits for long: who meets a bucket
//! that stays odd (its writer lost its core) gives up after [`ATTEMPTS`] looks and is told so.

use std::array;
use std::hash::{BuildHasher, RandomState};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Words of a key. A key of zeros is none.
pub const KEY_WORDS: usize = 2;
/// Words of a value.
pub const VALUE_WORDS: usize = 7;
/// Entries of a bucket: how many keys of one hash there can be.
pub const WAYS: usize = 7;
/// Looks at a bucket that another worker is changing, before giving up: some microseconds.
pub const ATTEMPTS: u32 = 256;

/// What an entry is found by.
pub type Key = [u64; KEY_WORDS];
/// What an entry holds.
pub type Value = [u64; VALUE_WORDS];
/// Where an entry is, for as long as it is in the table.
pub type Position = u32;

/// Why an entry was not put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key's bucket is full of entries that are to stay.
    Full,
    /// Another worker is changing the bucket and does not come to an end.
    Busy,
}

/// What [`SharedTable::update`] does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Leaves it in the table, with the value as it is now.
    Keep,
    /// Takes it out.
    Remove,
}

/// See the module.
#[derive(Debug)]
pub struct SharedTable {
    buckets: Box<[Bucket]>,
    live: AtomicU32,
    /// Makes it unknown outside which keys meet in one bucket.
    secret: Option<RandomState>,
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    version: AtomicU64,
    entries: [Entry; WAYS],
}

const _: () = assert!(size_of::<Bucket>() == 512);

#[derive(Debug, Default)]
#[repr(C)]
struct Entry {
    key: [AtomicU64; KEY_WORDS],
    value: [AtomicU64; VALUE_WORDS],
}

impl Entry {
    fn key(&self) -> Key {
        array::from_fn(|word| self.key.get(word).map_or(0, |word| word.load(Ordering::Relaxed)))
    }

    fn value(&self) -> Value {
        array::from_fn(|word| self.value.get(word).map_or(0, |word| word.load(Ordering::Relaxed)))
    }

    fn set_key(&self, key: &Key) {
        self.key.iter().zip(key).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
    }

    fn set_value(&self, value: &Value) {
        self.value.iter().zip(value).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
    }

    fn copy(&self) -> (Key, Value) {
        (self.key(), self.value())
    }

    fn is_free(&self) -> bool {
        self.key() == [0; KEY_WORDS]
    }
}

impl SharedTable {
    /// A table with room for at least `capacity` entries, if their keys spread evenly. Allocates 73 bytes an entry.
    pub fn new(capacity: usize) -> Self {
        let buckets = capacity.div_ceil(WAYS).max(1).next_power_of_two();
        let buckets = (0..buckets).map(|_| Bucket::default()).collect();
        Self { buckets, live: AtomicU32::new(0), secret: None }
    }

    /// The same, where nobody who chooses keys can make them meet in one bucket. It differs with each call which do.
    pub fn with_secret(capacity: usize) -> Self {
        Self { secret: Some(RandomState::new()), ..Self::new(capacity) }
    }

    /// Entries in the table.
    #[inline]
    pub fn len(&self) -> usize {
        self.live.load(Ordering::Relaxed) as usize
    }

    /// Whether there is none: one load of a word that changes only when an entry comes or goes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many buckets there are, for [`Self::sweep`] and [`Self::entries`].
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// The value of a key; `None` too if its bucket stays busy.
    pub fn find(&self, key: &Key) -> Option<Value> {
        let bucket = self.bucket(key)?;
        bucket.read(|| bucket.of(key).map(Entry::value)).flatten()
    }

    /// Puts an entry in. Where the key has one already, `merge` makes of the old and the new value the one that stays.
    /// If the bucket is full, an entry that `is_stale` makes room. Returns the value that is in the table now.
    ///
    /// # Errors
    /// When there is no room.
    pub fn put(
        &self,
        key: &Key,
        value: &Value,
        merge: impl FnOnce(&Value, &Value) -> Value,
        mut is_stale: impl FnMut(&Key, &Value) -> bool,
    ) -> Result<Value, Refused> {
        let bucket = self.bucket(key).ok_or(Refused::Full)?;
        let _change = bucket.begin().ok_or(Refused::Busy)?;
        if let Some(entry) = bucket.of(key) {
            let merged = merge(&entry.value(), value);
            entry.set_value(&merged);
            return Ok(merged);
        }
        let entry = match bucket.entries.iter().find(|entry| entry.is_free()) {
            Some(entry) => {
                self.live.fetch_add(1, Ordering::Relaxed);
                entry
            }
            None => {
                let stale = |entry: &&Entry| is_stale(&entry.key(), &entry.value());
                bucket.entries.iter().find(stale).ok_or(Refused::Full)?
            }
        };
        entry.set_key(key);
        entry.set_value(value);
        Ok(*value)
    }

    /// Changes the entry of a key in place, or takes it out. Returns the value after `change`; `None` if there is no
    /// such entry, or its bucket stays busy.
    pub fn update(&self, key: &Key, change: impl FnOnce(&mut Value) -> Change) -> Option<Value> {
        let bucket = self.bucket(key)?;
        let _change = bucket.begin()?;
        let entry = bucket.of(key)?;
        let mut value = entry.value();
        match change(&mut value) {
            Change::Keep => entry.set_value(&value),
            Change::Remove => self.remove(entry),
        }
        Some(value)
    }

    /// Takes the entry of a key out, if `which` wants it: of several workers that try, one gets it.
    pub fn take(&self, key: &Key, which: impl FnOnce(&Value) -> bool) -> Option<Value> {
        let mut taken = false;
        let change = |value: &mut Value| {
            taken = which(value);
            if taken { Change::Remove } else { Change::Keep }
        };
        self.update(key, change).filter(|_| taken)
    }

    /// Shows the entries of one bucket to `change`, which may change or remove them. A busy bucket is passed over.
    pub fn sweep(&self, bucket: usize, mut change: impl FnMut(&Key, &mut Value) -> Change) {
        let Some(bucket) = self.buckets.get(bucket) else { return };
        let Some(_change) = bucket.begin() else { return };
        for entry in bucket.entries.iter().filter(|entry| !entry.is_free()) {
            let mut value = entry.value();
            match change(&entry.key(), &mut value) {
                Change::Keep => entry.set_value(&value),
                Change::Remove => self.remove(entry),
            }
        }
    }

    /// A consistent copy of one bucket's entries; a free entry's key is zeros.
    pub fn entries(&self, bucket: usize) -> Option<[(Key, Value); WAYS]> {
        let bucket = self.buckets.get(bucket)?;
        bucket.read(|| array::from_fn(|way| bucket.entries.get(way).map_or_else(Default::default, Entry::copy)))
    }

    /// How many positions there are, for [`Self::at`].
    pub fn positions(&self) -> usize {
        self.buckets.len() * WAYS
    }

    /// The entry at a position. For lists.
    pub fn at(&self, position: usize) -> Option<(Key, Value)> {
        let bucket = self.buckets.get(position / WAYS)?;
        let entry = bucket.entries.get(position % WAYS)?;
        bucket.read(|| entry.copy()).filter(|(key, _)| *key != Key::default())
    }

    /// The value of a key and its position.
    pub fn locate(&self, key: &Key) -> Option<(Position, Value)> {
        let number = self.number(key);
        let bucket = self.buckets.get(number)?;
        let seen = bucket.read(|| {
            let way = bucket.entries.iter().position(|entry| entry.key() == *key)?;
            bucket.entries.get(way).map(|entry| (way, entry.value()))
        });
        seen.flatten().map(|(way, value)| ((number * WAYS + way) as Position, value))
    }

    /// Claims the bucket of a key for changes of more than one entry; `None` if it stays busy.
    pub fn claim(&self, key: &Key) -> Option<Claimed<'_>> {
        self.claim_bucket(self.number(key))
    }

    /// Claims a bucket by its number; `None` too if there is none of that number.
    pub fn claim_bucket(&self, number: usize) -> Option<Claimed<'_>> {
        let bucket = self.buckets.get(number)?;
        let claim = bucket.begin()?;
        Some(Claimed { live: &self.live, bucket, first: (number * WAYS) as Position, _claim: claim })
    }

    fn remove(&self, entry: &Entry) {
        entry.set_key(&[0; KEY_WORDS]);
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    fn bucket(&self, key: &Key) -> Option<&Bucket> {
        self.buckets.get(self.number(key))
    }

    fn number(&self, key: &Key) -> usize {
        let hash = self.secret.as_ref().map_or_else(|| hash(key), |secret| secret.hash_one(key));
        hash as usize & (self.buckets.len() - 1)
    }
}

/// A bucket that nobody else changes for as long as this lives: some nanoseconds.
pub struct Claimed<'a> {
    live: &'a AtomicU32,
    bucket: &'a Bucket,
    first: Position,
    _claim: Claim<'a>,
}

impl Claimed<'_> {
    /// The entry of a key.
    pub fn find(&self, key: &Key) -> Option<(Position, Value)> {
        self.entries().find(|(_, of, _)| of == key).map(|(position, _, value)| (position, value))
    }

    /// A position without an entry.
    pub fn free(&self) -> Option<Position> {
        self.bucket.entries.iter().position(Entry::is_free).map(|way| self.first + way as Position)
    }

    /// The entries.
    pub fn entries(&self) -> impl Iterator<Item = (Position, Key, Value)> + '_ {
        let entries = (self.first..).zip(&self.bucket.entries).filter(|(_, entry)| !entry.is_free());
        entries.map(|(position, entry)| (position, entry.key(), entry.value()))
    }

    /// Makes this the entry at a position of the bucket, whatever was there; the key need not be one of the bucket's.
    pub fn set(&self, position: Position, key: &Key, value: &Value) {
        let Some(entry) = self.entry(position) else { return };
        if entry.is_free() {
            self.live.fetch_add(1, Ordering::Relaxed);
        }
        entry.set_key(key);
        entry.set_value(value);
    }

    /// Takes the entry at a position of the bucket out, if there is one.
    pub fn remove(&self, position: Position) {
        if let Some(entry) = self.entry(position).filter(|entry| !entry.is_free()) {
            entry.set_key(&Key::default());
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn entry(&self, position: Position) -> Option<&Entry> {
        self.bucket.entries.get(position.checked_sub(self.first)? as usize)
    }
}

impl Bucket {
    fn of(&self, key: &Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key() == *key)
    }

    /// What `look` saw while nobody changed the bucket.
    fn read<T>(&self, mut look: impl FnMut() -> T) -> Option<T> {
        for _ in 0..ATTEMPTS {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let seen = look();
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return Some(seen);
                }
            }
            spin_loop();
        }
        None
    }

    /// Claims the bucket for a change, which lasts as long as what is returned.
    fn begin(&self) -> Option<Claim<'_>> {
        for _ in 0..ATTEMPTS {
            let before = self.version.load(Ordering::Relaxed);
            let claim = || self.version.compare_exchange(before, before | 1, Ordering::Acquire, Ordering::Relaxed);
            if before & 1 == 0 && claim().is_ok() {
                // The stores of the change must not be seen before the odd version.
                fence(Ordering::Release);
                return Some(Claim(&self.version));
            }
            spin_loop();
        }
        None
    }
}

/// A bucket that is being changed.
struct Claim<'a>(&'a AtomicU64);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Spreads keys that differ in few bits (the finalizer of MurmurHash3, twice).
fn hash(key: &Key) -> u64 {
    key.iter().fold(0, |hash, word| mix(hash ^ word))
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
