//! What the page shows, as JSON: the words of the control protocol.

use super::source::Snapshot;
use crate::protocol::{DataplaneStatus, Drops, PerfRow, PortRow, ServiceRow};
use link::counters::WorkerTotals;
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// Services and reals that one answer has, together; the rest can be found by `filter`.
const MOST_ROWS: usize = 2000;

/// The director at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Overview<'a> {
    /// Milliseconds since 1970.
    at_milliseconds: u64,
    version: &'a str,
    uptime_seconds: u64,
    dataplane: Option<&'a DataplaneStatus>,
    /// For how long there has been no dataplane; null: there is one.
    gone_seconds: Option<u64>,
    warnings: &'a [String],
    connections_limit: u32,
    /// In the running table, shown or not.
    service_count: usize,
    real_count: usize,
    /// Services that match and are not shown, since there are too many.
    left_off: usize,
    services: Vec<&'a ServiceRow>,
    workers: Vec<Worker>,
    drops: Option<&'a Drops>,
    ports: &'a [PortRow],
}

/// A worker's counters, as the page needs them.
#[derive(Debug, Serialize)]
struct Worker {
    /// Its index; null: the main lcore.
    worker: Option<usize>,
    received: u64,
    received_from_kernel: u64,
    transmitted: u64,
    to_kernel: u64,
    dropped: u64,
    connections: u64,
    connections_created: u64,
    handed_off: u64,
    /// TSC cycles in rounds that found a packet, and cycles in a second; null: the main lcore, which sleeps.
    busy_cycles: Option<u64>,
    cycles_per_second: Option<u64>,
}

impl<'a> Overview<'a> {
    /// Of the services, those whose name, address or real has `filter` in it.
    pub(super) fn of(snapshot: &'a Snapshot, filter: &str) -> Self {
        let filter = filter.trim().to_ascii_lowercase();
        let (mut rows, mut left_off, mut services) = (0, 0, Vec::new());
        for service in snapshot.services.iter().filter(|service| matches(service, &filter)) {
            rows += 1 + service.reals.len();
            // A single service is shown however many reals it has.
            if rows > MOST_ROWS && !services.is_empty() {
                left_off += 1;
            } else {
                services.push(service);
            }
        }
        let main = snapshot.workers.len().saturating_sub(1);
        let workers = snapshot.workers.iter().enumerate();
        Self {
            at_milliseconds: milliseconds(snapshot.at),
            version: snapshot.version,
            uptime_seconds: snapshot.at.duration_since(snapshot.started).unwrap_or_default().as_secs(),
            dataplane: snapshot.dataplane.as_ref(),
            gone_seconds: snapshot.gone_for.map(|gone| gone.as_secs()),
            warnings: &snapshot.warnings,
            connections_limit: snapshot.connections_limit,
            service_count: snapshot.services.len(),
            real_count: snapshot.services.iter().map(|service| service.reals.len()).sum(),
            left_off,
            services,
            workers: workers
                .map(|(index, totals)| worker((index != main).then_some(index), totals, snapshot.perf.get(index)))
                .collect(),
            drops: snapshot.drops.as_ref(),
            ports: &snapshot.ports,
        }
    }
}

fn matches(service: &ServiceRow, filter: &str) -> bool {
    filter.is_empty()
        || service.name.to_ascii_lowercase().contains(filter)
        || service.key().contains(filter)
        || service.reals.iter().any(|real| real.address.to_string().contains(filter))
}

fn milliseconds(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn worker(index: Option<usize>, totals: &WorkerTotals, perf: Option<&PerfRow>) -> Worker {
    Worker {
        worker: index,
        received: totals.received,
        received_from_kernel: totals.received_from_kernel,
        transmitted: totals.transmitted,
        to_kernel: totals.to_kernel,
        dropped: totals.dropped_total(),
        connections: totals.connections,
        connections_created: totals.connections_created,
        handed_off: totals.handed_off,
        busy_cycles: perf.map(|perf| perf.busy_cycles),
        cycles_per_second: perf.map(|perf| perf.cycles_per_second),
    }
}
