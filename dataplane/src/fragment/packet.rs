//! One packet that is being put together, and the blocks of memory that its bytes lie in.

use super::cuts::{Cuts, MOST};
use crate::clock::Milliseconds;
use link::DropReason;
use wire::ipv4::{DONT_FRAGMENT, HEADER_LEN, Ipv4, MAX_HEADER_LEN};

/// Bytes of payload in a block.
pub(super) const BLOCK: usize = 1024;
/// Blocks of a set of packets: what the longest packet takes.
pub(super) const BLOCKS: usize = 64;
/// Fragments begin and end at multiples of this, but for the end of the last.
const UNIT: usize = 8;
/// No block.
const NONE: u8 = u8::MAX;
/// The bits of the type of service that carry ECN, and what they say (RFC 3168 section 5).
const ECN: u8 = 0x03;
const CONGESTION: u8 = 0x03;

/// A part of the memory of a set. `have` has a bit for each 8 bytes that have come.
#[derive(Clone, Debug)]
pub(super) struct Block {
    bytes: [u8; BLOCK],
    have: u128,
}

/// The blocks of a set, and which of them are free.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    blocks: [Block; BLOCKS],
    free: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { blocks: std::array::from_fn(|_| Block { bytes: [0; BLOCK], have: 0 }), free: u64::MAX }
    }

    pub(super) fn free_blocks(&self) -> usize {
        self.free.count_ones() as usize
    }

    fn take(&mut self) -> Option<u8> {
        let index = self.free.trailing_zeros() as u8;
        let block = self.blocks.get_mut(usize::from(index))?;
        block.have = 0;
        self.free &= !(1 << index);
        Some(index)
    }

    fn give_back(&mut self, index: u8) {
        if usize::from(index) < BLOCKS {
            self.free |= 1 << index;
        }
    }

    fn block(&self, index: u8) -> Option<&Block> {
        self.blocks.get(usize::from(index))
    }

    fn block_mut(&mut self, index: u8) -> Option<&mut Block> {
        self.blocks.get_mut(usize::from(index))
    }
}

/// What all fragments of a packet have in common (RFC 791 section 3.2). Addresses in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PacketKey {
    /// The sender.
    pub source: u32,
    /// The receiver.
    pub destination: u32,
    /// The identification that the sender gave the packet.
    pub identification: u16,
    /// The IPv4 protocol number.
    pub protocol: u8,
}

impl PacketKey {
    /// Of a fragment.
    pub fn of(fragment: &Ipv4<&[u8]>) -> Self {
        Self {
            source: fragment.source().to_bits(),
            destination: fragment.destination().to_bits(),
            identification: fragment.identification(),
            protocol: fragment.protocol(),
        }
    }
}

/// What a fragment did to its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Others are still missing.
    Waiting,
    /// It was the last one missing.
    Complete,
    /// It brought nothing new; the packet goes on waiting.
    Duplicate,
    /// The packet can't be put together.
    Spoilt(DropReason),
}

/// A packet that is being put together.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) key: PacketKey,
    /// When its first fragment came; `None`: the place is free.
    pub(super) since: Option<Milliseconds>,
    /// Fragments that it holds.
    pub(super) fragments: u16,
    /// The header of the fragment with offset 0, as it came; length 0 as long as that has not come.
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    /// Payload bytes of that fragment.
    first_len: u16,
    /// Payload bytes that have come.
    received: u16,
    /// The end of the payload as far as it is known, and whether the last fragment has said so.
    end: u16,
    is_end_known: bool,
    /// Bit n: a fragment had ECN bits n.
    ecn: u8,
    /// Bytes of the largest fragment with its header; of the largest one with "don't fragment".
    largest: u16,
    largest_fixed: u16,
    /// Offset in units of 8 bytes, and payload bytes, of the first fragments to come.
    cuts: [(u16, u16); MOST],
    /// The block of each 1024 bytes of payload.
    blocks: [u8; BLOCKS],
}

impl Packet {
    /// A free place.
    pub(super) fn free() -> Self {
        Self {
            key: PacketKey::default(),
            since: None,
            fragments: 0,
            header: [0; MAX_HEADER_LEN],
            header_len: 0,
            first_len: 0,
            received: 0,
            end: 0,
            is_end_known: false,
            ecn: 0,
            largest: 0,
            largest_fixed: 0,
            cuts: [(0, 0); MOST],
            blocks: [NONE; BLOCKS],
        }
    }

    /// Begins a packet.
    pub(super) fn begin(&mut self, key: PacketKey, now: Milliseconds) {
        *self = Self { key, since: Some(now), ..Self::free() };
    }

