//! Services with their reals and numbers, and groups.

use crate::daemon::rates::traffic;
use crate::daemon::state::Daemon;
use crate::health::target::RealKey;
use crate::protocol::{GroupRow, Rates, RealRow, ServiceRow};
use config::{NamedService, Services};
use link::directory::RealState;
use link::model::{Group, RealServer, ServiceKey};
use link::{RealReport, ServiceReport, View};
use std::collections::HashMap;

/// What the dataplane counts of each service now, by key; empty where there is no dataplane.
pub(in super::super) fn counted(daemon: &Daemon) -> HashMap<ServiceKey, ServiceReport> {
    let seen = daemon.session.view(|view| (view.identity().instance, View::services(view)));
    let Ok((instance, reports)) = seen else { return HashMap::new() };
    daemon.rates.borrow_mut().begin(instance, &reports);
    reports.into_iter().map(|report| (report.entry.key, report)).collect()
}

/// A service with its numbers.
pub(in super::super) fn service(
    daemon: &Daemon,
    named: &NamedService,
    counted: &HashMap<ServiceKey, ServiceReport>,
) -> ServiceRow {
    let (service, options) = (&named.service, &named.service.options);
    let (report, meters) = (counted.get(&service.key), daemon.rates.borrow());
    let mut reals = reals(named, report, &|report| meters.real(service.key, report).1);
    let left = |key: &RealKey| {
        let row = reals.iter().find(|row| row.address == key.real)?;
        Some(row.active? + row.inactive?)
    };
    let health = daemon.health.of_service(named, left).map(|(health, each)| {
        for (row, health) in reals.iter_mut().zip(each) {
            row.health = Some(health);
        }
        health
    });
    ServiceRow {
        name: named.name.clone(),
        protocol: service.key.protocol(),
        address: service.key.address(),
        group: service.key.group(),
        scheduler: options.scheduler,
        method: named.method,
        scheduler_flags: options.flags.names(options.scheduler).map(str::to_owned).collect(),
        persistence: options.persistence.map(|persistence| persistence.timeout),
        persistence_netmask: options.persistence.map(|persistence| persistence.netmask),
        one_packet: options.one_packet,
        clamp_mss: options.clamp_mss,
        helper: options.helper.map(|helper| helper.to_string()),
        timeouts: options.timeouts.given().map(|(key, seconds)| (key.to_owned(), seconds.into())).collect(),
        traffic: report.map(|report| traffic(&report.totals)),
        rates: report.map(|report| meters.service(report).1),
        health,
        reals,
    }
}

/// The reals of a service, then those removed that something still has.
fn reals(named: &NamedService, report: Option<&ServiceReport>, rates: &dyn Fn(&RealReport) -> Rates) -> Vec<RealRow> {
    let mut by_address: HashMap<_, &RealReport> = HashMap::new();
    for real in report.iter().flat_map(|report| &report.reals) {
        let known = by_address.entry(real.entry.address).or_insert(real);
        if real.entry.state == RealState::Live {
            *known = real;
        }
    }
    let mut rows = Vec::with_capacity(named.service.reals.len() + 1);
    for real in &named.service.reals {
        let report = by_address.remove(&real.address);
        rows.push(live(real, report, report.map(rates)));
    }
    if let Some(sorry) = &named.health.sorry {
        let report = by_address.remove(&sorry.address);
        rows.push(RealRow { sorry: true, ..live(sorry, report, report.map(rates)) });
    }
    // Those without connections only keep their counters, in case they come back.
    let mut left: Vec<_> =
        by_address.into_values().filter(|report| report.active + report.inactive + report.persistent != 0).collect();
    left.sort_by_key(|report| report.slot);
    rows.extend(left.into_iter().map(|report| removed(report, rates(report))));
    rows
}

fn live(real: &RealServer, report: Option<&RealReport>, rates: Option<Rates>) -> RealRow {
    RealRow {
        address: real.address,
        method: real.method,
        weight: real.weight,
        removed: false,
        active: report.map(|report| u64::from(report.active)),
        inactive: report.map(|report| u64::from(report.inactive)),
        upper_threshold: (real.upper_threshold != 0).then_some(real.upper_threshold),
        lower_threshold: (real.upper_threshold != 0).then(|| real.effective_lower_threshold()),
        overloaded: report.is_some_and(|report| report.overloaded),
        persistent: report.map(|report| u64::from(report.persistent)).filter(|count| *count != 0),
        traffic: report.map(|report| traffic(&report.totals)),
        rates,
        health: None,
        sorry: false,
    }
}

fn removed(report: &RealReport, rates: Rates) -> RealRow {
    RealRow {
        address: report.entry.address,
        method: report.entry.method,
        weight: report.entry.weight,
        removed: true,
        active: Some(u64::from(report.active)),
        inactive: Some(u64::from(report.inactive)),
        upper_threshold: None,
        lower_threshold: None,
        overloaded: false,
        persistent: Some(u64::from(report.persistent)).filter(|count| *count != 0),
        traffic: Some(traffic(&report.totals)),
        rates: Some(rates),
        health: None,
        sorry: false,
    }
}

/// The groups, each with the service over it.
pub(in super::super) fn groups(running: &Services) -> Vec<GroupRow> {
    let service = |number| running.services.iter().find(|named| named.service.key == ServiceKey::Group(number));
    let row = |group: &Group| GroupRow {
        number: group.number,
        endpoints: group.endpoints.iter().map(ToString::to_string).collect(),
        service: service(group.number).map(|named| named.name.clone()),
    };
    running.groups.iter().map(row).collect()
}
