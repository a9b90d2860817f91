//! The hit paths: packets of connections that exist.

use super::Setting;
use super::captured::Watched;
use super::flows::{self, Draw, FRAME, Method, Popularity};
use super::report::{Figure, StageFigures};
use super::rig::{self, LAN, Recycler, Rig, WAN};
use dataplane::pipeline::{Origin, Stage, Stopwatch};
use rte_rs::cycles::tsc;
use rte_rs::{Burst, Mbuf, Mempool};
use wire::checksum::Delta;

/// Bursts that are made ready before they are timed together: their frames fit the nearest cache, where a network card
/// would have put them.
const BURSTS: usize = 8;
/// Batches before each run, which are not timed: whoever looked at the core used its caches.
const WARM_UP: u32 = 25;
/// Timers that a round of the worker looks at.
const TIMERS: usize = 64;

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) method: Method,
    pub(super) flows: u32,
    pub(super) popularity: Popularity,
    pub(super) tcp: bool,
    pub(super) reals: u16,
    /// A run.
    pub(super) bursts: u32,
}

impl Case {
    fn name(&self) -> String {
        let Self { method, flows, popularity, reals, .. } = self;
        let protocol = if self.tcp { "tcp" } else { "udp" };
        format!("{method} {protocol} {flows} flows {popularity} {reals} reals")
    }
}

/// A frame whose client is replaced for each packet.
pub(super) struct Pattern {
    bytes: [u8; FRAME],
    /// Where the client's address, its port and the checksums are.
    address: usize,
    port: usize,
    checksum: usize,
    of: (u32, u16),
}

const IP_CHECKSUM: usize = 24;

impl Pattern {
    pub(super) fn new(frame: &[u8], tcp: bool, reply: bool) -> Self {
        let mut bytes = [0; FRAME];
        bytes.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        let (address, port) = if reply { (30, 36) } else { (26, 34) };
        Self { bytes, address, port, checksum: if tcp { 50 } else { 40 }, of: flows::client(0) }
    }

    /// Writes the frame of `flow`'s client into an mbuf that held one before.
    pub(super) fn fill(&self, mbuf: &mut Mbuf, flow: u32) {
        mbuf.trim_front(mbuf.len() - FRAME);
        let (address, port) = flows::client(flow);
        let moved = Delta::new().replace_u32(self.of.0, address);
        let mut bytes = self.bytes;
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(self.address, &address.to_be_bytes());
        put(self.port, &port.to_be_bytes());
        let checksum = |at: usize| u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]);
        put(IP_CHECKSUM, &moved.apply(checksum(IP_CHECKSUM)).to_be_bytes());
        let moved = moved.replace_u16(self.of.1, port);
        put(self.checksum, &moved.apply(checksum(self.checksum)).to_be_bytes());
        mbuf.data_mut().copy_from_slice(&bytes);
    }
}

/// Cycles by stage, and of the rest of a round.
#[derive(Default)]
struct Laps {
    last: u64,
    stages: [u64; Stage::ALL.len()],
    round: u64,
}

impl Laps {
    fn since_last(&mut self) -> u64 {
        let now = tsc();
        now.wrapping_sub(std::mem::replace(&mut self.last, now))
    }
}

impl Stopwatch for Laps {
    fn lap(&mut self, stage: Stage) {
        self.stages[stage as usize] += self.since_last();
    }
}

/// A director with its flows, ready.
pub(super) struct Bench {
    rig: Rig,
    out: Recycler,
    bursts: [Burst; BURSTS],
    patterns: Vec<Pattern>,
    /// By flow the pattern of its frames; empty if all have the first.
    real_of: Vec<u16>,
    draw: Draw,
    port: u16,
}

impl Bench {
    pub(super) fn new(case: &Case, pool: &Mempool) -> Result<Self, String> {
        let protocol = if case.tcp { "tcp" } else { "udp" };
        let services = rig::one_service(protocol, case.method.config_name(), case.reals);
        // Four fifths full.
        let rig = Rig::new(&services, (case.flows / 4 * 5).max(1_024))?;
        let reply = case.method == Method::NatOut;
        let reals = if reply { case.reals } else { 0 };
        let replies = (0..reals).map(|real| flows::frame(0, case.tcp, Some(rig::real_address(real))));
        let mut bench = Self {
            rig,
            out: Recycler::new(pool, BURSTS * Burst::CAPACITY, FRAME)?,
            bursts: std::array::from_fn(|_| Burst::new()),
            patterns: vec![Pattern::new(&flows::frame(0, case.tcp, None), case.tcp, false)],
            real_of: Vec::new(),
            draw: Draw::new(case.flows, case.popularity),
            port: WAN,
        };
        bench.open(case)?;
        if reply {
            bench.patterns = replies.map(|frame| Pattern::new(&frame, case.tcp, true)).collect();
            bench.port = LAN;
        }
        Ok(bench)
    }

    /// Opens every flow's connection, by its first packets.
    fn open(&mut self, case: &Case) -> Result<(), String> {
        let data = self.patterns.remove(0);
        let syn = case.tcp.then(|| Pattern::new(&flows::syn(0), true, false));
        let opening: Vec<&Pattern> = syn.iter().chain([&data]).collect();
        for first in (0..case.flows).step_by(Burst::CAPACITY) {
            for pattern in &opening {
                let burst = &mut self.bursts[0];
                for flow in (first..case.flows).take(Burst::CAPACITY) {
                    let Some(mut mbuf) = self.out.mbufs.pop() else { break };
                    pattern.fill(&mut mbuf, flow);
                    drop(burst.push(mbuf));
                }
                let before = self.out.mbufs.len();
                self.rig.pipeline.process(burst, Origin::Port(WAN), &mut self.out);
                if case.method == Method::NatOut && case.reals > 1 && pattern.is_first(&opening) {
                    let left = self.out.mbufs[before..].iter();
                    self.real_of.extend(left.map(|mbuf| u16::from(mbuf.data()[33])));
                }
            }
            self.rig.pipeline.expire(TIMERS);
        }
        self.patterns.push(data);
        let live = self.rig.pipeline.connections().len();
        if live != case.flows as usize { Err(format!("{live} of {} connections opened", case.flows)) } else { Ok(()) }
    }

