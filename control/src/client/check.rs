//! `sluice status --check`: the same report, and an exit code for those who only want to know whether the director works.

use super::{Connection, DONE, Stop, UNREACHABLE, json, show};
use crate::protocol::{Request, Status};
use std::io::Write;

/// Prints the status; the exit code is that of an unreachable dataplane unless it runs, answers, and has the services.
pub(super) fn check(connection: &mut Connection, as_json: bool, out: &mut dyn Write) -> Result<u8, Stop> {
    let status = connection.ask::<Status>(&Request::Status)?;
    if as_json {
        json(&status, out)?
    } else {
        show::status(&status, out)?
    }
    Ok(if works(&status) { DONE } else { UNREACHABLE })
}

fn works(status: &Status) -> bool {
    status.dataplane.as_ref().is_some_and(|plane| plane.connected && plane.services_generation > 0)
}
