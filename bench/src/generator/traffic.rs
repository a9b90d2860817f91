//! The streams of a run: what is sent next, and what came back.

use super::check::{Checker, Fault};
use super::flows::Order;
use super::frame::{Frames, Mark, Packet, RUNS};
use super::memory::Memory;
use super::outcome::{Count, Outcome, Times};
use super::plan::{Kind, Method, Network, Run, Side, Stream, Verify};
use rte_rs::cycles::tsc;
use rte_rs::{Burst, Mempool};
use std::collections::HashMap;

/// What is remembered of flows from one run to the next, by the first flow, their number, and who sends.
#[derive(Debug, Default)]
pub(super) struct Memories {
    of_flows: HashMap<(u64, u64, bool), Memory>,
    runs: u16,
}

/// One stream of a run.
struct Sender {
    frames: Frames,
    order: Order,
    first: u64,
    side: Side,
    /// Of a capture: its frames.
    capture: Vec<Vec<u8>>,
    memory: Memory,
    checker: Checker,
    count: Count,
}

/// The streams of a run.
pub(super) struct Traffic<'a> {
    network: &'a Network,
    streams: Vec<Sender>,
    keys: Vec<(u64, u64, bool)>,
    /// The streams in turn, by their shares.
    pattern: Vec<usize>,
    turn: usize,
    /// Packets that belong to no stream are this one's; else they are faults.
    stray: Option<usize>,
    verify: Verify,
    outcome: Outcome,
    times: Option<Times>,
    /// The next packet's number.
    sequence: u64,
    bursts: usize,
    /// The run's number, modulo [`RUNS`].
    run: u16,
}

impl Memories {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.of_flows.clear();
    }

    fn take(&mut self, stream: &Stream) -> Memory {
        let key = |side| (stream.first, stream.flows, side == Side::Real);
        if stream.side == Side::Real {
            // Which real replies is known from what the clients sent; the order of the replies is their own.
            let known = self.of_flows.get(&key(Side::Client));
            return known.map_or_else(|| Memory::new(stream.flows), Memory::reals_only);
        }
        self.of_flows.remove(&key(stream.side)).unwrap_or_else(|| Memory::new(stream.flows))
    }
}

impl<'a> Traffic<'a> {
    /// The streams of `run`; its captures are read.
    ///
    /// # Errors
    /// A capture can't be read.
    pub(super) fn new(
        run: &Run,
        network: &'a Network,
        memories: &mut Memories,
        sequence: u64,
    ) -> Result<Self, std::io::Error> {
        memories.runs = (memories.runs + 1) % RUNS;
        let mut streams = Vec::new();
        let mut stray = None;
        for (number, stream) in run.streams.iter().enumerate() {
            let capture = match &stream.kind {
                Kind::Capture(file) => read_capture(file, network)?,
                _ => Vec::new(),
            };
            if stream.method == Method::Any || !capture.is_empty() {
                stray = Some(number);
            }
            streams.push(Sender {
                frames: Frames::new(memories.runs, number, stream, network),
                order: Order::new(stream),
                first: stream.first,
                side: stream.side,
                capture,
                memory: memories.take(stream),
                checker: Checker::new(memories.runs, number, stream, network),
                count: Count::default(),
            });
        }
        let keys = run.streams.iter().map(|stream| (stream.first, stream.flows, stream.side == Side::Real)).collect();
        Ok(Self {
            network,
            streams,
            keys,
            pattern: pattern(&run.streams.iter().map(|stream| stream.share).collect::<Vec<_>>()),
            turn: 0,
            stray,
            verify: run.verify,
            outcome: Outcome::default(),
            times: if run.latency { Times::new() } else { None },
            sequence,
            bursts: 0,
            run: memories.runs,
        })
    }

    /// Fills the empty burst with `count` packets of the next stream. Returns the stream's number and who sends; `None`
    /// if there are no mbufs now.
    #[inline]
    pub(super) fn make(&mut self, pool: &Mempool, burst: &mut Burst, count: usize) -> Option<(usize, Side)> {
        let number = self.pattern.get(self.turn).copied()?;
        let stream = self.streams.get_mut(number)?;
        if !pool.alloc_burst(burst, count) {
            return None;
        }
        self.turn = if self.turn + 1 >= self.pattern.len() { 0 } else { self.turn + 1 };
        let stamp = tsc();
        for mbuf in burst.iter_mut() {
            let (flow, step) = stream.order.next_packet();
            if let Some(frame) = stream.capture.get(flow as usize) {
                if let Some(out) = mbuf.append(frame.len()) {
                    out.copy_from_slice(frame);
                }
                continue;
            }
            let real = match stream.side {
                Side::Client => None,
                Side::Real => self.network.reals.get(stream.memory.real(flow).unwrap_or_default()).copied(),
            };
            let packet = Packet { flow: stream.first + flow, step: step as u16, sequence: self.sequence, stamp, real };
            self.sequence += 1;
            if let Some(out) = mbuf.append(stream.frames.next_len()) {
                stream.frames.write_next(out, &packet);
            }
        }
        Some((number, stream.side))
    }

