//! A full table: who opens connections in bulk loses them first, and those that are established live on.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{reply, tcp, udp};
use dataplane::pipeline::{Origin, Verdict};
use link::DropReason;
use link::message::ConnectionState;
use rte_rs::{Burst, Mempool};
use wire::build::Frame;

const CAPACITY: u32 = 256;
const ESTABLISHED: u16 = 64;
const FLOOD: u16 = 20_000;

/// One frame through the director.
fn send(rig: &mut Rig, out: &mut Kept, pool: &Mempool, port: u16, frame: &Frame) -> Verdict {
    let mut burst = Burst::new();
    burst.push(mbuf(pool, port, &frame.bytes())).expect("room for one");
    rig.pipelines[0].process(&mut burst, Origin::Port(port), out);
    out.sent.clear();
    rig.pipelines[0].verdict(0).expect("one frame")
}

/// A client's whole handshake, through NAT, in a round of its own; false if a packet of it did not pass.
pub(crate) fn connect(rig: &mut Rig, out: &mut Kept, pool: &Mempool, client: u16) -> bool {
    rig.pipelines[0].expire(64);
    let passed = |verdict| matches!(verdict, Verdict::Forwarded { .. });
    let mut real = None;
    let syn = passed(send(rig, out, pool, WAN, &tcp(client, 80).syn()));
    for row in rig.connections(0) {
        if row.client.port() == client {
            real = Some(row.real);
        }
    }
    let Some(real) = real else { return false };
    let answer = reply(&real.ip().to_string(), real.port(), client).syn().acking(1);
    syn && passed(send(rig, out, pool, LAN, &answer)) && passed(send(rig, out, pool, WAN, &tcp(client, 80).acking(1)))
}

fn established(rig: &mut Rig) -> usize {
    rig.connections(0).iter().filter(|row| row.state == ConnectionState::Established).count()
}

#[test]
fn syn_flood_against_a_full_table_costs_no_established_connection_and_lets_new_ones_in() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(1, rig::machine(1, CAPACITY)), Kept::new(&pool));
    for client in 1000..1000 + ESTABLISHED {
        assert!(connect(&mut rig, &mut out, &pool, client));
    }
    for n in 0..FLOOD {
        if n % 32 == 0 {
            rig.pipelines[0].expire(64);
        }
        send(&mut rig, &mut out, &pool, WAN, &tcp(20_000 + n, 80).syn());
        if n % 200 == 199 {
            let client = 2000 + n / 200;
            assert!(connect(&mut rig, &mut out, &pool, client), "client {client}");
            assert!(connect_goes_on(&mut rig, &mut out, &pool, client), "client {client}");
            // It ends, so that the table is not full of clients.
            send(&mut rig, &mut out, &pool, WAN, &tcp(client, 80).rst());
        }
    }
    for client in 1000..1000 + ESTABLISHED {
        assert!(connect_goes_on(&mut rig, &mut out, &pool, client), "client {client}");
    }
    assert_eq!(established(&mut rig), usize::from(ESTABLISHED));
    let totals = rig.totals();
    // Only of the flood itself, where the hand goes over a stretch of connections that live.
    assert!(totals.dropped[DropReason::TableFull.index()] < u64::from(FLOOD) / 100, "{totals:#?}");
    assert_eq!(totals.connections_evicted, totals.connections_created - u64::from(CAPACITY), "{totals:#?}");
    assert_eq!(pool.in_use(), 0);
}

fn connect_goes_on(rig: &mut Rig, out: &mut Kept, pool: &Mempool, client: u16) -> bool {
    matches!(send(rig, out, pool, WAN, &tcp(client, 80).acking(2)), Verdict::Forwarded { .. })
}

#[test]
fn udp_flood_takes_what_is_idle_and_no_more() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(1, rig::machine(1, CAPACITY)), Kept::new(&pool));
    for client in 1000..1000 + ESTABLISHED {
        assert!(connect(&mut rig, &mut out, &pool, client));
        for _ in 0..8 {
            assert!(connect_goes_on(&mut rig, &mut out, &pool, client));
        }
    }
    let mut flood = |rig: &mut Rig, from: u16| {
        let verdicts: Vec<_> =
            (from..from + 1000).map(|port| send(rig, &mut out, &pool, WAN, &udp(port, 53))).collect();
        verdicts.iter().filter(|verdict| **verdict == Verdict::Dropped(DropReason::TableFull)).count()
    };
    let room = (CAPACITY - u32::from(ESTABLISHED)) as usize;
    assert_eq!(flood(&mut rig, 10_000), 1000 - room, "nothing is idle yet");
    rig.set_time(61_000);
    assert_eq!(flood(&mut rig, 20_000), 1000 - room, "each of the first flood makes room for one");
    assert_eq!(established(&mut rig), usize::from(ESTABLISHED));
    assert_eq!(rig.totals().connections_evicted, room as u64);
}

#[test]
fn drop_entry_goes_round_the_table_in_small_steps() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(1, rig::machine(1, CAPACITY)), Kept::new(&pool));
    rig.apply_settings("drop_entry = 3", 0);
    for client in 1000..1000 + CAPACITY as u16 {
        send(&mut rig, &mut out, &pool, WAN, &tcp(client, 80).syn());
    }
    let mut left = vec![CAPACITY as usize];
    for second in 1..=32 {
        rig.pipelines[0].set_time(second * 1000);
        rig.pipelines[0].expire(64);
        left.push(rig.connections(0).len());
    }
    let each_second = CAPACITY as usize / 32;
    let wanted: Vec<_> = (0..=32).map(|second| CAPACITY as usize - second * each_second).collect();
    assert_eq!(left, wanted);
}

#[test]
fn drop_entry_leaves_connections_alone_while_there_is_room_or_it_is_off() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(1, rig::machine(1, CAPACITY)), Kept::new(&pool));
    for client in 1000..1100 {
        send(&mut rig, &mut out, &pool, WAN, &tcp(client, 80).syn());
    }
    for (now, settings, left) in [
        (10_000, "", 100),
        (20_000, "drop_entry = 1", 100),
        (55_000, "drop_entry = 2\npressure_percent = 50", 100),
        (55_000, "drop_entry = 1\npressure_percent = 20", 100),
        (56_000, "drop_entry = 1\npressure_percent = 20", 92),
    ] {
        rig.apply_settings(settings, now);
        rig.set_time(now);
        assert_eq!(rig.connections(now).len(), left, "{settings} at {now}");
    }
}
