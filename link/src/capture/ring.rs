//! The rings of a capture: one writer, a worker that never waits; one reader, control.
//!
//! | field | lies in | writer | ordering |
//! |---|---|---|---|
//! | tail `Index`: lines written, modulo 2^32 | capture section | worker | release store, after a packet's last line; reader: relaxed load, then an acquire fence |
//! | head `Index`: lines read, modulo 2^32 | control section | control | release store; worker: relaxed load, then an acquire fence |
//! | lines | capture section | worker, while not between head and tail | relaxed |
//! | counts | capture section | worker | relaxed |

use super::line::{self, Head, LINE_BYTES, Line};
use super::{CaptureClock, CapturedFrame, CapturedPacket, Decision, FramePlace, LINES};
use crate::counters::Counter;
use crate::memory::{Handle, Mapping, Shared};
use crate::ring::{Index, Slot};
use crate::seqlock::SeqCell;
use std::sync::Arc;
use zerocopy::transmute;

/// What a worker counts of a capture, since the dataplane started.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct CaptureCounts {
    /// Packets that the filter looked at.
    pub seen: Counter,
    /// Those that it let pass.
    pub matched: Counter,
    /// Of those, the ones for which the ring had no room.
    pub missed: Counter,
    reserved: [Counter; 5],
}

/// [`CaptureCounts`], read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureTotals {
    /// Packets that the filter looked at.
    pub seen: u64,
    /// Those that it let pass.
    pub matched: u64,
    /// Of those, the ones for which the ring had no room.
    pub missed: u64,
}

/// What a worker writes beside the lines of its ring.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct CaptureCell {
    tail: Index,
    counts: CaptureCounts,
}

// SAFETY: repr(C), an Index and eight counters, atomics that fill its 128 bytes (assert below), aligned to a cache line.
unsafe impl Shared for CaptureCell {}
const _: () = assert!(size_of::<CaptureCell>() == 128);

/// Both clocks, at the begin of the section. Written by the main lcore.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct ClockCell(SeqCell<7>);

// SAFETY: repr(C), a SeqCell of atomics that fills its 64 bytes (assert below), aligned to a cache line.
unsafe impl Shared for ClockCell {}
const _: () = assert!(size_of::<ClockCell>() == 64);

/// The section of all workers' rings.
#[derive(Clone, Debug)]
pub(crate) struct CaptureCells {
    clock: Handle<ClockCell>,
    cells: Handle<[CaptureCell]>,
    lines: Handle<[Slot]>,
}

/// Bytes of the section.
pub(crate) const fn section_length(workers: usize) -> usize {
    size_of::<ClockCell>() + workers * (size_of::<CaptureCell>() + LINES as usize * size_of::<Slot>())
}

impl CaptureCells {
    /// `None` if they are not wholly inside the mapping.
    pub(crate) fn new(mapping: &Arc<Mapping>, offset: usize, workers: usize) -> Option<Self> {
        let cells = offset + size_of::<ClockCell>();
        let lines = cells + workers * size_of::<CaptureCell>();
        Some(Self {
            clock: Handle::new(mapping, offset, 1)?.element(0)?,
            cells: Handle::new(mapping, cells, workers)?,
            lines: Handle::new(mapping, lines, workers * LINES as usize)?,
        })
    }

    fn ring(&self, worker: u16, heads: &Handle<[Index]>) -> Option<Ring> {
        let worker = usize::from(worker);
        let lines = self.lines.part(worker * LINES as usize, LINES as usize)?;
        Some(Ring { cell: self.cells.element(worker)?, head: heads.element(worker)?, lines })
    }

    /// The end of a worker, once.
    pub(crate) fn writer(&self, worker: u16, heads: &Handle<[Index]>) -> Option<CaptureWriter> {
        self.ring(worker, heads).map(CaptureWriter::new)
    }

    /// Control's end of a worker's ring.
    pub(crate) fn reader(&self, worker: u16, heads: &Handle<[Index]>) -> Option<CaptureReader> {
        self.ring(worker, heads).map(CaptureReader::new)
    }

    pub(crate) fn set_clock(&self, CaptureClock { tsc, unix_ns, hertz }: CaptureClock) {
        self.clock.0.write([tsc, unix_ns, hertz, 0, 0, 0, 0]);
    }

    pub(crate) fn clock(&self) -> Option<CaptureClock> {
        let [tsc, unix_ns, hertz, ..] = self.clock.0.read()?;
        Some(CaptureClock { tsc, unix_ns, hertz })
    }
}

#[derive(Debug)]
struct Ring {
    cell: Handle<CaptureCell>,
    head: Handle<Index>,
    lines: Handle<[Slot]>,
}

impl Ring {
    fn line(&self, index: u32) -> Option<&Slot> {
        self.lines.get((index % LINES) as usize)
    }
}

/// The end of a worker. Nothing that control does to its index makes it wait or write elsewhere.
#[derive(Debug)]
pub struct CaptureWriter {
    ring: Ring,
    tail: u32,
    /// Where the next line goes: behind those of the packet that is being written.
    next: u32,
    /// The reader's head when it was last looked at.
    head: u32,
    ticket: u32,
    snaplen: u32,
    number: u64,
}

impl CaptureWriter {
    fn new(ring: Ring) -> Self {
        let (tail, head) = (ring.cell.tail.load(), ring.head.load());
        Self { ring, tail, next: tail, head, ticket: 0, snaplen: 0, number: 0 }
    }

