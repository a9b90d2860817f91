//! Read-copy update by quiescent states: who publishes a new version of something learns, without ever blocking a
//! reader, when no reader can see the old one any more.
//!
//! [`Publisher`] and [`Subscriber`] do all of that for a value of any type. [`Rcu`] is the bare mechanism, for what is
//! not such a value.

use crate::error::Error;
use dpdk_sys::rte_rcu_qsbr;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// DPDK's RCU variable, in memory of ours, with the places for its readers.
pub(crate) struct Qsbr {
    variable: NonNull<rte_rcu_qsbr>,
    layout: Layout,
    /// Which places are taken. A place is used by one reader at a time.
    taken: Box<[AtomicBool]>,
}

// SAFETY: DPDK's RCU variable is made to be used by many threads at once, except that a reader place belongs to one
// thread at a time, which `claim` sees to; the memory is plain heap memory.
unsafe impl Send for Qsbr {}
// SAFETY: as for Send.
unsafe impl Sync for Qsbr {}

impl Qsbr {
    pub(crate) fn new(readers: u32) -> Self {
        // DPDK's size is a sum of 64-byte lines for each reader; a million of them is far from overflow.
        let readers = readers.clamp(1, 1 << 20);
        // SAFETY: computes a size from a number in range.
        let size = unsafe { dpdk_sys::rte_rcu_qsbr_get_memsize(readers) };
        let layout = Layout::from_size_align(size.max(64), 64).unwrap_or_else(|_| Layout::new::<[u64; 8]>());
        // SAFETY: the layout's size is not 0.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(variable) = NonNull::new(memory.cast::<rte_rcu_qsbr>()) else { handle_alloc_error(layout) };
        // SAFETY: the memory is ours, aligned to a cache line, and as large as DPDK wants it for so many readers.
        unsafe { dpdk_sys::rte_rcu_qsbr_init(variable.as_ptr(), readers) };
        Self { variable, layout, taken: (0..readers).map(|_| AtomicBool::new(false)).collect() }
    }

    pub(crate) fn as_ptr(&self) -> *mut rte_rcu_qsbr {
        self.variable.as_ptr()
    }

    /// Takes a free reader place and registers it, offline.
    pub(crate) fn claim(&self) -> Option<u32> {
        let place = self.taken.iter().position(|taken| !taken.swap(true, Ordering::Acquire))? as u32;
        // SAFETY: the variable lives as long as self; the place is below its number of readers and just became ours.
        unsafe { dpdk_sys::rte_rcu_qsbr_thread_register(self.as_ptr(), place) };
        Some(place)
    }

    /// Gives a place of [`Qsbr::claim`] back.
    pub(crate) fn release(&self, place: u32) {
        self.offline(place);
        // SAFETY: as in `claim`; the place is still the caller's.
        unsafe { dpdk_sys::rte_rcu_qsbr_thread_unregister(self.as_ptr(), place) };
        if let Some(taken) = self.taken.get(place as usize) {
            taken.store(false, Ordering::Release);
        }
    }

    #[inline]
    pub(crate) fn online(&self, place: u32) {
        // SAFETY: the variable lives as long as self; the place is registered and used by its owner only.
        unsafe { dpdk_sys::sluice_rcu_online(self.as_ptr(), place) }
    }

    #[inline]
    pub(crate) fn offline(&self, place: u32) {
        // SAFETY: as in `online`.
        unsafe { dpdk_sys::sluice_rcu_offline(self.as_ptr(), place) }
    }

    #[inline]
    fn quiescent(&self, place: u32) {
        // SAFETY: as in `online`; DPDK wants the place online, which the caller knows.
        unsafe { dpdk_sys::sluice_rcu_quiescent(self.as_ptr(), place) }
    }

    fn start(&self) -> RcuToken {
        // SAFETY: the variable lives as long as self.
        RcuToken(unsafe { dpdk_sys::sluice_rcu_start(self.as_ptr()) })
    }

