//! Pools of mbufs.

use crate::burst::Burst;
use crate::error::{Error, Kind};
use crate::mbuf::{HEADROOM, Mbuf};
use dpdk_sys::{rte_mempool, sluice_mbuf};
use std::ptr::NonNull;

const KIND: Kind = Kind { what: "mempool", name_bytes: 25 };

/// How to make a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolOptions {
    /// How many mbufs. A power of two less one wastes no memory.
    pub mbufs: u32,
    /// Mbufs that each lcore keeps for itself: 0 to 512, and at most two thirds of `mbufs`.
    pub cache: u32,
    /// Bytes of packet in one mbuf. The headroom comes on top.
    pub data_room: u16,
    /// NUMA node, -1 for any.
    pub socket: i32,
}

impl Default for MempoolOptions {
    /// 8191 mbufs of 2048 bytes, 256 of them cached by each lcore.
    fn default() -> Self {
        Self { mbufs: 8191, cache: 256, data_room: 2048, socket: -1 }
    }
}

/// A pool of mbufs; a handle, cheap to clone. The pool lives as long as the process, since mbufs of it may be anywhere:
/// in a queue of a network card, on a ring, in another lcore's cache.
#[derive(Clone, Debug)]
pub struct Mempool {
    pool: NonNull<rte_mempool>,
}

// SAFETY: a DPDK mempool made without single-producer and single-consumer flags may be used from any thread (its
// caches are picked by lcore); `Mempool::new` sets no such flag, and the pool is never freed.
unsafe impl Send for Mempool {}
// SAFETY: as for Send; every method may run on several threads at once.
unsafe impl Sync for Mempool {}

impl Mempool {
    /// Makes a pool.
    ///
    /// # Errors
    /// [`Error`]: a size or name that can't be, a name that is taken, or too little memory.
    pub fn new(name: &str, options: MempoolOptions) -> Result<Self, Error> {
        const CACHE_MAX: u32 = 512;
        let MempoolOptions { mbufs, cache, data_room, socket } = options;
        let c_name = KIND.name(name)?;
        if mbufs == 0 {
            return Err(KIND.size(name, "mbufs", 0, "1 or more"));
        }
        if cache > CACHE_MAX || u64::from(cache) * 3 > u64::from(mbufs) * 2 {
            return Err(KIND.size(name, "cache", cache.into(), "0 to 512, and at most two thirds of mbufs"));
        }
        let Some(room) = data_room.checked_add(HEADROOM as u16) else {
            return Err(KIND.size(name, "data_room", data_room.into(), "0 to 65407"));
        };
        // About 200 bytes go to each mbuf's header and its place in the pool.
        let bytes = u64::from(mbufs) * (u64::from(room) + 200);
        // SAFETY: the EAL runs (checked by Kind::name), the name is a C string that DPDK copies, the numbers are in range.
        let make = || unsafe { dpdk_sys::rte_pktmbuf_pool_create(c_name.as_ptr(), mbufs, cache, 0, room, socket) };
        Ok(Self { pool: KIND.create(name, mbufs, bytes, make)? })
    }

    pub(crate) fn as_ptr(&self) -> *mut rte_mempool {
        self.pool.as_ptr()
    }

    /// Mbufs that are not in the pool or a cache of it. A snapshot; walks the caches, so not for every packet.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool is never freed.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.as_ptr()) }
    }

    /// Mbufs that can be allocated, those in caches of other lcores counted. A snapshot, as [`Mempool::in_use`].
    pub fn available(&self) -> u32 {
        // SAFETY: the pool is never freed.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// Bytes of packet in one mbuf, headroom not counted.
    pub fn data_room(&self) -> u16 {
        // SAFETY: the pool is never freed, and is a pool of mbufs.
        unsafe { dpdk_sys::sluice_mempool_data_room(self.as_ptr()) }.saturating_sub(HEADROOM as u16)
    }

    /// An empty mbuf with the usual headroom; `None` if the pool is empty.
    #[inline]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool is never freed, and is a pool of mbufs.
        let mbuf = unsafe { dpdk_sys::sluice_mbuf_alloc(self.as_ptr()) };
        // SAFETY: a freshly allocated mbuf is reset by DPDK and nobody else's.
        NonNull::new(mbuf).map(|mbuf| unsafe { Mbuf::from_raw(mbuf) })
    }

    /// Adds `count` empty mbufs to the burst, all or none; `false` if the pool or the burst has not room for all.
    #[inline]
    pub fn alloc_burst(&self, burst: &mut Burst, count: usize) -> bool {
        if count > Burst::CAPACITY - burst.len() {
            return false;
        }
        let source = |mbufs: *mut *mut sluice_mbuf| {
            // SAFETY: the pool is never freed and is a pool of mbufs; `mbufs` has room for `count` pointers.
            let done = unsafe { dpdk_sys::sluice_mbuf_alloc_bulk(self.as_ptr(), mbufs, count as u32) };
            if done { count } else { 0 }
        };
        // SAFETY: the pool gives all `count` mbufs up, reset and owned by nobody, or none; `count` are free (above).
        unsafe { burst.fill(count, source) == count }
    }
}
