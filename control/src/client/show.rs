//! Answers as text for people. Pure, but for the writer.

mod ports;

pub(super) use ports::ports;

use super::health;
use super::table::{Table, bytes, counted, duration, known};
use crate::protocol::{
    Changed, ConnectionRow, Count, DataplaneStatus, Drops, GroupRow, RealRow, ServiceRow, SettingRow, Status, Totals,
    Traffic,
};
use link::model::{Protocol, Timeouts};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Prints `name  value` with the values below each other.
fn field(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{name:<10}  {value}")
}

pub(super) fn status(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let Status { version, pid, uptime_seconds, .. } = status;
    field(out, "sluiced", &format!("running, version {version}, pid {pid}, up {}", duration(*uptime_seconds)))?;
    match &status.dataplane {
        Some(plane) => dataplane(plane, out)?,
        None => field(out, "dataplane", "not running; it gets the table when it starts")?,
    }
    field(out, "machine", &status.machine_file)?;
    let table = format!("{}, {}", counted(status.services, "service"), counted(status.reals, "real"));
    let differs = status.differences.len();
    let (file, compared) = match &status.services_file_error {
        Some(error) => (&status.services_file, format!("cannot be loaded: {error}")),
        None if differs == 0 => (&status.services_file, "the same as the running table".to_owned()),
        None => {
            let changes = counted(u64::try_from(differs).unwrap_or(u64::MAX), "difference");
            let next = "`sluice reload --dry-run` prints them, `sluice reload` applies the file";
            (&status.services_file, format!("{changes} from the running table: {next}"))
        }
    };
    field(out, "running", &table)?;
    field(out, "services", &format!("{file}: {compared}"))?;
    for warning in &status.warnings {
        field(out, "warning", warning)?;
    }
    Ok(())
}

fn dataplane(plane: &DataplaneStatus, out: &mut dyn Write) -> io::Result<()> {
    let workers = counted(plane.workers.into(), "worker");
    let connections = counted(plane.connections, "connection");
    let state = if plane.connected { "running" } else { "running, but it does not answer" };
    let up = duration(plane.uptime_seconds);
    field(out, "dataplane", &format!("{state}, pid {}, up {up}, {workers}, {connections}", plane.pid))?;
    let generations = format!(
        "services generation {}, next hops generation {}",
        plane.services_generation, plane.next_hops_generation
    );
    field(out, "in force", &generations)?;
    match &plane.last_refusal {
        Some(refusal) => field(out, "refused", refusal),
        None => Ok(()),
    }
}

fn sum(reals: &[RealRow], count: impl Fn(&RealRow) -> Option<u64>) -> Option<u64> {
    let known: Vec<u64> = reals.iter().filter_map(count).collect();
    // A service without reals has no connections; one whose reals are unknown has an unknown number.
    (known.len() == reals.len() || !known.is_empty()).then(|| known.iter().sum())
}

pub(super) fn services(services: &[ServiceRow], out: &mut dyn Write) -> io::Result<()> {
    if services.is_empty() {
        return writeln!(out, "No services.");
    }
    let headings = ["NAME", "PROTOCOL", "ADDRESS", "SCHEDULER", "METHOD", ">REALS", ">ACTIVE", ">INACTIVE"];
    let mut table = Table::new(&headings);
    for service in services {
        table.row([
            service.name.clone(),
            service.protocol.map_or("group", Protocol::name).to_owned(),
            service.address.map_or_else(|| service.group.unwrap_or(0).to_string(), |address| address.to_string()),
            service.scheduler.to_string(),
            service.method.to_string(),
            service.reals.iter().filter(|real| !real.removed).count().to_string(),
            known(sum(&service.reals, |real| real.active)),
            known(sum(&service.reals, |real| real.inactive)),
        ]);
    }
    table.print(out)
}

