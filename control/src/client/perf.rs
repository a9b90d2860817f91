//! `sluice perf`: what two samples of the workers' cycles say about the time between them.

use super::connection::Connection;
use super::table::{Table, rate};
use super::{Stop, json};
use crate::protocol::{Failure, Perf, PerfRow, Request};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// One interval.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// Its length.
    seconds: f64,
    workers: Vec<WorkerReport>,
}

/// One worker in an interval. What was not counted, as no packet came or no round was timed, is absent.
#[derive(Debug, PartialEq, Serialize)]
struct WorkerReport {
    worker: u16,
    /// From receive queues and other workers.
    packets_per_second: u64,
    /// All cycles of rounds with packets, by those packets.
    cycles_per_packet: Option<f64>,
    /// Share of the time in which it had nothing to do.
    idle_percent: f64,
    /// Naps a second, with `idle = "sleep"`.
    sleeps_per_second: u64,
    /// Of bursts from receive queues.
    packets_per_burst: Option<f64>,
    /// Share of bursts that were as large as can be.
    full_bursts_percent: Option<f64>,
    /// Bursts by their number of packets, 1 to 32.
    bursts: Vec<u64>,
    /// Of the packets from receive queues, those handed to another worker.
    handed_off_percent: Option<f64>,
    handed_off_per_second: u64,
    taken_over_per_second: u64,
    /// How many packets the stages are measured with.
    timed_packets: u64,
    stages: Vec<StageReport>,
}

/// One stage, as measured in the rounds that were timed.
#[derive(Debug, PartialEq, Serialize)]
struct StageReport {
    stage: String,
    cycles_per_packet: Option<f64>,
    /// Share of the worker's cycles on packets.
    percent: Option<f64>,
    /// Of the cycles a packet, those that it waited for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_cycles_per_packet: Option<f64>,
}

/// Prints `count` reports, one an interval; 0 = until it is interrupted.
pub(super) fn run(
    connection: &mut Connection,
    interval: Duration,
    count: u64,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let mut before: Perf = connection.ask(&Request::Perf)?;
    let mut printed = 0;
    while count == 0 || printed < count {
        std::thread::sleep(interval);
        let after: Perf = connection.ask(&Request::Perf)?;
        let report = between(&before, &after)?;
        if as_json {
            json(&report, out)?;
        } else {
            if printed > 0 {
                writeln!(out)?;
            }
            show(&report, out)?;
        }
        out.flush()?;
        (before, printed) = (after, printed + 1);
    }
    Ok(())
}

/// What came between two samples.
///
/// # Errors
/// They are of two runs of the dataplane.
fn between(before: &Perf, after: &Perf) -> Result<Report, Failure> {
    if before.instance != after.instance || before.workers.len() != after.workers.len() {
        return Err(Failure::unavailable("The dataplane was started anew meanwhile: ask again."));
    }
    let seconds = after.at_microseconds.saturating_sub(before.at_microseconds).max(1) as f64 / 1e6;
    let workers = before.workers.iter().zip(&after.workers);
    Ok(Report { seconds, workers: workers.map(|(before, after)| worker(before, after, seconds)).collect() })
}

fn worker(before: &PerfRow, after: &PerfRow, seconds: f64) -> WorkerReport {
    let since = |count: fn(&PerfRow) -> u64| count(after).saturating_sub(count(before));
    let per_second = |count: u64| (count as f64 / seconds).round() as u64;
    let (received, taken_over) = (since(|row| row.received), since(|row| row.taken_over));
    let busy = since(|row| row.busy_cycles);
    let bursts: Vec<u64> =
        after.bursts.iter().zip(&before.bursts).map(|(after, before)| after.saturating_sub(*before)).collect();
    let burst_count: u64 = bursts.iter().sum();
    let in_bursts: u64 = (1u64..).zip(&bursts).map(|(packets, count)| packets * count).sum();
    let handed_off = since(|row| row.handed_off);
    WorkerReport {
        worker: after.worker,
        packets_per_second: per_second(received + taken_over),
        cycles_per_packet: ratio(busy, received + taken_over),
        idle_percent: 100.0 - 100.0 * load(busy, after.cycles_per_second, seconds),
        sleeps_per_second: per_second(since(|row| row.sleeps)),
        packets_per_burst: ratio(in_bursts, burst_count),
        full_bursts_percent: percent(bursts.last().copied().unwrap_or(0), burst_count),
        bursts,
        handed_off_percent: percent(handed_off, received),
        handed_off_per_second: per_second(handed_off),
        taken_over_per_second: per_second(taken_over),
        timed_packets: since(|row| row.timed_packets),
        stages: stages(before, after),
    }
}

