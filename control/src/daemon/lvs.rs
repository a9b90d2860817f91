//! The requests that speak the language of ipvsadm.

use super::report;
use super::server::Output;
use super::state::Daemon;
use crate::ipvsadm;
use crate::protocol::{Count, Failure, LvsChange, LvsChanged, LvsService, MAX_LVS_CHANGES};
use link::directory::RealState;
use link::model::ServiceKey;
use link::{ServiceReport, View};
use std::io;

/// Every service, the newest first.
///
/// # Errors
/// The client has gone.
pub(super) async fn services(daemon: &Daemon, out: &mut Output) -> io::Result<()> {
    let (running, counted) = (daemon.running(), report::counted(daemon));
    for named in running.services.iter().rev() {
        let mut row = ipvsadm::listed(&named.service);
        if let Some(report) = counted.get(&named.service.key) {
            count(daemon, &mut row, report);
        }
        out.row(&row).await?;
    }
    out.end(Ok(Count { count: running.services.len() as u64 })).await
}

/// Fills in what is counted.
fn count(daemon: &Daemon, row: &mut LvsService, report: &ServiceReport) {
    let meters = daemon.rates.borrow();
    (row.traffic, row.rates) = meters.service(report);
    for server in &mut row.reals {
        let mut live = report.reals.iter().filter(|real| real.entry.state == RealState::Live);
        if let Some(real) = live.find(|real| real.entry.address == server.real.address) {
            (server.active, server.inactive, server.persistent) = (real.active, real.inactive, real.persistent);
            (server.traffic, server.rates) = meters.real(row.key, real);
        }
    }
}

/// Does changes, each by itself, all that are not refused as one new version of the table.
///
/// # Errors
/// There are too many; or the dataplane refuses the table that they make, or can't be controlled. None of them is done.
pub(super) async fn change(daemon: &Daemon, changes: &[LvsChange]) -> Result<LvsChanged, Failure> {
    if changes.len() > MAX_LVS_CHANGES {
        let text = format!(
            "lvs_change: {} changes, allowed at most {MAX_LVS_CHANGES} in a request; send the others in further ones.",
            changes.len()
        );
        return Err(Failure::usage(text));
    }
    let mut refusals = Vec::new();
    let zeroed = |change: &LvsChange| match change {
        LvsChange::Zero { service } => Some(*service),
        _ => None,
    };
    if changes.iter().any(|change| zeroed(change).is_none()) {
        let edit = |services: &mut config::Services| {
            refusals.extend(changes.iter().map(|change| ipvsadm::apply(services, change).err()));
            let done = refusals.iter().filter(|refusal| refusal.is_none()).count();
            Ok(format!("Did {done} of {} changes.", changes.len()))
        };
        daemon.change(edit).await?;
    } else {
        let mut services = (*daemon.running()).clone();
        refusals.extend(changes.iter().map(|change| ipvsadm::apply(&mut services, change).err()));
    }
    for (change, _) in changes.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_none()) {
        if let Some(only) = zeroed(change) {
            zero(daemon, only);
        }
    }
    let refusals = refusals.into_iter().map(|refusal| refusal.map(|refusal| refusal.to_string()));
    Ok(LvsChanged { refusals: refusals.collect() })
}

/// Begins the counters anew; where no dataplane runs there are none.
fn zero(daemon: &Daemon, only: Option<ServiceKey>) {
    let seen = daemon.session.view(|view| (view.identity().instance, View::services(view)));
    if let Ok((instance, reports)) = seen {
        daemon.rates.borrow_mut().zero(instance, &reports, only);
        daemon.keep_zeroed();
    }
}
