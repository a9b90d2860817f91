//! Rates of services and reals, estimated every 2 s as the reference does, and the counters since they were zeroed. The
//! dataplane's counters are never reset and know nothing of this.

use super::history;
use super::saved::{Zeroed, ZeroedRow};
use super::state::Daemon;
use crate::protocol::{Rates, Traffic};
use link::counters::RealTotals;
use link::directory::RealState;
use link::model::ServiceKey;
use link::{RealReport, ServiceReport, View};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two estimates.
const PERIOD: Duration = Duration::from_secs(2);

/// Estimates for ever.
pub(super) async fn run(daemon: Rc<Daemon>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut recorded = Instant::now();
    loop {
        ticks.tick().await;
        let seen = daemon.session.view(|view| (view.identity().instance, View::services(view)));
        if let Ok((instance, reports)) = &seen {
            daemon.rates.borrow_mut().estimate(*instance, reports);
            if daemon.rates.borrow().lost_zeroes {
                daemon.keep_zeroed();
            }
        }
        // A tick that comes a little early is meant too.
        if recorded.elapsed() > history::PERIOD - PERIOD / 2 {
            let seen = seen.as_ref().ok().map(|(instance, reports)| (*instance, reports.as_slice()));
            daemon.history.borrow_mut().record(recorded.elapsed(), seen);
            recorded = Instant::now();
        }
    }
}

/// What is known of the services of one run of the dataplane.
#[derive(Debug, Default)]
pub struct Meters {
    /// Which run; `None`: none was seen yet.
    instance: Option<u64>,
    services: HashMap<ServiceKey, Meter>,
    reals: HashMap<(ServiceKey, SocketAddrV4), Meter>,
    /// What an earlier sluiced zeroed, until a dataplane is seen.
    kept: Option<Zeroed>,
    /// Something that was zeroed is gone since this was last kept.
    lost_zeroes: bool,
}

impl Meters {
    /// Nothing seen yet, after what an earlier sluiced zeroed.
    pub fn after(kept: Option<Zeroed>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Takes a first sample of a run that was not seen yet.
    pub fn begin(&mut self, instance: u64, reports: &[ServiceReport]) {
        if self.instance != Some(instance) {
            self.estimate(instance, reports);
        }
    }

    /// What was zeroed, to be kept for the next sluiced.
    pub fn zeroed(&mut self) -> Zeroed {
        self.lost_zeroes = false;
        let row = |service, real, meter: &Meter| {
            (meter.zero != Traffic::default()).then_some(ZeroedRow { service, real, traffic: meter.zero })
        };
        let services = self.services.iter().filter_map(|(key, meter)| row(*key, None, meter));
        let reals = self.reals.iter().filter_map(|((key, real), meter)| row(*key, Some(*real), meter));
        Zeroed { instance: self.instance.unwrap_or(0), rows: services.chain(reals).collect() }
    }

    fn take_up(&mut self, kept: Zeroed) {
        for ZeroedRow { service, real, traffic } in kept.rows {
            let meter = match real {
                Some(real) => self.reals.get_mut(&(service, real)),
                None => self.services.get_mut(&service),
            };
            if let Some(meter) = meter {
                meter.zero = traffic;
            }
        }
    }

    /// Takes a sample; to be called every 2 s. What the first sample of a run has counted is older than that, so it
    /// makes no rate.
    pub fn estimate(&mut self, instance: u64, reports: &[ServiceReport]) {
        let is_first = self.instance != Some(instance);
        let kept = if is_first { self.kept.take().filter(|kept| kept.instance == instance) } else { None };
        if is_first {
            *self = Self { instance: Some(instance), ..Self::default() };
        }
        let mut old = std::mem::take(&mut self.services);
        let mut old_reals = std::mem::take(&mut self.reals);
        for report in reports {
            let key = report.entry.key;
            let meter = old.remove(&key).unwrap_or_default();
            self.services.insert(key, meter.after(traffic(&report.totals), is_first));
            // Of a real that was removed and one added since with its address, the latter.
            let is_live = |real: &&RealReport| real.entry.state == RealState::Live;
            let (live, removed): (Vec<&RealReport>, Vec<&RealReport>) = report.reals.iter().partition(is_live);
            for real in live.into_iter().chain(removed) {
                if let Entry::Vacant(vacant) = self.reals.entry((key, real.entry.address)) {
                    let meter = old_reals.remove(vacant.key()).unwrap_or_default();
                    vacant.insert(meter.after(traffic(&real.totals), is_first));
                }
            }
        }
        self.lost_zeroes |= old.values().chain(old_reals.values()).any(|meter| meter.zero != Traffic::default());
        if let Some(kept) = kept {
            self.take_up(kept);
        }
    }

    /// Begins counters and rates anew, of one service and its reals or of all.
    pub fn zero(&mut self, instance: u64, reports: &[ServiceReport], only: Option<ServiceKey>) {
        self.begin(instance, reports);
        for report in reports.iter().filter(|report| only.is_none_or(|key| report.entry.key == key)) {
            let key = report.entry.key;
            self.services.insert(key, Meter::zeroed(traffic(&report.totals)));
            for real in &report.reals {
                self.reals.insert((key, real.entry.address), Meter::zeroed(traffic(&real.totals)));
            }
        }
    }

    /// Traffic since it was zeroed, and rates, of a service.
    pub fn service(&self, report: &ServiceReport) -> (Traffic, Rates) {
        shown(self.services.get(&report.entry.key), traffic(&report.totals))
    }

    /// Traffic since it was zeroed, and rates, of a real.
    pub fn real(&self, service: ServiceKey, report: &RealReport) -> (Traffic, Rates) {
        shown(self.reals.get(&(service, report.entry.address)), traffic(&report.totals))
    }
}

fn shown(meter: Option<&Meter>, now: Traffic) -> (Traffic, Rates) {
    match meter {
        Some(meter) => (meter.since_zeroed(now), meter.rates()),
        None => (now, Rates::default()),
    }
}

/// What a dataplane counted, for clients.
pub(super) const fn traffic(totals: &RealTotals) -> Traffic {
    Traffic {
        connections: totals.connections,
        in_packets: totals.in_packets,
        in_bytes: totals.in_bytes,
        out_packets: totals.out_packets,
        out_bytes: totals.out_bytes,
    }
}

/// One service or real.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    last: Traffic,
    /// What the counters stood at when they were zeroed.
    zero: Traffic,
    connections: Average,
    in_packets: Average,
    out_packets: Average,
    in_bytes: Average,
    out_bytes: Average,
}

