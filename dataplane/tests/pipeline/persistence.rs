//! Persistence over workers, and under a flood.

use crate::rig::{self, Kept, Rig, WAN, mbuf};
use crate::traffic::{VIP, wan};
use dataplane::pipeline::{Origin, Verdict};
use dataplane::steer;
use link::message::ConnectionRow;
use rte_rs::{Burst, Mempool};
use std::collections::HashMap;

fn address(client: u32) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from_bits(0xca64_0000 + client)
}

/// A first packet of a client to a persistent service, at the worker that owns the connection.
fn send(rig: &mut Rig, pool: &Mempool, out: &mut Kept, client: u32, port: u16, is_tcp: bool) -> (usize, Verdict) {
    let client = address(client);
    let packet = wan().ipv4(client.octets(), VIP);
    let frame = if is_tcp { packet.tcp(port, 88).syn() } else { packet.udp(port, 88) };
    let worker = usize::from(steer::owner(client.to_bits(), port, rig.pipelines.len() as u16));
    let mut burst = Burst::new();
    burst.push(mbuf(pool, WAN, &frame.bytes())).expect("room for one");
    rig.pipelines[worker].process(&mut burst, Origin::Port(WAN), out);
    (worker, rig.pipelines[worker].verdict(0).expect("one frame"))
}

#[test]
fn connections_of_one_client_go_to_one_real_whichever_worker_has_them() {
    let pool = rig::start(1023);
    let mut rig = Rig::new(rig::machine(2, 4_000));
    let mut out = Kept::new(&pool);
    let mut workers = [0; 2];
    for port in 1000..1020 {
        for client in 1..=100 {
            let (worker, verdict) = send(&mut rig, &pool, &mut out, client, port, true);
            assert!(matches!(verdict, Verdict::Forwarded { .. }), "{verdict:?}");
            workers[worker] += 1;
        }
    }
    assert!(workers.iter().all(|connections| *connections > 800), "both workers have their part: {workers:?}");
    let mut reals: HashMap<_, Vec<_>> = HashMap::new();
    for ConnectionRow { client, real, .. } in rig.connections(0) {
        reals.entry(*client.ip()).or_default().push(real);
    }
    assert_eq!(reals.len(), 100);
    for (client, reals) in &reals {
        assert_eq!(reals.len(), 20);
        assert!(reals.iter().all(|real| real == &reals[0]), "{client}: {reals:?}");
    }
    let first: std::collections::HashSet<_> = reals.values().map(|reals| reals[0]).collect();
    assert_eq!((first.len(), rig.pipelines[0].templates().len()), (2, 100), "both reals have clients");
}

/// Clients without end, with packets that leave no connection, then with half-open connections: tables stay as they were
/// made, and what does not fit is counted under its reason. Who was there before keeps its real.
#[test]
fn a_flood_of_clients_is_bounded_and_counted() {
    let pool = rig::start(1023);
    let mut machine = rig::machine(1, 1_000);
    machine.dataplane.templates = 500;
    let mut rig = Rig::new(machine);
    let mut out = Kept::new(&pool);
    let places = rig.pipelines[0].templates().positions();
    send(&mut rig, &pool, &mut out, 7, 1, true);
    let before = rig.connections(0);
    for client in 100..30_100 {
        let (_, verdict) = send(&mut rig, &pool, &mut out, client, 1000, false);
        assert!(matches!(verdict, Verdict::Forwarded { .. }), "one that was never served makes room: {verdict:?}");
    }
    assert_eq!(rig.connections(0), before, "no datagram left a connection");
    for client in 100..5_100 {
        send(&mut rig, &pool, &mut out, client, 1000, true);
        out.sent.clear();
    }
    let templates = rig.pipelines[0].templates();
    assert_eq!(templates.positions(), places);
    let dropped = rig.totals().dropped;
    let [full, table_full] =
        [link::DropReason::TemplatesFull, link::DropReason::TableFull].map(|reason| dropped[reason.index()]);
    let live = rig.connections(0).len() as u64;
    assert!(full > 0 && live <= 1_000, "{full} for want of templates, {live} connections");
    assert_eq!(5_000, full + table_full + live - 1);
    // Half-open connections and templates end; then there is room for everybody.
    rig.set_time(61_000);
    let (_, verdict) = send(&mut rig, &pool, &mut out, 9_999, 1000, true);
    assert!(matches!(verdict, Verdict::Forwarded { .. }), "{verdict:?}");
    assert_eq!((rig.connections(61_000).len(), pool.in_use()), (1, 0));
}
