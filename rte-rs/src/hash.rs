//! Hash tables with 16-byte keys: one writer, and readers on other threads that take no lock.

use crate::error::{Error, Kind};
use crate::rcu::Qsbr;
use dpdk_sys::rte_hash;
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

const KIND: Kind = Kind { what: "hash", name_bytes: 25 };

/// Reader sections that can be open at once, over all readers of a hash.
pub const SECTIONS: u32 = 64;
/// Keys that [`HashWriter::lookup_bulk`] takes.
pub const BULK: usize = 32;

/// A key: 16 bytes, compared as they are. Bytes that mean nothing must be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C, align(16))]
pub struct HashKey(pub [u8; 16]);

impl HashKey {
    /// What the hashes of this process compute of the key. Another number in the next process.
    pub fn hash(&self) -> u32 {
        // SAFETY: the function reads 16 bytes, which the key has, and nothing else that changes.
        unsafe { dpdk_sys::sluice_hash_of(self.0.as_ptr()) }
    }
}

/// Computes hashes of keys in place, with the secret of this process: for bursts of keys, and for other tables.
#[derive(Clone, Copy, Debug)]
pub struct Hasher([u64; 4]);

impl Hasher {
    /// With the secret of this process.
    pub fn new() -> Self {
        let mut secret = [0; 4];
        // SAFETY: the function writes four words, and there is room for as many.
        unsafe { dpdk_sys::sluice_hash_secret(secret.as_mut_ptr()) };
        Self(secret)
    }

    /// Two rounds of multiply and fold, as in shim.c: every bit of the key reaches every bit of the hash.
    #[inline]
    pub fn hash(&self, key: &HashKey) -> u64 {
        let [first, second, third, factor] = self.0;
        let key = u128::from_ne_bytes(key.0);
        let (low, high) = if cfg!(target_endian = "little") { (key, key >> 64) } else { (key >> 64, key) };
        let mixed = multiply_fold(low as u64 ^ first, high as u64 ^ second);
        multiply_fold(mixed ^ third, factor)
    }

    /// What the hash tables here take of it: [`HashKey::hash`] of its key.
    #[inline]
    pub const fn half(hash: u64) -> u32 {
        (hash ^ hash >> 32) as u32
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
const fn multiply_fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// How to make a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashOptions {
    /// How many entries it holds at most, 8 to 2^30.
    pub entries: u32,
    /// NUMA node, -1 for any.
    pub socket: i32,
}

/// The hash holds as many entries as it can; also while removed ones are still visible to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash is full")]
pub struct TableFull;

struct Table {
    hash: NonNull<rte_hash>,
    /// The hash uses it: freed after it, which the Drop below sees to.
    qsbr: Qsbr,
}

// SAFETY: an rte_hash with lock-free readers may be read from any thread and written by one at a time; HashWriter is the
// one writer and not Sync, readers are inside a section.
unsafe impl Send for Table {}
// SAFETY: as for Send.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: made by sluice_hash_create, freed once, and no handle or section is left: each holds an Arc.
        unsafe { dpdk_sys::rte_hash_free(self.hash.as_ptr()) }
    }
}

impl Table {
    /// The caller is the writer, or inside a section.
    #[inline]
    fn lookup(&self, key: &HashKey) -> Option<u64> {
        let mut value: *mut c_void = ptr::null_mut();
        // SAFETY: the hash lives as long as self, the key has the 16 bytes it was made for, `value` is a place for one
        // pointer. What it reads is not freed meanwhile: see the contract of this function.
        let result =
            unsafe { dpdk_sys::rte_hash_lookup_data(self.hash.as_ptr(), ptr::from_ref(key).cast(), &raw mut value) };
        (result >= 0).then_some(value.expose_provenance() as u64)
    }
}

/// Makes a hash: extendable buckets, so that it takes all its `entries` whatever the keys are. The hash function is keyed
/// with a secret of this process, so that nobody who chooses keys can make them meet in one bucket.
///
/// # Errors
/// [`Error`]: a size or name that can't be, a name that is taken, or too little memory.
pub fn create(name: &str, options: &HashOptions) -> Result<(HashWriter, HashReader), Error> {
    let HashOptions { entries, socket } = *options;
    let c_name = KIND.name(name)?;
    if !(8..=1 << 30).contains(&entries) {
        return Err(KIND.size(name, "entries", entries.into(), "8 to 1073741824"));
    }
    let qsbr = Qsbr::new(SECTIONS);
    // SAFETY: the EAL runs (checked by Kind::name), DPDK copies the name, and the RCU variable outlives the hash.
    let make = || unsafe { dpdk_sys::sluice_hash_create(c_name.as_ptr(), entries, socket, qsbr.as_ptr()) };
    // A key with its value takes 32 bytes, its place in a bucket 8, in an extra one as much, in the two queues 28.
    let hash = KIND.create(name, entries, u64::from(entries) * 80, make)?;
    let table = Arc::new(Table { hash, qsbr });
    let writer = HashWriter { table: Arc::clone(&table), _not_sync: PhantomData };
    Ok((writer, HashReader { table }))
}

