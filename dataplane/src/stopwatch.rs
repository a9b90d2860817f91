//! Where a worker's cycles go, for `sluice perf`: of the rounds that find a packet one in [`PERIOD`] is timed stage by
//! stage. The others pay a test of a flag a burst.
//!
//! A timed round also shows which stages wait for memory: it touches each frame before it is parsed and each connection
//! before it is followed, and looks the keys up a second time, when they are in the cache. What that takes by itself is
//! what the stage would have waited.

use crate::pipeline::{Stage, Stopwatch, Wait};
use link::counters::PerfCounters;
use rte_rs::{Burst, cycles};
use std::hint::black_box;

/// Rounds with packets from one that is timed to the next.
pub const PERIOD: u32 = 128;
/// After so many cycles the next one is timed in any case, so that there are figures of a few packets a second, too.
const PATIENCE: u64 = 1 << 21;

/// What ends with a reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Lap {
    /// Polling queues and rings.
    Receive,
    /// Waiting for the frames' headers.
    Frames,
    /// Parsing and steering.
    Parse,
    /// Looking the keys up.
    LookUp,
    /// The same again, with all of it in the cache.
    LookUpAgain,
    /// Waiting for the connections found.
    Connections,
    /// Following, admitting, rewriting, answering.
    Forward,
    /// Handing packets to transmit queues.
    Transmit,
    /// Handing packets to other workers and to the kernel.
    HandOff,
    /// Timers, tables, requests of the main lcore: what is due once a round.
    House,
}

const LAPS: usize = Lap::House as usize + 1;

/// The clock of one worker.
#[derive(Debug, Default)]
pub struct RoundClock {
    running: bool,
    /// Rounds with packets until the next one is timed.
    rounds: u32,
    /// When it is timed in any case, TSC.
    due: u64,
    last: u64,
    cycles: [u64; LAPS],
}

impl RoundClock {
    /// A round begins, at this reading of the TSC. Says whether it is timed.
    #[inline]
    pub fn round(&mut self, now: u64) -> bool {
        if self.rounds == 0 || now >= self.due {
            self.running = true;
            self.last = now;
            self.cycles = [0; LAPS];
        }
        self.running
    }

    /// Whether this round is timed.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// A stage is over.
    #[inline]
    pub fn lap(&mut self, lap: Lap) {
        if self.running {
            self.read(lap);
        }
    }

    #[cold]
    #[inline(never)]
    fn read(&mut self, lap: Lap) {
        let now = cycles::tsc();
        self.add(lap, now.wrapping_sub(self.last));
        self.last = now;
    }

    /// Waits for the frames of a burst, as parsing would.
    pub fn await_frames(&mut self, burst: &Burst) {
        burst.prefetch();
        for mbuf in burst {
            black_box(mbuf.data().first().copied());
        }
        self.lap(Lap::Frames);
    }

    fn add(&mut self, lap: Lap, cycles: u64) {
        if let Some(sum) = self.cycles.get_mut(lap as usize) {
            *sum = sum.wrapping_add(cycles);
        }
    }

    /// Of what was taken for `from`, so much was for `to`.
    pub fn shift(&mut self, from: Lap, to: Lap, cycles: u64) {
        self.add(from, cycles.wrapping_neg());
        self.add(to, cycles);
    }

