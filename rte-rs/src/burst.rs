//! Up to 32 packets that travel together.

use crate::mbuf::Mbuf;
use dpdk_sys::sluice_mbuf;
use std::mem::MaybeUninit;
use std::{fmt, ptr, slice};

/// Up to [`Burst::CAPACITY`] packets, owned, in order. Dropping it frees them.
///
/// This is the one place where packets leave Rust without being freed: `Burst::take` hands pointers to C and forgets
/// as many from the front as C says it took.
pub struct Burst {
    mbufs: [MaybeUninit<Mbuf>; Self::CAPACITY],
    /// The first so many of `mbufs` are packets; never above CAPACITY.
    len: usize,
}

impl Burst {
    /// The most packets of a burst.
    pub const CAPACITY: usize = 32;

    /// An empty burst.
    #[inline]
    pub const fn new() -> Self {
        Self { mbufs: [const { MaybeUninit::uninit() }; Self::CAPACITY], len: 0 }
    }

    /// How many packets it holds.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no other fits in.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len >= Self::CAPACITY
    }

    /// The packets, in order.
    #[inline]
    pub fn as_slice(&self) -> &[Mbuf] {
        // SAFETY: the first `len` places are packets, and MaybeUninit<Mbuf> has the layout of Mbuf; self is borrowed.
        unsafe { slice::from_raw_parts(self.mbufs.as_ptr().cast::<Mbuf>(), self.len) }
    }

    /// The packets, in order, to change.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        // SAFETY: as in `as_slice`; self is borrowed for writing.
        unsafe { slice::from_raw_parts_mut(self.mbufs.as_mut_ptr().cast::<Mbuf>(), self.len) }
    }

    /// Goes through the packets, in order.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, Mbuf> {
        self.as_slice().iter()
    }

    /// Goes through the packets, in order, to change them.
    #[inline]
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, Mbuf> {
        self.as_mut_slice().iter_mut()
    }

    /// Puts a packet behind the others.
    ///
    /// # Errors
    /// The packet itself, if the burst is full.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        match self.mbufs.get_mut(self.len) {
            Some(place) => {
                place.write(mbuf);
                self.len += 1;
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Takes the last packet out.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        let last = self.len.checked_sub(1)?;
        let place = self.mbufs.get(last)?;
        // SAFETY: place `last` is below `len`, so it holds a packet; the next line makes it free, so it is moved once.
        let mbuf = unsafe { place.assume_init_read() };
        self.len = last;
        Some(mbuf)
    }

    /// Takes all packets out, in order. Those that are not taken when the iterator is dropped are freed.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_> {
        let end = self.len;
        self.len = 0;
        Drain { burst: self, next: 0, end }
    }

    /// Asks for the first cache line of each packet's data; they come while other work goes on.
    #[inline]
    pub fn prefetch(&self) {
        for mbuf in self {
            mbuf.prefetch();
        }
    }

    /// Frees all packets, with one call.
    #[inline]
    pub fn clear(&mut self) {
        drop(self.drain());
    }

    #[inline]
    fn raw(&mut self) -> *mut *mut sluice_mbuf {
        self.mbufs.as_mut_ptr().cast()
    }

    /// Lets C put packets behind those of the burst. `source` gets a place for `room` pointers and says how many it wrote. Returns that number.
    ///
    /// # Safety
    /// `source` writes at most `room` pointers, and as many as it says; each is an initialised mbuf that nobody else
    /// owns, from now on. `room` is at most what is free.
    #[inline]
    pub(crate) unsafe fn fill(&mut self, room: usize, source: impl FnOnce(*mut *mut sluice_mbuf) -> usize) -> usize {
        let room = room.min(Self::CAPACITY - self.len);
        // SAFETY: len <= CAPACITY, so the result is in the array or one past its end.
        let free = unsafe { self.raw().add(self.len) };
        let count = source(free).min(room);
        self.len += count;
        count
    }

    /// Lets C take packets from the front. `sink` gets the pointers and their number and says how many it took; those
    /// are no longer ours, the others move to the front in order. Returns how many were taken.
    ///
    /// # Safety
    /// `sink` owns, from now on, exactly the mbufs it says it took: it frees them or hands them on, and no other.
    #[inline]
    pub(crate) unsafe fn take(&mut self, sink: impl FnOnce(*mut *mut sluice_mbuf, usize) -> usize) -> usize {
        if self.len == 0 {
            return 0;
        }
        let taken = sink(self.raw(), self.len).min(self.len);
        let rest = self.len - taken;
        if taken > 0 && rest > 0 {
            let front = self.raw();
            // SAFETY: taken < len <= CAPACITY, so the result is in the array.
            let left = unsafe { front.add(taken) };
            // SAFETY: `rest` packets begin at `left` and `front` has room for more than those; `copy` allows overlap.
            // What they overwrite was taken, and `len` below forgets the old places: each packet stays owned once.
            unsafe { ptr::copy(left, front, rest) };
        }
        self.len = rest;
        taken
    }
}

impl Default for Burst {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Burst {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Burst {
    type Item = &'a Mbuf;
    type IntoIter = slice::Iter<'a, Mbuf>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Burst {
    type Item = &'a mut Mbuf;
    type IntoIter = slice::IterMut<'a, Mbuf>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// The packets of a burst on their way out, see [`Burst::drain`].
#[derive(Debug)]
pub struct Drain<'a> {
    /// Its `len` is 0 meanwhile: were the iterator forgotten, packets would leak, not be freed twice.
    burst: &'a mut Burst,
    /// Places `next..end` hold packets.
    next: usize,
    end: usize,
}

impl Iterator for Drain<'_> {
    type Item = Mbuf;

    #[inline]
    fn next(&mut self) -> Option<Mbuf> {
        if self.next >= self.end {
            return None;
        }
        let place = self.burst.mbufs.get(self.next)?;
        self.next += 1;
        // SAFETY: the place was in next..end, so it holds a packet; `next` has passed it, so it is moved once.
        Some(unsafe { place.assume_init_read() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for Drain<'_> {}

impl Drop for Drain<'_> {
    #[inline]
    fn drop(&mut self) {
        let count = self.end - self.next;
        if count == 0 {
            return;
        }
        // SAFETY: next <= end <= CAPACITY, so the result is in the array or one past its end.
        let first = unsafe { self.burst.raw().add(self.next) };
        // SAFETY: the `count` places from `next` hold packets that are ours; the burst counts them no more (len is 0),
        // so this is their only free.
        unsafe { dpdk_sys::sluice_mbuf_free_bulk(first, count as u32) };
    }
}
