//! A hashed timing wheel (Varghese and Lauck, 1987, scheme 6) over the indices of a slab.
//!
//! Lazy: a packet stores its connection's new deadline in the connection and leaves the wheel alone. When the entry
//! comes due at the old deadline, the owner of the slab says whether it has a later one by now. So arming costs
//! something once a connection and once a timeout, not once a packet.
//!
//! Each slot of the wheel is a circular doubly linked list, threaded through one array that is allocated at start.
//! Deadlines beyond the wheel's horizon wait in its farthest slot and are moved on from there.

/// Milliseconds that one slot spans: the precision.
pub const TICK_MS: u64 = 64;
/// Slots; the horizon is so many ticks, about 17 minutes.
pub const SLOTS: usize = 16_384;

const SLOT_MASK: u64 = SLOTS as u64 - 1;
const NIL: u32 = u32::MAX;

/// A node of a slot's list: `next` is [`NIL`] while it is in none.
#[derive(Clone, Copy)]
struct Link {
    next: u32,
    prev: u32,
    /// The tick at which it is due, which for a parked entry is beyond its slot's.
    due: u64,
}

/// The wheel. Times are milliseconds of any clock that does not go back; deadlines are rounded up to the tick, so
/// an entry comes due never early and at most one tick late.
pub struct Wheel {
    /// The slab's indices, then one sentinel a slot.
    links: Box<[Link]>,
    /// One bit a slot, set if the slot may hold entries.
    occupied: Vec<u64>,
    capacity: u32,
    /// The earliest tick not yet done. Its slot, and the `SLOTS - 1` after it, are the wheel.
    cursor: u64,
    armed: usize,
}

impl Wheel {
    /// A wheel for the indices below `capacity` (at most 2^32 - 1 - [`SLOTS`]; more are cut off), at time `now`.
    pub fn new(capacity: u32, now: u64) -> Self {
        let capacity = capacity.min(NIL - SLOTS as u32);
        let links = rte_rs::huge::slice(capacity as usize + SLOTS, |index| {
            let own = if index < capacity as usize { NIL } else { index as u32 };
            Link { next: own, prev: own, due: 0 }
        });
        Self { links, occupied: vec![0; SLOTS / 64], capacity, cursor: now / TICK_MS, armed: 0 }
    }

    /// How many entries are armed.
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Arms `index` for `deadline`, or moves it there if it is armed. An index beyond the capacity is ignored.
    pub fn arm(&mut self, index: u32, deadline: u64) {
        if index < self.capacity {
            self.disarm(index);
            self.insert(index, deadline.div_ceil(TICK_MS), self.cursor);
        }
    }

    /// Takes `index` off the wheel; nothing happens if it is not on it.
    pub fn disarm(&mut self, index: u32) {
        if index >= self.capacity {
            return;
        }
        let Some(link) = self.links.get_mut(index as usize) else { return };
        if link.next == NIL {
            return;
        }
        let (next, prev) = (link.next, link.prev);
        (link.next, link.prev) = (NIL, NIL);
        self.set_next(prev, next);
        self.set_prev(next, prev);
        self.armed -= 1;
    }

    /// Calls `due` for the entries whose deadline is not after `now`, in the order of their ticks, for at most
    /// `budget` of them; what is left over comes first in the next call. `due` answers with the new deadline if the
    /// entry has a later one by now, or `None` if it is gone (the callee has freed it; the wheel forgets it).
    ///
    /// Returns how many it called `due` for. Entries that only move on from the horizon count against the budget.
    pub fn expire(&mut self, now: u64, budget: usize, mut due: impl FnMut(u32) -> Option<u64>) -> usize {
        let last = now / TICK_MS;
        let (mut left, mut called) = (budget, 0);
        while self.cursor <= last && self.advance(last) {
            while let Some(index) = self.first() {
                if left == 0 {
                    return called;
                }
                left -= 1;
                self.disarm(index);
                let tick = self.due(index);
                if tick > self.cursor {
                    self.insert(index, tick, self.cursor + 1);
                    continue;
                }
                called += 1;
                if let Some(deadline) = due(index) {
                    self.insert(index, deadline.div_ceil(TICK_MS), self.cursor + 1);
                }
            }
            self.mark(self.cursor, false);
            self.cursor += 1;
        }
        called
    }

