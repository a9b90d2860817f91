//! What the dataplane says about itself in the region. Written by its main lcore, read by anyone at any time.

use crate::counters::Counter;
use crate::memory::Shared;
use crate::message::{Refusal, Table};
use crate::seqlock::SeqCell;
use crate::wire_number::WireNumber;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The status section. Every field has one writer, the main lcore; generations are stored with release ordering, so
/// that who sees one also sees what was published before it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Status {
    services_generation: AtomicU64,
    next_hops_generation: AtomicU64,
    /// Unix time of the last beat, nanoseconds; 0 = none yet.
    beat_unix_ns: AtomicU64,
    beats: Counter,
    pub(crate) requests: Counter,
    pub(crate) replies: Counter,
    pub(crate) garbage: Counter,
    reserved: AtomicU64,
    services_refusal: SeqCell<7>,
    next_hops_refusal: SeqCell<7>,
}

// SAFETY: repr(C) of atomics of eight bytes and two SeqCells that fill its 192 bytes (assert below), aligned to a cache
// line.
unsafe impl Shared for Status {}
const _: () = assert!(size_of::<Status>() == 192);

/// A refused transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalReport {
    /// The version that was refused; 0 if none was announced.
    pub generation: u64,
    /// Why.
    pub reason: Refusal,
    /// As in [`crate::message::Reply::Refused`].
    pub row: u32,
    /// When.
    pub time: SystemTime,
}

/// [`Status`], read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// Applied version of the service table; 0 = none yet.
    pub services_generation: u64,
    /// Applied version of the next-hop table; 0 = none yet.
    pub next_hops_generation: u64,
    /// The last round of housekeeping; `None` before the first.
    pub last_beat: Option<SystemTime>,
    /// Rounds of housekeeping.
    pub beats: u64,
    /// Valid requests received.
    pub requests: u64,
    /// Replies sent.
    pub replies: u64,
    /// Records and ring indices refused because they were not valid.
    pub garbage: u64,
    /// The services transaction that was refused since the last that was applied.
    pub services_refusal: Option<RefusalReport>,
    /// The next-hops transaction that was refused since the last that was applied.
    pub next_hops_refusal: Option<RefusalReport>,
}

impl Status {
    /// The version of the service table that is in force on every worker.
    pub fn set_services_generation(&self, generation: u64) {
        self.services_generation.store(generation, Ordering::Release);
    }

    /// The version of the next-hop table that is in force on every worker.
    pub fn set_next_hops_generation(&self, generation: u64) {
        self.next_hops_generation.store(generation, Ordering::Release);
    }

    /// Records that a transaction was refused, for `sluice status`.
    pub fn set_refusal(&self, table: Table, generation: u64, reason: Refusal, row: u32) {
        let head = u64::from(reason.wire_number()) | u64::from(row) << 32;
        self.refusal_cell(table).write([head, generation, unix_ns(SystemTime::now()), 0, 0, 0, 0]);
    }

    /// Forgets the refusal: a later transaction was applied.
    pub fn clear_refusal(&self, table: Table) {
        self.refusal_cell(table).write([0; 7]);
    }

    /// A round of housekeeping is done.
    pub fn beat(&self) {
        self.beat_unix_ns.store(unix_ns(SystemTime::now()), Ordering::Relaxed);
        self.beats.add(1);
    }

    /// Everything, each field read by itself.
    pub fn report(&self) -> StatusReport {
        let beat = self.beat_unix_ns.load(Ordering::Relaxed);
        StatusReport {
            services_generation: load_acquire(&self.services_generation),
            next_hops_generation: load_acquire(&self.next_hops_generation),
            last_beat: (beat != 0).then(|| UNIX_EPOCH + Duration::from_nanos(beat)),
            beats: self.beats.value(),
            requests: self.requests.value(),
            replies: self.replies.value(),
            garbage: self.garbage.value(),
            services_refusal: self.refusal(Table::Services),
            next_hops_refusal: self.refusal(Table::NextHops),
        }
    }

    fn refusal(&self, table: Table) -> Option<RefusalReport> {
        let [head, generation, time, ..] = self.refusal_cell(table).read()?;
        let [reason, _, _, _, row @ ..] = head.to_le_bytes();
        Some(RefusalReport {
            generation,
            reason: Refusal::from_wire_number(reason)?,
            row: u32::from_le_bytes(row),
            time: UNIX_EPOCH + Duration::from_nanos(time),
        })
    }

    fn refusal_cell(&self, table: Table) -> &SeqCell<7> {
        match table {
            Table::Services => &self.services_refusal,
            Table::NextHops => &self.next_hops_refusal,
        }
    }
}

/// An acquire load that is also allowed where the memory is mapped read-only.
fn load_acquire(word: &AtomicU64) -> u64 {
    let value = word.load(Ordering::Relaxed);
    std::sync::atomic::fence(Ordering::Acquire);
    value
}

/// Nanoseconds since 1970; 0 for a clock before that.
pub(crate) fn unix_ns(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
