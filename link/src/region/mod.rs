//! The region: one file that dataplane and control map, and the two ends of the link over it.
//!
//! The dataplane creates it ([`DataplaneLink`]), control attaches ([`ControlLink`]), tools look ([`Viewer`]). Sections
//! (each begins at a multiple of 64 KiB; only `control` is mapped writable by control):
//!
//! | section | holds | written by |
//! |---|---|---|
//! | header | magic, ABI version, counts, offsets, the dataplane's pid, start time and instance | dataplane, before the file has its name |
//! | ports | the port table | dataplane, before the file has its name |
//! | status | [`Status`]: generations, last refusals, beat | main lcore |
//! | control | request ring: tail and slots; reply ring: head; session and pid of the last control; capture rings: heads | control |
//! | dataplane | reply ring: tail and slots; request ring: head | main lcore |
//! | services, reals | the [`crate::directory`] | main lcore; `active` and `inactive`: any worker |
//! | worker, perf, port and real counters | [`crate::counters`] | each block: its worker |
//! | capture | [`crate::capture`]: a ring for each worker | each ring: its worker; the clock: main lcore |

mod control;
mod create;
mod dataplane;
mod error;
mod view;

pub use control::ControlLink;
pub use dataplane::{DataplaneLink, Received};
pub use error::{AttachError, CreateError, Garbage};
pub use view::{Identity, RealReport, ServiceReport, View, Viewer};

use crate::capture::CaptureCells;
use crate::counters::{PerfCounters, PortCounters, RealCounters, WorkerCounters};
use crate::directory::{DirectoryHead, RealSlot, ServiceSlot};
use crate::layout::{Header, RING_LENGTH, RING_SLOTS_OFFSET, Section, real_stride, writers};
use crate::memory::{Handle, Mapping, Shared};
use crate::ring::{Index, SLOTS, Slot};
use crate::status::Status;
use std::sync::Arc;

/// The four [`Index`]es before the slots of the `control` section; all written by control.
#[derive(Clone, Debug)]
struct ControlWords {
    request_tail: Handle<Index>,
    reply_head: Handle<Index>,
    /// Of the last control that attached.
    session: Handle<Index>,
    /// Of the last control that attached.
    pid: Handle<Index>,
    requests: Handle<[Slot]>,
    /// Of the capture rings, by worker.
    capture_heads: Handle<[Index]>,
}

/// Where the pid of the last control lies in the `control` section, bytes.
const CONTROL_PID_OFFSET: u64 = 3 * size_of::<Index>() as u64;

impl ControlWords {
    fn new(mapping: &Arc<Mapping>, offset: usize, workers: u16) -> Option<Self> {
        let words = Handle::<[Index]>::new(mapping, offset, 4)?;
        Some(Self {
            request_tail: words.element(0)?,
            reply_head: words.element(1)?,
            session: words.element(2)?,
            pid: words.element(3)?,
            requests: Handle::new(mapping, offset + RING_SLOTS_OFFSET, SLOTS as usize)?,
            capture_heads: Handle::new(mapping, offset + RING_LENGTH, usize::from(workers))?,
        })
    }
}

/// The [`Index`]es before the slots of the `dataplane` section (two of the four are in use).
#[derive(Clone, Debug)]
struct DataplaneWords {
    request_head: Handle<Index>,
    reply_tail: Handle<Index>,
    replies: Handle<[Slot]>,
}

impl DataplaneWords {
    fn new(mapping: &Arc<Mapping>, offset: usize) -> Option<Self> {
        let words = Handle::<[Index]>::new(mapping, offset, 4)?;
        Some(Self {
            request_head: words.element(0)?,
            reply_tail: words.element(1)?,
            replies: Handle::new(mapping, offset + RING_SLOTS_OFFSET, SLOTS as usize)?,
        })
    }
}

/// What the dataplane writes outside of the rings.
#[derive(Clone, Debug)]
struct Published {
    status: Handle<Status>,
    directory_head: Handle<DirectoryHead>,
    services: Handle<[ServiceSlot]>,
    reals: Handle<[RealSlot]>,
    workers: Handle<[WorkerCounters]>,
    perf: Handle<[PerfCounters]>,
    /// By worker, then by port.
    ports: Vec<Handle<[PortCounters]>>,
    /// By worker, then by real slot.
    real_counters: Vec<Handle<[RealCounters]>>,
    capture: CaptureCells,
}

impl Published {
    /// `None` if the mapping is shorter than the header says.
    fn new(mapping: &Arc<Mapping>, header: &Header) -> Option<Self> {
        let (sections, layout) = (&header.sections, header.layout());
        let workers = usize::from(layout.workers);
        let writers = writers(layout.workers);
        let (ports, reals) = (usize::from(layout.ports), layout.reals as usize);
        let directory = sections.services.offset();
        let services = directory + size_of::<DirectoryHead>();
        Some(Self {
            status: Handle::new(mapping, sections.status.offset(), 1)?.element(0)?,
            directory_head: Handle::new(mapping, directory, 1)?.element(0)?,
            services: Handle::new(mapping, services, layout.services as usize)?,
            reals: Handle::new(mapping, sections.reals.offset(), layout.reals as usize)?,
            workers: Handle::new(mapping, sections.worker_counters.offset(), writers)?,
            perf: Handle::new(mapping, sections.perf_counters.offset(), workers)?,
            ports: by_worker(mapping, sections.port_counters, writers, (ports, ports))?,
            real_counters: by_worker(mapping, sections.real_counters, workers, (reals, real_stride(reals)))?,
            capture: CaptureCells::new(mapping, sections.capture.offset(), workers)?,
        })
    }
}

fn by_worker<T: Shared>(
    mapping: &Arc<Mapping>,
    section: Section,
    workers: usize,
    (each, stride): (usize, usize),
) -> Option<Vec<Handle<[T]>>> {
    let all = Handle::<[T]>::new(mapping, section.offset(), workers * stride)?;
    (0..workers).map(|worker| all.part(worker * stride, each)).collect()
}

#[cfg(test)]
mod tests;
