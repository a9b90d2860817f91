//! New connections: what it costs to open one, up to its first packet's way out.

use super::Setting;
use super::flows::{self, FRAME};
use super::measure::Pattern;
use super::memory::Memory;
use super::report::{Figure, OpenFigures};
use super::rig::{self, Recycler, Rig, WAN};
use crate::neighbours::Runs;
use dataplane::pipeline::{Origin, Pipeline};
use rte_rs::cycles::tsc;
use rte_rs::{Burst, Mempool};

const MILLION: u32 = 1_000_000;
/// Connections opened while a million live.
const MORE: u32 = 131_072;
/// Later than any timeout of a UDP connection, in milliseconds.
const AN_HOUR: u64 = 3_600_000;
/// Timers that a round of the worker looks at.
const TIMERS: usize = 64;

struct Opening {
    rig: Rig,
    out: Recycler,
    burst: Burst,
    cycles: u64,
}

impl Opening {
    fn new(protocol: &str, pool: &Mempool) -> Result<Self, String> {
        Ok(Self {
            rig: Rig::new(&rig::one_service(protocol, "nat", 2), MILLION + MILLION / 4)?,
            out: Recycler::new(pool, Burst::CAPACITY, FRAME)?,
            burst: Burst::new(),
            cycles: 0,
        })
    }

    /// Cycles for each of `count` connections that this packet of the flows from `first` on opens.
    fn fill(&mut self, pattern: &Pattern, first: u32, count: u32) -> Result<f64, String> {
        let before = self.cycles;
        for first in (first..first + count).step_by(Burst::CAPACITY) {
            self.round(pattern, first)?;
        }
        Ok((self.cycles - before) as f64 / f64::from(count))
    }

    /// A burst of one packet each of the flows from `first` on, with the rest of the round.
    fn round(&mut self, pattern: &Pattern, first: u32) -> Result<(), String> {
        for flow in (first..).take(Burst::CAPACITY) {
            let Some(mut mbuf) = self.out.mbufs.pop() else { break };
            pattern.fill(&mut mbuf, flow);
            drop(self.burst.push(mbuf));
        }
        let begin = tsc();
        self.rig.pipeline.set_time(self.rig.now);
        self.rig.pipeline.process(&mut self.burst, Origin::Port(WAN), &mut self.out);
        self.rig.pipeline.expire(TIMERS);
        self.cycles += tsc().wrapping_sub(begin);
        let lost = Burst::CAPACITY - self.out.mbufs.len();
        if lost == 0 { Ok(()) } else { Err(format!("{lost} packets of new connections were not forwarded")) }
    }
}

/// All kinds of opening, and of expiry.
pub(super) fn measure_all(
    memory: &Memory,
    setting: &mut Setting<'_>,
) -> Result<(Vec<OpenFigures>, Vec<OpenFigures>), String> {
    if !memory.suffices_for(MILLION) {
        eprintln!("skipped: new connections: {}", memory.lacking_for(MILLION));
        return Ok((Vec::new(), Vec::new()));
    }
    let datagram = Pattern::new(&flows::frame(0, false, None), false, false);
    let syn = Pattern::new(&flows::syn(0), true, false);
    let (pool, runs) = (setting.pool, setting.long_runs);
    let datagrams = setting.neighbours.runs(runs, || fill_and_expire("udp", &datagram, pool))?;
    let syns = setting.neighbours.runs(runs, || fill_and_expire("tcp", &syn, pool))?;
    let lives = setting.neighbours.runs(runs, || live_and_die(pool).map(|cycles| [cycles]))?;
    let opens = vec![
        figures("new connection udp, filling the table", true, &datagrams, |run| run.filling),
        figures("new connection udp, so many live", true, &datagrams, |run| run.live),
        figures("new connection tcp (SYN), filling the table", true, &syns, |run| run.filling),
        figures("new connection tcp (SYN), so many live", true, &syns, |run| run.live),
        figures("tcp connection from SYN to FIN, four packets and expiry", false, &lives, |[cycles]| *cycles),
    ];
    let expiry = vec![
        figures("expiry of connections that are due at once, each", false, &datagrams, |run| run.ended),
        figures("longest round of the worker meanwhile", false, &datagrams, |run| run.longest),
    ];
    Ok((opens, expiry))
}

fn figures<T>(name: &'static str, first_packet: bool, runs: &Runs<T>, cycles: impl Fn(&T) -> f64) -> OpenFigures {
    let cycles = Figure::of(runs.runs.iter().map(cycles), runs.disturbed);
    OpenFigures { name, connections: MILLION, first_packet, cycles }
}

/// Cycles for each connection: what [`fill_and_expire`] takes.
struct Filled {
    /// While the table fills to a million.
    filling: f64,
    /// With a million in it.
    live: f64,
    /// Its end, when it is due.
    ended: f64,
    /// The longest round meanwhile, whole.
    longest: f64,
}

/// Cycles for each of [`MILLION`] and [`MORE`] that expires, and of the longest round, as the worker has them.
fn expire(pipeline: &mut Pipeline) -> (f64, f64) {
    let (mut total, mut longest) = (0, 0);
    while !pipeline.connections().is_empty() {
        let begin = tsc();
        pipeline.expire(TIMERS);
        let round = tsc().wrapping_sub(begin);
        total += round;
        longest = longest.max(round);
    }
    (total as f64 / f64::from(MILLION + MORE), longest as f64)
}

/// A million packets, each of a new flow, and some more; then all their connections expire.
fn fill_and_expire(protocol: &str, pattern: &Pattern, pool: &Mempool) -> Result<Filled, String> {
    let mut opening = Opening::new(protocol, pool)?;
    let filling = opening.fill(pattern, 0, MILLION)?;
    let live = opening.fill(pattern, MILLION, MORE)?;
    opening.rig.pipeline.set_time(AN_HOUR);
    let (ended, longest) = expire(&mut opening.rig.pipeline);
    Ok(Filled { filling, live, ended, longest })
}

/// A million connections, one generation of 32 after the other; those closed expire after a while.
fn live_and_die(pool: &Mempool) -> Result<f64, String> {
    let mut opening = Opening::new("tcp", pool)?;
    let pattern = |frame: &[u8]| Pattern::new(frame, true, false);
    let data = pattern(&flows::frame(0, true, None));
    let steps = [pattern(&flows::syn(0)), data, pattern(&flows::fin(0))];
    let [syn, data, fin] = &steps;
    for first in (0..MILLION).step_by(Burst::CAPACITY) {
        for step in [syn, data, data, fin] {
            opening.round(step, first)?;
        }
        // 31,250 generations in five minutes: each is gone, from TIME_WAIT, after two.
        opening.rig.now += 10;
    }
    Ok(opening.cycles as f64 / f64::from(MILLION))
}
