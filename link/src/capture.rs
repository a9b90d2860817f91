//! Packets that the workers show: what control asks for ([`CaptureOptions`], [`Program`]), and the rings by which what
//! was asked for comes back, one a worker ([`CaptureWriter`], [`CaptureReader`]).
//!
//! # What lies in a ring
//!
//! Lines of 64 bytes, [`LINES`] a worker. Each packet is a group of lines that is published at once: for each of its
//! frames a head line and the stored bytes in as many lines as they take, then one line with the decision. All words
//! are in the machine's byte order; bytes without a meaning are zero.
//!
//! | line | word 0 | 1 | 2 | 3 | 4 to 7 |
//! |---|---|---|---|---|---|
//! | frame | kind (1 in, 2 out, 3 to the kernel), port << 16, ticket << 32 | stored bytes, bytes of the frame << 32 | 0 | 0 | 0 |
//! | decision | kind 9, verdict << 8, reason << 16, flags << 24, ticket << 32 | packet's number | time stamp counter | see `capture/line.rs` | |
//!
//! A writer never waits: where a packet may not fit, it is counted as missed. A reader copies lines before it checks them.

mod line;
mod program;
mod ring;

pub use program::{Instruction, MAX_INSTRUCTIONS, Program, ProgramError};
pub(crate) use ring::{CaptureCells, section_length};
pub use ring::{CaptureCounts, CaptureReader, CaptureTotals, CaptureWriter};

use crate::drop_reason::DropReason;
use crate::message::ConnectionState;
use crate::model::{ForwardMethod, Protocol};
use std::net::SocketAddrV4;
use std::time::Duration;

/// Lines of each worker's ring, a power of two: 1 MiB.
pub const LINES: u32 = 16_384;
/// The most bytes of a frame that are stored.
pub const MAX_SNAPLEN: u32 = 65_535;
/// The longest time that one capture lasts.
pub const MAX_CAPTURE: Duration = Duration::from_secs(3600);

/// What control wants to see. The filter comes before it, see [`crate::message::Request::CaptureFilter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Names this capture in what comes back; not 0.
    pub ticket: u32,
    /// Instructions of the filter, 1 to [`MAX_INSTRUCTIONS`].
    pub instructions: u16,
    /// Bytes of each frame that are stored, 1 to [`MAX_SNAPLEN`].
    pub snaplen: u32,
    /// Frames as they came in.
    pub incoming: bool,
    /// Frames as they leave.
    pub outgoing: bool,
    /// Only packets with a drop reason: dropped, or answered in place of being forwarded.
    pub drops_only: bool,
    /// Also packets that this worker only hands to their owner, who shows them too.
    pub hand_offs: bool,
    /// Only this worker.
    pub worker: Option<u16>,
    /// Each worker stops after so many packets; 0 = never.
    pub packets: u64,
    /// All stop after so many milliseconds, 1 to [`MAX_CAPTURE`].
    pub milliseconds: u32,
}

/// Why the dataplane does not capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaptureRefusal {
    /// The filter has other instructions than announced.
    FilterIncomplete,
    /// The filter is not a valid program.
    FilterInvalid,
    /// There is no such worker.
    UnknownWorker,
}

impl CaptureRefusal {
    /// Every refusal, in the order of its wire number.
    pub const ALL: [Self; 3] = [Self::FilterIncomplete, Self::FilterInvalid, Self::UnknownWorker];

    /// One clause.
    pub const fn help(self) -> &'static str {
        match self {
            Self::FilterIncomplete => "the filter came with other instructions than announced",
            Self::FilterInvalid => "the filter is not a valid program",
            Self::UnknownWorker => "there is no worker of that number",
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketVerdict {
    /// Given to the transmit queue of this port.
    Forwarded {
        /// Index of the port.
        port: u16,
    },
    /// Answered in its place, on this port.
    Answered {
        /// Why; `None`: it only asked (ARP).
        reason: Option<DropReason>,
        /// Index of the port.
        port: u16,
    },
    /// Given to the kernel interface of the port it came in on.
    Kernel,
    /// A fragment, kept until the others of its packet come.
    Held,
    /// Handed to the worker that owns its connection.
    HandedOff {
        /// Which.
        worker: u16,
    },
    /// Dropped.
    Dropped(DropReason),
}

impl PacketVerdict {
    /// The drop reason, by which it is counted.
    pub const fn reason(self) -> Option<DropReason> {
        match self {
            Self::Answered { reason, .. } => reason,
            Self::Dropped(reason) => Some(reason),
            Self::Forwarded { .. } | Self::Kernel | Self::Held | Self::HandedOff { .. } => None,
        }
    }
}

/// Who named the real of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The service's scheduler.
    Scheduler,
    /// The client's template (persistence).
    Template,
    /// The control connection that announced it.
    Announced,
}

impl Choice {
    pub(crate) const ALL: [Self; 3] = [Self::Scheduler, Self::Template, Self::Announced];
}

/// A packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketConnection {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach the real.
    pub method: ForwardMethod,
    /// The client's end.
    pub client: SocketAddrV4,
    /// The service's end.
    pub service: SocketAddrV4,
    /// The real's end.
    pub real: SocketAddrV4,
}

/// What was decided about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its end.
    pub verdict: PacketVerdict,
    /// From real to client.
    pub outbound: bool,
    /// Slot of the service that it is for.
    pub service: Option<u32>,
    /// Its connection, as it was or as it became.
    pub connection: Option<PacketConnection>,
    /// State before it, and milliseconds until that times out; `None`: no connection.
    pub before: Option<(ConnectionState, u32)>,
    /// The same after it.
    pub after: Option<(ConnectionState, u32)>,
    /// Of a connection that it has made.
    pub choice: Option<Choice>,
}

impl Decision {
    /// Of a packet of which nothing else is known.
    pub const fn of(verdict: PacketVerdict) -> Self {
        Self { verdict, outbound: false, service: None, connection: None, before: None, after: None, choice: None }
    }
}

/// Where a frame was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FramePlace {
    /// As it came in on a port.
    In,
    /// As it leaves on a port.
    Out,
    /// As the kernel interface of a port gets it.
    Kernel,
}

impl FramePlace {
    pub(crate) const ALL: [Self; 3] = [Self::In, Self::Out, Self::Kernel];
}

/// A frame, or its begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Where.
    pub place: FramePlace,
    /// Index of the port.
    pub port: u16,
    /// Bytes of the whole frame.
    pub length: u32,
    /// The first of them.
    pub bytes: Vec<u8>,
}

/// A packet as one worker saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// Counts the packets of this worker in this capture from 1.
    pub number: u64,
    /// The time stamp counter when it came; [`CaptureClock`] has the time.
    pub tsc: u64,
    /// Its frames, those that were asked for.
    pub frames: Vec<CapturedFrame>,
    /// What was decided.
    pub decision: Decision,
}

/// A reading of both clocks, by which time stamp counters become times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureClock {
    /// Time stamp counter.
    pub tsc: u64,
    /// Unix time of the same moment, nanoseconds.
    pub unix_ns: u64,
    /// Counts a second.
    pub hertz: u64,
}

impl CaptureClock {
    /// Unix time, nanoseconds.
    pub fn at(&self, tsc: u64) -> u64 {
        let counts = i128::from(tsc.wrapping_sub(self.tsc) as i64);
        let nanoseconds = counts * 1_000_000_000 / i128::from(self.hertz.max(1));
        u64::try_from(i128::from(self.unix_ns) + nanoseconds).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
