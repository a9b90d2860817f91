//! Which connections go before their time when there are too many: the reference's `drop_entry`.
//!
//! Half-open ones (SYN_RECV, SYNACK; and NONE, which an ICMP error opened before any packet) always. Of those ESTABLISHED, and of UDP, only what has idled for a minute after at
//! most eight packets of its client: every one with a single packet, every second with two, and so on. A hand goes round
//! the slab, so that whoever opens connections in bulk meets his own oldest ones first.

use super::entry::Connection;
use super::table::ConnectionTable;
use crate::clock::Milliseconds;
use link::message::ConnectionState;

/// Client packets up to which an idle connection may be evicted.
const FEW_PACKETS: u8 = 8;
/// Milliseconds after the last packet from which on it counts as idle.
const IDLE: u32 = 60_000;
/// Entries looked at to make room for one connection.
const SEARCH: u32 = 64;

/// Where a worker's eviction stands.
#[derive(Debug, Default)]
pub(super) struct Eviction {
    /// The slab index looked at next.
    hand: u32,
    /// One that could be spared when it was looked at.
    found: Option<u32>,
    /// When looking ahead found none. To do so again in the same millisecond is of use only to one who was refused.
    in_vain_at: Option<Milliseconds>,
    /// By client packets less one: the idle connections passed over since the last that was evicted.
    passed_over: [u8; FEW_PACKETS as usize],
}

/// Why an entry can be spared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spare {
    /// Half-open: the client has not shown that it is there.
    HalfOpen,
    /// Over: TIME_WAIT, CLOSE.
    Over,
    /// Idle after few packets, and its turn.
    Idle,
}

impl ConnectionTable {
    /// Looks at the next `entries` of the slab and evicts those that `drop_entry` would; says how many.
    pub fn evict_some(&mut self, entries: u32, now: Milliseconds) -> u64 {
        let mut evicted = 0;
        for _ in 0..entries.min(self.capacity()) {
            if let (index, Some(Spare::HalfOpen | Spare::Idle)) = self.next_spare(now) {
                self.evict(index);
                evicted += 1;
            }
        }
        evicted
    }

    /// Makes room for one connection in a full table, if one can be spared: the one found between bursts, or one of the
    /// next few entries. Those that live are left alone.
    #[cold]
    pub fn evict_one(&mut self, now: Milliseconds) -> bool {
        let found = self.eviction.found.take().filter(|index| self.spare(*index, now).is_some());
        let chosen = found.or_else(|| self.search(SEARCH, now));
        if let Some(index) = chosen {
            self.evict(index);
        } else {
            self.eviction.in_vain_at = None;
        }
        chosen.is_some()
    }

    /// Between bursts: looks ahead, in a full table, for the connection that the next new one takes the place of. So a
    /// long stretch of connections that live stands in nobody's way. Looks at `entries` of them; after finding none again
    /// in the next millisecond, or when a newcomer was refused.
    #[inline]
    pub fn look_ahead(&mut self, entries: u32, now: Milliseconds) {
        if self.is_full()
            && self.eviction.in_vain_at != Some(now)
            && self.eviction.found.is_none_or(|index| self.spare(index, now).is_none())
        {
            self.eviction.found = self.search(entries, now);
            self.eviction.in_vain_at = self.eviction.found.is_none().then_some(now);
        }
    }

    /// The first of the next `entries` that is half-open or over, else the first idle one whose turn it is.
    fn search(&mut self, entries: u32, now: Milliseconds) -> Option<u32> {
        let mut idle = None;
        for _ in 0..entries.min(self.capacity()) {
            match self.next_spare(now) {
                (index, Some(Spare::HalfOpen | Spare::Over)) => return Some(index),
                (index, Some(Spare::Idle)) => idle = idle.or(Some(index)),
                (_, None) => {}
            }
        }
        idle
    }

    /// Moves the hand on: the entry that it was at, and why that can be spared.
    fn next_spare(&mut self, now: Milliseconds) -> (u32, Option<Spare>) {
        let index = self.eviction.hand;
        self.eviction.hand = (index + 1) % self.capacity().max(1);
        let mut spare = self.spare(index, now);
        if spare == Some(Spare::Idle) {
            let packets = self.connection(index).map_or(0, Connection::in_packets);
            spare = spare.filter(|_| self.eviction.is_turn(packets));
        }
        (index, spare)
    }

    /// Why an entry can be spared, if it can: an idle one when its turn comes. One that controls others stays.
    fn spare(&self, index: u32, now: Milliseconds) -> Option<Spare> {
        let entry = self.connection(index).filter(|entry| entry.is_live() && !self.is_held(entry))?;
        match entry.state() {
            ConnectionState::None | ConnectionState::SynRecv | ConnectionState::SynAck => Some(Spare::HalfOpen),
            ConnectionState::TimeWait | ConnectionState::Close => Some(Spare::Over),
            ConnectionState::Established | ConnectionState::Udp => {
                let few = (1..=FEW_PACKETS).contains(&entry.in_packets());
                (few && entry.idle(now) >= IDLE).then_some(Spare::Idle)
            }
            _ => None,
        }
    }
}

impl Eviction {
    /// Of the connections with n packets every n-th has its turn.
    fn is_turn(&mut self, packets: u8) -> bool {
        let Some(passed) = self.passed_over.get_mut(usize::from(packets.wrapping_sub(1))) else { return false };
        *passed += 1;
        let turn = *passed >= packets;
        if turn {
            *passed = 0;
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::{Eviction, FEW_PACKETS};

    #[test]
    fn every_nth_connection_with_n_packets_has_its_turn() {
        for packets in 1..=FEW_PACKETS {
            let mut eviction = Eviction::default();
            let turns: Vec<_> = (1..=24u8).filter(|_| eviction.is_turn(packets)).collect();
            assert_eq!(turns.len(), 24 / usize::from(packets), "{packets} packets");
        }
    }

    #[test]
    fn no_turn_comes_for_many_packets_or_none() {
        let mut eviction = Eviction::default();
        assert!((0..100).all(|_| !eviction.is_turn(FEW_PACKETS + 1) && !eviction.is_turn(0)));
    }
}