/// The share of so many seconds in which a worker had something to do.
pub(super) fn load(busy_cycles: u64, cycles_per_second: u64, seconds: f64) -> f64 {
    (busy_cycles as f64 / (cycles_per_second.max(1) as f64 * seconds)).clamp(0.0, 1.0)
}

fn stages(before: &PerfRow, after: &PerfRow) -> Vec<StageReport> {
    let packets = after.timed_packets.saturating_sub(before.timed_packets);
    let pairs = || after.stages.iter().zip(&before.stages);
    let all: u64 = pairs().map(|(after, before)| after.cycles.saturating_sub(before.cycles)).sum();
    pairs()
        .map(|(after, before)| {
            let cycles = after.cycles.saturating_sub(before.cycles);
            let waiting = after.waiting.zip(before.waiting).map(|(after, before)| after.saturating_sub(before));
            StageReport {
                stage: after.stage.clone(),
                cycles_per_packet: ratio(cycles, packets),
                percent: percent(cycles, all),
                waiting_cycles_per_packet: waiting.and_then(|waiting| ratio(waiting, packets)),
            }
        })
        .collect()
}

fn ratio(value: u64, by: u64) -> Option<f64> {
    (by != 0).then(|| round(value as f64 / by as f64))
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole != 0).then(|| round(part as f64 * 100.0 / whole as f64))
}

/// To hundredths.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Bursts are shown by these numbers of packets.
const FILLS: [(&str, std::ops::RangeInclusive<usize>); 6] =
    [(">1", 1..=1), (">2-3", 2..=3), (">4-7", 4..=7), (">8-15", 8..=15), (">16-31", 16..=31), (">32", 32..=32)];

fn show(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut table =
        Table::new(&[">WORKER", ">PACKETS", ">CYCLES/PACKET", ">IDLE", ">PACKETS/BURST", ">HANDED OFF", ">TAKEN OVER"]);
    for worker in &report.workers {
        table.row([
            worker.worker.to_string(),
            rate(worker.packets_per_second, "/s"),
            decimal(worker.cycles_per_packet),
            format!("{:.1}%", worker.idle_percent),
            decimal(worker.packets_per_burst),
            share(worker.handed_off_percent),
            rate(worker.taken_over_per_second, "/s"),
        ]);
    }
    table.print(out)?;
    writeln!(out)?;
    show_stages(report, out)?;
    writeln!(out)?;
    show_bursts(report, out)
}

/// A line a stage, a column a worker: cycles a packet, and in brackets those of them that were waiting for memory.
fn show_stages(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[">WORKER", "STAGE", ">CYCLES/PACKET", ">SHARE", ">WAITING FOR MEMORY"]);
    for worker in &report.workers {
        for stage in &worker.stages {
            table.row([
                worker.worker.to_string(),
                stage.stage.clone(),
                decimal(stage.cycles_per_packet),
                share(stage.percent),
                decimal(stage.waiting_cycles_per_packet),
            ]);
        }
    }
    table.print(out)
}

fn show_bursts(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let headings: Vec<&str> = [">WORKER", "BURSTS OF"].into_iter().chain(FILLS.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(&headings);
    for worker in &report.workers {
        let all: u64 = worker.bursts.iter().sum();
        let share_of = |range: &std::ops::RangeInclusive<usize>| {
            let bursts: u64 = worker
                .bursts
                .iter()
                .enumerate()
                .filter(|(at, _)| range.contains(&(at + 1)))
                .map(|(_, count)| count)
                .sum();
            share(percent(bursts, all))
        };
        let cells = FILLS.iter().map(|(_, range)| share_of(range));
        table.row([worker.worker.to_string(), String::new()].into_iter().chain(cells));
    }
    table.print(out)
}

fn decimal(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}%"))
}

#[cfg(test)]
#[path = "perf_tests.rs"]
mod tests;