    fn has_passed(&self, token: &RcuToken) -> bool {
        // SAFETY: the variable lives as long as self; the call does not wait.
        unsafe { dpdk_sys::sluice_rcu_check(self.as_ptr(), token.0) }
    }
}

impl Drop for Qsbr {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and nobody has a pointer to it any more: readers hold an Arc.
        unsafe { dealloc(self.variable.as_ptr().cast(), self.layout) }
    }
}

/// An RCU variable; a handle, cheap to clone.
#[derive(Clone)]
pub struct Rcu(Arc<Qsbr>);

/// A moment: see [`Rcu::has_passed`]. Belongs to the variable that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RcuToken(u64);

impl Rcu {
    /// A variable with places for so many readers (1 to 1,048,576; a number beyond is brought into that range).
    pub fn new(readers: u32) -> Self {
        Self(Arc::new(Qsbr::new(readers)))
    }

    /// Takes a reader place. The reader is online: it holds grace periods up until its first
    /// [`RcuReader::quiescent`].
    ///
    /// # Errors
    /// [`Error::TooManyReaders`] if all places are taken.
    pub fn register(&self) -> Result<RcuReader, Error> {
        let refused = Error::TooManyReaders { readers: self.0.taken.len() as u32 };
        let place = self.0.claim().ok_or(refused)?;
        self.0.online(place);
        Ok(RcuReader { rcu: Arc::clone(&self.0), place, online: true, _not_sync: PhantomData })
    }

    /// Marks this moment: call it after the old version can't be found any more.
    pub fn start(&self) -> RcuToken {
        self.0.start()
    }

    /// Whether each reader has been quiescent or offline since the token's moment. Never blocks.
    pub fn has_passed(&self, token: &RcuToken) -> bool {
        self.0.has_passed(token)
    }
}

impl fmt::Debug for Rcu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rcu").field("places", &self.0.taken.len()).finish()
    }
}

/// A reader place, used by one thread at a time; dropping it gives the place back.
pub struct RcuReader {
    rcu: Arc<Qsbr>,
    place: u32,
    online: bool,
    _not_sync: PhantomData<Cell<()>>,
}

impl RcuReader {
    /// Says: I hold nothing that I found before now. Costs a load and a store. An offline reader stays offline.
    #[inline]
    pub fn quiescent(&mut self) {
        if self.online {
            self.rcu.quiescent(self.place);
        }
    }

    /// Says: I hold nothing, and won't until [`RcuReader::online`]. For a thread that goes to sleep.
    #[inline]
    pub fn offline(&mut self) {
        if self.online {
            self.rcu.offline(self.place);
            self.online = false;
        }
    }

    /// Says: I look things up again.
    #[inline]
    pub fn online(&mut self) {
        if !self.online {
            self.rcu.online(self.place);
            self.online = true;
        }
    }
}

impl Drop for RcuReader {
    fn drop(&mut self) {
        self.rcu.release(self.place);
    }
}

impl fmt::Debug for RcuReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RcuReader").field("place", &self.place).field("online", &self.online).finish()
    }
}

struct Published<T> {
    rcu: Rcu,
    /// From Box::into_raw; never null.
    current: AtomicPtr<T>,
    _owns: PhantomData<Box<T>>,
}

impl<T> Drop for Published<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer is from Box::into_raw and only here; nobody can look at it, since each reference is
        // borrowed from a Subscriber and those keep this alive.
        drop(unsafe { Box::from_raw(*self.current.get_mut()) });
    }
}

/// The writing side of a value that is replaced as a whole while others read it.
///
/// A subscriber's references end before it may say that it is quiescent:
/// ```compile_fail,E0502
/// fn keep(table: &mut rte_rs::rcu::Subscriber<String>) -> usize {
///     let old: &String = table.read();
///     table.quiescent(); // `old` could be freed now, so this is refused
///     old.len()
/// }
/// ```
/// Looking again afterwards is fine:
/// ```
/// fn look_again(table: &mut rte_rs::rcu::Subscriber<String>) -> usize {
///     let length = table.read().len();
///     table.quiescent();
///     length + table.read().len()
/// }
/// ```
pub struct Publisher<T: Send + Sync> {
    shared: Arc<Published<T>>,
    /// Old versions, oldest first: from Box::into_raw, and only here. Subscribers may still read them, so they are not
    /// boxes again before `reclaim` knows better.
    retired: VecDeque<(RcuToken, AtomicPtr<T>)>,
}

