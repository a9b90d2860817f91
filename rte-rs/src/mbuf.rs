//! One packet.

use dpdk_sys::{SLUICE_MBUF_BUFFER_FLAGS, SLUICE_MBUF_RX_RSS_HASH, sluice_mbuf};
use std::fmt;
use std::ptr::NonNull;

/// Bytes before the data of a fresh or received mbuf.
pub const HEADROOM: usize = dpdk_sys::RTE_PKTMBUF_HEADROOM as usize;

/// A packet, owned: dropping it gives it back to its pool; sending it, or passing it on through a ring, moves it away.
///
/// The data are those of the first segment; only of a packet with [`Mbuf::is_contiguous`] are they all.
///
/// A packet can't be used after it was given away:
/// ```compile_fail,E0382
/// fn give_away(mbuf: rte_rs::Mbuf, burst: &mut rte_rs::Burst) -> usize {
///     burst.push(mbuf).ok();
///     mbuf.len() // moved into the burst
/// }
/// ```
/// nor freed twice:
/// ```compile_fail,E0382
/// fn free_twice(mbuf: rte_rs::Mbuf) {
///     drop(mbuf);
///     drop(mbuf); // moved into the first drop
/// }
/// ```
/// nor freed while somebody looks at its bytes:
/// ```compile_fail,E0505
/// fn look_after(mbuf: rte_rs::Mbuf, burst: &mut rte_rs::Burst) -> u8 {
///     let bytes = mbuf.data();
///     burst.push(mbuf).ok(); // borrowed by `bytes`
///     bytes[0]
/// }
/// ```
/// The ordinary use is fine:
/// ```
/// fn look_and_give_away(mbuf: rte_rs::Mbuf, burst: &mut rte_rs::Burst) -> usize {
///     let length = mbuf.data().len();
///     burst.push(mbuf).ok();
///     length
/// }
/// ```
#[repr(transparent)]
pub struct Mbuf(NonNull<sluice_mbuf>);

// SAFETY: an Mbuf is the only owner of its mbuf, and DPDK lets any thread use and free one.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// # Safety
    /// `mbuf` points to an initialised mbuf that nobody else owns or frees, now or later.
    #[inline]
    pub(crate) unsafe fn from_raw(mbuf: NonNull<sluice_mbuf>) -> Self {
        Self(mbuf)
    }

    #[inline]
    fn head(&self) -> &sluice_mbuf {
        // SAFETY: the mbuf is initialised and only ours (from_raw), its head has this layout (asserted in shim.c), and
        // the reference borrows self, so nothing writes or frees it meanwhile.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut sluice_mbuf {
        // SAFETY: as in `head`; self is borrowed for writing, so this is the only reference.
        unsafe { self.0.as_mut() }
    }

    /// Address of the first byte of data. In the buffer, or one past its end.
    #[inline]
    fn start(&self) -> *mut u8 {
        let head = self.head();
        // SAFETY: data_off <= buf_len, the size of the buffer at buf_addr: DPDK sees to it for fresh and received mbufs,
        // and the methods of this type keep it.
        unsafe { head.buf_addr.cast::<u8>().add(usize::from(head.data_off)) }
    }

    /// The bytes of the first segment.
    #[inline]
    pub fn data(&self) -> &[u8] {
        // SAFETY: data_off + data_len <= buf_len holds as in `start`, so these bytes are in the buffer; they are
        // initialised, since pools are zeroed memory; the slice borrows self, so nothing writes or frees them meanwhile.
        unsafe { std::slice::from_raw_parts(self.start(), self.len()) }
    }

    /// The bytes of the first segment, to change in place.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`; self is borrowed for writing, so this is the only way to the bytes.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.len()) }
    }

    /// Bytes of data in the first segment.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.head().data_len)
    }

    /// Whether the first segment holds no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head().data_len == 0
    }

    /// Bytes of data in all segments.
    #[inline]
    pub fn packet_len(&self) -> usize {
        self.head().pkt_len as usize
    }

    /// Whether the packet is in one segment.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.head().nb_segs == 1
    }

    /// Free bytes before the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        usize::from(self.head().data_off)
    }

    /// Free bytes behind the data of the first segment.
    #[inline]
    pub fn tailroom(&self) -> usize {
        let head = self.head();
        usize::from(head.buf_len).saturating_sub(usize::from(head.data_off) + usize::from(head.data_len))
    }

    /// Puts `count` bytes before the data and returns them, with whatever they held; `None`, and nothing done, without
    /// the headroom.
    #[inline]
    pub fn prepend(&mut self, count: usize) -> Option<&mut [u8]> {
        if count > self.headroom() {
            return None;
        }
        let head = self.head_mut();
        // `count` fits a u16 since data_off does; data_len stays below buf_len - data_off, so no sum overflows.
        head.data_off -= count as u16;
        head.data_len += count as u16;
        head.pkt_len += count as u32;
        self.data_mut().get_mut(..count)
    }

    /// Takes `count` bytes off the front; `false`, and nothing done, if the first segment has fewer.
    #[inline]
    pub fn trim_front(&mut self, count: usize) -> bool {
        if count > self.len() {
            return false;
        }
        let head = self.head_mut();
        head.data_off += count as u16;
        head.data_len -= count as u16;
        head.pkt_len -= count as u32;
        true
    }

    /// Puts `count` bytes behind the data and returns them, with whatever they held; `None`, and nothing done, without
    /// the tailroom or if the packet is not contiguous.
    #[inline]
    pub fn append(&mut self, count: usize) -> Option<&mut [u8]> {
        if count > self.tailroom() || !self.is_contiguous() {
            return None;
        }
        let old = self.len();
        let head = self.head_mut();
        head.data_len += count as u16;
        head.pkt_len += count as u32;
        self.data_mut().get_mut(old..)
    }

    /// Cuts the packet to `length` bytes; a shorter one stays. `false`, and nothing done, if it is not contiguous.
    #[inline]
    pub fn truncate(&mut self, length: usize) -> bool {
        if !self.is_contiguous() {
            return false;
        }
        let head = self.head_mut();
        if length < usize::from(head.data_len) {
            head.data_len = length as u16;
            head.pkt_len = length as u32;
        }
        true
    }

    /// The id of the port that received it; 65535 for a packet made here.
    #[inline]
    pub fn port(&self) -> u16 {
        self.head().port
    }

    /// Replaces the port number, for a caller who numbers ports in another way than DPDK.
    #[inline]
    pub fn set_port(&mut self, port: u16) {
        self.head_mut().port = port;
    }

    /// The hash that the network card computed for receive side scaling, if it told.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        let head = self.head();
        (head.ol_flags & SLUICE_MBUF_RX_RSS_HASH != 0).then_some(head.rss)
    }

    /// Forgets what the receiving port said about the packet (checksums, VLAN, hash), so that the sending port does not
    /// take it for orders.
    #[inline]
    pub fn clear_offload_flags(&mut self) {
        self.head_mut().ol_flags &= SLUICE_MBUF_BUFFER_FLAGS;
    }

    /// Asks for the data's first cache line; it comes while other work goes on.
    #[inline]
    pub fn prefetch(&self) {
        crate::prefetch(self.start().cast_const());
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the mbuf is only ours (from_raw), and self is gone after this.
        unsafe { dpdk_sys::sluice_mbuf_free(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf").field("port", &self.port()).field("len", &self.packet_len()).finish_non_exhaustive()
    }
}