    fn refill(&mut self) {
        for burst in &mut self.bursts {
            while !burst.is_full()
                && let Some(mut mbuf) = self.out.mbufs.pop()
            {
                let flow = self.draw.next();
                let pattern = self.real_of.get(flow as usize).map_or(0, |real| usize::from(*real));
                self.patterns[pattern].fill(&mut mbuf, flow);
                drop(burst.push(mbuf));
            }
        }
    }

    /// The bursts that are ready, each followed by what a worker does once a round.
    #[inline(never)]
    fn timed_batch(&mut self) {
        for burst in &mut self.bursts {
            self.rig.pipeline.set_time(self.rig.now);
            self.rig.pipeline.process(burst, Origin::Port(self.port), &mut self.out);
            self.rig.pipeline.expire_fragments(1, &mut self.out);
            self.rig.pipeline.expire(TIMERS);
            self.rig.pipeline.send_resets(&mut self.out);
        }
    }

    fn lap_batch(&mut self, laps: &mut Laps) {
        for burst in &mut self.bursts {
            laps.last = tsc();
            self.rig.pipeline.set_time(self.rig.now);
            self.rig.pipeline.process_timed(burst, Origin::Port(self.port), &mut self.out, laps);
            self.rig.pipeline.expire_fragments(1, &mut self.out);
            self.rig.pipeline.expire(TIMERS);
            self.rig.pipeline.send_resets(&mut self.out);
            laps.round += laps.since_last();
        }
    }

    /// Every packet must have left on a port.
    fn check(&self) -> Result<(), String> {
        let lost = BURSTS * Burst::CAPACITY - self.out.mbufs.len();
        if lost == 0 { Ok(()) } else { Err(format!("{lost} packets of a batch were not forwarded")) }
    }

    /// Cycles a packet over `batches` batches.
    pub(super) fn run(&mut self, batches: u32) -> Result<f64, String> {
        let mut cycles = 0;
        for _ in 0..batches {
            self.refill();
            let begin = tsc();
            self.timed_batch();
            cycles += tsc().wrapping_sub(begin);
            self.check()?;
        }
        Ok(a_packet(cycles, batches))
    }

    /// The same while packets are shown, if somebody looks; who reads what is shown takes no part of the time.
    pub(super) fn run_watched(&mut self, batches: u32, mut watched: Option<&mut Watched>) -> Result<f64, String> {
        let mut cycles = 0;
        for _ in 0..batches {
            self.refill();
            let begin = tsc();
            match &mut watched {
                Some(watched) => {
                    for burst in &mut self.bursts {
                        let origin = Origin::Port(self.port);
                        watched.capture.carry(&mut self.rig.pipeline, burst, origin, &mut self.out);
                    }
                }
                None => self.timed_batch(),
            }
            cycles += tsc().wrapping_sub(begin);
            watched.iter_mut().for_each(|watched| watched.read());
            self.check()?;
        }
        Ok(a_packet(cycles, batches))
    }

    fn run_by_stage(&mut self, batches: u32) -> Result<Laps, String> {
        let mut laps = Laps::default();
        for _ in 0..batches {
            self.refill();
            self.lap_batch(&mut laps);
            self.check()?;
        }
        Ok(laps)
    }
}

impl Pattern {
    fn is_first(&self, opening: &[&Self]) -> bool {
        opening.first().is_some_and(|first| std::ptr::eq(*first, self))
    }
}

fn a_packet(cycles: u64, batches: u32) -> f64 {
    cycles as f64 / (f64::from(batches) * (BURSTS * Burst::CAPACITY) as f64)
}

/// Median and spread of the runs, as a whole and by stage.
pub(super) fn measure(case: &Case, bench: &mut Setting<'_>) -> Result<StageFigures, String> {
    let mut this = Bench::new(case, bench.pool)?;
    let batches = (case.bursts / BURSTS as u32).max(1);
    this.run(batches.min(2_000))?;
    let whole = bench.neighbours.runs(bench.runs, || {
        this.run(WARM_UP)?;
        this.run(batches)
    })?;
    let by_stage = bench.neighbours.runs(bench.runs, || {
        this.run(WARM_UP)?;
        this.run_by_stage(batches)
    })?;
    let part = |part: usize| {
        let cycles = by_stage.runs.iter().map(|laps| laps.stages.get(part).copied().unwrap_or(laps.round));
        Figure::of(cycles.map(|cycles| a_packet(cycles, batches)), by_stage.disturbed)
    };
    let names = Stage::ALL.iter().map(|stage| stage.name()).chain(["round"]);
    Ok(StageFigures {
        name: case.name(),
        method: case.method,
        flows: case.flows,
        popularity: case.popularity,
        protocol: if case.tcp { "tcp" } else { "udp" },
        reals: case.reals,
        cycles: Figure::of(whole.runs, whole.disturbed),
        stages: names.enumerate().map(|(place, name)| (name.to_owned(), part(place))).collect(),
    })
}
