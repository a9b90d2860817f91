//! Rings that carry packets from lcore to lcore.

use crate::burst::Burst;
use crate::error::{Error, Kind};
use crate::mbuf::Mbuf;
use dpdk_sys::rte_ring;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

const KIND: Kind = Kind { what: "ring", name_bytes: 25 };

struct Ring(NonNull<rte_ring>);

// SAFETY: a DPDK ring is made to be used from several threads; how many at each end, the handles see to.
unsafe impl Send for Ring {}
// SAFETY: as for Send.
unsafe impl Sync for Ring {}

impl Ring {
    fn create(name: &str, size: u32, socket: i32, one_sender: bool) -> Result<Arc<Self>, Error> {
        let c_name = KIND.name(name)?;
        if !(1..=1 << 30).contains(&size) {
            return Err(KIND.size(name, "size", size.into(), "1 to 1073741824"));
        }
        // SAFETY: computes flags.
        let flags = unsafe { dpdk_sys::sluice_ring_flags(one_sender) };
        let bytes = u64::from(size).next_power_of_two() * 8;
        // SAFETY: the EAL runs (checked by Kind::name), DPDK copies the name, the size is in range.
        let make = || unsafe { dpdk_sys::rte_ring_create(c_name.as_ptr(), size, socket, flags) };
        Ok(Arc::new(Self(KIND.create(name, size, bytes, make)?)))
    }

    fn len(&self) -> usize {
        // SAFETY: the ring lives as long as self.
        unsafe { dpdk_sys::sluice_ring_count(self.0.as_ptr()) as usize }
    }

    /// The caller is a sender, and the only one if the ring was made for one.
    #[inline]
    fn enqueue(&self, burst: &mut Burst) -> usize {
        let sink = |mbufs, count| {
            // SAFETY: the ring lives as long as self; `mbufs` are `count` packets.
            unsafe { dpdk_sys::sluice_ring_enqueue(self.0.as_ptr(), mbufs, count as u32) as usize }
        };
        // SAFETY: the ring owns as many from the front as it says it took, until `dequeue` or its drop.
        unsafe { burst.take(sink) }
    }

    /// The caller is the receiver.
    #[inline]
    fn dequeue(&self, burst: &mut Burst) -> usize {
        let room = Burst::CAPACITY - burst.len();
        let source = |mbufs| {
            // SAFETY: the ring lives as long as self; `mbufs` has room for `room` pointers.
            unsafe { dpdk_sys::sluice_ring_dequeue(self.0.as_ptr(), mbufs, room as u32) as usize }
        };
        // SAFETY: the ring holds only what `enqueue` put there and gives each up once; `room` is what is free.
        unsafe { burst.fill(room, source) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut burst = Burst::new();
        while self.dequeue(&mut burst) > 0 {
            burst.clear();
        }
        // SAFETY: made by rte_ring_create, freed once, and no handle is left: each holds an Arc.
        unsafe { dpdk_sys::rte_ring_free(self.0.as_ptr()) }
    }
}

/// A ring that any number of senders fill and one receiver empties. `size` packets fit in. Packets that are in it when
/// the last handle is dropped are freed.
///
/// # Errors
/// [`Error`]: a size or name that can't be, a name that is taken, or too little memory.
pub fn many_to_one(name: &str, size: u32, socket: i32) -> Result<(MbufSender, MbufReceiver), Error> {
    let ring = Ring::create(name, size, socket, false)?;
    Ok((MbufSender(Arc::clone(&ring)), MbufReceiver(ring)))
}

/// As [`many_to_one`], with one sender, which costs less.
///
/// # Errors
/// As [`many_to_one`].
pub fn one_to_one(name: &str, size: u32, socket: i32) -> Result<(MbufSoleSender, MbufReceiver), Error> {
    let ring = Ring::create(name, size, socket, true)?;
    Ok((MbufSoleSender(Arc::clone(&ring)), MbufReceiver(ring)))
}

/// A sending end of a ring; clone it for each sender.
#[derive(Clone)]
pub struct MbufSender(Arc<Ring>);

/// The sending end of a ring that has one.
///
/// ```compile_fail,E0599
/// fn second(sender: &rte_rs::MbufSoleSender) -> rte_rs::MbufSoleSender {
///     sender.clone()
/// }
/// ```
/// The sender of the other kind can be cloned:
/// ```
/// fn second(sender: &rte_rs::MbufSender) -> rte_rs::MbufSender {
///     sender.clone()
/// }
/// ```
pub struct MbufSoleSender(Arc<Ring>);

/// The receiving end of a ring.
pub struct MbufReceiver(Arc<Ring>);

impl MbufSender {
    /// Moves packets from the front of the burst into the ring, as many as fit, and returns how many. The others stay
    /// in the burst, in order.
    #[inline]
    pub fn enqueue(&self, burst: &mut Burst) -> usize {
        self.0.enqueue(burst)
    }

    /// Moves one packet into the ring.
    ///
    /// # Errors
    /// The packet itself, if the ring is full.
    #[inline]
    pub fn enqueue_one(&self, mbuf: Mbuf) -> Result<(), Mbuf> {
        enqueue_one(&self.0, mbuf)
    }

    /// Packets in the ring. A snapshot.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the ring is empty. A snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl MbufSoleSender {
    /// As [`MbufSender::enqueue`].
    #[inline]
    pub fn enqueue(&mut self, burst: &mut Burst) -> usize {
        self.0.enqueue(burst)
    }

    /// As [`MbufSender::enqueue_one`].
    ///
    /// # Errors
    /// The packet itself, if the ring is full.
    #[inline]
    pub fn enqueue_one(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        enqueue_one(&self.0, mbuf)
    }

    /// Packets in the ring. A snapshot.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the ring is empty. A snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[inline]
fn enqueue_one(ring: &Ring, mbuf: Mbuf) -> Result<(), Mbuf> {
    let mut burst = Burst::new();
    burst.push(mbuf)?;
    ring.enqueue(&mut burst);
    burst.pop().map_or(Ok(()), Err)
}

impl MbufReceiver {
    /// Fills what is free of the burst with packets of the ring, oldest first, and returns how many came. Does not wait.
    #[inline]
    pub fn dequeue(&mut self, burst: &mut Burst) -> usize {
        self.0.dequeue(burst)
    }

    /// Packets in the ring. A snapshot.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the ring is empty. A snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for MbufSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MbufSender").field("len", &self.len()).finish()
    }
}

impl fmt::Debug for MbufSoleSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MbufSoleSender").field("len", &self.len()).finish()
    }
}

impl fmt::Debug for MbufReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MbufReceiver").field("len", &self.len()).finish()
    }
}
