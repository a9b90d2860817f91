//! The layouts of the requests for captures.

use super::check::Check;
use super::request::payload;
use super::{Payload, RecordError};
use crate::capture::{CaptureOptions, Instruction, MAX_CAPTURE, MAX_INSTRUCTIONS, MAX_SNAPLEN};
use crate::message::{FilterPart, Request};
use zerocopy::native_endian::{U16 as Word16, U32 as Word32, U64 as Word64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

payload!(PartRow { first: Word16, count: u8, instructions: [[u8; 8]; FilterPart::MOST], } reserved 1);
payload!(
    OptionsRow {
        ticket: Word32,
        snaplen: Word32,
        packets: Word64,
        milliseconds: Word32,
        instructions: Word16,
        worker: Word16,
        flags: u8,
    } reserved 27
);

const INCOMING: u8 = 1;
const OUTGOING: u8 = 2;
const DROPS_ONLY: u8 = 4;
const HAND_OFFS: u8 = 8;
const HAS_WORKER: u8 = 16;

pub(super) fn encode_part(part: FilterPart) -> Payload {
    let instructions: [[u8; 8]; FilterPart::MOST] = transmute!(part.instructions);
    transmute!(PartRow { first: part.first.into(), count: part.count, instructions, reserved: [0; 1] })
}

pub(super) fn encode_options(options: &CaptureOptions) -> Payload {
    let flag = |present, flag| if present { flag } else { 0 };
    transmute!(OptionsRow {
        ticket: options.ticket.into(),
        snaplen: options.snaplen.into(),
        packets: options.packets.into(),
        milliseconds: options.milliseconds.into(),
        instructions: options.instructions.into(),
        worker: options.worker.unwrap_or(0).into(),
        flags: flag(options.incoming, INCOMING)
            | flag(options.outgoing, OUTGOING)
            | flag(options.drops_only, DROPS_ONLY)
            | flag(options.hand_offs, HAND_OFFS)
            | flag(options.worker.is_some(), HAS_WORKER),
        reserved: [0; 27],
    })
}

pub(super) fn decode_part(row: PartRow) -> Result<Request, RecordError> {
    let check = Check("capture filter");
    check.zero("reserved", &row.reserved)?;
    let last = (MAX_INSTRUCTIONS - 1) as u32;
    let first = check.within("first", row.first.get().into(), 0, last, "0 to 255")?;
    let count = check.within("count", row.count.into(), 1, FilterPart::MOST as u32, "1 to 6")?;
    let instructions: [Instruction; FilterPart::MOST] = transmute!(row.instructions);
    if instructions.iter().skip(count as usize).any(|instruction| *instruction != Instruction::default()) {
        return check.refuse("instructions", count, "zeros behind the last");
    }
    Ok(Request::CaptureFilter(FilterPart { first: first as u16, count: count as u8, instructions }))
}

pub(super) fn decode_options(row: OptionsRow) -> Result<Request, RecordError> {
    let check = Check("capture start");
    check.zero("reserved", &row.reserved)?;
    let flags = check.flags(row.flags, INCOMING | OUTGOING | DROPS_ONLY | HAND_OFFS | HAS_WORKER)?;
    let most = MAX_INSTRUCTIONS as u32;
    let longest = MAX_CAPTURE.as_millis() as u32;
    let worker = row.worker.get();
    Ok(Request::CaptureStart(CaptureOptions {
        ticket: check.within("ticket", row.ticket.get(), 1, u32::MAX, "1 or more")?,
        instructions: check.within("instructions", row.instructions.get().into(), 1, most, "1 to 256")? as u16,
        snaplen: check.within("snaplen", row.snaplen.get(), 1, MAX_SNAPLEN, "1 to 65535")?,
        incoming: flags & INCOMING != 0,
        outgoing: flags & OUTGOING != 0,
        drops_only: flags & DROPS_ONLY != 0,
        hand_offs: flags & HAND_OFFS != 0,
        worker: check.option(flags & HAS_WORKER != 0, "worker", row.worker.as_bytes(), worker)?,
        packets: row.packets.get(),
        milliseconds: check.within("milliseconds", row.milliseconds.get(), 1, longest, "1 to 3600000")?,
    }))
}