    /// Moves the cursor to the next tick, up to `last`, whose slot may hold entries; past `last` if there is none.
    fn advance(&mut self, last: u64) -> bool {
        if self.armed == 0 {
            self.cursor = last + 1;
            return false;
        }
        while self.cursor <= last {
            let slot = self.cursor & SLOT_MASK;
            let word = self.occupied.get(slot as usize / 64).copied().unwrap_or(0) >> (slot % 64);
            // The rest of this word, or the whole of the next.
            self.cursor += if word == 0 { 64 - slot % 64 } else { u64::from(word.trailing_zeros()) };
            if word != 0 {
                break;
            }
        }
        let found = self.cursor <= last;
        self.cursor = self.cursor.min(last + 1);
        found
    }

    /// Links `index` into the slot of tick `due`, or as near to it as the wheel reaches from tick `earliest` on.
    fn insert(&mut self, index: u32, due: u64, earliest: u64) {
        let slot_tick = due.clamp(earliest, self.cursor + SLOT_MASK);
        let sentinel = self.sentinel(slot_tick);
        let tail = self.links.get(sentinel as usize).map_or(NIL, |link| link.prev);
        if let Some(link) = self.links.get_mut(index as usize) {
            *link = Link { next: sentinel, prev: tail, due };
            self.set_next(tail, index);
            self.set_prev(sentinel, index);
            self.mark(slot_tick, true);
            self.armed += 1;
        }
    }

    fn sentinel(&self, tick: u64) -> u32 {
        self.capacity + (tick & SLOT_MASK) as u32
    }

    /// The first entry of the cursor's slot.
    fn first(&self) -> Option<u32> {
        let first = self.links.get(self.sentinel(self.cursor) as usize)?.next;
        (first < self.capacity).then_some(first)
    }

    fn due(&self, index: u32) -> u64 {
        self.links.get(index as usize).map_or(0, |link| link.due)
    }

    fn set_next(&mut self, node: u32, next: u32) {
        if let Some(link) = self.links.get_mut(node as usize) {
            link.next = next;
        }
    }

    fn set_prev(&mut self, node: u32, prev: u32) {
        if let Some(link) = self.links.get_mut(node as usize) {
            link.prev = prev;
        }
    }

    fn mark(&mut self, tick: u64, occupied: bool) {
        let slot = tick & SLOT_MASK;
        if let Some(word) = self.occupied.get_mut(slot as usize / 64) {
            let bit = 1 << (slot % 64);
            *word = if occupied { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SLOTS, TICK_MS, Wheel};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const CAPACITY: u32 = 16;
    const NONE: [u32; 0] = [];
    const HORIZON_MS: u64 = SLOTS as u64 * TICK_MS;

    fn fired(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        wheel.expire(now, usize::MAX, |index| {
            fired.push(index);
            None
        });
        fired
    }

    #[test]
    fn an_entry_comes_due_in_the_tick_after_its_deadline_and_only_once() {
        let mut wheel = Wheel::new(CAPACITY, 1_000);
        wheel.arm(3, 2_000);
        assert_eq!(fired(&mut wheel, 1_999), NONE);
        assert_eq!(fired(&mut wheel, 2_000 + TICK_MS), [3]);
        assert_eq!(fired(&mut wheel, 90_000), NONE);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_touched_entry_is_armed_again_for_its_new_deadline() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        wheel.arm(0, 1_000);
        assert_eq!(wheel.expire(1_100, 8, |_| Some(60_000)), 1);
        assert_eq!(fired(&mut wheel, 59_999), NONE);
        assert_eq!(fired(&mut wheel, 60_064), [0]);
    }

    #[test]
    fn a_disarmed_entry_never_comes_due() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        wheel.arm(0, 1_000);
        wheel.arm(1, 1_000);
        wheel.disarm(0);
        wheel.disarm(0);
        assert_eq!(wheel.len(), 1);
        assert_eq!(fired(&mut wheel, 2_000), [1]);
    }

    #[test]
    fn arming_again_moves_an_entry() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        wheel.arm(0, 10_000);
        wheel.arm(0, 1_000);
        assert_eq!(wheel.len(), 1);
        assert_eq!(fired(&mut wheel, 1_064), [0]);
    }

