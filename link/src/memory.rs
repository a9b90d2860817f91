//! Shared memory as Rust may see it: a mapping hands out references only to types made of atomics, so that whatever
//! the other process does to the bytes is a race between atomics and never undefined behaviour.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

/// A type that may live in shared memory.
///
/// # Safety
///
/// The type is `repr(C)` or `repr(transparent)`, consists of atomics of at most eight bytes only (so it has interior
/// mutability everywhere, no padding and no invalid bit pattern), and its alignment is at most a cache line of 64 bytes.
pub unsafe trait Shared: Sync {}

/// The largest alignment of a [`Shared`] type: a cache line.
const MAX_ALIGN: usize = 64;

/// What this process may do to the bytes of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A store is a fault: the other side owns the bytes.
    Read,
    /// Loads and stores.
    Write,
    /// As `Write`, and every page is there from the start, so that a worker never waits for one.
    WritePopulated,
}

/// A range of a file, mapped shared until the value is dropped.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and `Mapping` gives access to it only through `Shared`
// types, which are Sync; munmap in Drop may run on any thread.
unsafe impl Send for Mapping {}
// SAFETY: as for Send; no method of `&Mapping` changes base or length.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes of the file from `offset`, which must be a multiple of the page size.
    pub(crate) fn new(file: BorrowedFd<'_>, offset: usize, length: usize, access: Access) -> io::Result<Self> {
        let (protection, populate) = match access {
            Access::Read => (libc::PROT_READ, 0),
            Access::Write => (libc::PROT_READ | libc::PROT_WRITE, 0),
            Access::WritePopulated => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_POPULATE),
        };
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: mmap with a null hint and without MAP_FIXED picks a free range, so no memory that Rust knows is
        // touched; the descriptor is open for the length of the call because it is borrowed.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED | populate, file.as_raw_fd(), offset)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(base.cast::<u8>())
            .map(|base| Self { base, length })
            .ok_or_else(|| io::Error::other("mmap returned address 0"))
    }

    /// `count` values of `T` at `offset` bytes; `None` if they are not wholly inside the mapping or not aligned.
    pub(crate) fn slice<T: Shared>(&self, offset: usize, count: usize) -> Option<&[T]> {
        let end = count.checked_mul(size_of::<T>())?.checked_add(offset)?;
        if end > self.length || !offset.is_multiple_of(align_of::<T>()) || align_of::<T>() > MAX_ALIGN {
            return None;
        }
        // SAFETY: offset <= end <= length, checked above, so the result stays inside (or one past) the mapping.
        let first = unsafe { self.base.add(offset) };
        // SAFETY: the range was checked to lie inside the mapping, which lives as long as the borrow of self; mmap
        // returns page-aligned memory and offset is a multiple of T's alignment (<= 64), so it is aligned; T: Shared
        // promises that any bytes are a valid T and that changes by others are races between atomics.
        Some(unsafe { std::slice::from_raw_parts(first.cast::<T>().as_ptr(), count) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mmap in `new`; every reference into it borrows self or holds the
        // Arc that owns self (Handle), so none is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

/// A reference into the region that keeps the mapping alive: as good as `&'static T` for as long as it is held.
/// Clones are cheap and may go to other threads.
pub struct Handle<T: ?Sized> {
    mapping: Arc<Mapping>,
    target: NonNull<T>,
}

// SAFETY: a Handle is a shared reference (T: Sync) and an Arc of a Send + Sync mapping.
unsafe impl<T: ?Sized + Sync> Send for Handle<T> {}
// SAFETY: as for Send; `&Handle` gives out only `&T`.
unsafe impl<T: ?Sized + Sync> Sync for Handle<T> {}

impl<T: Shared> Handle<[T]> {
    /// As [`Mapping::slice`].
    pub(crate) fn new(mapping: &Arc<Mapping>, offset: usize, count: usize) -> Option<Self> {
        let target = NonNull::from(mapping.slice::<T>(offset, count)?);
        Some(Self { mapping: Arc::clone(mapping), target })
    }

    /// The element at `index`, if there is one.
    pub fn element(&self, index: usize) -> Option<Handle<T>> {
        let target = NonNull::from(self.get(index)?);
        Some(Handle { mapping: Arc::clone(&self.mapping), target })
    }

    /// `count` elements from `first`, if they are all there.
    pub fn part(&self, first: usize, count: usize) -> Option<Self> {
        let target = NonNull::from(self.get(first..first.checked_add(count)?)?);
        Some(Self { mapping: Arc::clone(&self.mapping), target })
    }
}

impl<T: ?Sized> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: target was made from a reference into the mapping (Handle::new and its parts), and the Arc in self
        // keeps that mapping in place for as long as the borrow lasts.
        unsafe { self.target.as_ref() }
    }
}

impl<T: ?Sized> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { mapping: Arc::clone(&self.mapping), target: self.target }
    }
}

impl<T: ?Sized> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("target", &self.target).finish_non_exhaustive()
    }
}
