//! Reals that are taken out: who still gets to them, and how their connections are closed.

use crate::flood::{connect, send};
use crate::rig::{self, Kept, Rig, WAN};
use crate::traffic::{VIP, tcp, wan};
use dataplane::pipeline::Verdict;
use link::message::ConnectionRow;
use link::model::{Phase, ServiceTable};
use rte_rs::Mempool;

const CLIENTS: std::ops::Range<u16> = 1000..1030;
const REAL: &str = "172.16.0.2:80";

/// The services, in which the first real of each service of this port is in `phase`, at weight 0.
fn services(port: u16, phase: Phase) -> ServiceTable {
    let mut table = rig::services(0).table();
    for service in table.services.iter_mut().filter(|service| service.key.port() == port) {
        service.reals[0].phase = phase;
        service.reals[0].weight = 0;
    }
    table
}

/// The clients of the first real, whose connections are there, and those of the others.
fn clients(rig: &mut Rig) -> (Vec<u16>, Vec<u16>) {
    let port = |row: &ConnectionRow| row.client.port();
    let rows = rig.connections(0);
    let (first, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.real.to_string() == REAL);
    (first.into_iter().map(port).collect(), others.into_iter().map(port).collect())
}

/// Rounds of the worker's loop; the frames that they send.
fn rounds(rig: &mut Rig, out: &mut Kept) -> usize {
    out.sent.clear();
    for _ in 0..64 {
        rig.pipelines[0].expire(64);
        rig.pipelines[0].send_resets(out);
    }
    out.sent.len()
}

fn goes_on(rig: &mut Rig, out: &mut Kept, pool: &Mempool, client: u16) -> bool {
    matches!(send(rig, out, pool, WAN, &tcp(client, 80).acking(2)), Verdict::Forwarded { .. })
}

#[test]
fn closing_tells_both_ends_of_those_connections_and_no_others() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 256)), Kept::new(&pool));
    for client in CLIENTS {
        assert!(connect(&mut rig, &mut out, &pool, client));
    }
    let (first, others) = clients(&mut rig);
    assert_eq!((first.len(), others.len()), (10, 20));
    rig.apply_table(&services(80, Phase::Draining), 0);
    assert!(first.iter().all(|client| goes_on(&mut rig, &mut out, &pool, *client)), "they are left to end");
    assert_eq!(rounds(&mut rig, &mut out), 0);
    assert!(connect(&mut rig, &mut out, &pool, 2000));
    assert_eq!(clients(&mut rig).0, first, "a new client gets to another real");

    // Half of them have said nothing since the drain began.
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 256)), Kept::new(&pool));
    for client in CLIENTS {
        assert!(connect(&mut rig, &mut out, &pool, client));
    }
    rig.apply_table(&services(80, Phase::Draining), 0);
    let (talk, silent) = first.split_at(5);
    assert!(talk.iter().all(|client| goes_on(&mut rig, &mut out, &pool, *client)));
    rig.apply_table(&services(80, Phase::Closing), 0);
    let made = rounds(&mut rig, &mut out);
    assert_eq!(made, 2 * talk.len() + silent.len(), "a RST to each end, and a question to each silent client");
    assert_eq!(clients(&mut rig), (silent.to_vec(), others.clone()));
    let (answering, dumb) = silent.split_at(3);
    for client in answering {
        assert!(goes_on(&mut rig, &mut out, &pool, *client), "its last packet gets through");
        assert_eq!(rounds(&mut rig, &mut out), 2);
    }
    assert_eq!(clients(&mut rig), (dumb.to_vec(), others.clone()));
    rig.apply_table(&services(80, Phase::Removing), 0);
    assert_eq!(rounds(&mut rig, &mut out), 0, "nobody can be told");
    assert_eq!(clients(&mut rig), (vec![], others.clone()));
    assert!(others.iter().all(|client| goes_on(&mut rig, &mut out, &pool, *client)));
    let told = talk.len() + answering.len();
    let made = (2 * told + silent.len()) as u64;
    assert_eq!((rounds(&mut rig, &mut out), rig.totals().resets_created), (0, made));
    drop(out);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn connections_that_expire_while_a_real_is_drained_do_so_in_silence() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 256)), Kept::new(&pool));
    assert!(connect(&mut rig, &mut out, &pool, 1000));
    rig.apply_table(&services(80, Phase::Draining), 0);
    assert!(goes_on(&mut rig, &mut out, &pool, 1000));
    rig.pipelines[0].set_time(901_000);
    assert_eq!(rounds(&mut rig, &mut out), 0);
    assert!(rig.connections(0).is_empty());
}

#[test]
fn a_client_that_persistence_ties_to_a_real_leaves_it_when_it_is_drained_but_not_when_it_is_quiesced() {
    let pool = rig::start(255);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 256)), Kept::new(&pool));
    let mut real_of = |rig: &mut Rig, client: u16| {
        let frame = wan().ipv4("202.100.9.9", VIP).tcp(client, 88).syn();
        assert!(matches!(send(rig, &mut out, &pool, WAN, &frame), Verdict::Forwarded { .. }));
        let rows = rig.connections(0);
        let row = rows.iter().find(|row| row.client.port() == client).expect("a connection");
        row.real.ip().octets()[3]
    };
    let before = real_of(&mut rig, 1000);
    let index = usize::from(before - 2);
    let with = |phase: Phase| {
        let mut table = rig::services(0).table();
        for service in table.services.iter_mut().filter(|service| service.key.port() == 88) {
            service.reals[index].phase = phase;
            service.reals[index].weight = 0;
        }
        table
    };
    rig.apply_table(&with(Phase::Serving), 0);
    assert_eq!(real_of(&mut rig, 1001), before, "weight 0 alone keeps who it has");
    rig.apply_table(&with(Phase::Draining), 0);
    assert_ne!(real_of(&mut rig, 1002), before);
    rig.apply_table(&rig::services(0).table(), 0);
    assert_ne!(real_of(&mut rig, 1003), before, "it is tied to the other one now");
}
