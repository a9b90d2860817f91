//! `sluice stats --rate`: what two samples of the counters say about the time between them.

use super::show::worker_name;
use super::table::{Table, rate};
use crate::protocol::{ServiceRow, Totals, Traffic, WorkerRow};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddrV4;

/// A sample: the services and the totals.
type Sample = (Vec<ServiceRow>, Totals);

/// Everything a second.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rates {
    /// Milliseconds between the samples.
    milliseconds: u64,
    services: Vec<ServiceRate>,
    workers: Vec<WorkerRate>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ServiceRate {
    name: String,
    key: String,
    rate: Option<Rate>,
    reals: Vec<RealRate>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RealRate {
    address: SocketAddrV4,
    rate: Option<Rate>,
}

/// A second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Rate {
    connections: u64,
    in_packets: u64,
    in_bits: u64,
    out_packets: u64,
    out_bits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct WorkerRate {
    worker: Option<u16>,
    received: u64,
    transmitted: u64,
    to_kernel: u64,
    dropped: u64,
    connections_created: u64,
}

/// The rates between two samples. What only the second has, and what went backwards (the dataplane restarted), has
/// none.
pub(super) fn between(before: &Sample, after: &Sample) -> Rates {
    let milliseconds = after.1.at_milliseconds.saturating_sub(before.1.at_milliseconds).max(1);
    let earlier: HashMap<&str, &ServiceRow> = before.0.iter().map(|service| (service.name.as_str(), service)).collect();
    let services = after.0.iter().map(|service| {
        let known = earlier.get(service.name.as_str()).copied();
        let reals: HashMap<SocketAddrV4, Option<Traffic>> =
            known.iter().flat_map(|service| &service.reals).map(|real| (real.address, real.traffic)).collect();
        let real = |address, traffic| RealRate {
            address,
            rate: traffic_rate(reals.get(&address).copied().flatten(), traffic, milliseconds),
        };
        ServiceRate {
            name: service.name.clone(),
            key: service.key(),
            rate: traffic_rate(known.and_then(|service| service.traffic), service.traffic, milliseconds),
            reals: service.reals.iter().map(|row| real(row.address, row.traffic)).collect(),
        }
    });
    let workers = after.1.workers.iter().filter_map(|worker| {
        let known = before.1.workers.iter().find(|known| known.worker == worker.worker)?;
        worker_rate(known, worker, milliseconds)
    });
    Rates { milliseconds, services: services.collect(), workers: workers.collect() }
}

fn per_second(before: u64, after: u64, milliseconds: u64) -> Option<u64> {
    let rate = u128::from(after.checked_sub(before)?) * 1000 / u128::from(milliseconds);
    u64::try_from(rate).ok()
}

fn traffic_rate(before: Option<Traffic>, after: Option<Traffic>, milliseconds: u64) -> Option<Rate> {
    let (before, after) = (before?, after?);
    let rate = |count: fn(&Traffic) -> u64| per_second(count(&before), count(&after), milliseconds);
    Some(Rate {
        connections: rate(|traffic| traffic.connections)?,
        in_packets: rate(|traffic| traffic.in_packets)?,
        in_bits: rate(|traffic| traffic.in_bytes.saturating_mul(8))?,
        out_packets: rate(|traffic| traffic.out_packets)?,
        out_bits: rate(|traffic| traffic.out_bytes.saturating_mul(8))?,
    })
}

fn worker_rate(before: &WorkerRow, after: &WorkerRow, milliseconds: u64) -> Option<WorkerRate> {
    let rate = |count: fn(&WorkerRow) -> u64| per_second(count(before), count(after), milliseconds);
    Some(WorkerRate {
        worker: after.worker,
        received: rate(|worker| worker.received.saturating_add(worker.received_from_kernel))?,
        transmitted: rate(|worker| worker.transmitted)?,
        to_kernel: rate(|worker| worker.to_kernel)?,
        dropped: rate(|worker| worker.dropped)?,
        connections_created: rate(|worker| worker.connections_created)?,
    })
}

pub(super) fn show(rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["SERVICE / REAL", ">CONNECTIONS", ">IN PACKETS", ">IN", ">OUT PACKETS", ">OUT"]);
    for service in &rates.services {
        table.row(cells(format!("{} {}", service.name, service.key), service.rate));
        for real in &service.reals {
            table.row(cells(format!("  {}", real.address), real.rate));
        }
    }
    if table.is_empty() {
        writeln!(out, "No services.")?
    } else {
        table.print(out)?
    }
    writeln!(out)?;
    if rates.workers.is_empty() {
        return writeln!(out, "The dataplane is not running: there are no counters.");
    }
    let mut table = Table::new(&[">WORKER", ">RECEIVED", ">TRANSMITTED", ">TO KERNEL", ">DROPPED", ">NEW CONNECTIONS"]);
    for worker in &rates.workers {
        let WorkerRate { worker, received, transmitted, to_kernel, dropped, connections_created } = *worker;
        let counts = [received, transmitted, to_kernel, dropped, connections_created];
        table.row(std::iter::once(worker_name(worker)).chain(counts.map(|count| rate(count, "/s"))));
    }
    table.print(out)
}

