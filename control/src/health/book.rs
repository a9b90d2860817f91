//! What is known of every real and service, and what follows from it. No clock of its own, no I/O.

use super::entry::Entry;
use super::judge::{Judge, Verdict};
use super::kept::{DrainState, Kept, KeptDrain, KeptQuorum, KeptReal, service_text};
use super::pool::{self, Standing};
use super::probe::Found;
use super::runner::Report;
use super::target::{self, CheckAddresses, RealKey, Targets};
use crate::protocol::EventRow;
use config::health::{Check, Health, Start};
use config::{NamedService, Services};
use link::model::{Phase, ServiceKey};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The one that only goes forward.
    pub instant: Instant,
    /// The one of the calendar.
    pub wall: SystemTime,
}

impl Now {
    /// The present.
    pub fn read() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }

    /// Milliseconds since 1970.
    pub fn unix_milliseconds(&self) -> u64 {
        let since = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// See the module.
#[derive(Default)]
pub struct Book {
    pub(super) reals: HashMap<RealKey, Entry>,
    pub(super) drains: HashMap<RealKey, KeptDrain>,
    quorums: HashMap<ServiceKey, bool>,
    pub(super) targets: Targets,
    /// The services that all this is about.
    settled: Option<Services>,
    /// What an earlier sluiced knew, of reals that have no entry yet.
    remembered: HashMap<RealKey, KeptReal>,
    /// The reals in the pools of services with a slow start, and those of them that have just come.
    inside: HashMap<ServiceKey, HashSet<RealKey>>,
    entered: HashMap<RealKey, Instant>,
    /// What checks speak to that go the way of clients.
    addresses: CheckAddresses,
    /// Reals of the running services that want such an address, and for which none was left.
    pub(super) without_address: usize,
    /// Something has changed that is kept over a restart.
    pub(super) unsaved: bool,
}

impl Book {
    /// What an earlier sluiced knew.
    pub fn restore(kept: Kept) -> Self {
        let mut book = Self::default();
        for real in kept.reals {
            if let Some(key) = real.key() {
                book.remembered.insert(key, real);
            }
        }
        for drain in kept.drains {
            if let Some(key) = drain.key() {
                book.drains.insert(key, drain);
            }
        }
        for quorum in kept.quorums {
            if let Some(key) = super::kept::service_key(&quorum.service) {
                book.quorums.insert(key, quorum.has);
            }
        }
        book
    }

    /// What the next sluiced is to know; `None`: nothing new since the last time.
    pub fn keep(&mut self) -> Option<Kept> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        let known = self.reals.iter().filter(|(_, entry)| entry.judge.verdict() != Verdict::Unknown);
        let mut reals: Vec<_> = known
            .map(|(key, entry)| KeptReal {
                service: service_text(&key.service),
                real: key.real,
                up: entry.judge.verdict() == Verdict::Up,
                since: entry.since,
                reason: entry.reason.clone(),
                weight: entry.weight,
            })
            .collect();
        reals.sort_by(|a, b| (&a.service, a.real).cmp(&(&b.service, b.real)));
        let mut drains: Vec<_> = self.drains.values().cloned().collect();
        drains.sort_by(|a, b| (&a.service, a.real).cmp(&(&b.service, b.real)));
        let quorums = self.quorums.iter().map(|(key, has)| KeptQuorum { service: service_text(key), has: *has });
        let mut quorums: Vec<_> = quorums.collect();
        quorums.sort_by(|a, b| a.service.cmp(&b.service));
        Some(Kept { reals, drains, quorums })
    }

    /// Makes entries for what `services` has checked. A real that served unchecked in `before` goes on serving.
    pub fn prepare(&mut self, services: &Services, before: &Services, now: Now) {
        if self.settled.as_ref() == Some(services) {
            return self.enter(services, now);
        }
        self.addresses.assign(services);
        self.fill(services, before, now);
        self.enter(services, now);
    }

    fn fill(&mut self, services: &Services, before: &Services, now: Now) {
        let mut served: Option<HashSet<RealKey>> = None;
        for (key, target) in target::of(services, &self.addresses) {
            if self.reals.contains_key(&key) {
                continue;
            }
            let served =
                served.get_or_insert_with(|| reals_of(before).filter(|key| !self.targets.contains_key(key)).collect());
            let entry = match self.remembered.remove(&key) {
                Some(kept) => Entry::remembered(&kept),
                None if served.contains(&key) => Entry::new(Judge::known(Verdict::Up), now),
                None => Entry::new(Judge::new(target.check.start), now),
            };
            self.reals.insert(key, entry);
        }
    }

    /// The dataplane has been serving these all the time: what has no result yet goes on.
    pub fn assume_serving(&mut self, services: &Services, now: Now) {
        self.addresses.assign(services);
        for key in target::of(services, &self.addresses).into_keys() {
            let remembered = self.remembered.remove(&key);
            let entry = self.reals.entry(key).or_insert_with(|| match &remembered {
                Some(kept) => Entry::remembered(kept),
                None => Entry::new(Judge::new(Start::Up), now),
            });
            if entry.judge.verdict() == Verdict::Unknown {
                entry.judge = Judge::known(Verdict::Up);
            }
        }
    }

    /// These run now: what is about none of them is forgotten. What is to be checked, where that is another than before.
    pub fn settle(&mut self, services: &Services, now: Now) -> Option<Targets> {
        if self.settled.as_ref() == Some(services) {
            return None;
        }
        let before = self.settled.replace(services.clone()).unwrap_or_default();
        self.fill(services, &before, now);
        self.addresses.retain(services);
        self.without_address = self.addresses.assign(services);
        self.targets = target::of(services, &self.addresses);
        self.reals.retain(|key, _| self.targets.contains_key(key));
        let live: HashSet<RealKey> = reals_of(services).collect();
        let drains = self.drains.len();
        self.drains.retain(|key, _| live.contains(key));
        self.unsaved |= drains != self.drains.len();
        self.entered.retain(|key, _| live.contains(key));
        let services_live: HashSet<_> = services.services.iter().map(|named| named.service.key).collect();
        self.quorums.retain(|key, _| services_live.contains(key));
        self.inside.retain(|key, _| services_live.contains(key));
        self.enter(services, now);
        Some(self.targets.clone())
    }

    /// Takes the result of a check. What happened, if it changes what the real is taken for.
    pub fn take(&mut self, report: &Report, now: Now) -> Option<EventRow> {
        let target = self.targets.get(&report.target.key).filter(|target| **target == report.target)?;
        let target = Arc::clone(target);
        let entry = self.reals.get_mut(&target.key)?;
        let is_well = matches!(report.found, Found::Well(_));
        entry.last = Some((now.instant, report.took));
        match &report.found {
            Found::Well(weight) => {
                entry.passed += 1;
                self.unsaved |= entry.weight != *weight;
                entry.weight = *weight;
            }
            Found::Ill(text) => {
                entry.failed += 1;
                entry.reason = Some(text.clone());
            }
        }
        if !entry.judge.take(&target.check, is_well, now.instant) {
            return None;
        }
        entry.since = now.unix_milliseconds();
        entry.changes += 1;
        self.unsaved = true;
        let text = if is_well { well(&target.check) } else { entry.reason.clone().unwrap_or_default() };
        if is_well {
            entry.reason = None;
        }
        let event = if is_well { "up" } else { "down" };
        Some(EventRow {
            at_unix_milliseconds: now.unix_milliseconds(),
            event: event.to_owned(),
            service: target.service.clone(),
            key: target.key.service.to_string(),
            real: Some(target.key.real),
            text,
        })
    }

    /// Brings what follows from all results up to date: quorums, slow starts. What happened.
    pub fn review(&mut self, services: &Services, now: Now) -> Vec<EventRow> {
        let mut events = Vec::new();
        for named in &services.services {
            if !self.cares_for(named) {
                continue;
            }
            let standings = self.standings(named, now);
            let total = pool::total(&named.service.reals, &standings);
            let had = self.quorums.get(&named.service.key).copied();
            let has = pool::has_quorum(total, named, had);
            let awaits = had.is_none() && !has && self.awaits_results(named);
            if had == Some(has) || awaits {
                continue;
            }
            self.quorums.insert(named.service.key, has);
            self.unsaved = true;
            let needed = named.health.quorum;
            let (event, text) = match (has, named.health.sorry) {
                (true, _) => ("quorum_gained", format!("weight {total} in the pool, {needed} is needed")),
                (false, None) => ("quorum_lost", format!("weight {total} in the pool, {needed} is needed")),
                (false, Some(sorry)) => {
                    ("quorum_lost", format!("weight {total} in the pool, {needed} is needed; {} serves", sorry.address))
                }
            };
            events.push(about(named, event, text, now));
        }
        self.enter(services, now);
        events
    }

    /// What the dataplane is to have.
    pub fn effective(&self, services: &Services, now: Now) -> Services {
        let mut all = services.clone();
        for named in all.services.iter_mut().filter(|named| self.cares_for(named)) {
            let standings = self.standings(named, now);
            let quorum = self.quorum_of(named, &standings);
            let service = named.service.key;
            for real in &mut named.service.reals {
                real.check_address = self.addresses.of(&RealKey { service, real: real.address });
            }
            pool::apply(named, &standings, quorum);
        }
        all
    }

    /// What of [`Self::effective`] is told to the network: nobody is to come to a service that has neither quorum nor sorry
    /// server, whatever its reals that are left do for those who are there.
    pub fn announced(&self, services: &Services, now: Now) -> Services {
        let mut all = self.effective(services, now);
        for (named, given) in all.services.iter_mut().zip(&services.services) {
            if given.health.sorry.is_none()
                && self.cares_for(given)
                && !self.quorum_of(given, &self.standings(given, now))
            {
                named.service.reals.iter_mut().for_each(|real| real.weight = 0);
            }
        }
        all
    }

    /// Whether the service has its quorum.
    pub(super) fn quorum_of(&self, named: &NamedService, standings: &[Standing]) -> bool {
        let had = self.quorums.get(&named.service.key).copied();
        pool::has_quorum(pool::total(&named.service.reals, standings), named, had)
    }

    /// Whether health changes anything about this service.
    pub(super) fn cares_for(&self, named: &NamedService) -> bool {
        let drains = || self.drains.keys().any(|key| key.service == named.service.key);
        named.health != Health::default() || (!self.drains.is_empty() && drains())
    }

    fn awaits_results(&self, named: &NamedService) -> bool {
        named.service.reals.iter().any(|real| {
            let key = RealKey { service: named.service.key, real: real.address };
            self.reals.get(&key).is_some_and(|entry| entry.judge.verdict() == Verdict::Unknown)
        })
    }

    /// How each real of a service stands, in their order.
    pub(super) fn standings(&self, named: &NamedService, now: Now) -> Vec<Standing> {
        let slow_start = named.health.slow_start;
        let standing = |real: &link::model::RealServer| {
            let key = RealKey { service: named.service.key, real: real.address };
            let entry = self.reals.get(&key);
            let phase = match self.drains.get(&key).map(|drain| &drain.state) {
                None => Phase::Serving,
                Some(DrainState::Closing { .. }) => Phase::Closing,
                Some(DrainState::Removing) => Phase::Removing,
                Some(DrainState::Draining | DrainState::Drained) => Phase::Draining,
            };
            Standing {
                is_up: entry.is_none_or(|entry| entry.judge.verdict() == Verdict::Up),
                phase,
                weight: entry.and_then(|entry| entry.weight),
                started: self.entered.get(&key).and_then(|since| part(now.instant.duration_since(*since), slow_start)),
            }
        };
        named.service.reals.iter().map(standing).collect()
    }

    /// Notes who has come into the pool of a service with a slow start. Those that are there when the service is first
    /// seen have not come.
    fn enter(&mut self, services: &Services, now: Now) {
        for named in services.services.iter().filter(|named| !named.health.slow_start.is_zero()) {
            let service = named.service.key;
            let standings = self.standings(named, now);
            let reals = named.service.reals.iter().zip(&standings);
            let present: HashSet<_> = reals
                .filter(|(real, standing)| standing.weight_of(real) != 0)
                .map(|(real, _)| RealKey { service, real: real.address })
                .collect();
            if let Some(before) = self.inside.get(&service) {
                for key in present.difference(before) {
                    self.entered.insert(*key, now.instant);
                }
                for key in before.difference(&present) {
                    self.entered.remove(key);
                }
            }
            self.inside.insert(service, present);
            let slow_start = named.health.slow_start;
            let is_under_way = |since: &Instant| part(now.instant.duration_since(*since), slow_start).is_some();
            self.entered.retain(|key, since| key.service != service || is_under_way(since));
        }
    }

    /// Whether something has changed since the last [`Self::keep`].
    pub fn has_changed(&self) -> bool {
        self.unsaved
    }

    /// Whether some slow start is under way, so that shares grow with time alone.
    pub fn grows(&self) -> bool {
        !self.entered.is_empty()
    }
}

/// An event about a service.
pub(super) fn about(named: &NamedService, event: &str, text: String, now: Now) -> EventRow {
    EventRow {
        at_unix_milliseconds: now.unix_milliseconds(),
        event: event.to_owned(),
        service: named.name.clone(),
        key: named.service.key.to_string(),
        real: None,
        text,
    }
}

fn well(check: &Check) -> String {
    format!("its {} check succeeds", check.kind.name())
}

/// How far a slow start has come, of [`u32::MAX`]; `None`: it is over.
fn part(elapsed: Duration, whole: Duration) -> Option<u32> {
    if elapsed >= whole {
        return None;
    }
    Some((elapsed.as_secs_f64() / whole.as_secs_f64() * f64::from(u32::MAX)) as u32)
}

fn reals_of(services: &Services) -> impl Iterator<Item = RealKey> {
    services.services.iter().flat_map(|named| {
        let service = named.service.key;
        named.service.reals.iter().map(move |real| RealKey { service, real: real.address })
    })
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
