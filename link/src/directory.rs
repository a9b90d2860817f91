//! The directory: which service and which real has which slot, and what its counters belong to.
//!
//! The dataplane's main lcore writes it, any reader reads it at any time. A real keeps its slot for as long as it has
//! connections, also after it left its service ([`RealState::Removed`]). The per-worker [`RealCounters`] of a slot are
//! never reset: the entry says where they stood when the real got the slot (`baseline`), and what a real counted
//! until it lost the slot is added to its service (`retired`). So
//!
//! > total of a real = sum over workers of its slot's counters - baseline
//! > total of a service = sum over its live and removed reals + retired
//!
//! [`Directory::change`] brackets changes that must be seen together, as the hand-over from a real to `retired`.

use crate::counters::{RealCounters, RealTotals};
use crate::memory::{Handle, Shared};
use crate::model::{ForwardMethod, Protocol, SchedulerKind, ServiceEndpoint, ServiceKey};
use crate::seqlock::SeqCell;
use crate::wire_number::WireNumber;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A service in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Protocol, VIP and port.
    pub key: ServiceKey,
    /// Its scheduler.
    pub scheduler: SchedulerKind,
    /// What its former reals counted until they lost their slots.
    pub retired: RealTotals,
}

/// Whether a real still belongs to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealState {
    /// In the table.
    Live,
    /// No longer in the table; the slot stays while connections last.
    Removed,
}

/// A real in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealEntry {
    /// Live or removed.
    pub state: RealState,
    /// The slot of its service.
    pub service: u32,
    /// Address and port.
    pub address: SocketAddrV4,
    /// How packets reach it.
    pub method: ForwardMethod,
    /// Its weight, at most [`crate::model::RealServer::MAX_WEIGHT`]; larger values are kept as that.
    pub weight: u32,
    /// Where the slot's counters, summed over all workers, stood when the real got the slot.
    pub baseline: RealTotals,
}

const FREE: u64 = 0;
const LIVE: u64 = 1;
const REMOVED: u64 = 2;
/// In the place of a protocol.
const GROUP: u8 = 0;

/// A service's slot. Word 0: state, protocol (0: a group), scheduler (8 bits each), 8 bits of zero, port (16 bits) from
/// the lowest bit up; word 1: the VIP, or the group's number; words 2 to 6: `retired`.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ServiceSlot {
    cell: SeqCell<7>,
}

// SAFETY: repr(C), one SeqCell of atomics that fills its 64 bytes (assert below), aligned to a cache line.
unsafe impl Shared for ServiceSlot {}
const _: () = assert!(size_of::<ServiceSlot>() == 64 && size_of::<SeqCell<7>>() == 64);

impl ServiceSlot {
    /// Puts a service into the slot. Main lcore only.
    pub fn publish(&self, entry: &ServiceEntry) {
        let (protocol, number, port) = match entry.key {
            ServiceKey::Endpoint(ServiceEndpoint { protocol, address }) => {
                (protocol.number(), address.ip().to_bits(), address.port())
            }
            ServiceKey::Group(number) => (GROUP, number, 0),
        };
        let head =
            LIVE | u64::from(protocol) << 8 | u64::from(entry.scheduler.wire_number()) << 16 | u64::from(port) << 32;
        let [a, b, c, d, e] = entry.retired.to_words();
        self.cell.write([head, u64::from(number), a, b, c, d, e]);
    }

    /// Frees the slot. Main lcore only.
    pub fn release(&self) {
        self.cell.write([FREE; 7]);
    }

    /// The service in the slot; `None` if it is free, invalid, or its writer died in the middle of a change.
    pub fn read(&self) -> Option<ServiceEntry> {
        let [head, address, a, b, c, d, e] = self.cell.read()?;
        let [state, protocol, scheduler, _, port_low, port_high, ..] = head.to_le_bytes();
        if u64::from(state) != LIVE {
            return None;
        }
        let port = u16::from_le_bytes([port_low, port_high]);
        let number = u32::try_from(address).ok()?;
        let key = match protocol {
            GROUP => ServiceKey::Group(number),
            _ => {
                let address = SocketAddrV4::new(Ipv4Addr::from_bits(number), port);
                ServiceKey::new(Protocol::from_number(protocol)?, address)
            }
        };
        Some(ServiceEntry {
            key,
            scheduler: SchedulerKind::from_wire_number(scheduler)?,
            retired: RealTotals::from_words([a, b, c, d, e]),
        })
    }
}

/// A real's slot. Word 0: state, method (8 bits each), 16 bits of zero, service slot (32 bits) from the lowest bit up;
/// word 1: weight (16 bits), port (16 bits), address (32 bits); words 2 to 6: `baseline`.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct RealSlot {
    cell: SeqCell<7>,
    /// Active connections now. Any worker adds and subtracts (`fetch_add`, `fetch_sub`, relaxed).
    pub active: AtomicU32,
    /// Inactive connections now, written as `active`.
    pub inactive: AtomicU32,
    /// Templates of persistence now. Any worker adds, whoever removes one subtracts.
    pub persistent: AtomicU32,
    /// 1: at its upper threshold, no new connections. Any worker sets and clears it.
    pub overloaded: AtomicU32,
    /// Connections at which it is overloaded; 0 = never. Main lcore only.
    pub upper_threshold: AtomicU32,
    /// Connections below which it is no longer overloaded. Main lcore only.
    pub lower_threshold: AtomicU32,
    reserved: [AtomicU64; 5],
}

// SAFETY: repr(C) of atomics; cell (64) + six counts (24) + reserved (40) fill its 128 bytes, so there is no
// padding (assert below); aligned to a cache line.
unsafe impl Shared for RealSlot {}
const _: () = assert!(size_of::<RealSlot>() == 128);

