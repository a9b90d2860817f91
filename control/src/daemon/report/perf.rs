//! Where the workers' cycles go.

use crate::daemon::state::Daemon;
use crate::protocol::{Failure, Perf, PerfRow, StageCycles};
use link::View;
use link::counters::{PerfTotals, WorkerTotals};

/// The most packets of a burst.
const BURST: usize = 32;

/// Every worker's counters of its cycles.
///
/// # Errors
/// No dataplane.
pub(in crate::daemon) fn perf(daemon: &Daemon) -> Result<Perf, Failure> {
    let read = |view: &View| Perf {
        at_microseconds: u64::try_from(daemon.started.elapsed().as_micros()).unwrap_or(u64::MAX),
        instance: format!("{:016x}", view.identity().instance),
        workers: (0..).zip(view.workers().iter().zip(&view.perf())).map(row).collect(),
    };
    daemon.session.view(read).map_err(Failure::from)
}

fn row((worker, (totals, perf)): (u16, (&WorkerTotals, &PerfTotals))) -> PerfRow {
    PerfRow {
        worker,
        cycles_per_second: perf.tsc_hz,
        busy_cycles: totals.busy_cycles,
        loops: totals.loops,
        empty_polls: totals.empty_polls,
        sleeps: perf.sleeps,
        received: totals.received,
        taken_over: totals.taken_over,
        handed_off: totals.handed_off,
        bursts: perf.fills.iter().skip(1).take(BURST).copied().collect(),
        timed_rounds: perf.timed_rounds,
        timed_packets: perf.timed_packets,
        stages: stages(perf),
    }
}

fn stages(perf: &PerfTotals) -> Vec<StageCycles> {
    let stage = |stage: &str, cycles, waiting| StageCycles { stage: stage.to_owned(), cycles, waiting };
    vec![
        stage("receive", perf.receive_cycles, None),
        stage("parse", perf.parse_cycles, Some(perf.parse_wait_cycles)),
        stage("look-up", perf.look_up_cycles, Some(perf.look_up_wait_cycles)),
        stage("forward", perf.forward_cycles, Some(perf.forward_wait_cycles)),
        stage("transmit", perf.transmit_cycles, None),
        stage("hand-off", perf.hand_off_cycles, None),
        stage("house", perf.house_cycles, None),
    ]
}
