//! Health: of services that have checks, a quorum of note or reals that are drained.

use super::super::source::Snapshot;
use super::{Family, Samples};
use crate::protocol::{HealthState, RealHealth, ServiceHealth};
use std::fmt;

const SERVICE: &[&str] = &["service"];
const REAL: &[&str] = &["service", "real"];

fn each(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&ServiceHealth) -> u64) -> fmt::Result {
    let mut known = snapshot.services.iter().filter_map(|service| Some((service, service.health.as_ref()?)));
    known.try_for_each(|(service, health)| samples.add(&[&service.name], value(health)))
}

/// What is written of each real whose health is spoken of: its service's name, its address, its health.
fn each_real(snapshot: &Snapshot, mut write: impl FnMut(&str, &str, &RealHealth) -> fmt::Result) -> fmt::Result {
    use fmt::Write as _;
    let mut address = String::new();
    for service in &snapshot.services {
        for (real, health) in service.reals.iter().filter_map(|real| Some((real, real.health.as_ref()?))) {
            address.clear();
            write!(address, "{}", real.address)?;
            write(&service.name, &address, health)?;
        }
    }
    Ok(())
}

/// A sample for each real of which the value is known.
fn known(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&RealHealth) -> Option<u64>) -> fmt::Result {
    each_real(snapshot, |service, real, health| match value(health) {
        Some(value) => samples.add(&[service, real], value),
        None => Ok(()),
    })
}

/// 1 where its checks say that it serves, 0 where they do not; `None`: it has no check, or no result yet.
fn is_up(health: &RealHealth) -> Option<u64> {
    match health.state {
        HealthState::Up => Some(1),
        HealthState::Down | HealthState::Held => Some(0),
        HealthState::Unchecked | HealthState::Unknown | HealthState::Draining | HealthState::Drained => None,
    }
}

pub(super) static FAMILIES: &[Family] = &[
    Family::gauge(
        "sluice_service_quorum",
        SERVICE,
        "1 while the reals in the pool make the service's quorum; without it the sorry server serves, if there is one",
        |snapshot, samples| each(snapshot, samples, |health| health.quorum.into()),
    ),
    Family::gauge(
        "sluice_service_pool_weight",
        SERVICE,
        "The operator's weights of the reals in the pool together",
        |snapshot, samples| each(snapshot, samples, |health| health.weight),
    ),
    Family::gauge(
        "sluice_service_quorum_weight",
        SERVICE,
        "What sluice_service_pool_weight must be at least",
        |snapshot, samples| each(snapshot, samples, |health| health.needed.into()),
    ),
];

pub(super) static REALS: &[Family] = &[
    Family::gauge(
        "sluice_real_health_info",
        &["service", "real", "state"],
        "Always 1; what the real is taken for: unchecked, unknown, up, down, held, draining, drained",
        |snapshot, samples| {
            each_real(snapshot, |service, real, health| samples.add(&[service, real, health.state.name()], 1))
        },
    ),
    Family::gauge(
        "sluice_real_up",
        REAL,
        "1 if the real's checks say that it serves, 0 if they do not; not there while it is drained or nothing is known",
        |snapshot, samples| known(snapshot, samples, is_up),
    ),
    Family::counter(
        "sluice_real_checks",
        &["service", "real", "result"],
        "Checks done since sluiced started, by their result (success, failure)",
        |snapshot, samples| {
            each_real(snapshot, |service, real, health| {
                if health.check.is_none() {
                    return Ok(());
                }
                samples.add(&[service, real, "success"], health.checks_passed)?;
                samples.add(&[service, real, "failure"], health.checks_failed)
            })
        },
    ),
    Family::counter(
        "sluice_real_health_changes",
        REAL,
        "How often the real came up or went down since sluiced started",
        |snapshot, samples| known(snapshot, samples, |health| health.check.as_ref().map(|_| health.changes)),
    ),
    Family::gauge(
        "sluice_real_check_duration_seconds",
        REAL,
        "What the real's last check took",
        |snapshot, samples| {
            each_real(snapshot, |service, real, health| match health.check_microseconds {
                Some(took) => samples.seconds(&[service, real], took as f64 / 1e6),
                None => Ok(()),
            })
        },
    ),
    Family::gauge(
        "sluice_real_connections_left",
        REAL,
        "Connections that the real still has while it is drained",
        |snapshot, samples| known(snapshot, samples, |health| health.left),
    ),
];
