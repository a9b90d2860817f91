//! New connections: what it costs to open one, up to its first packet's way out.

use super::flows::{self, FRAME};
use super::measure::Pattern;
use super::memory::Memory;
use super::report::{Figure, OpenFigures};
use super::rig::{self, Recycler, Rig, WAN};
use dataplane::pipeline::{Origin, Pipeline};
use rte_rs::cycles::tsc;
use rte_rs::{Burst, Mempool};

const MILLION: u32 = 1_000_000;
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
    pool: &Mempool,
    runs: u16,
) -> Result<(Vec<OpenFigures>, Vec<OpenFigures>), String> {
    if !memory.suffices_for(MILLION) {
        eprintln!("skipped: new connections: {}", memory.lacking_for(MILLION));
        return Ok((Vec::new(), Vec::new()));
    }
    let (mut fills, mut ends, mut worst, mut lives) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let (opened, (ended, longest)) = fill_and_expire(pool)?;
        fills.push(opened);
        ends.push(ended);
        worst.push(longest);
        lives.push(live_and_die(pool)?);
    }
    let figures = |name, runs: &mut [f64]| OpenFigures { name, connections: MILLION, cycles: Figure::of(runs) };
    let opens = vec![
        figures("UDP: first packet of a connection, from none to a million", &mut fills),
        figures("TCP: open, two packets, close, expiry", &mut lives),
    ];
    let expiry = vec![
        figures("expiry of connections that are due at once, each", &mut ends),
        figures("the longest round of the worker meanwhile", &mut worst),
    ];
    Ok((opens, expiry))
}

/// Cycles for each that expires, and of the longest round, as the worker has them.
fn expire(pipeline: &mut Pipeline) -> (f64, f64) {
    let (mut total, mut longest) = (0, 0);
    while !pipeline.connections().is_empty() {
        let begin = tsc();
        pipeline.expire(TIMERS);
        let round = tsc().wrapping_sub(begin);
        total += round;
        longest = longest.max(round);
    }
    (total as f64 / f64::from(MILLION), longest as f64)
}

/// A million datagrams, each of a new flow; then all their connections expire.
fn fill_and_expire(pool: &Mempool) -> Result<(f64, (f64, f64)), String> {
    let mut opening = Opening::new("udp", pool)?;
    let datagram = Pattern::new(&flows::frame(0, false, None), false, false);
    for first in (0..MILLION).step_by(Burst::CAPACITY) {
        opening.round(&datagram, first)?;
    }
    let opened = opening.cycles as f64 / f64::from(MILLION);
    opening.rig.pipeline.set_time(AN_HOUR);
    Ok((opened, expire(&mut opening.rig.pipeline)))
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
