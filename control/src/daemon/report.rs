//! What clients are told: the running services joined with what the dataplane shows of itself.

mod explained;
mod perf;
mod services;

pub(super) use explained::explained;
pub(super) use perf::perf;
pub(super) use services::{counted, groups, service};

use super::differences::differences;
use super::state::Daemon;
use crate::protocol::{
    DataplaneStatus, DropRow, Drops, Failure, PortOfWorker, PortRow, SettingRow, Status, Totals, WorkerRow,
};
use config::Services;
use link::counters::WorkerTotals;
use link::model::Setting;
use link::{DropReason, RefusalReport, View, Viewer};
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
    let (dataplane, mut warnings) = dataplane(daemon);
    warnings.extend(daemon.health.warnings(&running));
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: daemon.started.elapsed().as_secs(),
        machine_file: daemon.machine_file.display().to_string(),
        services_file: daemon.services_file.display().to_string(),
        services: running.services.len() as u64,
        reals: running.services.iter().map(|named| named.service.reals.len() as u64).sum(),
        dataplane,
        gone_seconds: daemon.gone_for().map(|gone| gone.as_secs()),
        differences,
        services_file_error,
        warnings,
    }
}

/// How the dataplane is, if there is one, and what an operator should know, a sentence each.
pub(super) fn dataplane(daemon: &Daemon) -> (Option<DataplaneStatus>, Vec<String>) {
    let mut warnings = daemon.kernel.warnings.borrow().clone();
    warnings.extend(daemon.not_ours().map(|why| format!("Nothing that is changed here comes into force: {why}.")));
    warnings.extend(missing_groups(&daemon.running()));
    let seen = daemon.session.view(|view| dataplane_by(daemon, view, true, &mut warnings));
    let dataplane = seen.ok().or_else(|| {
        // Not attached, perhaps because another sluiced is: it can be looked at all the same.
        let viewer = Viewer::open(&daemon.machine.control.link).ok().filter(Viewer::dataplane_is_alive)?;
        Some(dataplane_by(daemon, viewer.view(), false, &mut warnings))
    });
    (dataplane, warnings)
}

fn dataplane_by(daemon: &Daemon, view: &View, attached: bool, warnings: &mut Vec<String>) -> DataplaneStatus {
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

/// A service over a group that does not exist gets no packets: allowed, since either may be made first.
fn missing_groups(running: &Services) -> impl Iterator<Item = String> {
    running.services.iter().filter_map(|named| {
        let number = named.service.key.group().filter(|number| running.group(*number).is_none())?;
        Some(format!(
            "Service {} gets no packets: group {number} does not exist; give it endpoints, as in `sluice group set \
             {number} tcp:10.0.0.1:80`.",
            named.name
        ))
    })
}

fn refusal(table: &str, report: &RefusalReport) -> String {
    let RefusalReport { generation, reason, row, .. } = report;
    let row = if reason.blames_a_row() { format!(", row {row}") } else { String::new() };
    format!("{table}, generation {generation}{row}: {}", reason.help())
}

/// The director as a whole.
pub(super) fn totals(daemon: &Daemon) -> Totals {
    let read = |view: &View| {
        let cycles = view.perf().into_iter().map(|perf| perf.tsc_hz);
        let workers = (0..).map(Some).zip(view.workers()).zip(cycles);
        let all = workers.chain([((None, view.main_lcore()), 0)]);
        all.map(|((index, totals), cycles_per_second)| worker(index, &totals, cycles_per_second)).collect()
    };
    let workers = daemon.session.view(read).unwrap_or_default();
    let at_milliseconds = u64::try_from(daemon.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Totals { at_milliseconds, workers }
}

fn worker(index: Option<u16>, totals: &WorkerTotals, cycles_per_second: u64) -> WorkerRow {
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
        cycles_per_second,
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
                rx_queues: port.queues.rx,
                tx_queues: port.queues.tx,
                steering: port.queues.steering.name().to_owned(),
                handed_off: counters.handed_off,
                workers: (0..view.identity().layout.workers).map(|worker| of_worker(view, worker, index)).collect(),
            }
        });
        rows.collect()
    });
    rows.map_err(Failure::from)
}

fn of_worker(view: &View, worker: u16, port: u16) -> PortOfWorker {
    let counters = view.port_of_worker(worker, port).unwrap_or_default();
    PortOfWorker { worker, rx_packets: counters.rx_packets, handed_off: counters.handed_off }
}
