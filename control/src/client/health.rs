//! The health of reals as text for people.

use super::table::{counted, duration};
use crate::protocol::{EventRow, HealthState, RealHealth, RealRow, ServiceHealth, ServiceRow};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// How a real is, in a word; page.js has the same.
pub(super) fn state(real: &RealRow) -> &'static str {
    match (real, real.health.as_ref()) {
        (RealRow { removed: true, .. }, _) => "removed",
        (RealRow { sorry: true, .. }, _) => "sorry",
        (_, Some(health)) if !matches!(health.state, HealthState::Up | HealthState::Unchecked) => health.state.name(),
        (RealRow { overloaded: true, .. }, _) => "full",
        (RealRow { weight: 0, .. }, _) => "quiesced",
        (_, Some(RealHealth { slow_start_percent: Some(_), .. })) => "starting",
        (_, Some(RealHealth { state: HealthState::Up, .. })) => "up",
        _ => "serving",
    }
}

/// Whether a real of which [`state`] says this gets new connections.
pub(super) fn serves(state: &str) -> bool {
    matches!(state, "up" | "starting" | "serving")
}

/// How a service is, in a line.
pub(super) fn service(health: &ServiceHealth) -> String {
    let ServiceHealth { quorum, weight, needed, sorry, in_pool } = health;
    let pool = format!("{} in the pool, weight {weight} of {needed} needed", counted(*in_pool, "real"));
    match (quorum, sorry) {
        (true, _) => pool,
        (false, None) => format!("no quorum: {pool}"),
        (false, Some(sorry)) => format!("no quorum, {sorry} serves: {pool}"),
    }
}

/// What there is to say of the reals that do not simply serve.
pub(super) fn reals(service: &ServiceRow, out: &mut dyn Write) -> io::Result<()> {
    for (real, health) in service.reals.iter().filter_map(|real| Some((real, real.health.as_ref()?))) {
        let since = health.since_seconds.map_or_else(String::new, |seconds| format!(" for {}", duration(seconds)));
        let reason = health.reason.as_ref();
        let text = match health.state {
            HealthState::Up | HealthState::Unchecked => match (health.slow_start_percent, reason) {
                (Some(percent), _) => format!("slow start, {percent} % of its share"),
                (None, Some(reason)) => format!("up, but its last failed check found: {reason}"),
                (None, None) => continue,
            },
            HealthState::Unknown => "not in the pool before its first check succeeds".to_owned(),
            HealthState::Down => format!("down{since}: {}", reason.map_or("not known why", String::as_str)),
            HealthState::Held => {
                let left = duration(health.held_seconds.unwrap_or(0));
                format!("went down too often, stays out for {left}: {}", reason.map_or("", String::as_str))
            }
            HealthState::Draining => {
                let left =
                    health.left.map_or_else(|| "connections not known".to_owned(), |left| counted(left, "connection"));
                match health.deadline_seconds {
                    Some(seconds) => format!("draining{since}: {left} left, closed in {}", duration(seconds)),
                    None => format!("draining{since}: {left} left"),
                }
            }
            HealthState::Drained => {
                format!("drained: `sluice real enable {} {}` takes it back", service.name, real.address)
            }
        };
        writeln!(out, "{}: {text}.", real.address)?;
    }
    Ok(())
}

/// An event, a line.
pub(super) fn event(row: &EventRow, out: &mut dyn Write) -> io::Result<()> {
    let at = UNIX_EPOCH + Duration::from_millis(row.at_unix_milliseconds);
    let at = humantime::format_rfc3339_millis(at);
    let real = row.real.map_or_else(|| "-".to_owned(), |real| real.to_string());
    writeln!(out, "{at}  {:<13}  {:<16}  {real:<21}  {}", row.event, row.service, row.text)
}
