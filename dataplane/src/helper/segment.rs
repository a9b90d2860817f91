//! The segments of a control connection: text read, numbers translated, parts replaced.

use super::sequence::{Changes, Within};
use super::states::Lines;
use super::stream::{Read, Reader, Stream};
use super::{Action, Side};
use wire::ipv4::Ipv4;
use wire::tcp::{Flags, Tcp};

/// Both streams of a control connection.
#[derive(Clone, Debug)]
pub struct Conversation {
    client: Stream,
    real: Stream,
}

impl Default for Conversation {
    fn default() -> Self {
        Self { client: Stream::new(Side::Client), real: Stream::new(Side::Real) }
    }
}

/// Where things are in a TCP packet, and what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    header_len: usize,
    payload_at: usize,
    payload_len: usize,
    sequence: u32,
    acknowledgment: Option<u32>,
}

/// What a real's segment becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of its payload that pass.
    passes: usize,
    /// The IPv4 packet's length then.
    pub length: usize,
    working: usize,
    /// Its sequence number for the client.
    sequence: u32,
    changed: bool,
}

impl Plan {
    /// The bytes that the packet needs while it is changed.
    pub fn working_length(&self) -> usize {
        self.length.max(self.working)
    }
}

impl Segment {
    /// Takes a whole IPv4 packet with a TCP header after `header_len` bytes apart; `None` if its checksum is wrong. The
    /// reference, too, drops such a segment of a control connection.
    pub fn parse(packet: &[u8], header_len: u8) -> Option<Self> {
        let header_len = usize::from(header_len);
        let ip = Ipv4::parse(packet).ok()?;
        let (source, destination) = (ip.source(), ip.destination());
        let segment = Tcp::parse(packet.get(header_len..)?).ok()?;
        segment.checksum_is_valid(source, destination).then(|| Self {
            header_len,
            payload_at: header_len + segment.header_len(),
            payload_len: segment.payload().len(),
            sequence: segment.sequence(),
            acknowledgment: segment.flags().ack().then(|| segment.acknowledgment()),
        })
    }

    /// Whether it carries text.
    pub fn has_payload(&self) -> bool {
        self.payload_len > 0
    }

    fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.payload_at..self.payload_at + self.payload_len).unwrap_or(&[])
    }
}

impl Conversation {
    /// A client's segment, in place. Its text is read if there are `lines`; what it acknowledges is translated.
    pub fn client_segment(&mut self, packet: &mut [u8], segment: &Segment, lines: Option<&mut Lines<'_>>) -> Read {
        let mut read = Read { passes: segment.payload_len, ..Read::default() };
        if let Some(lines) = lines.filter(|_| segment.has_payload()) {
            let mut reader = OneSide { side: Side::Client, lines };
            read = self.client.read(segment.sequence, segment.payload(packet), &mut reader);
        }
        let changes = &mut self.real.changes;
        if let Some(number) = segment.acknowledgment.filter(|_| !changes.is_none()) {
            let translated = changes.acknowledge(number);
            acknowledge(packet, segment, translated, changes);
        }
        read
    }

    /// A real's segment: its text is read if there are `lines`. It may become longer, up to `room` bytes of packet; what
    /// does not fit is cut off.
    pub fn plan(
        &mut self,
        packet: &[u8],
        segment: &Segment,
        lines: Option<&mut Lines<'_>>,
        room: usize,
    ) -> (Plan, Read) {
        let mut read = Read { passes: segment.payload_len, ..Read::default() };
        if let Some(lines) = lines.filter(|_| segment.has_payload()) {
            let mut reader = OneSide { side: Side::Real, lines };
            read = self.real.read(segment.sequence, segment.payload(packet), &mut reader);
        }
        let changes = &self.real.changes;
        let room = room.saturating_sub(segment.payload_at);
        let mut passes = read.passes;
        while working_length(changes, segment.sequence, passes) > room && passes > 0 {
            passes -= (working_length(changes, segment.sequence, passes) - room).min(passes);
        }
        let plan = Plan {
            passes,
            length: segment.payload_at + length_after(changes, segment.sequence, passes),
            working: segment.payload_at + working_length(changes, segment.sequence, passes),
            sequence: changes.to_receiver(segment.sequence),
            changed: passes != segment.payload_len || !changes.is_none(),
        };
        (plan, read)
    }

