//! Two workers, each with a receive queue of its own, and none, half or all of the packets owned by the other one.
//!
//! On a machine of two cores the main lcore shares one of them; there is no room for a generator, so frames come from
//! net_pcap, which has a file for each queue.

use super::{Suite, capture};
use crate::generator::flows;
use crate::network::{network, services};
use crate::report::Measurement;
use crate::rig::{Director, Ports};
use dataplane::steer::owner;
use lab::Result;
use std::time::Duration;

/// Flows of each queue.
const FLOWS: usize = 16_384;
const MBUFS: u32 = 262_143;

pub(super) fn run(suite: &mut Suite) -> Result<()> {
    for percent in [0u64, 50, 100] {
        let files = [0u16, 1].map(|queue| {
            let mut mine = flows_of(queue);
            let mut others = flows_of(1 - queue);
            // All of every second packet's flows, or of each, are the other worker's.
            let is_handed_off = move |place: usize| percent == 100 || (percent == 50 && place % 2 == 1);
            let mixed =
                (0..FLOWS).filter_map(move |place| if is_handed_off(place) { others.next() } else { mine.next() });
            capture::write(&suite.folder, &format!("queue{queue}-{percent}.pcap"), mixed)
        });
        let [first, second] = files;
        let (first, second) = (first?, second?);
        let device = format!(
            "net_pcap0,rx_pcap={},rx_pcap={},tx_pcap=/dev/null,tx_pcap=/dev/null,infinite_rx=1",
            first.display(),
            second.display()
        );
        let mut rates = Vec::new();
        let (mut handed, mut cycles) = (Vec::new(), Vec::new());
        for _ in 0..suite.rounds() {
            let [rate, share, each] = round(suite, &device)?;
            rates.push(rate);
            handed.push(share);
            cycles.push(each);
        }
        suite.found(
            Measurement::new(format!("two workers, {percent} % handed off"), "million packets/s", rates)
                .detail("handed off, %", crate::report::median(&handed))
                .detail("cycles a packet, busy, of both workers", crate::report::median(&cycles)),
        );
    }
    Ok(())
}

/// Flows that a worker of two owns.
fn flows_of(worker: u16) -> impl Iterator<Item = u64> {
    (0..).filter(move |&flow| {
        let (address, port) = flows::client(flow);
        owner(address, port, 2) == worker
    })
}

/// Million packets a second sent by both, the share that was handed off, cycles a packet.
fn round(suite: &Suite, device: &str) -> Result<[f64; 3]> {
    let network = network(2);
    let devices = [device.to_owned(), "net_null0,no-rx=1".to_owned()];
    let ports = Ports {
        mbufs: Some(MBUFS),
        workers: vec![1, 2],
        main: 0,
        lcores: Some(format!("0@{},1@{},2@{}", suite.cores.main, suite.cores.worker, suite.cores.generator)),
        ..Ports::one_worker(devices, &network, 200_000, suite.cores)
    };
    let director = Director::start(&suite.folder, &ports, suite.memory(), &services(2))?;
    std::thread::sleep(Duration::from_millis(700));
    let before = director.snapshot()?;
    std::thread::sleep(Duration::from_millis(1000));
    let after = director.snapshot()?;
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let both = [after.since(&before, 0), after.since(&before, 1)];
    let received: u64 = both.iter().map(|worker| worker.received).sum();
    let transmitted: u64 = both.iter().map(|worker| worker.transmitted).sum();
    let handed: u64 = both.iter().map(|worker| worker.handed_off).sum();
    let cycles: u64 = both.iter().map(|worker| worker.busy_cycles).sum();
    let of_received = |value: u64| value as f64 / received.max(1) as f64;
    Ok([transmitted as f64 / 1e6 / seconds, of_received(handed) * 100.0, of_received(cycles)])
}