impl RealSlot {
    /// Puts a real into the slot, or changes it there. Leaves `active` and `inactive` alone. Main lcore only.
    pub fn publish(&self, entry: &RealEntry) {
        let state = match entry.state {
            RealState::Live => LIVE,
            RealState::Removed => REMOVED,
        };
        let head = state | u64::from(entry.method.wire_number()) << 8 | u64::from(entry.service) << 32;
        let weight = u16::try_from(entry.weight).unwrap_or(u16::MAX);
        let end =
            u64::from(weight) | u64::from(entry.address.port()) << 16 | u64::from(entry.address.ip().to_bits()) << 32;
        let [a, b, c, d, e] = entry.baseline.to_words();
        self.cell.write([head, end, a, b, c, d, e]);
    }

    /// Frees the slot. Main lcore only, once no connection refers to the slot; see [`Directory::retire`].
    pub fn release(&self) {
        self.cell.write([FREE; 7]);
    }

    /// The real in the slot; `None` if it is free, invalid, or its writer died in the middle of a change.
    pub fn read(&self) -> Option<RealEntry> {
        let [head, end, a, b, c, d, e] = self.cell.read()?;
        let [state, method, _, _, service @ ..] = head.to_le_bytes();
        let [weight_low, weight_high, port_low, port_high, address @ ..] = end.to_le_bytes();
        let state = match u64::from(state) {
            LIVE => RealState::Live,
            REMOVED => RealState::Removed,
            _ => return None,
        };
        Some(RealEntry {
            state,
            service: u32::from_le_bytes(service),
            address: SocketAddrV4::new(
                Ipv4Addr::from_bits(u32::from_le_bytes(address)),
                u16::from_le_bytes([port_low, port_high]),
            ),
            method: ForwardMethod::from_wire_number(method)?,
            weight: u32::from(u16::from_le_bytes([weight_low, weight_high])),
            baseline: RealTotals::from_words([a, b, c, d, e]),
        })
    }

    /// Active and inactive connections now. A worker that died half-way may have left one too many.
    pub fn connections(&self) -> (u32, u32) {
        (self.active.load(Ordering::Relaxed), self.inactive.load(Ordering::Relaxed))
    }
}

/// The version of the directory as a whole: odd while changes that belong together are being made.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct DirectoryHead {
    version: AtomicU64,
    reserved: [AtomicU64; 7],
}

// SAFETY: repr(C), eight atomics of eight bytes fill its 64 bytes, aligned to a cache line.
unsafe impl Shared for DirectoryHead {}
const _: () = assert!(size_of::<DirectoryHead>() == 64);

impl DirectoryHead {
    /// Runs `read` until no change happened meanwhile, at most `tries` times; then the last result stands, though it may
    /// show half of a change.
    pub(crate) fn consistently<R>(&self, tries: usize, mut read: impl FnMut() -> R) -> R {
        let mut left = tries;
        loop {
            let before = self.version.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            let result = read();
            fence(Ordering::Acquire);
            let undisturbed = before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before;
            if undisturbed || left <= 1 {
                return result;
            }
            left -= 1;
            std::thread::yield_now();
        }
    }
}

/// The directory as its writer, the dataplane's main lcore, has it. Clones refer to the same slots; workers use theirs
/// for [`RealSlot::active`] and [`RealSlot::inactive`].
#[derive(Clone, Debug)]
pub struct Directory {
    pub(crate) head: Handle<DirectoryHead>,
    /// The service slots.
    pub services: Handle<[ServiceSlot]>,
    /// The real slots.
    pub reals: Handle<[RealSlot]>,
    /// By worker, then by real slot.
    pub(crate) counters: Vec<Handle<[RealCounters]>>,
}

impl Directory {
    /// Begins changes that readers shall see all or none of; they end when the guard is dropped. Keep it short:
    /// meanwhile readers read again. Main lcore only, not nested.
    pub fn change(&self) -> Change<'_> {
        let odd = self.head.version.load(Ordering::Relaxed) | 1;
        self.head.version.store(odd, Ordering::Relaxed);
        fence(Ordering::Release);
        Change { head: &self.head, even: odd.wrapping_add(1) }
    }

    /// The counters of a real slot summed over all workers, with what earlier owners of the slot counted: the
    /// `baseline` of a real that gets the slot now. Zero for a slot that does not exist.
    pub fn slot_totals(&self, real: u32) -> RealTotals {
        slot_totals(&self.counters, real)
    }

    /// Ends a real whose last connection is gone: adds what it counted to its service and frees the slot, as one
    /// change. Nothing happens for a free slot. Main lcore only, outside of a [`Directory::change`].
    pub fn retire(&self, real: u32) {
        let Some(slot) = self.reals.get(real as usize) else { return };
        let Some(entry) = slot.read() else { return };
        let _change = self.change();
        let service = self.services.get(entry.service as usize);
        if let Some((service, mut owner)) = service.and_then(|slot| Some((slot, slot.read()?))) {
            owner.retired.add(&self.slot_totals(real).since(&entry.baseline));
            service.publish(&owner);
        }
        slot.release();
    }
}

/// The counters of one real slot, summed over the workers.
pub(crate) fn slot_totals(counters: &[Handle<[RealCounters]>], real: u32) -> RealTotals {
    let mut sum = RealTotals::default();
    for slot in counters.iter().filter_map(|worker| worker.get(real as usize)) {
        sum.add(&slot.totals());
    }
    sum
}

/// A bracket around changes, see [`Directory::change`].
#[derive(Debug)]
#[must_use = "the change ends when this is dropped"]
pub struct Change<'a> {
    head: &'a DirectoryHead,
    even: u64,
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.head.version.store(self.even, Ordering::Release);
    }
}
