//! The lines of a ring: their words, and what they mean.
//!
//! A decision: word 0 as in [`super`], where `verdict` is 1 forwarded, 2 answered, 3 kernel, 4 held, 5 handed off,
//! 6 dropped, and `reason` the drop reason's index and one, or 0; words 1 and 2 as there; word 3: port or worker of the
//! verdict, state before << 16, state after << 24, method << 32, choice << 40, protocol << 48; word 4: milliseconds
//! left before, and after << 32; word 5: the service's slot and one, the client's port << 32, the service's << 48;
//! word 6: addresses of client and service (<< 32); word 7: address and port (<< 32) of the real.

use super::{Choice, Decision, FramePlace, PacketConnection, PacketVerdict};
use crate::drop_reason::DropReason;
use crate::message::ConnectionState;
use crate::model::Protocol;
use crate::wire_number::WireNumber;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The words of a line.
pub(super) type Line = [u64; 8];

/// Bytes of a line.
pub(super) const LINE_BYTES: usize = size_of::<Line>();

const DECISION: u64 = 9;
/// Flags of a decision.
const OUTBOUND: u64 = 1;
const HAS_CONNECTION: u64 = 2;

impl WireNumber for FramePlace {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 (in), 2 (out), 3 (kernel)";
}

impl WireNumber for Choice {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 (scheduler), 2 (template), 3 (announced)";
}

/// A head line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Frame { ticket: u32, place: FramePlace, port: u16, stored: u32, length: u32 },
    Decision { ticket: u32, number: u64, tsc: u64, decision: Decision },
}

/// Byte `index` of a word.
const fn byte(word: u64, index: u32) -> u8 {
    (word >> (8 * index)) as u8
}

const fn upper(word: u64) -> u32 {
    (word >> 32) as u32
}

pub(super) fn frame(ticket: u32, place: FramePlace, port: u16, stored: u32, length: u32) -> Line {
    let head = u64::from(place.wire_number()) | u64::from(port) << 16 | u64::from(ticket) << 32;
    [head, u64::from(stored) | u64::from(length) << 32, 0, 0, 0, 0, 0, 0]
}

pub(super) fn decision(ticket: u32, number: u64, tsc: u64, decision: &Decision) -> Line {
    let (verdict, reason, target) = match decision.verdict {
        PacketVerdict::Forwarded { port } => (1, None, port),
        PacketVerdict::Answered { reason, port } => (2, reason, port),
        PacketVerdict::Kernel => (3, None, 0),
        PacketVerdict::Held => (4, None, 0),
        PacketVerdict::HandedOff { worker } => (5, None, worker),
        PacketVerdict::Dropped(reason) => (6, Some(reason), 0),
    };
    let flags =
        if decision.outbound { OUTBOUND } else { 0 } | if decision.connection.is_some() { HAS_CONNECTION } else { 0 };
    let reason = reason.map_or(0, |reason| reason.index() as u64 + 1);
    let state = |known: Option<(ConnectionState, u32)>| known.map_or(0, |(state, _)| u64::from(state.wire_number()));
    let left = |known: Option<(ConnectionState, u32)>| known.map_or(0, |(_, left)| u64::from(left));
    let choice = decision.choice.map_or(0, |choice| u64::from(choice.wire_number()));
    let mut facts = u64::from(target) | state(decision.before) << 16 | state(decision.after) << 24 | choice << 40;
    let mut ends = [0; 3];
    if let Some(connection) = &decision.connection {
        let PacketConnection { protocol, method, client, service, real } = connection;
        facts |= u64::from(method.wire_number()) << 32 | u64::from(protocol.number()) << 48;
        let address = |end: &SocketAddrV4| u64::from(end.ip().to_bits());
        ends = [
            u64::from(client.port()) << 32 | u64::from(service.port()) << 48,
            address(client) | address(service) << 32,
            address(real) | u64::from(real.port()) << 32,
        ];
    }
    let slot = decision.service.map_or(0, |slot| u64::from(slot.wrapping_add(1)));
    [
        DECISION | verdict << 8 | reason << 16 | flags << 24 | u64::from(ticket) << 32,
        number,
        tsc,
        facts,
        left(decision.before) | left(decision.after) << 32,
        slot | ends[0],
        ends[1],
        ends[2],
    ]
}

/// A head line; `None`: it is none.
pub(super) fn read(line: &Line) -> Option<Head> {
    let [head, second, tsc, ..] = *line;
    let ticket = upper(head);
    if u64::from(byte(head, 0)) == DECISION {
        return Some(Head::Decision { ticket, number: second, tsc, decision: read_decision(line)? });
    }
    let place = FramePlace::from_wire_number(byte(head, 0))?;
    let (stored, length) = (second as u32, upper(second));
    (stored <= length && stored <= super::MAX_SNAPLEN).then_some(Head::Frame {
        ticket,
        place,
        port: (head >> 16) as u16,
        stored,
        length,
    })
}

fn read_decision(line: &Line) -> Option<Decision> {
    let [head, _, _, facts, left, slot, addresses, real] = *line;
    let reason = match byte(head, 2) {
        0 => None,
        number => Some(DropReason::from_index(usize::from(number) - 1)?),
    };
    let target = facts as u16;
    let verdict = match (byte(head, 1), reason) {
        (1, None) => PacketVerdict::Forwarded { port: target },
        (2, reason) => PacketVerdict::Answered { reason, port: target },
        (3, None) => PacketVerdict::Kernel,
        (4, None) => PacketVerdict::Held,
        (5, None) => PacketVerdict::HandedOff { worker: target },
        (6, Some(reason)) => PacketVerdict::Dropped(reason),
        _ => return None,
    };
    let flags = u64::from(byte(head, 3));
    let state = |number, left| match number {
        0 => Some(None),
        number => ConnectionState::from_wire_number(number).map(|state| Some((state, left))),
    };
    let end = |address, port| SocketAddrV4::new(Ipv4Addr::from_bits(address), port);
    let connection = if flags & HAS_CONNECTION == 0 {
        None
    } else {
        Some(PacketConnection {
            protocol: Protocol::from_number(byte(facts, 6))?,
            method: WireNumber::from_wire_number(byte(facts, 4))?,
            client: end(addresses as u32, (slot >> 32) as u16),
            service: end(upper(addresses), (slot >> 48) as u16),
            real: end(real as u32, (real >> 32) as u16),
        })
    };
    Some(Decision {
        verdict,
        outbound: flags & OUTBOUND != 0,
        service: (slot as u32).checked_sub(1),
        connection,
        before: state(byte(facts, 2), left as u32)?,
        after: state(byte(facts, 3), upper(left))?,
        choice: match byte(facts, 5) {
            0 => None,
            number => Some(Choice::from_wire_number(number)?),
        },
    })
}