    #[test]
    fn an_index_beyond_the_capacity_is_ignored() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        wheel.arm(CAPACITY, 10);
        wheel.disarm(CAPACITY);
        wheel.disarm(u32::MAX);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_deadline_beyond_the_horizon_waits_for_its_time() {
        let month = 31 * 24 * 3_600_000;
        let mut wheel = Wheel::new(CAPACITY, 5);
        wheel.arm(0, month);
        for round in 1..=month / HORIZON_MS {
            assert_eq!(fired(&mut wheel, round * HORIZON_MS), NONE, "round {round}");
        }
        assert_eq!(fired(&mut wheel, month - 1), NONE);
        assert_eq!(fired(&mut wheel, month + TICK_MS), [0]);
    }

    #[test]
    fn a_jump_of_the_clock_fires_everything_in_order_of_deadline() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        let deadlines = [3 * HORIZON_MS, 70, HORIZON_MS + 70, 1_000_000, 64];
        for (index, deadline) in (0..).zip(deadlines) {
            wheel.arm(index, deadline);
        }
        assert_eq!(fired(&mut wheel, 4 * HORIZON_MS), [4, 1, 3, 2, 0]);
    }

    #[test]
    fn an_old_deadline_comes_due_at_the_next_tick() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        assert_eq!(fired(&mut wheel, 10_000), NONE);
        wheel.arm(0, 500);
        assert_eq!(fired(&mut wheel, 10_064), [0]);
    }

    #[test]
    fn what_the_budget_leaves_comes_first_in_the_next_call() {
        let mut wheel = Wheel::new(CAPACITY, 0);
        for index in 0..10 {
            wheel.arm(index, 100 + u64::from(index));
        }
        let mut order = Vec::new();
        for expected in [4, 4, 2, 0] {
            assert_eq!(
                wheel.expire(1_000, 4, |index| {
                    order.push(index);
                    None
                }),
                expected
            );
        }
        assert_eq!(order, (0..10).collect::<Vec<_>>());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u32, u64),
        Disarm(u32),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let span = prop_oneof![0..300_u64, 0..100_000_u64, 0..3 * HORIZON_MS];
        prop_oneof![
            (0..CAPACITY, span.clone()).prop_map(|(index, after)| Step::Arm(index, after)),
            (0..CAPACITY).prop_map(Step::Disarm),
            span.prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_deadlines(
            start in 0..10_000_000_u64,
            budget in 1..4_usize,
            rearm in 0..2 * HORIZON_MS,
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let mut wheel = Wheel::new(CAPACITY, start);
            let mut deadlines = BTreeMap::new();
            let mut now = start;
            for step in steps {
                match step {
                    Step::Arm(index, after) => {
                        wheel.arm(index, now + after);
                        deadlines.insert(index, now + after);
                    }
                    Step::Disarm(index) => {
                        wheel.disarm(index);
                        deadlines.remove(&index);
                    }
                    Step::Advance(by) => {
                        now += by;
                        let called = wheel.expire(now, budget, |index| {
                            let deadline = deadlines.remove(&index).expect("armed");
                            assert!(deadline <= now, "{index} fired at {now}, {} early", deadline - now);
                            (index % 2 == 0 && by > 0).then(|| {
                                deadlines.insert(index, now + 1 + rearm);
                                now + 1 + rearm
                            })
                        });
                        prop_assert!(called <= budget);
                        if by % 3 == 0 {
                            wheel.expire(now, usize::MAX, |index| { deadlines.remove(&index); None });
                            let late = deadlines.values().filter(|deadline| **deadline + TICK_MS <= now).count();
                            prop_assert_eq!(late, 0);
                        }
                    }
                }
                prop_assert_eq!(wheel.len(), deadlines.len());
            }
        }
    }
}