    /// Does what was planned, in a packet of [`Plan::working_length`] bytes.
    pub fn carry_out(&self, packet: &mut [u8], segment: &Segment, plan: &Plan) {
        if !plan.changed {
            return;
        }
        let mut end = segment.payload_at + plan.passes;
        for (range, text) in self.real.changes.edits(segment.sequence, plan.passes) {
            let (from, to) = (segment.payload_at + range.end, segment.payload_at + range.start + text.len());
            let moved = end.saturating_sub(from);
            if from + moved > packet.len() || to + moved > packet.len() {
                return;
            }
            packet.copy_within(from..from + moved, to);
            if let Some(room) = packet.get_mut(to - text.len()..to) {
                room.copy_from_slice(text);
            }
            end = to + moved;
        }
        self.finish(packet, segment, plan);
    }

    fn finish(&self, packet: &mut [u8], segment: &Segment, plan: &Plan) {
        let Some(packet) = packet.get_mut(..plan.length) else { return };
        set_total_length(packet, plan.length as u16);
        change_header(packet, segment, |header| {
            header.set_sequence(plan.sequence);
            if plan.passes < segment.payload_len {
                // The end of the text has not come yet, so neither has the stream's.
                let flags = header.flags();
                header.set_flags(Flags(flags.0 & !Flags::FIN.0));
            }
        });
    }
}

fn length_after(changes: &Changes, sequence: u32, length: usize) -> usize {
    changes.edits(sequence, length).fold(length, |sum, (range, text)| sum + text.len() - range.len().min(sum))
}

/// The most that the payload takes while one text after the other is replaced.
fn working_length(changes: &Changes, sequence: u32, length: usize) -> usize {
    changes.edits(sequence, length).fold(length, |sum, (range, text)| sum + text.len().saturating_sub(range.len()))
}

/// Puts the sender's number into a client's acknowledgment, and into its selective ones (RFC 2018). A block that ends
/// within a replaced text ends before it: the real then repeats more than it had to.
fn acknowledge(packet: &mut [u8], segment: &Segment, number: u32, changes: &Changes) {
    change_header(packet, segment, |header| {
        header.set_acknowledgment(number);
        header.map_selective_acknowledgments(|[left, right]| {
            [changes.to_sender(left, Within::End), changes.to_sender(right, Within::Begin)]
        });
    });
}

/// Changes a TCP header and computes its checksum anew; it was right before.
fn change_header(packet: &mut [u8], segment: &Segment, change: impl FnOnce(&mut Tcp<&mut [u8]>)) {
    let Ok(ip) = Ipv4::parse(&*packet) else { return };
    let (source, destination) = (ip.source(), ip.destination());
    let Some(transport) = packet.get_mut(segment.header_len..) else { return };
    if let Ok(mut header) = Tcp::parse(transport) {
        change(&mut header);
        header.fill_checksum(source, destination);
    }
}

fn set_total_length(packet: &mut [u8], length: u16) {
    if let Some(field) = packet.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    if let Ok(mut header) = Ipv4::parse(packet) {
        header.fill_checksum();
    }
}

/// A helper that reads the lines of one side.
struct OneSide<'a, 'b> {
    side: Side,
    lines: &'a mut Lines<'b>,
}

impl Reader for OneSide<'_, '_> {
    fn line(&mut self, line: &[u8]) -> Action {
        self.lines.line(self.side, line)
    }

    fn may_replace(&self, beginning: &[u8]) -> Option<usize> {
        self.lines.may_replace(self.side, beginning)
    }

    fn concerns(&self, beginning: &[u8]) -> bool {
        self.lines.concerns(self.side, beginning)
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
