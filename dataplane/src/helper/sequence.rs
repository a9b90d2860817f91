//! What replaced text does to sequence numbers: the sender counts the bytes that it sent, the receiver those that it got.
//!
//! A stream remembers the last [`CHANGES`] replacements, with their texts. So a repeated segment gets the same change as
//! the first time, however it is cut: the byte at which the old text begins carries all of the new one, the others of
//! the old text carry nothing. Sequence numbers wrap (RFC 9293 section 3.4); comparisons hold for distances below 2 GB.

use std::ops::Range;

/// Replacements whose receipt may be outstanding at one time.
pub const CHANGES: usize = 4;
/// The longest new text, bytes: six numbers of three digits with commas.
pub const MAX_TEXT: usize = 23;
/// A replacement so many bytes back is over, acknowledged or not.
const FAR: u32 = 1 << 30;

/// A short text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; MAX_TEXT],
    length: u8,
}

impl Text {
    /// `None` if it is too long.
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_TEXT];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, length: text.len() as u8 })
    }

    /// Appends; bytes that find no room are left out.
    pub fn push(&mut self, text: &[u8]) {
        for byte in text {
            if let Some(room) = self.bytes.get_mut(usize::from(self.length)) {
                *room = *byte;
                self.length += 1;
            }
        }
    }

    /// Appends a decimal number.
    pub fn push_number(&mut self, number: u16) {
        let mut divisor = 10_000;
        while divisor > 1 && number < divisor {
            divisor /= 10;
        }
        while divisor > 0 {
            self.push(&[b'0' + (number / divisor % 10) as u8]);
            divisor /= 10;
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

/// One replacement. `start` and `length` are of the old text, in the sender's numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Replaced {
    start: u32,
    length: u32,
    text: Text,
    /// What is added to the sender's numbers behind it.
    shift: u32,
}

impl Replaced {
    fn end(&self) -> u32 {
        self.start.wrapping_add(self.length)
    }
}

/// Where a number goes that lies within a replaced text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// To the text's beginning: as if nothing of it had come.
    Begin,
    /// Behind it.
    End,
}

/// Whether `a` is `b` or comes after it.
#[inline]
pub fn reaches(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 >= 0
}

/// The replacements of one direction, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    changes: [Replaced; CHANGES],
    count: u8,
    /// The shift before the oldest.
    base: u32,
    /// The receiver has acknowledged all before it (in the sender's numbers); counts only once something was replaced.
    acknowledged: u32,
}

impl Changes {
    fn list(&self) -> &[Replaced] {
        self.changes.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// The replacements, newest first, each with the shift before it.
    fn newest_first(&self) -> impl Iterator<Item = (&Replaced, u32)> {
        let list = self.list();
        let before = |index: usize| index.checked_sub(1).and_then(|older| list.get(older));
        let with_shift = move |(index, change)| (change, before(index).map_or(self.base, |older| older.shift));
        list.iter().enumerate().rev().map(with_shift)
    }

    /// Whether numbers are the same on both sides and nothing is to be replaced.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.count == 0 && self.base == 0
    }

    /// Replaces the `length` bytes from `start` on by `text`, `start` being behind all that was replaced before. False,
    /// and nothing done, if too many replacements are not acknowledged yet.
    pub fn replace(&mut self, start: u32, length: u32, text: Text) -> bool {
        if usize::from(self.count) == CHANGES && !self.forget_oldest(start) {
            return false;
        }
        let shift = self.list().last().map_or(self.base, |change| change.shift);
        let shift = shift.wrapping_add(text.bytes().len() as u32).wrapping_sub(length);
        if self.count == 0 {
            self.acknowledged = start;
        }
        let Some(place) = self.changes.get_mut(usize::from(self.count)) else { return false };
        *place = Replaced { start, length, text, shift };
        self.count += 1;
        true
    }

    fn forget_oldest(&mut self, now: u32) -> bool {
        let Some(oldest) = self.list().first().copied() else { return true };
        if !reaches(self.acknowledged, oldest.end()) && now.wrapping_sub(oldest.end()) < FAR {
            return false;
        }
        self.base = oldest.shift;
        self.changes.rotate_left(1);
        self.count -= 1;
        true
    }

    /// The stream is at `frontier`: what lies so far back that its numbers would soon be taken for new ones is forgotten.
    pub fn age(&mut self, frontier: u32) {
        while self.list().first().is_some_and(|oldest| frontier.wrapping_sub(oldest.end()) as i32 > FAR as i32) {
            if !self.forget_oldest(frontier) {
                break;
            }
        }
    }

    /// The receiver's number for a sender's. Within an old text: behind the new one, which the text's first byte carries.
    pub fn to_receiver(&self, number: u32) -> u32 {
        for (change, _) in self.newest_first() {
            if reaches(number, change.end()) {
                return number.wrapping_add(change.shift);
            }
            if number != change.start && reaches(number, change.start) {
                return change.end().wrapping_add(change.shift);
            }
        }
        number.wrapping_add(self.base)
    }

    /// The sender's number for a receiver's.
    pub fn to_sender(&self, number: u32, within: Within) -> u32 {
        for (change, before) in self.newest_first() {
            if reaches(number, change.end().wrapping_add(change.shift)) {
                return number.wrapping_sub(change.shift);
            }
            let start = change.start.wrapping_add(before);
            if number != start && reaches(number, start) {
                return if within == Within::Begin { change.start } else { change.end() };
            }
        }
        number.wrapping_sub(self.base)
    }

    /// The receiver has acknowledged all before `number`, in its own numbers. Returns the sender's.
    pub fn acknowledge(&mut self, number: u32) -> u32 {
        let number = self.to_sender(number, Within::Begin);
        if reaches(number, self.acknowledged) {
            self.acknowledged = number;
        }
        number
    }

    /// What is to be replaced in a segment of `length` bytes from `sequence` on: ranges of its payload and their new
    /// texts, the last one first, so that each can be done in place without moving the next.
    pub fn edits(&self, sequence: u32, length: usize) -> impl Iterator<Item = (Range<usize>, &[u8])> {
        self.list().iter().rev().filter_map(move |change| {
            let start = change.start.wrapping_sub(sequence) as i32 as i64;
            let end = (start + i64::from(change.length)).min(length as i64);
            if end <= 0 || start >= length as i64 {
                return None;
            }
            let text = if start >= 0 { change.text.bytes() } else { &[] };
            Some((start.max(0) as usize..end as usize, text))
        })
    }
}

#[cfg(test)]
#[path = "sequence_tests.rs"]
mod tests;
