//! Rates of the last ten minutes: rings of samples, of fixed size, taken from the counters that the rates are estimated
//! from.

use super::rates::traffic;
use crate::protocol::{History, RealHistory, Series, ServiceHistory, Traffic};
use link::ServiceReport;
use link::directory::RealState;
use link::model::ServiceKey;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddrV4;
use std::time::Duration;

/// Samples that are kept of a series.
pub(super) const SAMPLES: usize = 100;
/// Nominal time from one to the next: ten minutes together.
pub(super) const PERIOD: Duration = Duration::from_secs(6);
/// Series that are kept, services before reals: at 100 samples of 12 bytes they take some 25 MB. What comes after has none.
const MOST_SERIES: usize = 20_000;

/// New connections, packets from clients, packets to clients; in a second.
type Sample = [f32; 3];
/// Nothing was measured.
const GAP: Sample = [f32::NAN; 3];

/// The rings.
#[derive(Debug, Default)]
pub struct Recorder {
    instance: Option<u64>,
    newest: u64,
    total: VecDeque<Sample>,
    services: HashMap<ServiceKey, Known>,
}

/// What is kept of a service.
#[derive(Debug, Default)]
struct Known {
    ring: Ring,
    reals: HashMap<SocketAddrV4, Ring>,
}

impl Known {
    fn rings(&mut self) -> impl Iterator<Item = &mut Ring> {
        std::iter::once(&mut self.ring).chain(self.reals.values_mut())
    }
}

impl Recorder {
    /// Takes a sample, `elapsed` after the one before. `seen`: which run of the dataplane, and what it counts; `None`:
    /// there is none.
    pub fn record(&mut self, elapsed: Duration, seen: Option<(u64, &[ServiceReport])>) {
        self.newest += 1;
        let instance = seen.map(|(instance, _)| instance);
        if instance != self.instance {
            // Counters of another run say nothing of this one's.
            self.services.values_mut().flat_map(Known::rings).for_each(|ring| ring.last = None);
            self.instance = instance;
        }
        let reports = seen.map(|(_, reports)| reports).unwrap_or_default();
        let total = self.sample(elapsed, reports);
        keep(&mut self.total, total);
        let newest = self.newest;
        self.services.retain(|_, known| {
            known.rings().filter(|ring| ring.newest != newest).for_each(|ring| ring.miss(newest));
            known.reals.retain(|_, ring| !ring.is_empty());
            !(known.ring.is_empty() && known.reals.is_empty())
        });
    }

    fn sample(&mut self, elapsed: Duration, reports: &[ServiceReport]) -> Sample {
        let mut total = GAP;
        let mut series: usize = self.services.values().map(|known| 1 + known.reals.len()).sum();
        for report in reports {
            let key = report.entry.key;
            if let Some(known) = place(&mut self.services, key, &mut series) {
                add(&mut total, known.ring.push(self.newest, elapsed, traffic(&report.totals)));
            }
        }
        for report in reports {
            let Some(known) = self.services.get_mut(&report.entry.key) else { continue };
            for real in report.reals.iter().filter(|real| real.entry.state == RealState::Live) {
                if let Some(ring) = place(&mut known.reals, real.entry.address, &mut series) {
                    ring.push(self.newest, elapsed, traffic(&real.totals));
                }
            }
        }
        total
    }

    /// The samples after number `since`, of all services together and of these by name and key.
    pub fn history<'a>(&self, services: impl Iterator<Item = (&'a str, ServiceKey)>, since: u64) -> History {
        // A number that was never given is of an earlier sluiced: all is news.
        let since = if since > self.newest { 0 } else { since };
        let wanted = usize::try_from(self.newest - since).unwrap_or(SAMPLES);
        let rows = services.filter_map(|(name, key)| {
            let known = self.services.get(&key)?;
            let real = |(address, ring): (&SocketAddrV4, &Ring)| RealHistory {
                address: *address,
                series: series(&ring.samples, wanted),
            };
            let mut reals: Vec<_> = known.reals.iter().map(real).collect();
            reals.sort_by_key(|real| real.address);
            Some(ServiceHistory { name: name.to_owned(), series: series(&known.ring.samples, wanted), reals })
        });
        History {
            period_seconds: u32::try_from(PERIOD.as_secs()).unwrap_or(u32::MAX),
            capacity: u32::try_from(SAMPLES).unwrap_or(u32::MAX),
            newest: self.newest,
            services: rows.collect(),
            total: series(&self.total, wanted),
        }
    }
}

/// The value of this key, a new one if there is room for one more series.
fn place<'a, K: Eq + std::hash::Hash, V: Default>(
    known: &'a mut HashMap<K, V>,
    key: K,
    series: &mut usize,
) -> Option<&'a mut V> {
    match known.entry(key) {
        Entry::Occupied(entry) => Some(entry.into_mut()),
        Entry::Vacant(_) if *series >= MOST_SERIES => None,
        Entry::Vacant(entry) => {
            *series += 1;
            Some(entry.insert(V::default()))
        }
    }
}

/// The samples of one service or real.
#[derive(Debug, Default)]
struct Ring {
    /// What its counters stood at; `None`: the next sample begins anew.
    last: Option<Traffic>,
    newest: u64,
    samples: VecDeque<Sample>,
}

impl Ring {
    fn push(&mut self, number: u64, elapsed: Duration, now: Traffic) -> Sample {
        let seconds = elapsed.as_secs_f32();
        // A counter that went backwards is another thing's of the same name.
        let rate = |before: u64, now: u64| now.checked_sub(before).map_or(f32::NAN, |more| more as f32 / seconds);
        let sample = self.last.filter(|_| seconds > 0.0).map_or(GAP, |last| {
            [
                rate(last.connections, now.connections),
                rate(last.in_packets, now.in_packets),
                rate(last.out_packets, now.out_packets),
            ]
        });
        self.last = Some(now);
        self.newest = number;
        keep(&mut self.samples, sample);
        sample
    }

    fn miss(&mut self, number: u64) {
        self.last = None;
        self.newest = number;
        keep(&mut self.samples, GAP);
    }

    /// Nothing was measured for as long as is kept, and it is not there now.
    fn is_empty(&self) -> bool {
        self.last.is_none() && self.samples.iter().all(|sample| sample.iter().all(|value| value.is_nan()))
    }
}

fn keep(samples: &mut VecDeque<Sample>, sample: Sample) {
    if samples.len() >= SAMPLES {
        samples.pop_front();
    }
    samples.push_back(sample);
}

fn add(total: &mut Sample, sample: Sample) {
    for (sum, value) in total.iter_mut().zip(sample) {
        if !value.is_nan() {
            *sum = if sum.is_nan() { value } else { *sum + value };
        }
    }
}

/// The newest `wanted` samples, to a tenth.
fn series(samples: &VecDeque<Sample>, wanted: usize) -> Series {
    let column = |index: usize| {
        let values = samples.iter().skip(samples.len().saturating_sub(wanted)).filter_map(move |row| row.get(index));
        values.map(|value| (!value.is_nan()).then(|| (value * 10.0).round() / 10.0)).collect()
    };
    Series { connections: column(0), in_packets: column(1), out_packets: column(2) }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
