//! `reset_on_expiry`: both ends of established connections that expire are told, in bounded steps.

use crate::flood::connect;
use crate::rig::{self, Kept, Rig};
use rte_rs::{Mbuf, Mempool};

const CLIENTS: u16 = 100;
/// RSTs of one round: two for each of at most 32 connections.
const MOST: usize = 64;
const EXPIRED: u64 = 901_000;

/// A director with so many established connections, and `settings`.
fn director(settings: &str, out: &mut Kept, pool: &Mempool) -> Rig {
    let mut rig = Rig::new(rig::machine(1, 256));
    rig.apply_settings(settings, 0);
    for client in 1000..1000 + CLIENTS {
        assert!(connect(&mut rig, out, pool, client));
    }
    out.sent.clear();
    rig
}

/// Rounds of the worker's loop, each a tick of the timers after the other; the RSTs of each.
fn rounds(rig: &mut Rig, out: &mut Kept) -> Vec<usize> {
    let pipeline = &mut rig.pipelines[0];
    let round = |round: u64| {
        out.sent.clear();
        pipeline.set_time(EXPIRED + round * 64);
        pipeline.expire(64);
        pipeline.send_resets(out);
        out.sent.len()
    };
    (0..16).map(round).collect()
}

#[test]
fn connections_that_expire_together_are_told_a_few_a_round_and_each_end_once() {
    let pool = rig::start(255);
    let mut out = Kept::new(&pool);
    let mut rig = director("reset_on_expiry = 1", &mut out, &pool);
    let sent = rounds(&mut rig, &mut out);
    assert!(sent.iter().all(|count| *count <= MOST), "{sent:?}");
    assert_eq!(sent.iter().sum::<usize>(), 2 * usize::from(CLIENTS), "{sent:?}");
    assert_eq!((rig.connections(0).len(), rig.totals().resets_created), (0, 2 * u64::from(CLIENTS)));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn without_the_setting_connections_expire_in_silence() {
    let pool = rig::start(255);
    let mut out = Kept::new(&pool);
    let mut rig = director("reset_on_expiry = 0", &mut out, &pool);
    assert_eq!(rounds(&mut rig, &mut out).iter().sum::<usize>(), 0);
    assert_eq!(rig.connections(0).len(), 0);
}

#[test]
fn without_mbufs_connections_expire_all_the_same() {
    let pool = rig::start(255);
    let mut out = Kept::new(&pool);
    let mut rig = director("reset_on_expiry = 1", &mut out, &pool);
    let all: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(rounds(&mut rig, &mut out).iter().sum::<usize>(), 0);
    assert_eq!((rig.connections(0).len(), rig.totals().resets_created), (0, 0));
    drop(all);
    assert_eq!(pool.in_use(), 0);
}
