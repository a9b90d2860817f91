//! Pick for pick what Linux 6.1's IPVS does: the sequences here were recorded from it. Reals are numbered by slot, and
//! lists written as the operator adds them, oldest first.

use super::{Candidate, Change, Choice, Cursor, Load, Member, Memory, Newcomer, Scheduler, Start};
use crate::connection::Endpoint;
use link::model::SchedulerKind::{self, LeastConnection, RoundRobin, WeightedLeastConnection, WeightedRoundRobin};
use link::model::{SchedulerFlags, ServiceOptions, Settings};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Active and inactive connections by slot.
#[derive(Clone, Debug, Default)]
struct Loads(BTreeMap<u32, (u32, u32)>);

impl Load for Loads {
    fn active(&self, slot: u32) -> u32 {
        self.0.get(&slot).map_or(0, |load| load.0)
    }

    fn inactive(&self, slot: u32) -> u32 {
        self.0.get(&slot).map_or(0, |load| load.1)
    }

    fn is_overloaded(&self, _: u32) -> bool {
        false
    }
}

/// A service on one worker, to which UDP connections (inactive ones) come, each of another client.
struct Bench {
    options: ServiceOptions,
    candidates: Vec<Candidate>,
    scheduler: Scheduler,
    start: Start,
    cursor: Cursor,
    memory: Memory,
    loads: Loads,
    client: Endpoint,
}

fn scheduler(options: &ServiceOptions, candidates: &[Candidate]) -> Scheduler {
    let member = |candidate: &Candidate| Member {
        endpoint: Endpoint { address: candidate.slot, port: 80 },
        lasting_weight: candidate.weight,
    };
    Scheduler::new(options, &Settings::default(), candidates, || candidates.iter().map(member), None)
}

fn newest_first(reals: &[(u32, u32)]) -> Vec<Candidate> {
    reals.iter().rev().map(|&(slot, weight)| Candidate { slot, weight }).collect()
}

impl Bench {
    fn new(kind: SchedulerKind, reals: &[(u32, u32)]) -> Self {
        // Hash schedulers are to have somebody for everybody.
        let options = ServiceOptions { flags: SchedulerFlags::FALLBACK, ..ServiceOptions::new(kind) };
        let candidates = newest_first(reals);
        let scheduler = scheduler(&options, &candidates);
        let start = scheduler.first_start(&candidates);
        let (cursor, memory, loads) = (Cursor::default(), Memory::new(0), Loads::default());
        let client = Endpoint { address: 1 << 24, port: 1 };
        Self { options, candidates, scheduler, start, cursor, memory, loads, client }
    }

    fn on_worker(kind: SchedulerKind, reals: &[(u32, u32)], worker: u16) -> Self {
        Self { memory: Memory::new(worker), ..Self::new(kind, reals) }
    }

    fn pick(&mut self) -> Option<u32> {
        self.client.address += 1;
        // A destination whose place in `dh` is the first one's, where there are two.
        let newcomer = Newcomer { source: self.client, destination: Endpoint { address: 5, port: 80 }, now: 0 };
        let choice =
            Choice { service: 0, start: self.start, candidates: &self.candidates, load: &self.loads, newcomer };
        let peeked = self.scheduler.peek(&self.cursor, &self.memory, &choice);
        let picked = self.scheduler.pick(&mut self.cursor, &mut self.memory, &choice);
        assert_eq!(peeked, picked, "a look ahead");
        let slot = self.candidates[picked?].slot;
        self.loads.0.entry(slot).or_default().1 += 1;
        Some(slot)
    }

    fn picks(&mut self, count: usize) -> Vec<u32> {
        (0..count).map_while(|_| self.pick()).collect()
    }

    fn change(&mut self, reals: &[(u32, u32)]) {
        let old = std::mem::replace(&mut self.candidates, newest_first(reals));
        let new = self.candidates.clone();
        let among = |list: &[Candidate], slot| list.iter().any(|candidate| candidate.slot == slot);
        self.scheduler = scheduler(&self.options, &new);
        let change =
            Change { old: &old, new: &new, was_there: |slot| among(&old, slot), is_there: |slot| among(&new, slot) };
        self.scheduler.carry_over(&mut self.cursor, &change);
        self.start = self.scheduler.carry_start_over(self.start, &change);
    }

    /// The service gets another scheduler.
    fn become_a(&mut self, kind: SchedulerKind) {
        self.options.scheduler = kind;
        self.scheduler = scheduler(&self.options, &self.candidates);
        self.start = self.scheduler.start_after_another();
        self.cursor = Cursor::default();
    }
}

