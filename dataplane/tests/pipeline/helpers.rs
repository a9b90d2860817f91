//! Control connections and what they announce, over several workers: a data connection may be another's than its
//! control connection.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{reply, tcp};
use dataplane::pipeline::Origin;
use dataplane::steer;
use link::counters::WorkerTotals;
use link::directory::RealSlot;
use rte_rs::{Burst, Mempool};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use wire::build::Frame;

const WORKERS: u16 = 3;
const CLIENT: Ipv4Addr = Ipv4Addr::new(202, 100, 1, 2);
const REAL: &str = "172.16.0.2";

struct Bench {
    rig: Rig,
    out: Kept,
    pool: Mempool,
    /// The client's and the real's next sequence numbers, and what the client acknowledges, by the client's port.
    next: HashMap<u16, (u32, u32, u32)>,
}

impl Bench {
    fn new(connections: u32) -> Self {
        let pool = rig::start(4095);
        let rig = Rig::new(rig::machine(WORKERS, connections));
        Self { rig, out: Kept::new(&pool), pool, next: HashMap::new() }
    }

    /// Gives a frame to the worker that owns the client's port; what left in its place.
    fn give(&mut self, port: u16, client_port: u16, frame: &Frame) -> Option<Vec<u8>> {
        let owner = steer::owner(CLIENT.to_bits(), client_port, WORKERS);
        let mut burst = Burst::new();
        burst.push(mbuf(&self.pool, port, &frame.bytes())).expect("room for one");
        self.out.sent.clear();
        self.rig.pipelines[usize::from(owner)].process(&mut burst, Origin::Worker, &mut self.out);
        self.out.sent.pop().map(|(_, bytes)| bytes)
    }

    /// A control connection from this port of the client, established and welcomed.
    fn control(&mut self, client: u16) {
        self.connect(client);
        self.answer(client, "220 hi\r\n");
    }

    /// A control connection on which nothing has been said.
    fn connect(&mut self, client: u16) {
        self.give(WAN, client, &tcp(client, 21).syn().seq(0));
        self.give(LAN, client, &reply(REAL, 2121, client).syn().seq(0).acking(1));
        self.give(WAN, client, &tcp(client, 21).seq(1).acking(1));
        self.next.insert(client, (1, 1, 1));
    }

    fn command(&mut self, client: u16, text: &str) {
        let (at, _, received) = self.next[&client];
        let frame = tcp(client, 21).seq(at).acking(received).payload(text.as_bytes());
        self.give(WAN, client, &frame).expect("it passes");
        self.next.entry(client).and_modify(|next| next.0 += text.len() as u32);
    }

    /// What the client gets of a text of the real.
    fn answer(&mut self, client: u16, text: &str) -> String {
        let (_, at, _) = self.next[&client];
        let frame = reply(REAL, 2121, client).seq(at).acking(1).payload(text.as_bytes());
        let sent = self.give(LAN, client, &frame).expect("it passes");
        let got = &sent[54..];
        self.next.entry(client).and_modify(|next| {
            next.1 += text.len() as u32;
            next.2 += got.len() as u32;
        });
        String::from_utf8_lossy(got).into_owned()
    }

    /// Announces port 51200 and more of the real, and opens a connection to it from this port of the client.
    fn passive(&mut self, control: u16, announced: u16, from: u16) -> bool {
        self.command(control, "PASV\r\n");
        let port = 51_200 + announced;
        let text = |address: &str| format!("227 ok ({address},{},{})\r\n", port >> 8, port & 0xff);
        assert_eq!(self.answer(control, &text("172,16,0,2")), text("202,103,106,5"));
        self.open(port, from)
    }

    /// Whether the real gets the client's SYN to a port of the VIP.
    fn open(&mut self, port: u16, from: u16) -> bool {
        let got = self.give(WAN, from, &tcp(from, port).syn());
        got.is_some_and(|bytes| bytes[30..34] == [172, 16, 0, 2])
    }

    fn totals(&self) -> WorkerTotals {
        self.rig.totals()
    }

    fn held(&self, now: u64) -> Vec<String> {
        let mut pipelines = self.rig.pipelines.iter();
        let expected = pipelines.next().expect("a worker").expected();
        (0..expected.positions()).filter_map(|at| expected.row(at, now)).map(|row| row.service.to_string()).collect()
    }
}