    /// Counts packets of a stream that the port took, and those that it did not take and that were given up.
    #[inline]
    pub(super) fn sent(&mut self, number: usize, taken: usize, given_up: usize) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.count.sent += taken as u64;
            stream.count.not_taken += given_up as u64;
        }
    }

    /// Counts and checks what came in.
    #[inline]
    pub(super) fn received(&mut self, burst: &Burst) {
        self.bursts += 1;
        let chosen = self.bursts % burst.len().max(1);
        let now = tsc();
        for (place, mbuf) in burst.iter().enumerate() {
            let frame = mbuf.data();
            let mark = mark_of(frame).filter(|mark| mark.stream < self.streams.len());
            if mark.is_some_and(|mark| mark.run != self.run) && self.stray.is_none() {
                // It was still on its way when an earlier run ended, which has counted it as lost.
                continue;
            }
            match mark.map(|mark| mark.stream).or(self.stray) {
                Some(number) => {
                    if let Some(stream) = self.streams.get_mut(number) {
                        stream.count.received += 1;
                    }
                    if self.verify == Verify::All || place == chosen {
                        self.check(number, frame);
                    }
                    if let (Some(times), Some(stamp)) = (&mut self.times, stamp_of(frame)) {
                        times.note(now.saturating_sub(stamp));
                    }
                }
                None => self.unmarked(frame),
            }
        }
    }

    #[inline(never)]
    fn check(&mut self, number: usize, frame: &[u8]) {
        let Some(stream) = self.streams.get_mut(number) else { return };
        self.outcome.checked += 1;
        let checked = stream.checker.check(frame, self.network, &mut stream.memory, self.sequence);
        if let Err(fault) = checked {
            self.fault(fault, frame);
        }
    }

    /// A frame that says of no stream that it is of it.
    #[cold]
    fn unmarked(&mut self, frame: &[u8]) {
        let network = self.network;
        if self.streams.iter().any(|stream| stream.checker.is_answer_to_loss(frame, network, &stream.memory)) {
            self.outcome.reset += 1;
        } else {
            self.fault(Fault::Foreign, frame);
        }
    }

    #[cold]
    fn fault(&mut self, fault: Fault, frame: &[u8]) {
        *self.outcome.faults.entry(fault).or_default() += 1;
        if self.outcome.example.is_none() {
            self.outcome.example = Some(format!("{fault:?}: {}", wire::build::describe(frame)));
        }
    }

    /// Packets sent, and not given up, that did not come back so far.
    pub(super) fn missing(&self) -> u64 {
        self.streams.iter().map(|stream| stream.count.sent.saturating_sub(stream.count.received)).sum()
    }

    /// Packets that came back so far.
    pub(super) fn returned(&self) -> u64 {
        self.streams.iter().map(|stream| stream.count.received).sum()
    }

    /// Packets made so far.
    pub(super) fn made(&self) -> u64 {
        self.streams.iter().map(|stream| stream.count.sent + stream.count.not_taken).sum()
    }

    /// Ends the run: what it found out, without the times, and the next packet's number. What was learned of flows goes
    /// back to `memories`.
    pub(super) fn finish(self, memories: &mut Memories) -> (Outcome, u64) {
        let mut outcome = self.outcome;
        for (key, stream) in self.keys.into_iter().zip(self.streams) {
            outcome.streams.push(stream.count);
            memories.of_flows.insert(key, stream.memory);
        }
        outcome.latency = self.times.map(Times::latency);
        (outcome, self.sequence)
    }
}

/// Each stream as often as its share says, spread evenly.
fn pattern(shares: &[u32]) -> Vec<usize> {
    let total: u32 = shares.iter().sum();
    let mut credit = vec![0i64; shares.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        for (credit, &share) in credit.iter_mut().zip(shares) {
            *credit += i64::from(share);
        }
        let richest = (0..shares.len()).max_by_key(|&number| credit.get(number)).unwrap_or_default();
        if let Some(credit) = credit.get_mut(richest) {
            *credit -= i64::from(total);
        }
        turns.push(richest);
    }
    turns
}

/// Where a frame says that it belongs; within a tunnel the inner packet says it.
#[inline]
fn mark_of(frame: &[u8]) -> Option<Mark> {
    const IPIP: u8 = 4;
    let head = frame.first_chunk::<40>()?;
    let identification = if head[23] == IPIP { [head[38], head[39]] } else { [head[18], head[19]] };
    Mark::of(u16::from_be_bytes(identification))
}

/// The time stamp of a UDP packet.
#[inline]
fn stamp_of(frame: &[u8]) -> Option<u64> {
    let outer = if *frame.get(23)? == 4 { 20 } else { 0 };
    let bytes = frame.get(50 + outer..58 + outer)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The frames of a capture file, addressed to the director.
fn read_capture(file: &std::path::Path, network: &Network) -> Result<Vec<Vec<u8>>, std::io::Error> {
    let named = |what: String| std::io::Error::other(format!("{}: {what}", file.display()));
    let opened = std::fs::File::open(file).map_err(|error| named(error.to_string()))?;
    let mut reader =
        pcap_file::pcap::PcapReader::new(std::io::BufReader::new(opened)).map_err(|error| named(error.to_string()))?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let mut frame = packet.map_err(|error| named(error.to_string()))?.data.into_owned();
        if let Some(mac) = frame.get_mut(super::frame::field::DESTINATION_MAC) {
            mac.copy_from_slice(&network.director_wan_mac);
            frames.push(frame);
        }
    }
    if frames.is_empty() { Err(named("no frames in it".into())) } else { Ok(frames) }
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn streams_come_by_their_shares_and_evenly() {
        assert_eq!(pattern(&[1]), [0]);
        assert_eq!(pattern(&[1, 3]), [1, 1, 0, 1]);
        let turns = pattern(&[2, 30]);
        assert_eq!(turns.iter().filter(|&&number| number == 0).count(), 2);
    }
}
