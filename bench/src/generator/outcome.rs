//! What a run found out.

use super::check::Fault;
use hdrhistogram::Histogram;
use rte_rs::cycles::tsc_hz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long packets took, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Packets measured.
    pub packets: u64,
    /// The least.
    pub min: u64,
    /// Half of the packets took at most so long.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1000.
    pub p99_9: u64,
    /// The most.
    pub max: u64,
}

/// Of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Packets that the port took.
    pub sent: u64,
    /// Packets that it did not take in time; only of a run with a given rate.
    pub not_taken: u64,
    /// Packets that came back.
    pub received: u64,
}

impl Count {
    /// Packets that were to be sent and did not come back.
    pub fn lost(&self) -> u64 {
        (self.sent + self.not_taken).saturating_sub(self.received)
    }
}

/// What a run found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How long packets were sent, seconds.
    pub seconds: f64,
    /// Packets that came back in that time, a second.
    pub rate: f64,
    /// Each stream.
    pub streams: Vec<Count>,
    /// Packets that were checked.
    pub checked: u64,
    /// Resets of the director for TCP lives whose SYN was lost: each answers a packet that is counted as lost.
    pub reset: u64,
    /// What was wrong, and how often; nothing of it should be.
    pub faults: BTreeMap<Fault, u64>,
    /// The first packet with a fault, in words.
    pub example: Option<String>,
    /// The share of the sends that found too little room in the port's ring, 0 to 1. Near 0 at the highest rate, it is the
    /// generator that makes no more.
    pub blocked: f64,
    /// The longest time that the generator itself was kept from its work, microseconds: others ran on its core.
    pub longest_pause: u64,
    /// If it was asked for.
    pub latency: Option<Latency>,
}

impl Outcome {
    /// All streams together.
    pub fn total(&self) -> Count {
        self.streams.iter().fold(Count::default(), |sum, count| Count {
            sent: sum.sent + count.sent,
            not_taken: sum.not_taken + count.not_taken,
            received: sum.received + count.received,
        })
    }

    /// Whether every packet came back, and right.
    pub fn is_clean(&self) -> bool {
        self.total().lost() == 0 && self.faults.is_empty()
    }

    /// What is wrong with it, in words; `None` if nothing is. Losses count only if asked for.
    pub fn complaint(&self, losses: bool) -> Option<String> {
        let lost = self.total().lost();
        let mut words: Vec<String> = self.faults.iter().map(|(fault, count)| format!("{count} {fault:?}")).collect();
        if losses && lost > 0 {
            words.push(format!("{lost} of {} lost", self.total().sent));
            if self.reset > 0 {
                words.push(format!("{} of these answered with a reset, the SYN being lost", self.reset));
            }
        }
        let example = self.example.as_ref().map(|frame| format!("; the first: {frame}")).unwrap_or_default();
        (!words.is_empty()).then(|| words.join(", ") + &example)
    }
}

/// Cycles in a bucket of [`Times`].
const BUCKET: u64 = 16;
const BUCKETS: usize = 1 << 16;
/// The longest time that is told apart, nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// Collects times at little cost each: short ones are counted in buckets of some nanoseconds.
#[derive(Debug)]
pub(super) struct Times {
    short: Vec<u32>,
    histogram: Histogram<u64>,
}

impl Times {
    pub(super) fn new() -> Option<Self> {
        Some(Self { short: vec![0; BUCKETS], histogram: Histogram::new_with_bounds(1, LONGEST, 3).ok()? })
    }

    /// Takes a time in, cycles.
    #[inline]
    pub(super) fn note(&mut self, cycles: u64) {
        match self.short.get_mut((cycles / BUCKET) as usize) {
            Some(count) => *count += 1,
            None => self.histogram.saturating_record(nanoseconds(cycles)),
        }
    }

    pub(super) fn latency(mut self) -> Latency {
        for (bucket, &count) in self.short.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.histogram.saturating_record_n(nanoseconds(bucket as u64 * BUCKET + BUCKET / 2), count.into());
        }
        let at = |quantile| self.histogram.value_at_quantile(quantile);
        Latency {
            packets: self.histogram.len(),
            min: self.histogram.min(),
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.histogram.max(),
        }
    }
}

fn nanoseconds(cycles: u64) -> u64 {
    u64::try_from(u128::from(cycles) * 1_000_000_000 / u128::from(tsc_hz())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_quantiles() {
        let mut times = Times::new().unwrap();
        let hz = tsc_hz();
        for _ in 0..990 {
            times.note(hz / 1_000_000);
        }
        for _ in 0..10 {
            times.note(hz / 100);
        }
        let latency = times.latency();
        assert_eq!(latency.packets, 1000);
        assert!((990..1010).contains(&latency.p50), "{latency:?}");
        assert!((990..1010).contains(&latency.p99), "{latency:?}");
        assert!((9_900_000..10_100_000).contains(&latency.p99_9), "{latency:?}");
        assert!((9_900_000..10_100_000).contains(&latency.max), "{latency:?}");
    }

    #[test]
    fn a_complaint_names_faults_and_losses() {
        let mut outcome =
            Outcome { streams: vec![Count { sent: 10, not_taken: 0, received: 10 }], ..Outcome::default() };
        assert_eq!((outcome.is_clean(), outcome.complaint(true)), (true, None));
        outcome.streams[0].received = 8;
        assert_eq!((outcome.is_clean(), outcome.complaint(false)), (false, None));
        assert_eq!(outcome.complaint(true).unwrap(), "2 of 10 lost");
        outcome.reset = 1;
        assert_eq!(
            (outcome.complaint(true).unwrap(), outcome.complaint(false)),
            ("2 of 10 lost, 1 of these answered with a reset, the SYN being lost".into(), None)
        );
        outcome.faults.insert(Fault::WrongReal, 3);
        assert_eq!(outcome.complaint(false).unwrap(), "3 WrongReal");
    }
}
