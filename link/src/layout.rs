//! Where everything lies in the region. The header says how many of each thing there are; the rest follows from that,
//! so both sides compute the offsets and a reader refuses a header that says otherwise.

use crate::capture;
use crate::counters::{PerfCounters, PortCounters, RealCounters, WorkerCounters};
use crate::directory::{DirectoryHead, RealSlot, ServiceSlot};
use crate::drop_reason::DropReason;
use crate::port::PortRow;
use crate::ring::{Index, SLOTS, Slot};
use crate::status::Status;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// "SLUICELK" in the first eight bytes of the file.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"SLUICELK");

/// The version of everything that this crate lays out in shared memory. It changes with any change of it.
pub const ABI_VERSION: u32 = 1;

/// Sections begin at multiples of this: a multiple of the page size of every machine (4, 16 or 64 KiB).
const SECTION_ALIGN: usize = 65_536;

/// How many there are of what makes the region large or small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Workers, 1 to [`Layout::MAX_WORKERS`].
    pub workers: u16,
    /// DPDK ports, 1 to [`Layout::MAX_PORTS`].
    pub ports: u16,
    /// Service slots, 1 to [`Layout::MAX_SERVICES`].
    pub services: u32,
    /// Real slots, 1 to [`Layout::MAX_REALS`].
    pub reals: u32,
}

impl Layout {
    /// The most workers.
    pub const MAX_WORKERS: u16 = 1024;
    /// The most ports.
    pub const MAX_PORTS: u16 = 256;
    /// The most service slots.
    pub const MAX_SERVICES: u32 = 1 << 20;
    /// The most real slots.
    pub const MAX_REALS: u32 = 1 << 22;

    /// Name, value and largest value of each count; the smallest is 1.
    pub(crate) fn counts(&self) -> [(&'static str, u32, u32); 4] {
        [
            ("workers", u32::from(self.workers), u32::from(Self::MAX_WORKERS)),
            ("ports", u32::from(self.ports), u32::from(Self::MAX_PORTS)),
            ("services", self.services, Self::MAX_SERVICES),
            ("reals", self.reals, Self::MAX_REALS),
        ]
    }

    /// The counts that are out of range: name, value, largest.
    pub(crate) fn out_of_range(&self) -> Option<(&'static str, u32, u32)> {
        self.counts().into_iter().find(|(_, value, most)| *value == 0 || value > most)
    }
}

/// A part of the region: offset and length in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Section {
    pub(crate) fn offset(self) -> usize {
        usize::try_from(self.offset).unwrap_or(usize::MAX)
    }

    pub(crate) fn length(self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }
}

/// The sections, in the order in which they lie in the file. `control` is the only one that control writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Sections {
    pub(crate) header: Section,
    pub(crate) ports: Section,
    pub(crate) status: Section,
    /// [`crate::region::ControlWords`], then the request slots, then the heads of the capture rings.
    pub(crate) control: Section,
    /// [`crate::region::DataplaneWords`], then the reply slots.
    pub(crate) dataplane: Section,
    /// [`DirectoryHead`], then the service slots.
    pub(crate) services: Section,
    pub(crate) reals: Section,
    /// By worker.
    pub(crate) worker_counters: Section,
    /// By worker.
    pub(crate) perf_counters: Section,
    /// By worker, then by port.
    pub(crate) port_counters: Section,
    /// By worker, then by real slot.
    pub(crate) real_counters: Section,
    /// See [`crate::capture`].
    pub(crate) capture: Section,
}

/// Who writes worker and port counters: the workers and, last, the main lcore, which serves the kernel interfaces.
pub(crate) fn writers(workers: u16) -> usize {
    usize::from(workers) + 1
}

/// Real counters from one worker's to the next's: even, as processors fetch cache lines in pairs and no two workers
/// write to one pair.
pub(crate) const fn real_stride(reals: usize) -> usize {
    reals.next_multiple_of(2)
}

/// Bytes before the slots in the two sections with a ring.
pub(crate) const RING_SLOTS_OFFSET: usize = 4 * size_of::<Index>();

/// Bytes of the two sections with a ring; in the one of control, the heads of the capture rings follow.
pub(crate) const RING_LENGTH: usize = RING_SLOTS_OFFSET + SLOTS as usize * size_of::<Slot>();

impl Sections {
    /// The sections of a region of this layout, and the size of the file.
    pub(crate) fn of(layout: &Layout) -> (Self, u64) {
        let (workers, ports) = (usize::from(layout.workers), usize::from(layout.ports));
        let writers = writers(layout.workers);
        let (services, reals) = (layout.services as usize, layout.reals as usize);
        let mut end = 0u64;
        let mut next = |length: usize| {
            let section = Section { offset: end, length: length as u64 };
            end += (length as u64).next_multiple_of(SECTION_ALIGN as u64);
            section
        };
        let sections = Self {
            header: next(size_of::<Header>()),
            ports: next(ports * size_of::<PortRow>()),
            status: next(size_of::<Status>()),
            control: next(RING_LENGTH + workers * size_of::<Index>()),
            dataplane: next(RING_LENGTH),
            services: next(size_of::<DirectoryHead>() + services * size_of::<ServiceSlot>()),
            reals: next(reals * size_of::<RealSlot>()),
            worker_counters: next(writers * size_of::<WorkerCounters>()),
            perf_counters: next(workers * size_of::<PerfCounters>()),
            port_counters: next(writers * ports * size_of::<PortCounters>()),
            real_counters: next(workers * real_stride(reals) * size_of::<RealCounters>()),
            capture: next(capture::section_length(workers)),
        };
        (sections, end)
    }
}

/// The first bytes of the file; they never change once it has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: u64,
    pub(crate) abi: u32,
    /// The dataplane's process id.
    pub(crate) pid: u32,
    pub(crate) total: u64,
    pub(crate) started_unix_ns: u64,
    pub(crate) instance: u64,
    pub(crate) workers: u16,
    pub(crate) ports: u16,
    pub(crate) services: u32,
    pub(crate) reals: u32,
    pub(crate) ring_slots: u32,
    pub(crate) drop_reasons: u32,
    pub(crate) reserved: u32,
    pub(crate) sections: Sections,
}

const _: () = assert!(size_of::<Header>() == 64 + 192);

impl Header {
    /// The header of a new region.
    pub(crate) fn new(layout: &Layout, pid: u32, started_unix_ns: u64, instance: u64) -> Self {
        let (sections, total) = Sections::of(layout);
        Self {
            magic: MAGIC,
            abi: ABI_VERSION,
            pid,
            total,
            started_unix_ns,
            instance,
            workers: layout.workers,
            ports: layout.ports,
            services: layout.services,
            reals: layout.reals,
            ring_slots: SLOTS,
            drop_reasons: DropReason::COUNT as u32,
            reserved: 0,
            sections,
        }
    }

    /// The counts it names.
    pub(crate) fn layout(&self) -> Layout {
        Layout { workers: self.workers, ports: self.ports, services: self.services, reals: self.reals }
    }
}