/// The one handle that can change a hash. It can move to another thread, and is used by one at a time.
pub struct HashWriter {
    table: Arc<Table>,
    _not_sync: PhantomData<Cell<()>>,
}

impl HashWriter {
    /// Stores the value under the key, in place of one that was there.
    ///
    /// # Errors
    /// [`TableFull`]; nothing is changed then.
    #[inline]
    pub fn insert(&mut self, key: &HashKey, value: u64) -> Result<(), TableFull> {
        let data = ptr::with_exposed_provenance_mut::<c_void>(value as usize);
        // SAFETY: the hash lives, the key has its 16 bytes and is copied; &mut self is the one writer. The value is a
        // number that nobody follows as a pointer.
        let result =
            unsafe { dpdk_sys::rte_hash_add_key_data(self.table.hash.as_ptr(), ptr::from_ref(key).cast(), data) };
        if result < 0 { Err(TableFull) } else { Ok(()) }
    }

    /// Removes the key; `false` if it was not there. Its place is used again once no reader section that was open at
    /// this moment is.
    #[inline]
    pub fn remove(&mut self, key: &HashKey) -> bool {
        // SAFETY: the hash lives, the key has its 16 bytes; &mut self is the one writer.
        let result = unsafe { dpdk_sys::rte_hash_del_key(self.table.hash.as_ptr(), ptr::from_ref(key).cast()) };
        result >= 0
    }

    /// The value under the key. Several keys at once are found much faster by [`HashWriter::lookup_bulk`].
    #[inline]
    pub fn lookup(&self, key: &HashKey) -> Option<u64> {
        self.table.lookup(key)
    }

    /// Looks up to [`BULK`] keys up, those beyond are ignored; `hashes` are theirs, see [`Hasher::half`]. Bit i of the
    /// answer says that `keys[i]` is there and `values[i]` its value; other places of `values` mean nothing.
    #[inline]
    pub fn lookup_bulk(&self, keys: &[HashKey], hashes: &mut [u32; BULK], values: &mut [u64; BULK]) -> u64 {
        let count = keys.len().min(BULK) as u32;
        // SAFETY: the hash lives and the writer, who alone could free what is read, is here; `keys` has `count` keys of
        // 16 bytes one after the other, `hashes` and `values` have as many places. A wrong hash finds nothing.
        unsafe {
            dpdk_sys::sluice_hash_lookup_bulk(
                self.table.hash.as_ptr(),
                keys.as_ptr().cast(),
                hashes.as_mut_ptr(),
                count,
                values.as_mut_ptr(),
            )
        }
    }
}

/// A handle for readers; cheap to clone, one for each thread.
#[derive(Clone)]
pub struct HashReader {
    table: Arc<Table>,
}

impl HashReader {
    /// Opens a section, in which the hash can be read. Keep it short: places of removed entries wait for its end. While
    /// [`SECTIONS`] are open, it waits.
    pub fn section(&mut self) -> HashSection<'_> {
        let place = loop {
            match self.table.qsbr.claim() {
                Some(place) => break place,
                None => std::thread::yield_now(),
            }
        };
        self.table.qsbr.online(place);
        HashSection { table: &self.table, place, _one_thread: PhantomData }
    }
}

/// An open section of a reader.
///
/// It stays on its thread:
/// ```compile_fail,E0277
/// fn moved<T: Send>() {}
/// moved::<rte_rs::HashSection<'static>>();
/// ```
/// where the reader may go to another:
/// ```
/// fn moved<T: Send + Sync>() {}
/// moved::<rte_rs::HashReader>();
/// ```
pub struct HashSection<'a> {
    table: &'a Table,
    place: u32,
    _one_thread: PhantomData<*const ()>,
}

impl HashSection<'_> {
    /// The value under the key.
    #[inline]
    pub fn lookup(&self, key: &HashKey) -> Option<u64> {
        self.table.lookup(key)
    }
}

impl Drop for HashSection<'_> {
    fn drop(&mut self) {
        self.table.qsbr.release(self.place);
    }
}

impl fmt::Debug for HashWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashWriter").finish_non_exhaustive()
    }
}

impl fmt::Debug for HashReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashReader").finish_non_exhaustive()
    }
}

impl fmt::Debug for HashSection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashSection").field("place", &self.place).finish_non_exhaustive()
    }
}