pub(super) fn service(service: &ServiceRow, out: &mut dyn Write) -> io::Result<()> {
    let ServiceRow { name, scheduler, method, .. } = service;
    let key = service.key();
    field(out, "service", &format!("{name}, {key}, scheduler {scheduler}, method {method}"))?;
    if let Some(options) = options(service) {
        field(out, "options", &options)?;
    }
    if let Some(health) = &service.health {
        field(out, "health", &health::service(health))?;
    }
    if let Some(Traffic { connections, in_packets, in_bytes, out_packets, out_bytes }) = service.traffic {
        field(out, "traffic", &counted(connections, "connection"))?;
        field(out, "  in", &format!("{}, {}", counted(in_packets, "packet"), bytes(in_bytes)))?;
        field(out, "  out", &format!("{}, {}", counted(out_packets, "packet"), bytes(out_bytes)))?;
    }
    if service.reals.is_empty() {
        return writeln!(out, "No reals: add one with `sluice real add {name} ADDRESS:PORT`.");
    }
    writeln!(out)?;
    let mut table = Table::new(&["REAL", "METHOD", ">WEIGHT", ">ACTIVE", ">INACTIVE", ">CONNECTIONS", "STATE"]);
    for real in &service.reals {
        table.row([
            real.address.to_string(),
            real.method.to_string(),
            real.weight.to_string(),
            known(real.active),
            known(real.inactive),
            known(real.traffic.map(|traffic| traffic.connections)),
            health::state(real).to_owned(),
        ]);
    }
    table.print(out)?;
    health::reals(service, out)?;
    limits(service, out)
}

/// What a service does besides, where it does anything.
fn options(service: &ServiceRow) -> Option<String> {
    let mut words = service.scheduler_flags.clone();
    if let Some(seconds) = service.persistence {
        let mask = service.persistence_netmask.filter(|mask| !mask.is_broadcast());
        words.push(format!("persistence {seconds} s{}", mask.map_or_else(String::new, |mask| format!(" mask {mask}"))));
    }
    for (set, word) in [(service.one_packet, "one packet"), (service.clamp_mss, "MSS clamped")] {
        if set {
            words.push(word.to_owned());
        }
    }
    words.extend(service.helper.iter().map(|helper| format!("helper {helper}")));
    words.extend(service.timeouts.iter().map(|(key, seconds)| format!("{key} {seconds} s")));
    (!words.is_empty()).then(|| words.join(", "))
}

/// Thresholds and clients, of the reals that have any.
fn limits(service: &ServiceRow, out: &mut dyn Write) -> io::Result<()> {
    for real in &service.reals {
        let thresholds = real.upper_threshold.zip(real.lower_threshold);
        let mut words: Vec<_> = thresholds
            .map(|(upper, lower)| format!("full at {upper} connections, until fewer than {lower}"))
            .into_iter()
            .collect();
        words.extend(real.persistent.map(|count| format!("{} remembered", counted(count, "client"))));
        if !words.is_empty() {
            writeln!(out, "{}: {}.", real.address, words.join("; "))?;
        }
    }
    Ok(())
}

pub(super) fn groups(groups: &[GroupRow], out: &mut dyn Write) -> io::Result<()> {
    if groups.is_empty() {
        return writeln!(out, "No groups.");
    }
    let mut table = Table::new(&[">GROUP", "SERVICE", "ENDPOINTS"]);
    for group in groups {
        let service = group.service.clone().unwrap_or_else(|| "-".to_owned());
        table.row([group.number.to_string(), service, group.endpoints.join(", ")]);
    }
    table.print(out)
}

fn traffic_cells(name: String, traffic: Option<Traffic>) -> [String; 6] {
    [
        name,
        known(traffic.map(|traffic| traffic.connections)),
        known(traffic.map(|traffic| traffic.in_packets)),
        traffic.map_or_else(|| "-".to_owned(), |traffic| bytes(traffic.in_bytes)),
        known(traffic.map(|traffic| traffic.out_packets)),
        traffic.map_or_else(|| "-".to_owned(), |traffic| bytes(traffic.out_bytes)),
    ]
}

pub(super) fn stats(services: &[ServiceRow], totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    let mut table =
        Table::new(&["SERVICE / REAL", ">CONNECTIONS", ">IN PACKETS", ">IN BYTES", ">OUT PACKETS", ">OUT BYTES"]);
    for service in services {
        table.row(traffic_cells(format!("{} {}", service.name, service.key()), service.traffic));
        for real in &service.reals {
            let removed = if real.removed { " (removed)" } else { "" };
            table.row(traffic_cells(format!("  {}{removed}", real.address), real.traffic));
        }
    }
    if table.is_empty() {
        writeln!(out, "No services.")?
    } else {
        table.print(out)?
    }
    writeln!(out)?;
    if totals.workers.is_empty() {
        return writeln!(out, "The dataplane is not running: there are no counters.");
    }
    let mut table = Table::new(&[
        ">WORKER",
        ">RECEIVED",
        ">TRANSMITTED",
        ">TO KERNEL",
        ">DROPPED",
        ">CONNECTIONS",
        ">CREATED",
        ">EXPIRED",
        ">HANDED OFF",
    ]);
    for worker in &totals.workers {
        let received = worker.received.saturating_add(worker.received_from_kernel);
        let cells = [
            received,
            worker.transmitted,
            worker.to_kernel,
            worker.dropped,
            worker.connections,
            worker.connections_created,
            worker.connections_expired,
            worker.handed_off,
        ];
        table.row(std::iter::once(worker_name(worker.worker)).chain(cells.map(|cell| cell.to_string())));
    }
    table.print(out)
}