    /// A capture begins: its ticket, and how much of a frame is stored.
    pub fn begin(&mut self, ticket: u32, snaplen: u32) {
        (self.ticket, self.snaplen, self.number) = (ticket, snaplen.min(super::MAX_SNAPLEN), 0);
        self.next = self.tail;
    }

    /// What this worker counts.
    pub fn counts(&self) -> &CaptureCounts {
        &self.ring.cell.counts
    }

    /// Adds a frame to the packet. False, and nothing done: there is no room for it and the decision.
    pub fn frame(&mut self, place: FramePlace, port: u16, bytes: &[u8]) -> bool {
        let stored = bytes.len().min(self.snaplen as usize);
        let lines = stored.div_ceil(LINE_BYTES) as u32;
        if !self.has_room(lines + 2) {
            return false;
        }
        self.put(line::frame(self.ticket, place, port, stored as u32, bytes.len() as u32));
        for chunk in bytes.get(..stored).unwrap_or_default().chunks(LINE_BYTES) {
            let mut copy = [0; LINE_BYTES];
            if let Some(room) = copy.get_mut(..chunk.len()) {
                room.copy_from_slice(chunk);
            }
            self.put(transmute!(copy));
        }
        true
    }

    /// Ends the packet and shows it. False, and nothing shown: there was no room.
    pub fn finish(&mut self, tsc: u64, decision: &Decision) -> bool {
        if !self.has_room(1) {
            self.abandon();
            return false;
        }
        self.number += 1;
        self.put(line::decision(self.ticket, self.number, tsc, decision));
        self.tail = self.next;
        self.ring.cell.tail.store(self.tail);
        true
    }

    /// Forgets the frames of the packet.
    pub fn abandon(&mut self) {
        self.next = self.tail;
    }

    /// Packets shown in this capture.
    pub fn shown(&self) -> u64 {
        self.number
    }

    fn has_room(&mut self, lines: u32) -> bool {
        // A head that can't be counts as a full ring.
        let fits = |head| self.next.wrapping_sub(head).checked_add(lines).is_some_and(|used| used <= LINES);
        fits(self.head) || {
            let head = self.ring.head.load();
            let has_room = fits(head);
            self.head = head;
            has_room
        }
    }

    #[cfg(test)]
    pub(super) fn put_line(&mut self, line: Line) {
        self.put(line);
    }

    #[cfg(test)]
    pub(super) fn show(&mut self) {
        self.tail = self.next;
        self.ring.cell.tail.store(self.tail);
    }

    #[cfg(test)]
    pub(super) fn ring_head(&self) -> &Index {
        &self.ring.head
    }

    fn put(&mut self, line: Line) {
        if let Some(place) = self.ring.line(self.next) {
            place.put(line);
        }
        self.next = self.next.wrapping_add(1);
    }
}

/// Control's end. Constant work for a line, whatever the other side wrote.
#[derive(Debug)]
pub struct CaptureReader {
    ring: Ring,
    head: u32,
    garbage: u64,
}

impl CaptureReader {
    /// Reads what is written from now on.
    fn new(ring: Ring) -> Self {
        let head = ring.cell.tail.load();
        ring.head.store(head);
        Self { ring, head, garbage: 0 }
    }

    /// The next packet of the capture with this ticket; those of others are skipped.
    pub fn next(&mut self, ticket: u32) -> Option<CapturedPacket> {
        let tail = self.ring.cell.tail.load();
        while self.head != tail {
            match self.packet(tail) {
                Some((found, packet)) => {
                    self.ring.head.store(self.head);
                    if found == ticket {
                        return Some(packet);
                    }
                }
                None => {
                    self.garbage += 1;
                    self.head = tail;
                    self.ring.head.store(tail);
                }
            }
        }
        None
    }

    /// What the worker counted.
    pub fn totals(&self) -> CaptureTotals {
        let counts = &self.ring.cell.counts;
        CaptureTotals { seen: counts.seen.value(), matched: counts.matched.value(), missed: counts.missed.value() }
    }

    /// How often what stood in the ring was no packet, and all that waited was thrown away.
    pub fn garbage(&self) -> u64 {
        self.garbage
    }

    /// One packet from the head on, with its ticket; `None`: it is none.
    fn packet(&mut self, tail: u32) -> Option<(u32, CapturedPacket)> {
        let mut frames = Vec::new();
        loop {
            match line::read(&self.line(tail)?)? {
                Head::Decision { ticket, number, tsc, decision } => {
                    return Some((ticket, CapturedPacket { number, tsc, frames, decision }));
                }
                Head::Frame { place, port, stored, length, .. } => {
                    let mut bytes = Vec::with_capacity(stored as usize);
                    while bytes.len() < stored as usize {
                        let words: [u8; LINE_BYTES] = transmute!(self.line(tail)?);
                        bytes.extend_from_slice(&words);
                    }
                    bytes.truncate(stored as usize);
                    frames.push(CapturedFrame { place, port, length, bytes });
                }
            }
        }
    }

    /// The line at the head, which moves on. `None`: there is none, or more than can be.
    fn line(&mut self, tail: u32) -> Option<Line> {
        if !(1..=LINES).contains(&tail.wrapping_sub(self.head)) {
            return None;
        }
        let line = self.ring.line(self.head)?.get();
        self.head = self.head.wrapping_add(1);
        Some(line)
    }
}
