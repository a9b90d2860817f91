//! The packets of which some fragments are here. All memory is there from the start: 64 sets of 16 packets and 64 kB each.
//!
//! The fragments of one sender and receiver meet in one set. What does not fit pushes out the oldest packet of its set,
//! so that a flood of fragments of which the rest never comes costs the others nothing, unless their addresses fall in
//! the same set. Each operation looks at no more than one set.

use super::cuts::Cuts;
use super::packet::{Added, Memory, Packet, PacketKey};
use crate::clock::Milliseconds;
use link::DropReason;
use wire::ipv4::Ipv4;

/// Sets of packets.
pub const SETS: usize = 64;
/// Packets in a set.
pub const PACKETS_OF_SET: usize = 16;
/// How long the rest of a packet may take, in milliseconds: the reference's 30 s.
pub const TIMEOUT: Milliseconds = 30_000;
/// The most payload that is put together. With header, Ethernet header and a [`Cuts`] note it fits an mbuf, whose length
/// has 16 bits: so the longest packets that IPv4 knows (65,535 bytes) are out of reach.
pub const MAX_PAYLOAD: usize = 65_176;

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    set: u16,
    packet: u16,
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept until the others come.
    Kept,
    /// Its packet is complete. The caller takes it, and then removes it.
    Complete(Place),
    /// It is not wanted, for this reason.
    Refused(DropReason),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Reassembly {
    sets: Box<[Set]>,
    /// Fragments in all packets.
    fragments: u64,
    /// The set that is looked at next for packets whose time is up.
    hand: usize,
    /// When it was looked for them last.
    looked_at: Milliseconds,
}

#[derive(Clone, Debug)]
struct Set {
    packets: [Packet; PACKETS_OF_SET],
    memory: Memory,
}

impl Default for Reassembly {
    fn default() -> Self {
        let set = || Set { packets: std::array::from_fn(|_| Packet::free()), memory: Memory::new() };
        Self { sets: (0..SETS).map(|_| set()).collect(), fragments: 0, hand: 0, looked_at: 0 }
    }
}

impl Reassembly {
    /// What it takes of memory, about.
    pub const BYTES: u64 = (SETS * size_of::<Set>()) as u64;

    /// Fragments that are kept now.
    #[inline]
    pub fn fragments(&self) -> u64 {
        self.fragments
    }

    /// Takes a fragment in. `lost` is told of fragments of earlier calls that are given up: why, and how many.
    pub fn insert(
        &mut self,
        fragment: &Ipv4<&[u8]>,
        now: Milliseconds,
        mut lost: impl FnMut(DropReason, u64),
    ) -> Inserted {
        let key = PacketKey::of(fragment);
        let index = set_of(&key);
        let held = &mut self.fragments;
        let Some(set) = self.sets.get_mut(index) else { return Inserted::Refused(DropReason::FragmentEvicted) };
        let mut give_up = |reason, fragments: u16| {
            *held -= u64::from(fragments);
            lost(reason, u64::from(fragments));
        };
        let at = set.find(&key).unwrap_or_else(|| set.begin(key, now, &mut give_up));
        set.make_room(at, fragment, &mut give_up);
        let Set { packets, memory } = set;
        let Some(packet) = packets.get_mut(at) else { return Inserted::Refused(DropReason::FragmentEvicted) };
        match packet.add(fragment, memory) {
            Added::Duplicate => Inserted::Refused(DropReason::FragmentDuplicate),
            Added::Spoilt(reason) => {
                give_up(reason, packet.fragments);
                packet.end(memory);
                Inserted::Refused(reason)
            }
            Added::Waiting => {
                *held += 1;
                Inserted::Kept
            }
            Added::Complete => {
                *held += 1;
                Inserted::Complete(Place { set: index as u16, packet: at as u16 })
            }
        }
    }

    /// Whether the clock has moved on since the last call: within a millisecond no further look finds more than the first.
    #[inline]
    pub fn looks_again(&mut self, now: Milliseconds) -> bool {
        std::mem::replace(&mut self.looked_at, now) != now
    }