/// A worker's number, or what the row without one is.
pub(super) fn worker_name(worker: Option<u16>) -> String {
    worker.map_or_else(|| "main".to_owned(), |worker| worker.to_string())
}

pub(super) fn drops(drops: &Drops, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["REASON", ">DROPPED", ">ANSWERED", "WHAT HAPPENED"]);
    for row in drops.reasons.iter().filter(|row| all || row.dropped > 0 || row.answered > 0) {
        table.row([row.reason.clone(), row.dropped.to_string(), row.answered.to_string(), row.help.clone()]);
    }
    if table.is_empty() {
        writeln!(out, "No packet was dropped or answered.")?
    } else {
        table.print(out)?
    }
    let dropped: u64 = drops.reasons.iter().map(|row| row.dropped).sum();
    writeln!(out)?;
    let Drops { received, transmitted, to_kernel, answers_suppressed, .. } = drops;
    writeln!(out, "{received} received: {transmitted} transmitted, {to_kernel} to the kernel, {dropped} dropped.")?;
    if *answers_suppressed > 0 {
        writeln!(out, "{answers_suppressed} of the dropped were to be answered, but reject_rate did not allow it.")?;
    }
    Ok(())
}

/// The heading of the list of connections, whose rows have fixed widths because they are printed as they come.
pub(super) fn connections_header(out: &mut dyn Write) -> io::Result<()> {
    connection_line(out, ["PROTO", "CLIENT", "VIRTUAL", "REAL", "METHOD", "STATE", "EXPIRES", "WORKER"])
}

pub(super) fn connection(row: &ConnectionRow, out: &mut dyn Write) -> io::Result<()> {
    let seconds = row.expires_in_milliseconds / 1000;
    connection_line(
        out,
        [
            row.protocol.map_or("ip", Protocol::name),
            &row.client.to_string(),
            &row.service.to_string(),
            &row.real.to_string(),
            row.method.name(),
            &row.state,
            &format!("{:02}:{:02}", seconds / 60, seconds % 60),
            &row.worker.to_string(),
        ],
    )
}

fn connection_line(out: &mut dyn Write, cells: [&str; 8]) -> io::Result<()> {
    let [protocol, client, service, real, method, state, expires, worker] = cells;
    writeln!(
        out,
        "{protocol:<5}  {client:<21}  {service:<21}  {real:<21}  {method:<6}  {state:<11}  {expires:>8}  {worker:>6}"
    )
}

pub(super) fn flushed(count: Count, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Removed {}.", counted(count.count, "connection"))
}

/// In the order of the model, which is that of a connection's life.
pub(super) fn timeouts(timeouts: &BTreeMap<String, u64>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["TIMEOUT", ">SECONDS"]);
    let order = Timeouts::default().entries().map(|(key, _)| key);
    let mut sorted: Vec<_> = timeouts.iter().collect();
    sorted.sort_by_key(|(key, _)| order.iter().position(|known| known == key).unwrap_or(order.len()));
    for (key, seconds) in sorted {
        table.row([key.clone(), seconds.to_string()]);
    }
    table.print(out)
}

/// In the order of the file, with what each may be.
pub(super) fn settings(settings: &[SettingRow], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["SETTING", ">VALUE", ">DEFAULT", "ALLOWED"]);
    for SettingRow { name, value, default, least, most } in settings {
        table.row([name.clone(), value.to_string(), default.to_string(), format!("{least} to {most}")]);
    }
    table.print(out)
}

/// A change: the result first; `list` for the changes one by one.
pub(super) fn changed(changed: &Changed, list: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", changed.message)?;
    for change in changed.changes.iter().filter(|_| list) {
        writeln!(out, "{change}")?;
    }
    Ok(())
}