#[test]
fn data_connections_come_up_wherever_their_ports_belong() {
    let mut bench = Bench::new(1000);
    bench.control(1000);
    let owners: HashSet<u16> = (0..12)
        .map(|n| {
            assert!(bench.passive(1000, n, 2000 + n), "data connection {n}");
            steer::owner(CLIENT.to_bits(), 2000 + n, WORKERS)
        })
        .collect();
    assert_eq!(owners.len(), usize::from(WORKERS), "the ports are of all workers");
    assert!(!bench.open(51_200, 3000), "an announced port is used up by its connection");
    // Replies of the real leave from the service's address.
    let sent = bench.give(LAN, 2005, &reply(REAL, 51_205, 2005).syn().acking(1)).expect("it passes");
    assert_eq!(sent[26..30], [202, 103, 106, 5]);
    assert_eq!((bench.totals().helper_announced, bench.held(0).len()), (12, 0));
}

#[test]
fn a_real_connects_to_the_port_that_the_client_announced() {
    let mut bench = Bench::new(1000);
    bench.control(1000);
    for port in 50_000..50_012 {
        let syn = reply(REAL, 2120, port).syn();
        assert_eq!(bench.give(LAN, port, &syn), None, "nobody expects it");
        bench.command(1000, &format!("PORT 202,100,1,2,{},{}\r\n", port >> 8, port & 0xff));
        let sent = bench.give(LAN, port, &syn).expect("it passes");
        assert_eq!((&sent[26..30], &sent[34..36]), (&[202, 103, 106, 5][..], &20u16.to_be_bytes()[..]));
        let back = bench.give(WAN, port, &tcp(port, 20).syn().acking(1)).expect("it passes");
        assert_eq!(back[30..34], [172, 16, 0, 2]);
    }
}

#[test]
fn a_control_connection_stays_while_its_data_connections_do() {
    let mut bench = Bench::new(1000);
    bench.control(1000);
    assert!(bench.passive(1000, 0, 2000));
    let acknowledge = |bench: &mut Bench| {
        bench.give(WAN, 2000, &tcp(2000, 51_200).acking(1));
    };
    acknowledge(&mut bench);
    // Established connections idle for 900 s.
    for minute in (0..30).step_by(10) {
        bench.rig.set_time(minute * 60_000);
        acknowledge(&mut bench);
    }
    let states =
        |bench: &mut Bench, now| bench.rig.connections(now).iter().map(|row| row.service.port()).collect::<Vec<_>>();
    bench.rig.set_time(29 * 60_000);
    assert_eq!(states(&mut bench, 29 * 60_000), [21, 51_200]);
    // The data connection ends 15 minutes after its last packet, then its control connection within a minute.
    for now in [36 * 60_000, 37 * 60_000 + 100] {
        bench.rig.set_time(now);
    }
    assert_eq!(states(&mut bench, 0), [0u16; 0]);
    bench.rig.set_time(40 * 60_000);
    let reals = &bench.rig.directory().reals;
    let left = |real: &RealSlot| real.active.load(Ordering::Relaxed) + real.inactive.load(Ordering::Relaxed);
    assert_eq!(reals.iter().map(left).sum::<u32>(), 0);
}

#[test]
fn a_held_control_connection_is_given_a_minute_at_a_time_from_when_its_time_was_up() {
    const MINUTE: u64 = 60_000;
    let mut bench = Bench::new(1000);
    bench.control(1000);
    assert!(bench.passive(1000, 0, 2000));
    bench.give(WAN, 2000, &tcp(2000, 51_200).acking(1));
    bench.rig.set_time(10 * MINUTE);
    bench.give(WAN, 2000, &tcp(2000, 51_200).acking(1));
    let left = |bench: &mut Bench, now| {
        bench.rig.set_time(now);
        let rows = bench.rig.connections(now);
        rows.iter().find(|row| row.service.port() == 21).map(|row| u64::from(row.expires_in))
    };
    assert_eq!(left(&mut bench, 15 * MINUTE - 1), Some(1), "900 s without a packet");
    assert_eq!(left(&mut bench, 15 * MINUTE + 1000), Some(MINUTE - 1000), "its data connection is there");
    assert_eq!(left(&mut bench, 17 * MINUTE + 30_000), Some(MINUTE / 2), "nobody looked at 16 and 17 minutes");
    // A packet gives it the time of its state again.
    bench.command(1000, "NOOP\r\n");
    assert_eq!(left(&mut bench, 17 * MINUTE + 30_000), Some(15 * MINUTE));
    // The data connection ends at 25 minutes, and is not there any more when the time is up.
    assert_eq!(left(&mut bench, 32 * MINUTE + 29_999), Some(1));
    assert_eq!(left(&mut bench, 32 * MINUTE + 30_100), None);
}

