//! Where packets leave the pipeline.

use link::DropReason;
use rte_rs::HEADROOM;
use rte_rs::Mbuf;

/// Bytes that a large mbuf holds: as many as an mbuf can.
pub const LARGE_ROOM: u16 = u16::MAX - HEADROOM as u16;

/// The ways out of a worker. What is given away here is counted by whoever takes it when it really leaves.
pub trait Output {
    /// Sends a frame on a port.
    fn transmit(&mut self, port: u16, mbuf: Mbuf);
    /// Hands a frame to the kernel interface of the port it came in on.
    fn to_kernel(&mut self, port: u16, mbuf: Mbuf);
    /// Passes a frame to the worker that owns its connection.
    fn hand_off(&mut self, worker: u16, mbuf: Mbuf);
    /// Packets wait for the MAC address of `address` (host byte order) on `port`.
    fn want_neighbor(&mut self, port: u16, address: u32);
    /// An empty mbuf for a fragment, if there is one.
    fn new_mbuf(&mut self) -> Option<Mbuf>;
    /// An empty mbuf for a packet that is put together from fragments, of [`LARGE_ROOM`] bytes, if there is one.
    fn new_large_mbuf(&mut self) -> Option<Mbuf>;
}

/// What became of one input frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent on, on this port.
    Forwarded {
        /// Index of the port.
        port: u16,
    },
    /// Turned into an answer to its sender on this port.
    Answered {
        /// Why it was not forwarded; `None`: it only asked (ARP).
        reason: Option<DropReason>,
        /// Index of the port.
        port: u16,
    },
    /// Handed to the kernel interface of the port it came in on.
    Kernel,
    /// A fragment, kept until the others of its packet come.
    Held,
    /// Passed to another worker.
    HandedOff {
        /// Which.
        worker: u16,
    },
    /// Dropped.
    Dropped(DropReason),
}

/// What a stage wants done with its packet. The packet is final in its mbuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Send on.
    Forward { port: u16 },
    /// Send on in fragments of at most `mtu` bytes.
    ForwardInFragments { port: u16, mtu: u16 },
    /// Send the answer that the mbuf now holds.
    Answer { port: u16, reason: Option<DropReason> },
    /// Not ours: the kernel's, or nobody's.
    Kernel,
    /// The same, for a packet that was put together: it goes there as it came, in fragments.
    KernelInFragments,
    /// A fragment whose contents are kept elsewhere.
    Held,
    /// Another worker's.
    HandOff { worker: u16 },
    /// Give up.
    Drop(DropReason),
}