fn cells(name: String, known: Option<Rate>) -> [String; 6] {
    let cell = |count: fn(&Rate) -> u64, unit| known.map_or_else(|| "-".to_owned(), |known| rate(count(&known), unit));
    [
        name,
        cell(|rate| rate.connections, "/s"),
        cell(|rate| rate.in_packets, "/s"),
        cell(|rate| rate.in_bits, "bit/s"),
        cell(|rate| rate.out_packets, "/s"),
        cell(|rate| rate.out_bits, "bit/s"),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Rate, WorkerRate, between, show};
    use crate::client::tests::{sample, worker};
    use crate::protocol::{Totals, Traffic, WorkerRow};

    fn traffic(times: u64) -> Traffic {
        Traffic {
            connections: times,
            in_packets: 10 * times,
            in_bytes: 1000 * times,
            out_packets: 20 * times,
            out_bytes: 30_000 * times,
        }
    }

    #[test]
    fn rates_are_the_difference_by_the_time_between_the_samples() {
        let before =
            (vec![sample("web", Some(traffic(1)))], Totals { at_milliseconds: 5000, workers: vec![worker(7)] });
        let after = (vec![sample("web", Some(traffic(5)))], Totals { at_milliseconds: 7000, workers: vec![worker(9)] });
        let rates = between(&before, &after);
        let want = Rate { connections: 2, in_packets: 20, in_bits: 16_000, out_packets: 40, out_bits: 480_000 };
        assert_eq!(rates.milliseconds, 2000);
        assert_eq!(rates.services[0].rate, Some(want));
        assert_eq!(rates.services[0].reals[0].rate, Some(want));
        let one = WorkerRate {
            worker: Some(0),
            received: 1,
            transmitted: 1,
            to_kernel: 0,
            dropped: 0,
            connections_created: 1,
        };
        assert_eq!(rates.workers, [one]);
    }

    #[test]
    fn what_is_new_or_went_backwards_has_no_rate() {
        let totals = |received| Totals { at_milliseconds: 1, workers: vec![WorkerRow { received, ..worker(1) }] };
        let before = (vec![sample("web", Some(traffic(9)))], totals(5));
        let after = (vec![sample("web", Some(traffic(3))), sample("new", Some(traffic(1)))], totals(4));
        let rates = between(&before, &after);
        assert!(rates.services.iter().all(|service| service.rate.is_none() && service.reals[0].rate.is_none()));
        assert!(rates.workers.is_empty());
        let mut text = Vec::new();
        show(&rates, &mut text).expect("a Vec takes all");
        assert!(String::from_utf8_lossy(&text).contains("web tcp 202.103.106.5:80            -"));
    }
}
