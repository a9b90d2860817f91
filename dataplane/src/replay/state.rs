//! What a director has at one moment of a replay: its connections, and what services and reals count.

use super::ReplayError;
use super::report::ConnectionEntry;
use crate::clock::Milliseconds;
use crate::pipeline::Pipeline;
use link::counters::RealTotals;
use link::directory::{Directory, RealEntry, RealState as RealIs};
use link::region::DataplaneLink;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddrV4;
use std::path::Path;

/// A file of `--state`.
#[derive(Debug, Serialize)]
struct State {
    /// After the first frame.
    seconds: f64,
    connections: Vec<ConnectionEntry>,
    services: Vec<ServiceState>,
}

/// A service; its traffic is that of all its reals, those that left included.
#[derive(Debug, Serialize)]
struct ServiceState {
    service: String,
    scheduler: String,
    #[serde(flatten)]
    traffic: Traffic,
    reals: Vec<RealState>,
}

#[derive(Debug, Serialize)]
struct RealState {
    address: SocketAddrV4,
    method: String,
    weight: u32,
    /// It has left its service and still has connections.
    removed: bool,
    active: u32,
    inactive: u32,
    #[serde(flatten)]
    traffic: Traffic,
}

#[derive(Debug, Serialize)]
struct Traffic {
    connections: u64,
    in_packets: u64,
    out_packets: u64,
    in_bytes: u64,
    out_bytes: u64,
}

impl From<RealTotals> for Traffic {
    fn from(totals: RealTotals) -> Self {
        let RealTotals { connections, in_packets, out_packets, in_bytes, out_bytes, .. } = totals;
        Self { connections, in_packets, out_packets, in_bytes, out_bytes }
    }
}

/// Writes what there is `now`, in milliseconds.
pub(super) fn write(
    path: &Path,
    pipeline: &mut Pipeline,
    link: &DataplaneLink,
    now: Milliseconds,
) -> Result<(), ReplayError> {
    let seconds = now as f64 / 1000.0;
    let services = services(&link.directory());
    write_json(path, &State { seconds, connections: connections(pipeline, now), services })
}

/// Writes the connections that there are `now`.
pub(super) fn write_connections(path: &Path, pipeline: &mut Pipeline, now: Milliseconds) -> Result<(), ReplayError> {
    write_json(path, &connections(pipeline, now))
}

fn connections(pipeline: &mut Pipeline, now: Milliseconds) -> Vec<ConnectionEntry> {
    let slab = pipeline.connections().slab();
    let expected = pipeline.expected();
    let expected = (0..expected.positions()).filter_map(|position| expected.row(position, now));
    let templates = pipeline.templates();
    let connections = slab.iter().filter_map(|entry| entry.row(now, 0));
    let templates = (0..templates.positions()).filter_map(|position| templates.row(position, now));
    connections.chain(expected).chain(templates).map(ConnectionEntry::from).collect()
}

fn services(directory: &Directory) -> Vec<ServiceState> {
    let services = (0u32..).zip(directory.services.iter()).filter_map(|(slot, place)| Some((slot, place.read()?)));
    services
        .map(|(slot, entry)| {
            let mut total = entry.retired;
            let mut reals = Vec::new();
            for (place, real) in (0u32..).zip(directory.reals.iter()) {
                let Some(is) = real.read().filter(|is| is.service == slot) else { continue };
                let counted = directory.slot_totals(place).since(&is.baseline);
                total.add(&counted);
                reals.push(RealState::new(&is, real.connections(), counted));
            }
            let (service, scheduler) = (entry.key.to_string(), entry.scheduler.to_string());
            ServiceState { service, scheduler, traffic: total.into(), reals }
        })
        .collect()
}

impl RealState {
    fn new(entry: &RealEntry, (active, inactive): (u32, u32), counted: RealTotals) -> Self {
        Self {
            address: entry.address,
            method: entry.method.to_string(),
            weight: entry.weight,
            removed: entry.state == RealIs::Removed,
            active,
            inactive,
            traffic: counted.into(),
        }
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ReplayError> {
    let mut file = File::create(path).map(BufWriter::new).map_err(|error| ReplayError::file("write", path, error))?;
    let written = serde_json::to_writer_pretty(&mut file, value).map_err(std::io::Error::from);
    let written = written.and_then(|()| file.write_all(b"\n")).and_then(|()| file.flush());
    written.map_err(|error| ReplayError::file("write", path, error))
}
