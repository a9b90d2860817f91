//! Which reals a director's workers choose: shares by weight, and the same choice by another director.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{VIP, wan};
use config::Services;
use dataplane::pipeline::Origin;
use dataplane::steer;
use link::model::{SchedulerKind, ServiceTable};
use rte_rs::{Burst, Mempool};
use std::collections::BTreeMap;

const CONNECTIONS: u64 = 10_000;
/// Milliseconds between two of them. Each stays half-open for a minute, so 1,000 are there at a time.
const BETWEEN: u64 = 60;
const WORKERS: u16 = 3;

/// A service with these reals, each a port of 172.16.0.2 with its weight.
fn service(scheduler: &str, flags: &str, reals: &[(u16, u32)]) -> ServiceTable {
    let mut text = format!(
        "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"{VIP}:80\"\nscheduler = \"{scheduler}\"\n\
         scheduler_flags = [{flags}]\n"
    );
    for (port, weight) in reals {
        text += &format!("[[service.real]]\naddress = \"172.16.0.2:{port}\"\nweight = {weight}\n");
    }
    Services::parse(&text, "services.toml").unwrap_or_else(|error| panic!("{error}")).table()
}

/// The port of the real that a client's SYN goes to; the worker that owns the connection has it.
fn choice(rig: &mut Rig, out: &mut Kept, pool: &Mempool, client: u32, port: u16) -> u16 {
    let frame = wan().ipv4(client.to_be_bytes(), VIP).tcp(port, 80).syn();
    let worker = usize::from(steer::owner(client, port, rig.pipelines.len() as u16));
    let mut burst = Burst::new();
    burst.push(mbuf(pool, WAN, &frame.bytes())).expect("room for one");
    rig.pipelines[worker].process(&mut burst, Origin::Port(WAN), out);
    let (side, sent) = out.sent.pop().expect("it passes");
    assert_eq!(side, LAN);
    u16::from_be_bytes([sent[14 + 20 + 2], sent[14 + 20 + 3]])
}

#[test]
fn shares_of_three_workers_are_within_five_percent_of_the_weights() {
    use SchedulerKind::*;
    let pool = rig::start(255);
    let mut out = Kept::new(&pool);
    let weighted = [
        (WeightedRoundRobin, ""),
        (WeightedLeastConnection, ""),
        (ShortestExpectedDelay, ""),
        (NeverQueue, ""),
        (SourceHash, "\"sh-port\""),
        (MaglevHash, "\"mh-port\""),
        (PowerOfTwo, ""),
    ];
    let plain = [(RoundRobin, ""), (LeastConnection, "")];
    let cases = weighted.map(|kind| (kind, [4, 2, 1, 1])).into_iter().chain(plain.map(|kind| (kind, [1; 4])));
    for ((kind, flags), weights) in cases {
        let mut rig = Rig::new(rig::machine(WORKERS, 2_000));
        let reals: Vec<_> = (8000..).zip(weights).collect();
        rig.apply_table(&service(&kind.to_string(), flags, &reals), 0);
        let mut random = fastrand::Rng::with_seed(7);
        let mut shares: BTreeMap<u16, u32> = BTreeMap::new();
        for n in 0..CONNECTIONS {
            rig.set_time(n * BETWEEN);
            let (client, port) = (0xca64_0000 + random.u32(..0x1_0000), random.u16(1024..));
            *shares.entry(choice(&mut rig, &mut out, &pool, client, port)).or_default() += 1;
        }
        let total: u32 = weights.iter().sum();
        for (real, weight) in reals {
            let share = f64::from(shares.get(&real).copied().unwrap_or(0));
            let fair = CONNECTIONS as f64 * f64::from(weight) / f64::from(total);
            assert!(
                (share - fair).abs() <= fair * 0.05,
                "{kind}: {share} for weight {weight}, fair {fair}: {shares:?}"
            );
        }
        let of_workers: Vec<u64> =
            (0..WORKERS).map(|worker| rig.counters(worker).worker.totals().connections_created).collect();
        assert!(of_workers.iter().all(|count| *count > CONNECTIONS / 4), "each has its part: {of_workers:?}");
    }
}

/// One has one worker and had these reals from the beginning; the other has three, and came to them by way of others.
#[test]
fn directors_with_the_same_list_of_reals_choose_alike_by_mh() {
    const REALS: [(u16, u32); 4] = [(8000, 4), (8001, 2), (8002, 1), (8003, 1)];
    let pool = rig::start(255);
    let mut out = Kept::new(&pool);
    for flags in ["", "\"mh-port\""] {
        let list = |reals: &[(u16, u32)]| service("mh", flags, reals);
        let mut one = Rig::new(rig::machine(1, 8_000));
        one.apply_table(&list(&REALS), 0);
        let mut other = Rig::new(rig::machine(3, 8_000));
        other.apply_table(&list(&[(9000, 1), (8003, 5), (8001, 2)]), 0);
        other.apply_table(&list(&[(8000, 4), (8001, 7), (9000, 1), (8003, 1)]), 0);
        other.apply_table(&list(&REALS), 0);
        let mut choices = |rig: &mut Rig| -> Vec<u16> {
            let clients = (0..2_000).map(|n| (0xca64_0000 + n * 31, 1024 + (n * 7) as u16));
            clients.map(|(client, port)| choice(rig, &mut out, &pool, client, port)).collect()
        };
        let chosen = choices(&mut one);
        assert_eq!(chosen, choices(&mut other), "flags {flags}");
        let first: Vec<_> =
            REALS.iter().map(|(real, _)| chosen.iter().filter(|chosen| *chosen == real).count()).collect();
        assert!(first.iter().all(|count| *count > 100), "all have clients: {first:?}");
        // With another list they don't: the comparison can fail.
        other = Rig::new(rig::machine(3, 8_000));
        other.apply_table(&list(&[(8000, 4), (8001, 2), (8002, 1), (9000, 1)]), 0);
        assert_ne!(chosen, choices(&mut other), "flags {flags}");
    }
}
