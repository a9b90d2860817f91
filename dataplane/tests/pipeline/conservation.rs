//! Every packet ends in exactly one place, whatever it is: a million frames, many of them broken.

use crate::rig::{self, LAN, Rig, WAN, mbuf};
use crate::traffic::{self, Incoming};
use crate::workers::{Rings, Workers};
use dataplane::fragment::SETS;
use fastrand::Rng;
use link::DropReason;
use rte_rs::{Burst, Mempool};
use wire::ipv4::Ipv4;

const FRAMES: u64 = 1_000_000;
const CONNECTIONS: u32 = 2_000;
/// Longest frame in an mbuf of the pool.
const LONGEST: usize = 1_600;
const ETHERNET: usize = 14;
/// Where the source port is in a frame with a plain IPv4 header.
const SOURCE_PORT: usize = ETHERNET + 20;

#[test]
fn nothing_is_lost_or_leaked_over_a_million_random_and_malformed_frames() {
    let pool = rig::start(16_383);
    let mut workers = Workers::new(Rig::new(rig::machine(2, CONNECTIONS)), &pool, Rings::default());
    let before = pool.in_use();
    let frames = traffic::all(&[1000, 1001, 1002, 1003]);
    let mut rng = Rng::with_seed(0x51u64);
    let (mut count, mut now) = (0, 0);
    while count < FRAMES {
        let (worker, port) = (rng.usize(..2), if rng.bool() { WAN } else { LAN });
        let mut burst = random_burst(&mut rng, &pool, &frames, port);
        count += burst.len() as u64;
        workers.round(worker, port, &mut burst);
        workers.round(1 - worker, port, &mut Burst::new());
        if rng.u32(..20) == 0 {
            workers.drain_kernel();
            workers.send_from_kernel(&pool, worker, port, &[0x55; 60]);
        }
        now += if rng.u32(..2_000) == 0 { 400_000 } else { rng.u64(..20) };
        workers.rig.pipelines.iter_mut().for_each(|pipeline| pipeline.set_time(now));
        if rng.u32(..1_000) == 0 {
            workers.rig.apply(rng.usize(..4), now);
        }
        for pipeline in &mut workers.rig.pipelines {
            assert!(pipeline.connections().len() <= CONNECTIONS as usize, "the table is bounded");
        }
    }
    workers.settle();
    let totals = workers.assert_conserved();
    assert_eq!(totals.received, count);
    assert_eq!(totals.handed_off, totals.taken_over + totals.dropped[DropReason::HandOffQueueFull.index()]);
    // It was not one kind of traffic only.
    for share in [totals.transmitted, workers.to_kernel, totals.dropped_total(), totals.taken_over] {
        assert!(share > FRAMES / 100, "{totals:#?}");
    }
    assert!(totals.fragments_reassembled > 10_000, "{totals:#?}");
    assert!(totals.fragments_created > 1_000 && totals.connections_created > 10_000, "{totals:#?}");
    for later in 0..SETS as u64 {
        workers.rig.set_time(now + 1_000_000 + later);
        workers.settle();
    }
    assert_eq!(workers.assert_conserved().fragments_held, 0, "the rest of a packet is not waited for for ever");
    assert!(workers.rig.pipelines.iter_mut().all(|pipeline| pipeline.connections().is_empty()));
    assert_eq!(pool.in_use(), before, "mbufs are leaked or freed twice");
}

fn random_burst(rng: &mut Rng, pool: &Mempool, frames: &[Incoming], port: u16) -> Burst {
    let mut burst = Burst::new();
    for _ in 0..rng.usize(1..=Burst::CAPACITY) {
        // One that belongs on the port, now and then another.
        let mut chosen = &frames[rng.usize(..frames.len())];
        if chosen.0 != port && rng.u32(..8) != 0 {
            chosen = &frames[rng.usize(..frames.len())];
        }
        let mut bytes = chosen.1.clone();
        spoil(rng, &mut bytes);
        burst.push(mbuf(pool, port, &bytes)).expect("room for 32");
    }
    burst
}

/// Makes a frame another client's, breaks it, or leaves it.
fn spoil(rng: &mut Rng, bytes: &mut Vec<u8>) {
    match rng.u32(..10) {
        0..4 => {}
        4..7 => {
            if let Some(port) = bytes.get_mut(SOURCE_PORT..SOURCE_PORT + 2) {
                port.copy_from_slice(&rng.u16(..).to_be_bytes());
            }
        }
        7 => {
            for _ in 0..rng.usize(1..5) {
                let at = rng.usize(..bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = rng.u8(..);
                }
            }
        }
        8 => bytes.truncate(rng.usize(..=bytes.len())),
        _ => bytes.resize((bytes.len() + rng.usize(..80)).min(LONGEST), rng.u8(..)),
    }
    if rng.bool() {
        repair(bytes);
    }
}

/// Without a right header checksum no other field would ever be looked at.
fn repair(bytes: &mut [u8]) {
    if let Some(Ok(mut packet)) = bytes.get_mut(ETHERNET..).map(Ipv4::parse_quoted) {
        packet.fill_checksum();
    }
}