#[test]
fn what_a_control_connection_announced_goes_with_it() {
    let mut bench = Bench::new(1000);
    bench.control(1000);
    bench.command(1000, "EPSV\r\nPORT 202,100,1,2,200,9\r\n");
    bench.answer(1000, "229 ok (|||51200|)\r\n");
    assert_eq!(
        bench.held(0),
        ["202.103.106.5:51200", "202.103.106.5:20"].map(str::to_owned).iter().rev().cloned().collect::<Vec<_>>()
    );
    for pipeline in &mut bench.rig.pipelines {
        (0..1000).for_each(|index| pipeline.connections().remove(index));
    }
    assert_eq!(bench.held(0), [""; 0]);
    assert!(!bench.open(51_200, 2000));
}

#[test]
fn a_flood_of_announcements_leaves_four_and_they_end() {
    let mut bench = Bench::new(1000);
    bench.control(1000);
    for n in 0..200 {
        bench.command(1000, &format!("PORT 202,100,1,2,200,{n}\r\nPORT 1,2,3,4,200,{n}\r\n"));
    }
    let totals = bench.totals();
    assert_eq!((totals.helper_announced, totals.helper_refused, bench.held(0).len()), (200, 200, 4));
    bench.rig.set_time(120_000);
    assert_eq!(bench.held(0), [""; 0], "they are gone, not only over");
}

#[test]
fn control_connections_without_a_place_go_on_without_their_helper() {
    let mut bench = Bench::new(1000);
    let places = bench.rig.pipelines[0].expected().controls() / u32::from(WORKERS);
    let ours = |port: &u16| steer::owner(CLIENT.to_bits(), *port, WORKERS) == 0;
    let clients: Vec<u16> = (1000u16..).filter(ours).take(places as usize + 3).collect();
    for client in &clients {
        bench.control(*client);
        bench.command(*client, "PASV\r\n");
    }
    assert_eq!(bench.totals().helper_exhausted, 3);
    let text = "227 ok (172,16,0,2,200,1)\r\n";
    assert_eq!(bench.answer(clients[clients.len() - 1], text), text);
    assert_eq!(bench.answer(clients[0], text), "227 ok (202,103,106,5,200,1)\r\n");
    // A place that is given back is used again.
    for index in 0..1000 {
        bench.rig.pipelines[0].connections().remove(index);
    }
    bench.control(clients[0]);
    bench.command(clients[0], "PASV\r\n");
    assert_eq!(bench.answer(clients[0], text), "227 ok (202,103,106,5,200,1)\r\n");
    assert_eq!(bench.totals().helper_exhausted, 3);
}

#[test]
fn who_forges_a_handshake_takes_no_place() {
    let mut bench = Bench::new(1000);
    let places = u16::try_from(bench.rig.pipelines[0].expected().controls()).expect("a small number");
    // The real has answered with its SYN and has got a guessed ACK: it says nothing.
    for client in 10_000..10_000 + places * 2 {
        bench.give(WAN, client, &tcp(client, 21).syn().seq(0));
        bench.give(LAN, client, &reply(REAL, 2121, client).syn().seq(0).acking(1));
        bench.next.insert(client, (1, 1, 1));
        bench.command(client, "PORT 202,100,1,2,200,9\r\n");
    }
    let totals = bench.totals();
    assert_eq!((totals.helper_announced, totals.helper_exhausted), (0, 0));
    bench.control(1000);
    assert!(bench.passive(1000, 0, 2000));
    assert_eq!(bench.totals().helper_exhausted, 0);
}

#[test]
fn what_a_client_says_before_the_real_has_spoken_is_not_read() {
    let mut bench = Bench::new(1000);
    let passive = "227 ok (172,16,0,2,200,1)\r\n";
    bench.connect(1000);
    bench.command(1000, "PASV\r\nPORT 202,100,1,2,200,9\r\n");
    assert_eq!(bench.answer(1000, passive), passive, "no command was read that it answers");
    assert_eq!(bench.held(0), [""; 0]);
    // The real has spoken.
    bench.command(1000, "PASV\r\n");
    assert_eq!(bench.answer(1000, passive), "227 ok (202,103,106,5,200,1)\r\n");
}