    /// Frees the place and its blocks.
    pub(super) fn end(&mut self, memory: &mut Memory) {
        for block in &mut self.blocks {
            memory.give_back(*block);
            *block = NONE;
        }
        self.since = None;
        self.fragments = 0;
    }

    /// How many blocks a fragment would add.
    pub(super) fn blocks_missing(&self, fragment: &Ipv4<&[u8]>) -> usize {
        let range = fragment.fragment_offset()..fragment.fragment_offset() + fragment.payload().len();
        let blocks = self.blocks.iter().take(range.end.div_ceil(BLOCK)).skip(range.start / BLOCK);
        blocks.filter(|block| **block == NONE).count()
    }

    /// Takes a fragment in. As the reference: payload beyond a multiple of 8 is cut off unless the fragment is the last;
    /// what contradicts what has come spoils the packet, and so does an overlap (RFC 5722 says so for IPv6), unless all
    /// of it has come before. There are blocks enough.
    pub(super) fn add(&mut self, fragment: &Ipv4<&[u8]>, memory: &mut Memory) -> Added {
        let (offset, whole) = (fragment.fragment_offset(), fragment.payload());
        let is_last = !fragment.more_fragments();
        let payload = if is_last { whole } else { whole.get(..whole.len() & !(UNIT - 1)).unwrap_or(whole) };
        let end = offset + payload.len();
        if end > super::reassembly::MAX_PAYLOAD {
            return Added::Spoilt(DropReason::FragmentTooLarge);
        }
        if payload.is_empty() || !self.agrees_on_end(end as u16, is_last) {
            return Added::Spoilt(DropReason::Fragment);
        }
        match self.overlap(offset..end, memory) {
            Overlap::None => {}
            Overlap::All => return Added::Duplicate,
            Overlap::Some => return Added::Spoilt(DropReason::FragmentOverlap),
        }
        if !self.store(offset, payload, memory) {
            return Added::Spoilt(DropReason::FragmentEvicted);
        }
        self.note(fragment, payload.len());
        if !self.is_end_known || self.received != self.end {
            return Added::Waiting;
        }
        if self.tos().is_some() {
            return Added::Complete;
        }
        // Of those that it holds this one is not counted yet.
        self.fragments = self.fragments.saturating_sub(1);
        Added::Spoilt(DropReason::Fragment)
    }

    /// The last fragment says where the payload ends; none may lie behind that, and a second last one says the same.
    fn agrees_on_end(&mut self, end: u16, is_last: bool) -> bool {
        if is_last {
            if end < self.end || (self.is_end_known && end != self.end) {
                return false;
            }
            self.is_end_known = true;
        } else if end > self.end && self.is_end_known {
            return false;
        }
        self.end = self.end.max(end);
        true
    }

    fn overlap(&self, range: std::ops::Range<usize>, memory: &Memory) -> Overlap {
        let (mut any, mut all) = (false, true);
        for (index, units) in units_by_block(range) {
            let have = self.blocks.get(index).and_then(|block| memory.block(*block)).map_or(0, |block| block.have);
            any |= have & units != 0;
            all &= have & units == units;
        }
        match (any, all) {
            (false, _) => Overlap::None,
            (true, true) => Overlap::All,
            (true, false) => Overlap::Some,
        }
    }

    fn store(&mut self, offset: usize, mut payload: &[u8], memory: &mut Memory) -> bool {
        for (index, units) in units_by_block(offset..offset + payload.len()) {
            let Some(place) = self.blocks.get_mut(index) else { return false };
            if *place == NONE {
                let Some(block) = memory.take() else { return false };
                *place = block;
            }
            let Some(block) = memory.block_mut(*place) else { return false };
            block.have |= units;
            let from = units.trailing_zeros() as usize * UNIT;
            let room = block.bytes.get_mut(from..).unwrap_or(&mut []);
            let Some((now, later)) = payload.split_at_checked(room.len().min(payload.len())) else { return false };
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            payload = later;
        }
        true
    }

    /// Remembers what the fragment says beside its payload.
    fn note(&mut self, fragment: &Ipv4<&[u8]>, payload: usize) {
        let size = (fragment.header_len() + payload) as u16;
        if let Some(cut) = self.cuts.get_mut(usize::from(self.fragments)) {
            *cut = ((fragment.fragment_offset() / UNIT) as u16, payload as u16);
        }
        self.fragments = self.fragments.saturating_add(1);
        self.received += payload as u16;
        self.ecn |= 1 << (fragment.tos() & ECN);
        self.largest = self.largest.max(size);
        if fragment.dont_fragment() {
            self.largest_fixed = self.largest_fixed.max(size);
        }
        if fragment.fragment_offset() == 0 {
            self.header.iter_mut().zip(fragment.header()).for_each(|(to, from)| *to = *from);
            self.header_len = fragment.header_len() as u8;
            self.first_len = payload as u16;
        }
    }

