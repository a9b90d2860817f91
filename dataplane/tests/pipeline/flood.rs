//! A full table: who opens connections in bulk loses them first, and those that are established live on.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{VIP, reply, tcp, udp, wan};
use dataplane::pipeline::{Origin, Verdict};
use link::DropReason;
use link::message::ConnectionState;
use rte_rs::{Burst, Mempool};
use wire::build::{Frame, eth};

const CAPACITY: u32 = 256;
const ESTABLISHED: u16 = 64;
const FLOOD: u16 = 20_000;

/// One frame through the director.
pub(crate) fn send(rig: &mut Rig, out: &mut Kept, pool: &Mempool, port: u16, frame: &Frame) -> Verdict {
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
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
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
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
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
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
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
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
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

#[test]
fn connections_of_removed_reals_go_a_few_in_each_round() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
    rig.apply_settings("expire_nodest_conn = 1", 0);
    for client in 1000..1100 {
        send(&mut rig, &mut out, &pool, WAN, &udp(client, 53));
        send(&mut rig, &mut out, &pool, WAN, &tcp(client, 82).syn());
    }
    rig.apply_with(3, "expire_nodest_conn = 1", 0);
    let mut left = vec![rig.connections(0).len()];
    for _ in 0..8 {
        rig.pipelines[0].expire(64);
        left.push(rig.connections(0).len());
    }
    assert_eq!(left, [200, 168, 136, 104, 100, 100, 100, 100, 100]);
}

/// Which connection is found shows where the hand of the table is.
#[test]
fn full_table_of_living_connections_is_looked_through_once_a_millisecond_or_for_those_refused() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
    for client in 1000..1000 + CAPACITY as u16 {
        assert!(connect(&mut rig, &mut out, &pool, client));
    }
    let mut end = |rig: &mut Rig, n: u16| send(rig, &mut out, &pool, WAN, &tcp(1000 + n, 80).rst());
    for _ in 0..20 {
        rig.pipelines[0].expire(1);
    }
    end(&mut rig, 30);
    let mut open = |rig: &mut Rig, n: u16| send(rig, &mut out, &pool, WAN, &udp(20_000 + n, 53));
    let forwarded = |verdict| matches!(verdict, Verdict::Forwarded { .. });
    assert!(
        forwarded(open(&mut rig, 0)),
        "4 entries were looked at in 20 rounds, so the next 64 have the one that ended"
    );
    // Now the hand is at 31, and a refused one moves it to 95: then rounds look on.
    assert_eq!(open(&mut rig, 1), Verdict::Dropped(DropReason::TableFull));
    send(&mut rig, &mut Kept::new(&pool), &pool, WAN, &tcp(1000 + 98, 80).rst());
    rig.pipelines[0].expire(1);
    let was = rig.totals().connections_evicted;
    assert!(forwarded(send(&mut rig, &mut Kept::new(&pool), &pool, WAN, &udp(20_002, 53))));
    assert_eq!(rig.totals().connections_evicted, was + 1);
}

/// An error about a reply of a service's port to this port of the client.
fn error_about(service: &Frame) -> Frame {
    wan().ipv4("10.55.0.1", VIP).icmp(3, 3).quoting_briefly(service)
}

#[test]
fn connections_that_errors_opened_make_room_and_obey_drop_packet() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, CAPACITY)), Kept::new(&pool));
    rig.apply_settings("schedule_icmp = 1", 0);
    let about = |client| error_about(&eth().ipv4(VIP, "202.100.1.2").tcp(80, client));
    for client in 1000..1000 + CAPACITY as u16 {
        send(&mut rig, &mut out, &pool, WAN, &about(client));
    }
    let states: Vec<_> = rig.connections(0).iter().map(|row| row.state).collect();
    assert_eq!(states, [ConnectionState::None; CAPACITY as usize]);
    assert!(connect(&mut rig, &mut out, &pool, 5000), "it takes the place of one of them");
    rig.apply_settings("schedule_icmp = 1\ndrop_packet = 3\nam_droprate = 1", 0);
    assert_eq!(send(&mut rig, &mut out, &pool, WAN, &about(6000)), Verdict::Dropped(DropReason::DropPacket));
}

#[test]
fn half_open_connections_of_a_persistent_service_start_the_automatic_defences() {
    let pool = rig::start(255);
    let mut machine = rig::machine(1, 4096);
    machine.dataplane.templates = 64;
    let (mut rig, mut out) = (Rig::new(machine), Kept::new(&pool));
    let places = rig.pipelines[0].templates().positions() as u32;
    rig.apply_settings("drop_entry = 1\npressure_percent = 50", 0);
    let pressure = |rig: &mut Rig| {
        rig.pipelines[0].expire(64);
        rig.totals().pressure
    };
    let mut client = 0xca64_0001_u32;
    while (rig.pipelines[0].templates().len() as u32) < places / 2 {
        assert_eq!(pressure(&mut rig), 0);
        let syn = wan().ipv4(client.to_be_bytes(), VIP).tcp(1000, 88).syn();
        send(&mut rig, &mut out, &pool, WAN, &syn);
        client += 1;
    }
    assert_eq!(pressure(&mut rig), 1);
    rig.set_time(32_000);
    assert_eq!(rig.pipelines[0].templates().len(), 0, "drop_entry has been round the table");
}