#[test]
fn wrr_after_another_scheduler_begins_with_the_heaviest() {
    let mut bench = Bench::new(RoundRobin, &[(2, 3), (3, 1)]);
    bench.picks(4);
    bench.become_a(WeightedRoundRobin);
    assert_eq!(bench.picks(5), [2, 2, 3, 2, 2], "as recorded of Linux 6.1");
    assert_eq!(Bench::new(WeightedRoundRobin, &[(2, 3), (3, 1)]).picks(5), [3, 2, 2, 2, 3], "added one by one");
}

#[test]
fn wrr_that_has_not_begun_follows_changes_as_one_that_has() {
    let mut bench = Bench::new(WeightedRoundRobin, &[(2, 3), (3, 1)]);
    bench.become_a(WeightedRoundRobin);
    bench.change(&[(2, 3), (3, 1), (4, 1)]);
    assert_eq!(bench.picks(5), [2, 2, 4, 3, 2]);
}

#[test]
fn rr_serves_newest_first() {
    assert_eq!(Bench::new(RoundRobin, &[(2, 1), (3, 1), (4, 1), (5, 1)]).picks(6), [5, 4, 3, 2, 5, 4]);
}

#[test]
fn rr_goes_back_one_when_its_last_choice_is_deleted_and_ignores_what_is_added_before() {
    let mut bench = Bench::new(RoundRobin, &[(2, 1), (3, 1), (4, 1), (5, 1)]);
    bench.picks(6);
    bench.change(&[(2, 1), (3, 1), (5, 1)]);
    assert_eq!(bench.picks(5), [3, 2, 5, 3, 2]);
    bench.change(&[(2, 1), (3, 1), (5, 1), (6, 1)]);
    assert_eq!(bench.picks(6), [6, 5, 3, 2, 6, 5]);
    bench.change(&[(2, 1), (3, 0), (5, 1), (6, 1)]);
    assert_eq!(bench.picks(6), [2, 6, 5, 2, 6, 5]);
}

#[test]
fn rr_starts_at_the_head_when_all_reals_were_replaced() {
    let mut bench = Bench::new(RoundRobin, &[(2, 1), (3, 1)]);
    bench.picks(1);
    bench.change(&[(7, 1), (8, 1)]);
    assert_eq!(bench.picks(3), [8, 7, 8]);
}

#[test]
fn wrr_gives_a_a_b_for_weights_4_and_2() {
    assert_eq!(Bench::new(WeightedRoundRobin, &[(2, 4), (3, 2)]).picks(12), [3, 2, 2, 3, 2, 2, 3, 2, 2, 3, 2, 2]);
}

#[test]
fn wrr_follows_edits_deletions_and_additions() {
    let mut bench = Bench::new(WeightedRoundRobin, &[(2, 5), (3, 3), (4, 1)]);
    assert_eq!(bench.picks(11), [4, 3, 2, 2, 2, 3, 2, 3, 2, 4, 3]);
    bench.change(&[(2, 5), (3, 4), (4, 1)]);
    assert_eq!(bench.picks(11), [4, 3, 2, 2, 3, 2, 3, 2, 3, 2, 4]);
    bench.change(&[(3, 4), (4, 1)]);
    assert_eq!(bench.picks(7), [4, 3, 3, 3, 3, 4, 3]);
    bench.change(&[(3, 4), (4, 1), (5, 8)]);
    assert_eq!(bench.picks(14), [5, 4, 3, 5, 5, 5, 5, 5, 3, 5, 3, 5, 3, 5]);
    bench.change(&[(3, 0), (4, 1), (5, 8)]);
    assert_eq!(bench.picks(14), [5, 4, 5, 5, 5, 5, 5, 5, 5, 5, 4, 5, 5, 5]);
}

#[test]
fn wrr_follows_a_change_of_the_common_divisor() {
    let mut bench = Bench::new(WeightedRoundRobin, &[(2, 6), (3, 9), (4, 3)]);
    assert_eq!(bench.picks(8), [4, 3, 2, 3, 3, 2, 4, 3]);
    bench.change(&[(2, 6), (3, 6), (4, 3)]);
    assert_eq!(bench.picks(8), [4, 3, 2, 3, 2, 4, 3, 2]);
    bench.change(&[(2, 6), (3, 6), (4, 0)]);
    assert_eq!(bench.picks(5), [3, 2, 3, 2, 3]);
}

#[test]
fn wlc_shares_by_weight() {
    let mut bench = Bench::new(WeightedLeastConnection, &[(2, 3), (3, 2), (4, 1)]);
    assert_eq!(bench.picks(12), [4, 3, 2, 2, 3, 2, 4, 3, 2, 2, 3, 2]);
}

