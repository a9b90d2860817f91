//! Where the workers' time goes, as `sluice perf` shows it. The main lcore is not counted so, and has no samples here.

use super::super::source::Snapshot;
use super::{Family, Samples};
use crate::protocol::{PerfRow, StageCycles};
use std::fmt;

const LABELS: &[&str] = &["worker"];
const STAGE: &[&str] = &["worker", "stage"];

/// The largest bursts of the histogram's buckets, but for the last; `sluice perf` has the same ranges.
const BOUNDS: [usize; 5] = [1, 3, 7, 15, 31];

/// A sample for each worker.
fn each(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&PerfRow) -> u64) -> fmt::Result {
    snapshot.perf.iter().try_for_each(|row| samples.add(&[&row.worker.to_string()], value(row)))
}

/// A sample for each stage of each worker, where it is measured.
fn each_stage(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, of: fn(&StageCycles) -> Option<u64>) -> fmt::Result {
    snapshot.perf.iter().try_for_each(|row| {
        let worker = row.worker.to_string();
        let mut measured = row.stages.iter().filter_map(|stage| Some((stage, of(stage)?)));
        measured.try_for_each(|(stage, cycles)| samples.add(&[&worker, &stage.stage], cycles))
    })
}

fn busy_seconds(row: &PerfRow) -> f64 {
    row.busy_cycles as f64 / row.cycles_per_second.max(1) as f64
}

/// Bursts by the packets in them: packets in all, and the bursts of each bucket.
fn bursts(row: &PerfRow) -> (u64, Vec<(f64, u64)>) {
    let packets = (1u64..).zip(&row.bursts).map(|(packets, count)| packets * count).sum();
    let mut from = 0;
    let mut buckets: Vec<(f64, u64)> = BOUNDS
        .into_iter()
        .map(|bound| {
            let inside = row.bursts.iter().take(bound).skip(from).sum();
            from = bound;
            (bound as f64, inside)
        })
        .collect();
    buckets.push((f64::INFINITY, row.bursts.iter().skip(from).sum()));
    (packets, buckets)
}

pub(super) static FAMILIES: &[Family] = &[
    Family::counter(
        "sluice_worker_busy_seconds",
        LABELS,
        "Time spent in rounds that found a packet; the worker was idle for the rest",
        |snapshot, samples| {
            snapshot.perf.iter().try_for_each(|row| samples.seconds(&[&row.worker.to_string()], busy_seconds(row)))
        },
    ),
    Family::gauge("sluice_worker_tsc_hertz", LABELS, "Cycles of the TSC in a second", |snapshot, samples| {
        each(snapshot, samples, |row| row.cycles_per_second)
    }),
    Family::counter("sluice_worker_sleeps", LABELS, "Naps taken, with idle = \"sleep\"", |snapshot, samples| {
        each(snapshot, samples, |row| row.sleeps)
    }),
    Family::histogram(
        "sluice_worker_burst_packets",
        LABELS,
        "Packets of each burst from a receive queue, 32 at most",
        |snapshot, samples| {
            snapshot.perf.iter().try_for_each(|row| {
                let (packets, buckets) = bursts(row);
                samples.histogram(&[&row.worker.to_string()], packets, &buckets)
            })
        },
    ),
    Family::counter(
        "sluice_worker_timed_rounds",
        LABELS,
        "Rounds that were timed stage by stage, about one in 128 of those with packets",
        |snapshot, samples| each(snapshot, samples, |row| row.timed_rounds),
    ),
    Family::counter(
        "sluice_worker_timed_packets",
        LABELS,
        "Packets of the rounds that were timed",
        |snapshot, samples| each(snapshot, samples, |row| row.timed_packets),
    ),
    Family::counter(
        "sluice_worker_stage_cycles",
        STAGE,
        "TSC cycles that a stage took in the rounds that were timed",
        |snapshot, samples| each_stage(snapshot, samples, |stage| Some(stage.cycles)),
    ),
    Family::counter(
        "sluice_worker_stage_wait_cycles",
        STAGE,
        "Of these, TSC cycles in which the stage waited for memory",
        |snapshot, samples| each_stage(snapshot, samples, |stage| stage.waiting),
    ),
];
