//! A single-producer single-consumer ring of records in shared memory, by value, without pointers.
//!
//! | field | lies in | writer | ordering |
//! |---|---|---|---|
//! | tail `Index`: records written, modulo 2^32 | the producer's section | producer | release store; consumer: relaxed load, then an acquire fence |
//! | head `Index`: records read, modulo 2^32 | the consumer's section | consumer | release store; producer: relaxed load, then an acquire fence |
//! | `Slot` words | the producer's section | producer, while the slot is not between head and tail | relaxed |
//!
//! (Relaxed load and fence instead of an acquire load: each side may have mapped the other's section read-only, where
//! Rust allows no more.)
//!
//! Each side keeps its own index in its own memory and only publishes it; what it reads of the other's is a claim. A
//! record is copied out of its slot before anything is validated, so a producer that goes on writing can spoil the
//! copy, but not what was checked. A tail that is more than [`SLOTS`] ahead of the head is impossible: the consumer
//! says so once and takes the tail for the new head. A producer takes an impossible head for a full ring.

use crate::memory::{Handle, Shared};
use crate::record::Record;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use zerocopy::transmute;

/// Slots of each ring, a power of two.
pub const SLOTS: u32 = 8192;

const _: () = assert!(SLOTS.is_power_of_two());

/// A record's place.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    words: [AtomicU64; 8],
}

// SAFETY: repr(C), eight atomics of eight bytes fill its 64 bytes, aligned to a cache line.
unsafe impl Shared for Slot {}
const _: () = assert!(size_of::<Slot>() == size_of::<Record>());

impl Slot {
    fn store(&self, record: &Record) {
        self.put(transmute!(*record));
    }

    fn load(&self) -> Record {
        transmute!(self.get())
    }

    /// Writes its words.
    pub(crate) fn put(&self, values: [u64; 8]) {
        for (word, value) in self.words.iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Its words, which a writer may be changing.
    pub(crate) fn get(&self) -> [u64; 8] {
        std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed))
    }
}

/// A number that one side writes, on its own cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Index {
    value: AtomicU32,
    reserved: [AtomicU32; 15],
}

// SAFETY: repr(C), sixteen atomics of four bytes fill its 64 bytes, aligned to a cache line.
unsafe impl Shared for Index {}
const _: () = assert!(size_of::<Index>() == 64);

impl Index {
    /// What the writer last published, and everything it wrote before that.
    pub(crate) fn load(&self) -> u32 {
        let value = self.value.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// Publishes what was written before. Only its one writer calls it.
    pub(crate) fn store(&self, value: u32) {
        self.value.store(value, Ordering::Release);
    }
}

/// The three parts of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    pub(crate) tail: Handle<Index>,
    pub(crate) head: Handle<Index>,
    pub(crate) slots: Handle<[Slot]>,
}

impl Ring {
    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get((index % SLOTS) as usize)
    }
}

/// The ring was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full ({SLOTS} records wait to be read)")]
pub struct RingFull;

/// The other side published an index that cannot be; the ring goes on with what is written from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ring tail {tail} is {ahead} records ahead of head {head}, allowed: 0 to {SLOTS}", ahead = tail.wrapping_sub(*head))]
pub struct ImpossibleIndex {
    /// As the producer published it.
    pub tail: u32,
    /// Of the consumer.
    pub head: u32,
}

/// The end that writes.
#[derive(Debug)]
pub(crate) struct Producer {
    ring: Ring,
    tail: u32,
    /// The consumer's head when it was last looked at.
    head: u32,
}

impl Producer {
    /// Goes on where the ring's last producer stopped; one that left an impossible tail is taken to have stopped at the
    /// head.
    pub(crate) fn new(ring: Ring) -> Self {
        let (tail, head) = (ring.tail.load(), ring.head.load());
        let tail = if tail.wrapping_sub(head) > SLOTS { head } else { tail };
        ring.tail.store(tail);
        Self { ring, tail, head }
    }

    /// Writes one record.
    pub(crate) fn push(&mut self, record: &Record) -> Result<(), RingFull> {
        if self.tail.wrapping_sub(self.head) >= SLOTS {
            self.head = self.ring.head.load();
        }
        if self.tail.wrapping_sub(self.head) >= SLOTS {
            return Err(RingFull);
        }
        self.ring.slot(self.tail).ok_or(RingFull)?.store(record);
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.store(self.tail);
        Ok(())
    }
}

/// The end that reads.
#[derive(Debug)]
pub(crate) struct Consumer {
    ring: Ring,
    head: u32,
    /// The producer's tail when it was last looked at.
    tail: u32,
}

impl Consumer {
    /// Reads what is written from now on.
    pub(crate) fn new(ring: Ring) -> Self {
        let tail = ring.tail.load();
        ring.head.store(tail);
        Self { ring, head: tail, tail }
    }

    /// Takes the oldest record, if there is one. Constant time, whatever the other side wrote.
    pub(crate) fn pop(&mut self) -> Option<Result<Record, ImpossibleIndex>> {
        if self.tail == self.head {
            self.tail = self.ring.tail.load();
        }
        let waiting = self.tail.wrapping_sub(self.head);
        if waiting == 0 {
            return None;
        }
        if waiting > SLOTS {
            let garbage = ImpossibleIndex { tail: self.tail, head: self.head };
            self.head = self.tail;
            self.ring.head.store(self.head);
            return Some(Err(garbage));
        }
        let record = self.ring.slot(self.head)?.load();
        self.head = self.head.wrapping_add(1);
        self.ring.head.store(self.head);
        Some(Ok(record))
    }
}

#[cfg(test)]
mod tests;