    /// A packet whose rest has not come in time. Looks at one set: that of the call before if it had one, else the next.
    /// The caller removes it.
    pub fn overdue(&mut self, now: Milliseconds) -> Option<Place> {
        let set = self.sets.get(self.hand)?;
        let is_overdue = |packet: &Packet| packet.since.is_some_and(|since| now.saturating_sub(since) >= TIMEOUT);
        let oldest = set.oldest(|_, packet| is_overdue(packet));
        let place = oldest.map(|packet| Place { set: self.hand as u16, packet: packet as u16 });
        if place.is_none() {
            self.hand = (self.hand + 1) % SETS;
        }
        place
    }

    fn at(&self, place: Place) -> Option<(&Packet, &Memory)> {
        let set = self.sets.get(usize::from(place.set))?;
        Some((set.packets.get(usize::from(place.packet))?, &set.memory))
    }

    /// Bytes of a complete packet, header included.
    pub fn whole_len(&self, place: Place) -> usize {
        self.at(place).map_or(0, |(packet, _)| packet.whole_len())
    }

    /// Writes a complete packet: the first fragment's header with the length of all, and the payload of all.
    pub fn write_whole(&self, place: Place, out: &mut [u8]) {
        if let Some((packet, memory)) = self.at(place) {
            packet.write_whole(memory, out);
        }
    }

    /// In which pieces a complete packet came.
    pub fn cuts(&self, place: Place) -> Option<Cuts> {
        self.at(place).map(|(packet, _)| packet.cuts())
    }

    /// Bytes of the first fragment of a packet, header included; `None` if it has not come.
    pub fn first_len(&self, place: Place) -> Option<usize> {
        self.at(place)?.0.first_len()
    }

    /// Writes the first fragment of a packet as it came.
    pub fn write_first(&self, place: Place, out: &mut [u8]) {
        if let Some((packet, memory)) = self.at(place) {
            packet.write_first(memory, out);
        }
    }

    /// Forgets a packet; returns how many fragments it had.
    pub fn remove(&mut self, place: Place) -> u64 {
        let Some(Set { packets, memory }) = self.sets.get_mut(usize::from(place.set)) else { return 0 };
        let Some(packet) = packets.get_mut(usize::from(place.packet)) else { return 0 };
        let fragments = u64::from(packet.fragments);
        packet.end(memory);
        self.fragments -= fragments;
        fragments
    }
}

impl Set {
    fn find(&self, key: &PacketKey) -> Option<usize> {
        self.packets.iter().position(|packet| packet.since.is_some() && packet.key == *key)
    }

    /// The packet that has waited longest, of those that `counts`.
    fn oldest(&self, counts: impl Fn(usize, &Packet) -> bool) -> Option<usize> {
        let waiting = self.packets.iter().enumerate().filter(|(at, packet)| counts(*at, packet));
        waiting.filter_map(|(at, packet)| Some((packet.since?, at))).min().map(|(_, at)| at)
    }

    /// Begins a packet, in the place of the oldest one if none is free.
    fn begin(&mut self, key: PacketKey, now: Milliseconds, give_up: &mut impl FnMut(DropReason, u16)) -> usize {
        let free = self.packets.iter().position(|packet| packet.since.is_none());
        let at = free.or_else(|| self.oldest(|_, _| true)).unwrap_or(0);
        self.evict(at, give_up);
        if let Some(packet) = self.packets.get_mut(at) {
            packet.begin(key, now);
        }
        at
    }

    /// Frees blocks for a fragment of packet `at`.
    fn make_room(&mut self, at: usize, fragment: &Ipv4<&[u8]>, give_up: &mut impl FnMut(DropReason, u16)) {
        let needed = self.packets.get(at).map_or(0, |packet| packet.blocks_missing(fragment));
        while self.memory.free_blocks() < needed {
            let Some(oldest) = self.oldest(|other, _| other != at) else { return };
            self.evict(oldest, give_up);
        }
    }

    fn evict(&mut self, at: usize, give_up: &mut impl FnMut(DropReason, u16)) {
        if let Some(packet) = self.packets.get_mut(at)
            && packet.since.is_some()
        {
            give_up(DropReason::FragmentEvicted, packet.fragments);
            packet.end(&mut self.memory);
        }
    }
}

fn set_of(key: &PacketKey) -> usize {
    let pair = u64::from(key.source) << 32 | u64::from(key.destination);
    (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % SETS
}

#[cfg(test)]
#[path = "reassembly_tests.rs"]
mod tests;