/// Counts have 10 bits behind the point, bytes 5, as in the reference.
const COUNT_BITS: u32 = 10;
const BYTE_BITS: u32 = 5;

impl Meter {
    fn zeroed(now: Traffic) -> Self {
        Self { last: now, zero: now, ..Self::default() }
    }

    /// After one more sample. Counters that went backwards belong to another thing of that name: it begins anew.
    fn after(self, now: Traffic, is_first: bool) -> Self {
        if is_first || went_backwards(self.last, now) {
            return Self { last: now, ..Self::default() };
        }
        let since = difference(now, self.last);
        Self {
            last: now,
            zero: self.zero,
            connections: self.connections.after(since.connections, COUNT_BITS),
            in_packets: self.in_packets.after(since.in_packets, COUNT_BITS),
            out_packets: self.out_packets.after(since.out_packets, COUNT_BITS),
            in_bytes: self.in_bytes.after(since.in_bytes, BYTE_BITS),
            out_bytes: self.out_bytes.after(since.out_bytes, BYTE_BITS),
        }
    }

    fn since_zeroed(&self, now: Traffic) -> Traffic {
        if went_backwards(self.zero, now) { now } else { difference(now, self.zero) }
    }

    const fn rates(&self) -> Rates {
        Rates {
            connections: self.connections.rounded(COUNT_BITS),
            in_packets: self.in_packets.rounded(COUNT_BITS),
            out_packets: self.out_packets.rounded(COUNT_BITS),
            in_bytes: self.in_bytes.rounded(BYTE_BITS),
            out_bytes: self.out_bytes.rounded(BYTE_BITS),
        }
    }
}

const fn went_backwards(before: Traffic, now: Traffic) -> bool {
    now.connections < before.connections
        || now.in_packets < before.in_packets
        || now.out_packets < before.out_packets
        || now.in_bytes < before.in_bytes
        || now.out_bytes < before.out_bytes
}

const fn difference(now: Traffic, before: Traffic) -> Traffic {
    Traffic {
        connections: now.connections.saturating_sub(before.connections),
        in_packets: now.in_packets.saturating_sub(before.in_packets),
        in_bytes: now.in_bytes.saturating_sub(before.in_bytes),
        out_packets: now.out_packets.saturating_sub(before.out_packets),
        out_bytes: now.out_bytes.saturating_sub(before.out_bytes),
    }
}

/// A number a second, with some bits behind the point.
#[derive(Clone, Copy, Debug, Default)]
struct Average(i128);

impl Average {
    /// After 2 s in which `count` came: a quarter of the way to it, rounded down.
    const fn after(self, count: u64, bits: u32) -> Self {
        let rate = (count as i128) << (bits - 1);
        Self(self.0 + ((rate - self.0) >> 2))
    }

    const fn rounded(self, bits: u32) -> u64 {
        let rounded = (self.0 + (1 << (bits - 1)) - 1) >> bits;
        if rounded < 0 { 0 } else { rounded as u64 }
    }
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