    /// The round is over. If it was timed and found packets, it is published; if it found none, the next is timed instead.
    #[inline]
    pub fn end(&mut self, packets: usize, cells: &PerfCounters) {
        if self.running {
            self.publish(packets, cells);
        } else if packets > 0 {
            self.rounds -= 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn publish(&mut self, packets: usize, cells: &PerfCounters) {
        self.read(Lap::House);
        self.running = false;
        if packets == 0 {
            return;
        }
        self.rounds = PERIOD - 1;
        self.due = self.last.wrapping_add(PATIENCE);
        cells.timed_rounds.add(1);
        cells.timed_packets.add(packets as u64);
        let [receive, frames, parse, look_up, again, connections, forward, transmit, hand_off, house] = self.cycles;
        cells.receive_cycles.add(receive);
        cells.parse_cycles.add(frames.wrapping_add(parse));
        cells.parse_wait_cycles.add(frames);
        cells.look_up_cycles.add(look_up);
        cells.look_up_wait_cycles.add(look_up.saturating_sub(again));
        cells.forward_cycles.add(connections.wrapping_add(forward));
        cells.forward_wait_cycles.add(connections);
        cells.transmit_cycles.add(transmit);
        cells.hand_off_cycles.add(hand_off);
        cells.house_cycles.add(house);
    }
}

impl Stopwatch for RoundClock {
    const WAITS: bool = true;

    fn lap(&mut self, stage: Stage) {
        self.read(match stage {
            Stage::Parse => Lap::Parse,
            Stage::LookUp => Lap::LookUp,
            Stage::Forward => Lap::Forward,
        });
    }

    fn wait(&mut self, wait: Wait) {
        self.read(match wait {
            Wait::LookUpAgain => Lap::LookUpAgain,
            Wait::Connections => Lap::Connections,
        });
    }
}

/// What a worker's ways out take while a round is timed: they are used in the midst of other stages.
#[derive(Debug, Default)]
pub struct SendClock {
    running: bool,
    transmit: u64,
    hand_off: u64,
}

impl SendClock {
    /// For the round that begins.
    #[inline]
    pub fn set_running(&mut self, running: bool) {
        self.running = running;
    }

    /// A reading of the clock, if the round is timed.
    #[inline]
    pub fn begin(&self) -> u64 {
        if self.running { cycles::tsc() } else { 0 }
    }

    /// A burst was given to a transmit queue.
    #[inline]
    pub fn transmitted(&mut self, began: u64) {
        if self.running {
            self.transmit += cycles::tsc().wrapping_sub(began);
        }
    }

    /// A burst was given to a ring.
    #[inline]
    pub fn handed_off(&mut self, began: u64) {
        if self.running {
            self.hand_off += cycles::tsc().wrapping_sub(began);
        }
    }

    /// Cycles of transmit queues and of rings since the last call.
    pub fn take(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.transmit), std::mem::take(&mut self.hand_off))
    }
}

#[cfg(test)]
mod tests {
    use super::{Lap, PERIOD, RoundClock};
    use link::counters::{Handle, PerfCounters};
    use link::region::DataplaneLink;
    use link::{Layout, PortDescription};

    fn cells() -> Handle<PerfCounters> {
        let port = PortDescription {
            name: "wan".into(),
            device: "none".into(),
            driver: "none".into(),
            mac: link::model::MacAddress([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            kernel_interface: None,
            addresses: vec![],
            queues: Default::default(),
        };
        let layout = Layout { workers: 1, ports: 1, services: 1, reals: 1 };
        DataplaneLink::private(&layout, &[port]).unwrap().perf_counters(0).unwrap()
    }

    #[test]
    fn one_round_with_packets_in_a_period_is_timed_and_an_empty_one_does_not_count() {
        let (mut clock, cells) = (RoundClock::default(), cells());
        for round in 0..3 * PERIOD {
            for packets in [0, 0, 5] {
                let timed = clock.round(0);
                assert_eq!(timed, round % PERIOD == 0);
                clock.end(packets, &cells);
            }
        }
        let totals = cells.totals();
        assert_eq!((totals.timed_rounds, totals.timed_packets), (3, 15));
        assert!(clock.round(u64::MAX), "the next is timed where the last was long ago");
    }

    #[test]
    fn every_cycle_of_a_timed_round_is_some_stage_s_and_what_was_sent_amid_another_is_moved() {
        let (mut clock, cells) = (RoundClock::default(), cells());
        let began = rte_rs::cycles::tsc();
        clock.round(began);
        clock.lap(Lap::Receive);
        clock.lap(Lap::Forward);
        clock.shift(Lap::Forward, Lap::Transmit, 1);
        clock.end(1, &cells);
        let took = rte_rs::cycles::tsc() - began;
        let totals = cells.totals();
        let sum = totals.receive_cycles + totals.forward_cycles + totals.transmit_cycles + totals.house_cycles;
        assert_eq!(totals.transmit_cycles, 1);
        assert!(sum > 0 && sum <= took, "{totals:?} of {took}");
        assert_eq!(totals.parse_cycles + totals.look_up_cycles + totals.hand_off_cycles, 0);
    }
}
