//! Shares of the reals over several workers and 10,000 connections, and how far a change moves clients.

use super::{Candidate, Choice, Cursor, Load, Member, Memory, Newcomer, Scheduler, Start};
use crate::connection::Endpoint;
use crate::steer;
use link::model::{SchedulerFlags, SchedulerKind, ServiceOptions, Settings};
use std::cell::Cell;
use std::collections::VecDeque;

/// Active connections by slot.
struct Active(Vec<Cell<u32>>);

impl Load for Active {
    fn active(&self, slot: u32) -> u32 {
        self.0[slot as usize].get()
    }

    fn inactive(&self, _: u32) -> u32 {
        0
    }

    fn is_overloaded(&self, _: u32) -> bool {
        false
    }
}

/// Reals with these weights, slots from 0, and the scheduler over them.
fn service(kind: SchedulerKind, weights: &[u32]) -> (Vec<Candidate>, Scheduler) {
    let options = ServiceOptions { flags: SchedulerFlags::PORT, ..ServiceOptions::new(kind) };
    let candidates: Vec<_> = (0..).zip(weights).map(|(slot, &weight)| Candidate { slot, weight }).collect();
    let scheduler = Scheduler::new(&options, &Settings::default(), &candidates, || members(&candidates), None);
    (candidates, scheduler)
}

/// Each real has the address of its slot, 10.0.0.SLOT.
fn members(candidates: &[Candidate]) -> impl Iterator<Item = Member> {
    candidates.iter().map(|candidate| Member {
        endpoint: Endpoint { address: 0x0a00_0000 + candidate.slot, port: 80 },
        lasting_weight: candidate.weight,
    })
}

/// How many of 10,000 connections each real got; 1,000 of them are open at a time. Clients are spread over the workers
/// as their packets would be.
fn shares(kind: SchedulerKind, weights: &[u32], workers: u16) -> Vec<u32> {
    let (candidates, scheduler) = service(kind, weights);
    let mut states: Vec<_> = (0..workers).map(|worker| (Cursor::default(), Memory::new(worker))).collect();
    let load = Active(vec![Cell::new(0); weights.len()]);
    let (mut open, mut shares) = (VecDeque::new(), vec![0; weights.len()]);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..10_000 {
        let source = Endpoint { address: random.u32(0x0b00_0000..0xdf00_0000), port: random.u16(1024..) };
        let newcomer = Newcomer { source, destination: Endpoint { address: 0x0a09_0001, port: 80 }, now: 0 };
        let choice = Choice {
            service: 0,
            start: scheduler.first_start(&candidates),
            candidates: &candidates,
            load: &load,
            newcomer,
        };
        let (cursor, memory) = &mut states[usize::from(steer::owner(source.address, source.port, workers))];
        let index = scheduler.pick(cursor, memory, &choice).expect("a real");
        shares[index] += 1;
        load.0[index].set(load.0[index].get() + 1);
        open.push_back(index);
        if open.len() > 1_000 {
            let over = open.pop_front().expect("one");
            load.0[over].set(load.0[over].get() - 1);
        }
    }
    shares
}

#[test]
fn shares_are_within_five_percent_of_the_weights_whatever_the_number_of_workers() {
    use SchedulerKind::*;
    let weighted = [
        WeightedRoundRobin,
        WeightedLeastConnection,
        ShortestExpectedDelay,
        NeverQueue,
        SourceHash,
        MaglevHash,
        PowerOfTwo,
    ];
    let plain = [RoundRobin, LeastConnection];
    let cases = weighted.map(|kind| (kind, [4, 2, 1, 1])).into_iter().chain(plain.map(|kind| (kind, [1; 4])));
    for (kind, weights) in cases {
        for workers in [1, 2, 3, 7] {
            let total: u32 = weights.iter().sum();
            for (share, weight) in shares(kind, &weights, workers).into_iter().zip(weights) {
                let fair = f64::from(10_000 * weight) / f64::from(total);
                let off = (f64::from(share) - fair).abs() / fair;
                assert!(off <= 0.05, "{kind}, {workers} workers: {share} connections for weight {weight}, fair {fair}");
            }
        }
    }
}

/// The real of each of 2,000 clients.
fn clients(candidates: &[Candidate], scheduler: &Scheduler) -> Vec<u32> {
    let load = Active(vec![Cell::new(0); 16]);
    let pick = |client: u32| {
        let source = Endpoint { address: 0xca64_0000 + client * 77, port: 4000 };
        let newcomer = Newcomer { source, destination: source, now: 0 };
        let choice = Choice { service: 0, start: Start::default(), candidates, load: &load, newcomer };
        let index = scheduler.pick(&mut Cursor::default(), &mut Memory::new(0), &choice).expect("a real");
        candidates[index].slot
    };
    (0..20).flat_map(|hundred| (0..100).map(move |client| hundred * 65_536 + client)).map(pick).collect()
}

#[test]
fn directors_with_the_same_list_choose_alike_and_the_order_of_the_list_matters_little_to_mh() {
    let (candidates, scheduler) = service(SchedulerKind::MaglevHash, &[4, 2, 1, 1]);
    let (_, other_director) = service(SchedulerKind::MaglevHash, &[4, 2, 1, 1]);
    assert_eq!(clients(&candidates, &scheduler), clients(&candidates, &other_director));
    let mut reversed = candidates.clone();
    reversed.reverse();
    let options = ServiceOptions { flags: SchedulerFlags::PORT, ..ServiceOptions::new(SchedulerKind::MaglevHash) };
    let scheduler_of_reversed = Scheduler::new(&options, &Settings::default(), &reversed, || members(&reversed), None);
    let moved = differing(&clients(&candidates, &scheduler), &clients(&reversed, &scheduler_of_reversed));
    assert!((1..200).contains(&moved), "{moved} of 2,000 clients have another real");
}

#[test]
fn a_real_that_leaves_mh_takes_few_other_clients_along() {
    let (candidates, scheduler) = service(SchedulerKind::MaglevHash, &[1; 10]);
    let (fewer, scheduler_of_fewer) = service(SchedulerKind::MaglevHash, &[1; 9]);
    let (before, after) = (clients(&candidates, &scheduler), clients(&fewer, &scheduler_of_fewer));
    let stayed: Vec<_> = before.iter().zip(&after).filter(|(before, _)| **before != 9).collect();
    let moved = stayed.iter().filter(|(before, after)| before != after).count();
    assert!(moved * 20 < stayed.len(), "{moved} of {} clients of the others moved", stayed.len());
}

#[test]
fn the_lots_of_twos_fall_by_weight() {
    let (candidates, scheduler) = service(SchedulerKind::PowerOfTwo, &[3, 1, 0]);
    let load = Active(vec![Cell::new(0); 3]);
    let (mut memory, mut shares) = (Memory::new(0), [0_u32; 3]);
    for port in 0..10_000 {
        let source = Endpoint { address: 1, port };
        let newcomer = Newcomer { source, destination: source, now: 0 };
        let choice = Choice { service: 0, start: Start::default(), candidates: &candidates, load: &load, newcomer };
        shares[scheduler.pick(&mut Cursor::default(), &mut memory, &choice).expect("a real")] += 1;
    }
    // Nobody is loaded, so the first of the two drawn has it.
    assert!((7_300..7_700).contains(&shares[0]) && shares[2] == 0, "{shares:?}");
}

fn differing(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).filter(|(one, other)| one != other).count()
}