/// The reading side, for one thread at a time.
pub struct Subscriber<T: Send + Sync> {
    shared: Arc<Published<T>>,
    reader: RcuReader,
}

impl<T: Send + Sync> Publisher<T> {
    /// Publishes a first version, for up to so many subscribers.
    pub fn new(value: T, subscribers: u32) -> Self {
        let current = AtomicPtr::new(Box::into_raw(Box::new(value)));
        let shared = Published { rcu: Rcu::new(subscribers), current, _owns: PhantomData };
        Self { shared: Arc::new(shared), retired: VecDeque::new() }
    }

    /// A new subscriber. It is online: old versions wait for its first [`Subscriber::quiescent`].
    ///
    /// # Errors
    /// [`Error::TooManyReaders`] if there are as many as were announced.
    pub fn subscribe(&self) -> Result<Subscriber<T>, Error> {
        Ok(Subscriber { reader: self.shared.rcu.register()?, shared: Arc::clone(&self.shared) })
    }

    /// Publishes a new version. Subscribers see it from their next [`Subscriber::read`] on; the old one is kept until
    /// none can see it, and freed by a later [`Publisher::reclaim`]. Never blocks.
    pub fn publish(&mut self, value: T) {
        let old = self.shared.current.swap(Box::into_raw(Box::new(value)), Ordering::AcqRel);
        let token = self.shared.rcu.start();
        self.retired.push_back((token, AtomicPtr::new(old)));
    }

    /// The present version.
    pub fn current(&self) -> &T {
        // SAFETY: the pointer is valid until `publish`, which needs &mut self, and the value is not written meanwhile.
        unsafe { &*self.shared.current.load(Ordering::Acquire) }
    }

    /// Frees the old versions that no subscriber can see any more and returns how many are left. Never blocks.
    pub fn reclaim(&mut self) -> usize {
        while self.retired.front().is_some_and(|(token, _)| self.shared.rcu.has_passed(token)) {
            if let Some((_, old)) = self.retired.pop_front() {
                // SAFETY: from Box::into_raw, and just taken from its only place. Each subscriber has been quiescent or
                // offline since it was replaced, so no reference to it is left.
                drop(unsafe { Box::from_raw(old.into_inner()) });
            }
        }
        self.retired.len()
    }
}

impl<T: Send + Sync> Drop for Publisher<T> {
    fn drop(&mut self) {
        // What is left, subscribers may still read, and nobody comes to free it later: better lost than freed early.
        self.reclaim();
    }
}

impl<T: Send + Sync> Subscriber<T> {
    /// The present version; the reference ends at the latest with the next [`Subscriber::quiescent`].
    #[inline]
    pub fn read(&self) -> &T {
        // SAFETY: `current` is a valid box. It is freed only after this reader was quiescent or offline later than it
        // was replaced; both need &mut self, so not while the reference lives; and the reader is online (see offline).
        unsafe { &*self.shared.current.load(Ordering::Acquire) }
    }

    /// Says that no reference to an older version is held. Once per loop.
    #[inline]
    pub fn quiescent(&mut self) {
        self.reader.quiescent();
    }

    /// Runs `work`, such as a sleep, without holding up who waits for this subscriber.
    pub fn offline<R>(&mut self, work: impl FnOnce() -> R) -> R {
        struct Online<'a>(&'a mut RcuReader);
        impl Drop for Online<'_> {
            fn drop(&mut self) {
                self.0.online();
            }
        }
        self.reader.offline();
        let _online = Online(&mut self.reader);
        work()
    }
}

impl<T: Send + Sync> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("retired", &self.retired.len()).finish_non_exhaustive()
    }
}

impl<T: Send + Sync> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("reader", &self.reader).finish_non_exhaustive()
    }
}