#[test]
fn lc_levels_and_takes_the_newest_of_equals() {
    let mut bench = Bench::new(LeastConnection, &[(2, 3), (3, 0), (4, 1)]);
    assert_eq!(bench.picks(5), [4, 2, 4, 2, 4]);
    bench.change(&[(2, 3), (3, 0), (4, 1), (5, 1)]);
    assert_eq!(bench.picks(6), [5, 5, 5, 2, 5, 4]);
}

#[test]
fn an_active_connection_weighs_as_much_as_257_inactive_ones() {
    let mut bench = Bench::new(WeightedLeastConnection, &[(2, 257), (3, 1)]);
    bench.loads.0 = BTreeMap::from([(2, (1, 0)), (3, (0, 1))]);
    assert_eq!(bench.pick(), Some(3), "a tie, which the newest wins");
    bench.loads.0 = BTreeMap::from([(2, (1, 0)), (3, (0, 2))]);
    assert_eq!(bench.pick(), Some(2));
}

#[test]
fn workers_start_at_different_reals() {
    for kind in [RoundRobin, WeightedRoundRobin] {
        let first: Vec<_> = (0..4)
            .filter_map(|worker| Bench::on_worker(kind, &[(2, 1), (3, 1), (4, 1), (5, 1)], worker).pick())
            .collect();
        assert_eq!(first, [5, 4, 3, 2], "{kind}");
    }
}

#[test]
fn no_weight_means_no_real() {
    for kind in SchedulerKind::ALL {
        assert_eq!(Bench::new(kind, &[]).pick(), None, "{kind}");
        assert_eq!(Bench::new(kind, &[(2, 0), (3, 0)]).pick(), None, "{kind}");
        assert_eq!(Bench::new(kind, &[(2, 0), (3, 1)]).pick(), Some(3), "{kind}");
    }
}

fn weights(max: u32) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![Just(0), 1..max], 1..12)
}

fn reals(weights: &[u32]) -> Vec<(u32, u32)> {
    (0..).zip(weights.iter().copied()).collect()
}

proptest! {
    #[test]
    fn weight_0_is_never_chosen_and_some_weight_always_is(
        kind in prop::sample::select(SchedulerKind::ALL.to_vec()),
        worker in 0..8_u16,
        lists in prop::collection::vec(weights(70_000), 1..6),
    ) {
        let mut bench = Bench::on_worker(kind, &reals(&lists[0]), worker);
        for list in lists {
            bench.change(&reals(&list));
            for _ in 0..20 {
                let pick = bench.pick();
                if kind != SchedulerKind::DestinationHash {
                    prop_assert_eq!(pick.is_some(), list.iter().any(|weight| *weight > 0));
                }
                prop_assert!(pick.is_none_or(|slot| list[slot as usize] > 0));
            }
        }
    }

    #[test]
    fn weighted_shares_are_exact_after_whole_cycles(
        kind in prop::sample::select(vec![WeightedRoundRobin, WeightedLeastConnection]),
        worker in 0..8_u16,
        list in weights(40),
    ) {
        let mut bench = Bench::on_worker(kind, &reals(&list), worker);
        let total: u32 = list.iter().sum();
        bench.picks(3 * total as usize);
        for (slot, weight) in reals(&list) {
            prop_assert_eq!(bench.loads.inactive(slot), 3 * weight, "real {}", slot);
        }
    }

    #[test]
    fn plain_shares_differ_by_at_most_one(
        kind in prop::sample::select(vec![RoundRobin, LeastConnection]),
        list in weights(40),
        picks in 0..200_usize,
    ) {
        let mut bench = Bench::new(kind, &reals(&list));
        bench.picks(picks);
        let usable = reals(&list).into_iter().filter(|(_, weight)| *weight > 0);
        let shares: Vec<_> = usable.map(|(slot, _)| bench.loads.inactive(slot)).collect();
        prop_assert!(shares.iter().max().unwrap_or(&0) - shares.iter().min().unwrap_or(&0) <= 1);
    }

    #[test]
    fn an_unchanged_list_leaves_round_robin_where_it_was(list in weights(40), before in 0..50_usize) {
        let mut plain = Bench::new(RoundRobin, &reals(&list));
        let mut carried = Bench::new(RoundRobin, &reals(&list));
        plain.picks(before);
        carried.picks(before);
        carried.change(&reals(&list));
        prop_assert_eq!(carried.picks(20), plain.picks(20));
    }
}
