//! Keeps the session: attaches while a dataplane is there, brings it up to date, notices when it ends, begins again.

use super::session::{Hello, SessionError, Verdict};
use super::state::Daemon;
use link::AttachError;
use link::message::Table;
use link::model::NextHopTable;
use std::rc::Rc;
use std::time::Duration;
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
                daemon.set_not_ours(None);
                log::info!("attached to the dataplane at {}", daemon.machine.control.link.display());
                tokio::select! {
                    () = daemon.session.pump() => log::warn!("the dataplane ended; waiting for the next one"),
                    () = drive(&daemon, hello) => {}
                }
                daemon.set_connected(false);
                daemon.session.detach();
            }
            Err(error) => {
                let text = error.to_string();
                let is_there = !matches!(error, AttachError::Missing { .. } | AttachError::NotRunning { .. });
                daemon.set_not_ours(is_there.then(|| text.clone()));
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
            return sleep(RETRY_SLOWLY).await;
        }
    };
    daemon.set_connected(true);
    if let Err(failure) = daemon.reconcile(in_force).await {
        log::error!("{failure}");
    }
    let mut table = daemon.kernel.table.clone();
    table.mark_changed();
    loop {
        if table.changed().await.is_err() {
            // The kernel is not watched: the table never changes.
            std::future::pending::<()>().await;
        }
        let next = table.borrow_and_update().clone();
        let Some(next) = next else { continue };
        if let Err(error) = send_next_hops(daemon, &next).await {
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
            log::error!("next hops refused at row {row}: {}; those in force stay", reason.help());
        }
    }
    Ok(())
}
