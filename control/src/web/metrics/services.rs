//! Services and reals. A service is labelled by its name, a real by its service's name and its address.

use super::super::source::Snapshot;
use super::{Family, Samples};
use crate::protocol::{HealthState, RealRow, ServiceRow, Traffic};
use std::fmt;

const SERVICE: &[&str] = &["service"];
const REAL: &[&str] = &["service", "real"];

/// A sample for each service of which the value is known.
fn each(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&ServiceRow) -> Option<u64>) -> fmt::Result {
    let mut known = snapshot.services.iter().filter_map(|service| Some((service, value(service)?)));
    known.try_for_each(|(service, value)| samples.add(&[&service.name], value))
}

fn traffic(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&Traffic) -> u64) -> fmt::Result {
    let mut known = snapshot.services.iter().filter_map(|service| Some((service, service.traffic?)));
    known.try_for_each(|(service, traffic)| samples.add(&[&service.name], value(&traffic)))
}

/// A sample for each real of which the value is known.
fn each_real(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&RealRow) -> Option<u64>) -> fmt::Result {
    use fmt::Write as _;
    let mut address = String::new();
    for service in &snapshot.services {
        for (real, value) in service.reals.iter().filter_map(|real| Some((real, value(real)?))) {
            address.clear();
            write!(address, "{}", real.address)?;
            samples.add(&[&service.name, &address], value)?;
        }
    }
    Ok(())
}

/// It gets new connections.
fn is_available(real: &RealRow) -> bool {
    let is_in_pool = real
        .health
        .as_ref()
        .is_none_or(|health| matches!(health.state, HealthState::Unchecked | HealthState::Up) && health.weight != 0);
    !real.removed && !real.sorry && real.weight != 0 && !real.overloaded && is_in_pool
}

fn sum(service: &ServiceRow, value: fn(&RealRow) -> Option<u64>) -> Option<u64> {
    let mut known = service.reals.iter().filter_map(value).peekable();
    known.peek()?;
    Some(known.sum())
}

pub(super) static FAMILIES: &[Family] = &[
    Family::gauge(
        "sluice_service_info",
        &["service", "address", "scheduler", "method"],
        "Always 1; what a service is: protocol with virtual address and port, or group",
        |snapshot, samples| {
            snapshot.services.iter().try_for_each(|service| {
                let labels: [&str; 4] =
                    [&service.name, &service.key(), &service.scheduler.to_string(), &service.method.to_string()];
                samples.add(&labels, 1)
            })
        },
    ),
    Family::gauge("sluice_service_reals", SERVICE, "Reals of the service", |snapshot, samples| {
        each(snapshot, samples, |service| {
            Some(service.reals.iter().filter(|real| !real.removed && !real.sorry).count() as u64)
        })
    }),
    Family::gauge(
        "sluice_service_reals_available",
        SERVICE,
        "Reals that get new connections: with a weight, in the pool, and not overloaded",
        |snapshot, samples| {
            each(snapshot, samples, |service| {
                Some(service.reals.iter().filter(|real| is_available(real)).count() as u64)
            })
        },
    ),
    Family::gauge("sluice_service_active_connections", SERVICE, "Active connections now", |snapshot, samples| {
        each(snapshot, samples, |service| sum(service, |real| real.active))
    }),
    Family::gauge("sluice_service_inactive_connections", SERVICE, "Other connections now", |snapshot, samples| {
        each(snapshot, samples, |service| sum(service, |real| real.inactive))
    }),
    Family::counter("sluice_service_connections", SERVICE, "Connections made", |snapshot, samples| {
        traffic(snapshot, samples, |traffic| traffic.connections)
    }),
    Family::counter("sluice_service_in_packets", SERVICE, "Packets from clients", |snapshot, samples| {
        traffic(snapshot, samples, |traffic| traffic.in_packets)
    }),
    Family::counter("sluice_service_in_bytes", SERVICE, "Bytes from clients, IPv4 header on", |snapshot, samples| {
        traffic(snapshot, samples, |traffic| traffic.in_bytes)
    }),
    Family::counter(
        "sluice_service_out_packets",
        SERVICE,
        "Packets to clients (NAT only: otherwise the director does not see them)",
        |snapshot, samples| traffic(snapshot, samples, |traffic| traffic.out_packets),
    ),
    Family::counter(
        "sluice_service_out_bytes",
        SERVICE,
        "Bytes to clients, IPv4 header on (NAT only)",
        |snapshot, samples| traffic(snapshot, samples, |traffic| traffic.out_bytes),
    ),
];

pub(super) static REALS: &[Family] = &[
    Family::gauge("sluice_real_weight", REAL, "The real's share; 0: no new connections", |snapshot, samples| {
        each_real(snapshot, samples, |real| (!real.removed).then_some(real.weight.into()))
    }),
    Family::gauge(
        "sluice_real_removed",
        REAL,
        "1 if the real has left the service and some connections still have it",
        |snapshot, samples| each_real(snapshot, samples, |real| Some(real.removed.into())),
    ),
    Family::gauge(
        "sluice_real_overloaded",
        REAL,
        "1 while the real is at its upper threshold and gets no new connections",
        |snapshot, samples| each_real(snapshot, samples, |real| Some(real.overloaded.into())),
    ),
    Family::gauge("sluice_real_active_connections", REAL, "Active connections now", |snapshot, samples| {
        each_real(snapshot, samples, |real| real.active)
    }),
    Family::gauge("sluice_real_inactive_connections", REAL, "Other connections now", |snapshot, samples| {
        each_real(snapshot, samples, |real| real.inactive)
    }),
    Family::gauge(
        "sluice_real_persistent_clients",
        REAL,
        "Clients that persistence ties to it",
        |snapshot, samples| each_real(snapshot, samples, |real| real.active.map(|_| real.persistent.unwrap_or(0))),
    ),
    Family::counter("sluice_real_connections", REAL, "Connections made", |snapshot, samples| {
        each_real(snapshot, samples, |real| real.traffic.map(|traffic| traffic.connections))
    }),
    Family::counter("sluice_real_in_packets", REAL, "Packets from clients", |snapshot, samples| {
        each_real(snapshot, samples, |real| real.traffic.map(|traffic| traffic.in_packets))
    }),
    Family::counter("sluice_real_in_bytes", REAL, "Bytes from clients, IPv4 header on", |snapshot, samples| {
        each_real(snapshot, samples, |real| real.traffic.map(|traffic| traffic.in_bytes))
    }),
    Family::counter("sluice_real_out_packets", REAL, "Packets to clients (NAT only)", |snapshot, samples| {
        each_real(snapshot, samples, |real| real.traffic.map(|traffic| traffic.out_packets))
    }),
    Family::counter(
        "sluice_real_out_bytes",
        REAL,
        "Bytes to clients, IPv4 header on (NAT only)",
        |snapshot, samples| each_real(snapshot, samples, |real| real.traffic.map(|traffic| traffic.out_bytes)),
    ),
];
