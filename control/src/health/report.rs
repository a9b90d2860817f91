//! What is told of reals and services.

use super::book::{Book, Now};
use super::judge::Verdict;
use super::kept::DrainState;
use super::pool;
use super::target::{CheckAddresses, RealKey};
use crate::protocol::{HealthState, RealHealth, ServiceHealth};
use config::{NamedService, Services};

impl Book {
    /// How a service is, and each of its reals in their order; `left` says how many connections a real has, if that is
    /// known. `None`: nothing is said of its health.
    pub fn of_service(
        &self,
        named: &NamedService,
        left: impl Fn(&RealKey) -> Option<u64>,
        now: Now,
    ) -> Option<(ServiceHealth, Vec<RealHealth>)> {
        if !self.cares_for(named) {
            return None;
        }
        let standings = self.standings(named, now);
        let quorum = self.quorum_of(named, &standings);
        let mut table = named.clone();
        pool::apply(&mut table, &standings, quorum);
        let reals = named.service.reals.iter().zip(&standings).map(|(real, standing)| {
            let key = RealKey { service: named.service.key, real: real.address };
            let effective = table.service.reals.iter().find(|given| given.address == real.address);
            let health = self.of_real(&key, left(&key), now);
            RealHealth {
                weight: effective.map_or(0, |real| real.weight),
                slow_start_percent: standing.started.map(|part| (u64::from(part) * 100 / u64::from(u32::MAX)) as u32),
                check: self.targets.get(&key).map(|target| target.check.kind.name().to_owned()),
                ..health
            }
        });
        let reals: Vec<_> = reals.collect();
        let in_pool = named.service.reals.iter().zip(&standings).filter(|(real, is)| is.weight_of(real) != 0).count();
        let service = ServiceHealth {
            quorum,
            weight: pool::total(&named.service.reals, &standings),
            needed: named.health.quorum,
            sorry: named.health.sorry.map(|sorry| sorry.address),
            in_pool: in_pool as u64,
        };
        Some((service, reals))
    }

    /// What an operator should know, a sentence for each service that is not well.
    pub fn warnings(&self, services: &Services, now: Now) -> Vec<String> {
        const SHOWN: usize = 20;
        let mut warnings = Vec::new();
        for named in &services.services {
            let Some((service, reals)) = self.of_service(named, |_| None, now) else { continue };
            let name = &named.name;
            let fails = |real: &&RealHealth| matches!(real.state, HealthState::Down | HealthState::Held);
            match (service.quorum, reals.iter().filter(fails).count()) {
                (true, 0) => {}
                (true, failing) => warnings.push(format!(
                    "Service {name}: {failing} of {} reals fail their checks; `sluice service show {name}` says why.",
                    reals.len()
                )),
                (false, _) => warnings.push(format!(
                    "Service {name} has no quorum: weight {} in the pool, {} is needed; `sluice service show {name}` says why.",
                    service.weight, service.needed
                )),
            }
        }
        let more = warnings.len().saturating_sub(SHOWN);
        if more > 0 {
            warnings.truncate(SHOWN);
            warnings.push(format!("{more} further services are not well; `sluice events` shows what happened."));
        }
        if self.without_address > 0 {
            warnings.push(format!(
                "{} reals with via = \"vip\" are checked at their own addresses: at most {} can be checked by way of the VIP.",
                self.without_address,
                CheckAddresses::MOST
            ));
        }
        warnings
    }

    fn of_real(&self, key: &RealKey, left: Option<u64>, now: Now) -> RealHealth {
        let (entry, drain) = (self.reals.get(key), self.drains.get(key));
        let milliseconds = now.unix_milliseconds();
        let seconds_since = |then: u64| milliseconds.saturating_sub(then) / 1000;
        let held = entry.and_then(|entry| entry.judge.held(now.instant));
        let state = match (drain.map(|drain| &drain.state), entry.map(|entry| entry.judge.verdict())) {
            (Some(DrainState::Drained), _) => HealthState::Drained,
            (Some(_), _) => HealthState::Draining,
            (None, None) => HealthState::Unchecked,
            (None, Some(Verdict::Unknown)) => HealthState::Unknown,
            (None, Some(Verdict::Up)) => HealthState::Up,
            (None, Some(Verdict::Down)) if held.is_some() => HealthState::Held,
            (None, Some(Verdict::Down)) => HealthState::Down,
        };
        let since = drain.map(|drain| drain.since).or_else(|| entry.map(|entry| entry.since));
        let last = entry.and_then(|entry| entry.last);
        let whole = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        RealHealth {
            state,
            since_seconds: since.map(seconds_since),
            weight: 0,
            check: None,
            reason: entry.and_then(|entry| entry.reason.clone()),
            checked_milliseconds_ago: last.map(|(at, _)| whole(now.instant.saturating_duration_since(at))),
            check_microseconds: last.map(|(_, took)| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            checks_passed: entry.map_or(0, |entry| entry.passed),
            checks_failed: entry.map_or(0, |entry| entry.failed),
            changes: entry.map_or(0, |entry| entry.changes),
            slow_start_percent: None,
            held_seconds: held.map(|left| left.as_secs()),
            left: left.filter(|_| drain.is_some()),
            deadline_seconds: drain
                .filter(|drain| drain.state != DrainState::Drained)
                .and_then(|drain| drain.deadline)
                .map(|deadline| deadline.saturating_sub(milliseconds) / 1000),
        }
    }
}