    /// The type of service of the whole (RFC 3168 section 5.3): that of the first fragment, with "congestion" if any had
    /// it. `None`: some were ECN-capable and some were not.
    fn tos(&self) -> Option<u8> {
        const NOT_CAPABLE: u8 = 1;
        let tos = self.header.get(1).copied().unwrap_or(0);
        if self.ecn & NOT_CAPABLE != 0 {
            return (self.ecn == NOT_CAPABLE).then_some(tos);
        }
        let is_congested = self.ecn & (1 << CONGESTION) != 0;
        Some(if is_congested { tos | CONGESTION } else { tos })
    }

    /// Bytes of the whole packet, header included. It is complete.
    pub(super) fn whole_len(&self) -> usize {
        usize::from(self.header_len) + usize::from(self.end)
    }

    /// Bytes of the first fragment, header included; `None` if it has not come.
    pub(super) fn first_len(&self) -> Option<usize> {
        (self.header_len != 0).then(|| usize::from(self.header_len) + usize::from(self.first_len))
    }

    /// Writes the whole packet, or as much as `out` holds.
    pub(super) fn write_whole(&self, memory: &Memory, out: &mut [u8]) {
        let fixed = self.largest_fixed == self.largest;
        let Some((header, payload)) = out.split_at_mut_checked(usize::from(self.header_len)) else { return };
        header.iter_mut().zip(self.header).for_each(|(to, from)| *to = from);
        if let Some(field) = header.get_mut(2..4) {
            field.copy_from_slice(&(self.whole_len() as u16).to_be_bytes());
        }
        if let Ok(mut header) = Ipv4::parse_quoted(header) {
            header.set_tos(self.tos().unwrap_or(0));
            header.set_flags_and_offset(if fixed { DONT_FRAGMENT } else { 0 });
            header.fill_checksum();
        }
        self.write_payload(memory, payload);
    }

    /// Writes the first fragment as it came.
    pub(super) fn write_first(&self, memory: &Memory, out: &mut [u8]) {
        let Some((header, payload)) = out.split_at_mut_checked(usize::from(self.header_len)) else { return };
        header.iter_mut().zip(self.header).for_each(|(to, from)| *to = from);
        self.write_payload(memory, payload);
        // What was cut off its end is not quoted.
        if let Some(field) = header.get_mut(2..4) {
            field.copy_from_slice(&(u16::from(self.header_len) + self.first_len).to_be_bytes());
        }
        if let Ok(mut header) = Ipv4::parse_quoted(header) {
            header.fill_checksum();
        }
    }

    fn write_payload(&self, memory: &Memory, out: &mut [u8]) {
        for (part, block) in out.chunks_mut(BLOCK).zip(&self.blocks) {
            let Some(block) = memory.block(*block) else { continue };
            part.iter_mut().zip(&block.bytes).for_each(|(to, from)| *to = *from);
        }
    }

    /// In which pieces it came.
    pub(super) fn cuts(&self) -> Cuts {
        let Some(cuts) = self.cuts.get(..usize::from(self.fragments)) else {
            return Cuts::new(self.largest, std::iter::empty());
        };
        let mut sorted = [(0, 0); MOST];
        let Some(sorted) = sorted.get_mut(..cuts.len()) else { return Cuts::new(self.largest, std::iter::empty()) };
        sorted.copy_from_slice(cuts);
        sorted.sort_unstable();
        Cuts::new(self.largest, sorted.iter().map(|(_, size)| *size))
    }
}

/// How much of a fragment has come before.
enum Overlap {
    None,
    Some,
    All,
}

/// The blocks of a range of the payload, each with the bits of the units in it.
fn units_by_block(range: std::ops::Range<usize>) -> impl Iterator<Item = (usize, u128)> {
    const UNITS: usize = BLOCK / UNIT;
    let (first, last) = (range.start / UNIT, range.end.div_ceil(UNIT));
    (first / UNITS..last.div_ceil(UNITS)).map(move |block| {
        let from = first.saturating_sub(block * UNITS);
        let to = (last - block * UNITS).min(UNITS);
        let below = |count: usize| if count == UNITS { u128::MAX } else { (1u128 << count) - 1 };
        (block, below(to) & !below(from))
    })
}

const _: () = assert!(HEADER_LEN < MAX_HEADER_LEN && BLOCK / UNIT == u128::BITS as usize);
const _: () = assert!(super::reassembly::MAX_PAYLOAD <= BLOCK * BLOCKS && BLOCKS == u64::BITS as usize);
