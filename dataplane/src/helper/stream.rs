//! One direction of a control connection: put together to lines, each looked at once, in order.
//!
//! Bytes up to the frontier have been looked at; what comes again below it is only changed as it was the first time.
//! Of the real's text, whose parts may be replaced, two things are cut off a segment, as if they had been lost on the
//! way; the sender repeats them:
//!
//! - bytes behind a gap: they can't be read yet, and what the gap holds may shift them;
//! - the end of an unfinished line, from where a text begins that may be replaced. Its rest shows what it becomes.
//!
//! Both come to an end: after [`PATIENCE`] such segments in a row the text passes as it is.

use super::sequence::{Changes, Text, reaches};
use super::{Action, Side};
use std::ops::Range;

/// The longest line that is read, bytes. Of a longer one nothing is.
pub const MAX_LINE: usize = 256;
/// Segments in a row that may be cut because of a gap, or again because of one unfinished line.
pub const PATIENCE: u8 = 8;
/// A sequence number farther ahead than any window is no gap: the numbers begin anew there.
const MAX_GAP: u32 = 1 << 20;

/// Reads the lines of a stream.
pub trait Reader {
    /// A whole line.
    fn line(&mut self, line: &[u8]) -> Action;
    /// See [`super::Helper::may_replace`].
    fn may_replace(&self, beginning: &[u8]) -> Option<usize>;
    /// See [`super::Helper::concerns`].
    fn concerns(&self, beginning: &[u8]) -> bool;
}

/// What reading a segment has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// How many bytes of the payload may pass; the others are cut off.
    pub passes: usize,
    /// Lines of which a part was replaced for the first time.
    pub replaced: u8,
    /// Lines that were refused.
    pub refused: u8,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What was replaced.
    pub changes: Changes,
    side: Side,
    /// Whether `frontier` is known.
    begun: bool,
    frontier: u32,
    line: [u8; MAX_LINE],
    length: u16,
    /// The rest of the line is not read.
    skipping: bool,
    /// Segments cut in a row.
    cut: u8,
}

impl Stream {
    /// A stream whose first byte has not come.
    pub fn new(side: Side) -> Self {
        Self {
            changes: Changes::default(),
            side,
            begun: false,
            frontier: 0,
            line: [0; MAX_LINE],
            length: 0,
            skipping: false,
            cut: 0,
        }
    }

    /// Reads a segment of some payload.
    pub fn read(&mut self, sequence: u32, payload: &[u8], reader: &mut impl Reader) -> Read {
        if !self.begun {
            self.begin(sequence);
        }
        let ahead = sequence.wrapping_sub(self.frontier) as i32;
        if ahead > 0 {
            let is_gap = ahead.unsigned_abs() < MAX_GAP && self.side == Side::Real;
            if is_gap && self.cut < PATIENCE {
                self.cut += 1;
                return Read::default();
            }
            self.begin(sequence);
        }
        let known = (self.frontier.wrapping_sub(sequence) as usize).min(payload.len());
        let new = payload.get(known..).unwrap_or(&[]);
        let mut read = Read { passes: payload.len(), ..Read::default() };
        self.read_new(new, reader, &mut read);
        if !new.is_empty() {
            self.cut = 0;
        }
        self.hold(sequence, new.is_empty(), reader, &mut read);
        self.changes.age(self.frontier);
        read
    }

    /// Lines begin at `sequence`.
    fn begin(&mut self, sequence: u32) {
        self.begun = true;
        self.frontier = sequence;
        self.length = 0;
        self.skipping = false;
        self.cut = 0;
    }

    fn read_new(&mut self, mut new: &[u8], reader: &mut impl Reader, read: &mut Read) {
        while !new.is_empty() {
            let end = new.iter().position(|byte| *byte == b'\n').map(|newline| newline + 1);
            let (part, rest) = new.split_at_checked(end.unwrap_or(new.len())).unwrap_or((new, &[]));
            self.append(part, reader, read);
            self.frontier = self.frontier.wrapping_add(part.len() as u32);
            if end.is_some() {
                self.end_line(reader, read);
            }
            new = rest;
        }
    }

    fn append(&mut self, part: &[u8], reader: &impl Reader, read: &mut Read) {
        if self.skipping {
            return;
        }
        let begin = usize::from(self.length);
        let Some(room) = self.line.get_mut(begin..begin + part.len()) else {
            self.skipping = true;
            let has_room = MAX_LINE - begin;
            if let (Some(room), Some(part)) = (self.line.get_mut(begin..), part.get(..has_room)) {
                room.copy_from_slice(part);
            }
            read.refused = read.refused.saturating_add(u8::from(reader.concerns(&self.line)));
            return;
        };
        room.copy_from_slice(part);
        self.length += part.len() as u16;
    }

    /// The line is whole; the frontier is behind it.
    fn end_line(&mut self, reader: &mut impl Reader, read: &mut Read) {
        let length = std::mem::take(&mut self.length);
        if std::mem::take(&mut self.skipping) {
            return;
        }
        let line = self.line.get(..usize::from(length)).unwrap_or(&[]);
        match reader.line(line) {
            Action::Pass => {}
            Action::Refuse => read.refused = read.refused.saturating_add(1),
            Action::Replace(range, text) => {
                let begin = self.frontier.wrapping_sub(u32::from(length));
                if self.side == Side::Real && self.replace(begin, &range, text) {
                    read.replaced = read.replaced.saturating_add(1);
                } else {
                    read.refused = read.refused.saturating_add(1);
                }
            }
        }
    }

    fn replace(&mut self, line: u32, range: &Range<usize>, text: Text) -> bool {
        self.changes.replace(line.wrapping_add(range.start as u32), range.len() as u32, text)
    }

    /// Cuts off the end of an unfinished line that may yet be replaced.
    fn hold(&mut self, sequence: u32, again: bool, reader: &impl Reader, read: &mut Read) {
        if self.side == Side::Client || self.length == 0 || self.skipping {
            return;
        }
        let line = self.line.get(..usize::from(self.length)).unwrap_or(&[]);
        let Some(from) = reader.may_replace(line) else { return };
        let begin = self.frontier.wrapping_sub(u32::from(self.length)).wrapping_add(from as u32);
        let end = sequence.wrapping_add(read.passes as u32);
        if reaches(begin, end) {
            return;
        }
        self.cut += u8::from(again);
        if self.cut >= PATIENCE {
            // Its sender waits for an acknowledgment before it sends the rest.
            self.skipping = true;
            read.refused = read.refused.saturating_add(1);
            return;
        }
        read.passes = if reaches(begin, sequence) { begin.wrapping_sub(sequence) as usize } else { 0 };
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
