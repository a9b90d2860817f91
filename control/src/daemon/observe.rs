//! Answers what the web server asks, on the control loop and in short steps.

use super::report;
use super::running;
use super::state::Daemon;
use crate::protocol::{DataplaneStatus, History};
use crate::web::{Question, Questions, Readiness, Snapshot};
use link::View;
use std::rc::Rc;
use std::time::SystemTime;

/// Services that are put together before others have their turn.
const STEP: usize = 128;

/// Answers for ever.
pub(super) async fn run(daemon: Rc<Daemon>, mut questions: Questions) {
    while let Some(question) = questions.recv().await {
        // Who asked may have gone: there is nobody left to tell then.
        match question {
            Question::Snapshot(answer) => drop(answer.send(snapshot(&daemon).await)),
            Question::History { services, since, answer } => drop(answer.send(history(&daemon, &services, since))),
            Question::Readiness(answer) => drop(answer.send(readiness(&daemon))),
        }
    }
}

async fn snapshot(daemon: &Daemon) -> Snapshot {
    let at = SystemTime::now();
    let (running, counted) = (daemon.running(), report::counted(daemon));
    let (dataplane, warnings) = report::dataplane(daemon);
    let read = |view: &View| {
        let workers: Vec<_> = view.workers().into_iter().chain([view.main_lcore()]).collect();
        (Some(view.identity().started), view.status().last_beat, workers)
    };
    let (dataplane_started, last_beat, workers) = daemon.session.view(read).unwrap_or_default();
    let (drops, ports) = (report::drops(daemon).ok(), report::ports(daemon).unwrap_or_default());
    let perf = report::perf(daemon).map(|perf| perf.workers).unwrap_or_default();
    let mut services = Vec::with_capacity(running.services.len());
    for step in running.services.chunks(STEP) {
        services.extend(step.iter().map(|named| report::service(daemon, named, &counted)));
        tokio::task::yield_now().await;
    }
    Snapshot {
        at,
        started: at - daemon.started.elapsed(),
        version: env!("CARGO_PKG_VERSION"),
        dataplane,
        dataplane_started,
        last_beat,
        gone_for: daemon.gone_for(),
        warnings,
        connections_limit: daemon.machine.dataplane.connections,
        services,
        workers,
        perf,
        drops,
        ports,
    }
}

/// The rates of these services after this sample; names that are not known have none.
pub(super) fn history(daemon: &Daemon, services: &[String], since: u64) -> History {
    let running = daemon.running();
    let known =
        services.iter().filter_map(|name| Some((name.as_str(), running::service(&running, name).ok()?.service.key)));
    daemon.history.borrow().history(known, since)
}

fn readiness(daemon: &Daemon) -> Readiness {
    let generation = daemon.session.view(|view| view.status().services_generation);
    match (daemon.is_connected(), generation) {
        (true, Ok(generation)) if generation > 0 => Readiness::Ready,
        _ => Readiness::NotReady(match report::dataplane(daemon).0 {
            None => "The dataplane is not running.".to_owned(),
            Some(DataplaneStatus { services_generation: 0, .. }) => {
                "The dataplane has no services in force yet; `sluice status` shows what was refused.".to_owned()
            }
            Some(_) => "The dataplane does not answer this sluiced; `sluice status` shows why.".to_owned(),
        }),
    }
}
