//! Keeps the session: attaches while a dataplane is there, brings it up to date, notices when it ends, begins again.

use super::session::{Hello, Over, SessionError, Verdict};
use super::state::{Daemon, Standing};
use crate::protocol::Code;
use link::AttachError;
use link::message::Table;
use link::model::NextHopTable;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two attempts to attach.
const RETRY: Duration = Duration::from_millis(200);
/// Between two attempts with a dataplane that does not answer or refuses.
const RETRY_SLOWLY: Duration = Duration::from_secs(2);

/// Runs for ever.
pub(super) async fn run(daemon: Rc<Daemon>) {
    let mut said = String::new();
    loop {
        match daemon.session.attach() {
            Ok(hello) => {
                said.clear();
                daemon.set_standing(Standing::Unsettled);
                log::info!("attached to the dataplane at {}", daemon.machine.control.link.display());
                tokio::select! {
                    over = daemon.session.pump() => match over {
                        Over::DataplaneEnded => {
                            log::warn!("the dataplane ended; waiting for the next one");
                            daemon.outage.begin(Instant::now());
                        }
                        Over::LetGo => log::warn!("the dataplane left a change unanswered; attaching to it again"),
                    },
                    () = drive(&daemon, hello) => {}
                }
                daemon.let_go();
            }
            Err(error) => {
                let text = error.to_string();
                daemon.set_standing(match error {
                    AttachError::Missing { .. } | AttachError::NotRunning { .. } => Standing::Absent,
                    _ => Standing::NotOurs(text.clone()),
                });
                if text != said {
                    log::info!("no dataplane to control: {text}");
                    said = text;
                }
            }
        }
        sleep(RETRY).await;
    }
}

/// Brings the dataplane up to date and keeps its next hops so. Ends when it does not answer.
async fn drive(daemon: &Daemon, hello: Hello) {
    let in_force = match daemon.session.welcome(hello).await {
        Ok(generation) => generation,
        Err(error) => {
            log::warn!("{error}; trying again");
            daemon.set_standing(Standing::NotOurs(error.to_string()));
            return sleep(RETRY_SLOWLY).await;
        }
    };
    if let Err(failure) = daemon.reconcile(in_force).await {
        log::error!("{failure}");
        if failure.code != Code::Refused {
            return;
        }
    }
    // Also when it refused the running services: an operator who mends them must be let through.
    daemon.set_standing(Standing::Settled);
    let mut table = daemon.kernel.table.clone();
    table.mark_changed();
    loop {
        if table.changed().await.is_err() {
            // The kernel is not watched: the table never changes.
            std::future::pending::<()>().await;
        }
        let next = table.borrow_and_update().clone();
        let Some(next) = next else { continue };
        let in_force = daemon.session.view(|view| view.status().next_hops_generation).unwrap_or(0);
        let Some(next) = next.for_generation(in_force) else {
            log::info!("the kernel can't be read: the next hops in force, generation {in_force}, stay");
            continue;
        };
        if let Err(error) = send_next_hops(daemon, next).await {
            log::warn!("next hops: {error}; trying again");
            return sleep(RETRY_SLOWLY).await;
        }
    }
}

async fn send_next_hops(daemon: &Daemon, table: &NextHopTable) -> Result<(), SessionError> {
    let generation = daemon.session.view(|view| view.status().next_hops_generation)? + 1;
    let requests = link::transaction::next_hops(generation, table);
    let verdict = daemon.session.transact(Table::NextHops, generation, requests).await?;
    match verdict {
        Verdict::Applied { .. } => log::info!(
            "next hops in force, generation {generation}: {} routes, {} neighbours",
            table.routes.len(),
            table.neighbors.len()
        ),
        Verdict::Refused { reason, row } => {
            let row = if reason.blames_a_row() { format!(" at row {row}") } else { String::new() };
            log::error!("next hops refused{row}: {}; those in force stay", reason.help());
        }
    }
    Ok(())
}
