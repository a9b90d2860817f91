//! What clients are told: the running services joined with what the dataplane shows of itself.

use super::differences::differences;
use super::rates::traffic;
use super::session::SessionError;
use super::state::Daemon;
use crate::protocol::{
    DataplaneStatus, DropRow, Drops, Explained, ExplainedConnection, ExplainedHop, ExplainedReal, ExplainedService,
    Failure, GroupRow, Outcome, PortRow, RealRow, ServiceRow, SettingRow, Status, Totals, WorkerRow,
};
use config::{NamedService, Services};
use link::counters::WorkerTotals;
use link::directory::RealState;
use link::message::{self, Explanation, Flow};
use link::model::{Group, ServiceKey, Setting};
use link::{DropReason, RealReport, RefusalReport, ServiceReport, View, Viewer};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// A dataplane that has not shown a sign of life for this long is warned of.
const BEAT_LATE: Duration = Duration::from_secs(5);

/// How the director is.
pub(super) fn status(daemon: &Daemon) -> Status {
    let running = daemon.running();
    let (differences, services_file_error) = match Services::load(&daemon.services_file) {
        Ok(file) => (differences(&running, &file), None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let mut warnings = daemon.kernel.warnings.borrow().clone();
    warnings.extend(daemon.not_ours().map(|why| format!("Nothing that is changed here comes into force: {why}.")));
    let seen = daemon.session.view(|view| dataplane(daemon, view, true, &mut warnings));
    let dataplane = seen.ok().or_else(|| {
        // Not attached, perhaps because another sluiced is: it can be looked at all the same.
        let viewer = Viewer::open(&daemon.machine.control.link).ok().filter(Viewer::dataplane_is_alive)?;
        Some(dataplane(daemon, viewer.view(), false, &mut warnings))
    });
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: daemon.started.elapsed().as_secs(),
        machine_file: daemon.machine_file.display().to_string(),
        services_file: daemon.services_file.display().to_string(),
        services: running.services.len() as u64,
        reals: running.services.iter().map(|named| named.service.reals.len() as u64).sum(),
        dataplane,
        differences,
        services_file_error,
        warnings,
    }
}

fn dataplane(daemon: &Daemon, view: &View, attached: bool, warnings: &mut Vec<String>) -> DataplaneStatus {
    let (identity, status) = (view.identity(), view.status());
    let now = SystemTime::now();
    let age = |since: SystemTime| now.duration_since(since).unwrap_or_default();
    if let Some(late) = status.last_beat.map(age).filter(|late| *late > BEAT_LATE) {
        warnings.push(format!("The dataplane has not shown a sign of life for {} s.", late.as_secs()));
    }
    let refusal = daemon.refusal().or_else(|| status.services_refusal.map(|report| refusal("services", &report)));
    let refusal = refusal.or_else(|| status.next_hops_refusal.map(|report| self::refusal("next hops", &report)));
    DataplaneStatus {
        pid: identity.pid,
        instance: format!("{:016x}", identity.instance),
        uptime_seconds: age(identity.started).as_secs(),
        connected: attached && daemon.is_connected(),
        services_generation: status.services_generation,
        next_hops_generation: status.next_hops_generation,
        last_refusal: refusal,
        workers: identity.layout.workers,
        connections: view.all_workers().connections,
    }
}

fn refusal(table: &str, report: &RefusalReport) -> String {
    let RefusalReport { generation, reason, row, .. } = report;
    let row = if reason.blames_a_row() { format!(", row {row}") } else { String::new() };
    format!("{table}, generation {generation}{row}: {}", reason.help())
}

/// What the dataplane counts of each service now, by key; empty where there is no dataplane.
pub(super) fn counted(daemon: &Daemon) -> HashMap<ServiceKey, ServiceReport> {
    let reports = daemon.session.view(View::services).unwrap_or_default();
    reports.into_iter().map(|report| (report.entry.key, report)).collect()
}

/// A service with its numbers.
pub(super) fn service(
    daemon: &Daemon,
    named: &NamedService,
    counted: &HashMap<ServiceKey, ServiceReport>,
) -> ServiceRow {
    let service = &named.service;
    let options = &service.options;
    let (report, meters) = (counted.get(&service.key), daemon.rates.borrow());
    let rates = |report| meters.real(service.key, report).1;
    let mut by_address: HashMap<_, &RealReport> = HashMap::new();
    for real in report.iter().flat_map(|report| &report.reals) {
        let known = by_address.entry(real.entry.address).or_insert(real);
        if real.entry.state == RealState::Live {
            *known = real;
        }
    }
    let mut reals = Vec::with_capacity(service.reals.len());
    for real in &service.reals {
        let report = by_address.remove(&real.address);
        reals.push(RealRow {
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
            rates: report.map(rates),
        });
    }
    // Those without connections only keep their counters, in case they come back.
    let mut left: Vec<_> =
        by_address.into_values().filter(|report| report.active + report.inactive + report.persistent != 0).collect();
    left.sort_by_key(|report| report.slot);
    reals.extend(left.into_iter().map(|report| RealRow {
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
        rates: Some(rates(report)),
    }));
    ServiceRow {
        name: named.name.clone(),
        protocol: service.key.protocol(),
        address: service.key.address(),
        group: group(service.key),
        scheduler: service.options.scheduler,
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
        reals,
    }
}

/// The groups, each with the service over it.
pub(super) fn groups(running: &Services) -> Vec<GroupRow> {
    let service = |number| running.services.iter().find(|named| named.service.key == ServiceKey::Group(number));
    let row = |group: &Group| GroupRow {
        number: group.number,
        endpoints: group.endpoints.iter().map(ToString::to_string).collect(),
        service: service(group.number).map(|named| named.name.clone()),
    };
    running.groups.iter().map(row).collect()
}

const fn group(key: ServiceKey) -> Option<u32> {
    match key {
        ServiceKey::Endpoint(_) => None,
        ServiceKey::Group(number) => Some(number),
    }
}

/// The director as a whole.
pub(super) fn totals(daemon: &Daemon) -> Totals {
    let read = |view: &View| {
        let workers = (0..).map(Some).zip(view.workers());
        workers.chain([(None, view.main_lcore())]).map(|(index, totals)| worker(index, &totals)).collect()
    };
    let workers = daemon.session.view(read).unwrap_or_default();
    let at_milliseconds = u64::try_from(daemon.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Totals { at_milliseconds, workers }
}

fn worker(index: Option<u16>, totals: &WorkerTotals) -> WorkerRow {
    WorkerRow {
        worker: index,
        received: totals.received,
        received_from_kernel: totals.received_from_kernel,
        transmitted: totals.transmitted,
        to_kernel: totals.to_kernel,
        dropped: totals.dropped_total(),
        connections_created: totals.connections_created,
        connections_expired: totals.connections_expired,
        connections_evicted: totals.connections_evicted,
        connections: totals.connections,
        handed_off: totals.handed_off,
        busy_cycles: totals.busy_cycles,
        loops: totals.loops,
        empty_polls: totals.empty_polls,
        helper_announced: totals.helper_announced,
        helper_replaced: totals.helper_replaced,
        helper_refused: totals.helper_refused,
        helper_exhausted: totals.helper_exhausted,
    }
}

/// The settings in force, in the order of the file. A mode that looks at the pressure shows by its number whether there
/// is any on some worker, as in the reference.
pub(super) fn settings(daemon: &Daemon) -> Vec<SettingRow> {
    let presses = |view: &View| view.workers().iter().any(|worker| worker.pressure != 0);
    let pressure = daemon.session.view(presses).unwrap_or(false);
    let shown = |name: &str, value| match (name, value) {
        ("secure_tcp" | "drop_entry" | "drop_packet", 1 | 2) => 1 + u32::from(pressure),
        _ => value,
    };
    let settings = daemon.running().settings;
    let row = |(setting, value): (&Setting, u32)| SettingRow {
        name: setting.name.to_owned(),
        value: shown(setting.name, value),
        default: setting.default,
        least: setting.least,
        most: setting.most,
    };
    settings.entries().map(row).collect()
}

/// Where packets ended.
///
/// # Errors
/// No dataplane.
pub(super) fn drops(daemon: &Daemon) -> Result<Drops, Failure> {
    let totals = daemon.session.view(View::all_workers)?;
    let reasons = DropReason::ALL.iter().map(|reason| DropRow {
        reason: reason.name().to_owned(),
        help: reason.help().to_owned(),
        dropped: totals.dropped.get(reason.index()).copied().unwrap_or(0),
        answered: totals.answered.get(reason.index()).copied().unwrap_or(0),
    });
    Ok(Drops {
        received: totals.received + totals.received_from_kernel,
        transmitted: totals.transmitted,
        to_kernel: totals.to_kernel,
        answers_suppressed: totals.answers_suppressed,
        reasons: reasons.collect(),
    })
}

/// The Ethernet ports.
///
/// # Errors
/// No dataplane.
pub(super) fn ports(daemon: &Daemon) -> Result<Vec<PortRow>, Failure> {
    let rows = daemon.session.view(|view| {
        let rows = view.ports().iter().zip(0u16..).map(|(port, index)| {
            let counters = view.port(index).unwrap_or_default();
            PortRow {
                name: port.name.clone(),
                device: port.device.clone(),
                driver: port.driver.clone(),
                mac: port.mac,
                mtu: u32::from(port.mtu),
                kernel_interface: port.kernel_interface.clone(),
                addresses: port.addresses.iter().map(|(address, length)| format!("{address}/{length}")).collect(),
                rx_packets: counters.rx_packets,
                rx_bytes: counters.rx_bytes,
                tx_packets: counters.tx_packets,
                tx_bytes: counters.tx_bytes,
                tx_unsent: counters.tx_unsent,
                to_kernel: counters.to_kernel,
                from_kernel: counters.from_kernel,
                rx_missed: counters.rx_missed,
                rx_errors: counters.rx_errors,
                tx_errors: counters.tx_errors,
            }
        });
        rows.collect()
    });
    rows.map_err(Failure::from)
}

/// An explanation with names.
///
/// # Errors
/// No dataplane.
pub(super) fn explained(daemon: &Daemon, flow: &Flow, answer: &Explanation) -> Result<Explained, SessionError> {
    let generation = daemon.session.view(|view| view.status().services_generation)?;
    let running = daemon.running();
    let named = answer.service.and_then(|key| running.services.iter().find(|named| named.service.key == key));
    let (outcome, reason) = match answer.outcome {
        message::Outcome::Forwarded => (Outcome::Forwarded, None),
        message::Outcome::Kernel => (Outcome::Kernel, None),
        message::Outcome::Answered(reason) => (Outcome::Answered, Some(reason)),
        message::Outcome::Dropped(reason) => (Outcome::Dropped, Some(reason)),
    };
    let weight = |address| {
        let reals = named.map(|named| named.service.reals.as_slice()).unwrap_or_default();
        reals.iter().find(|real| real.address == address).map(|real| real.weight)
    };
    let port_name = |index: u16| match daemon.machine.ports.get(usize::from(index)) {
        Some(port) => port.name.clone(),
        None => format!("port {index}"),
    };
    Ok(Explained {
        protocol: flow.protocol,
        source: flow.source,
        destination: flow.destination,
        outcome,
        reason: reason.map(|reason| reason.name().to_owned()),
        reason_help: reason.map(|reason| reason.help().to_owned()),
        worker: answer.worker,
        service: answer.service.map(|key| ExplainedService {
            name: named.map(|named| named.name.clone()),
            address: key.address(),
            group: group(key),
            scheduler: named.map(|named| named.service.options.scheduler),
        }),
        template: answer.template,
        connection: answer
            .connection
            .map(|(state, expires_in_milliseconds)| ExplainedConnection { state, expires_in_milliseconds }),
        outbound: answer.outbound,
        real: answer.real.map(|(address, method)| ExplainedReal { address, method, weight: weight(address) }),
        next_hop: answer.next_hop.map(|hop| ExplainedHop {
            port: port_name(hop.port),
            address: hop.address,
            mac: hop.mac,
        }),
        generation,
    })
}
