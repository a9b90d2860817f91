//! Where the web server has its numbers from: questions to the control loop, and a snapshot that serves all who ask
//! within half a second.

use crate::protocol::{DataplaneStatus, Drops, History, PerfRow, PortRow, ServiceRow};
use link::counters::WorkerTotals;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// How long a snapshot is good for.
const FRESH: Duration = Duration::from_millis(500);
/// How long the control loop may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions that may wait.
const WAITING: usize = 16;

/// The director at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub at: SystemTime,
    /// When sluiced started.
    pub started: SystemTime,
    /// The version of sluiced.
    pub version: &'static str,
    /// The dataplane; `None`: not running.
    pub dataplane: Option<DataplaneStatus>,
    /// When the dataplane started; `None`: it is not running.
    pub dataplane_started: Option<SystemTime>,
    /// When the dataplane gave its last sign of life; `None`: it is not running.
    pub last_beat: Option<SystemTime>,
    /// For how long there has been no dataplane; `None`: there is one.
    pub gone_for: Option<Duration>,
    /// What an operator should know, a sentence each.
    pub warnings: Vec<String>,
    /// The most connections there can be, all workers together.
    pub connections_limit: u32,
    /// Services with their reals, in the order of the running table.
    pub services: Vec<ServiceRow>,
    /// Counters by worker, the main lcore's last; empty: the dataplane is not running.
    pub workers: Vec<WorkerTotals>,
    /// Where the workers' cycles go, by worker; empty: the dataplane is not running.
    pub perf: Vec<PerfRow>,
    /// Where packets ended; `None`: the dataplane is not running.
    pub drops: Option<Drops>,
    /// The Ethernet ports; empty: the dataplane is not running.
    pub ports: Vec<PortRow>,
}

/// Whether the director does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The dataplane forwards with the services that run here.
    Ready,
    /// It does not, for this reason.
    NotReady(String),
}

/// What the control loop is asked.
#[derive(Debug)]
pub enum Question {
    /// How everything is.
    Snapshot(oneshot::Sender<Snapshot>),
    /// The rates of these services after this sample.
    History {
        /// By name.
        services: Vec<String>,
        /// Number of the last sample known; 0: none.
        since: u64,
        /// Where the answer goes.
        answer: oneshot::Sender<History>,
    },
    /// Whether the director does its work.
    Readiness(oneshot::Sender<Readiness>),
}

/// Where the control loop has them from.
pub type Questions = mpsc::Receiver<Question>;

/// Both ends of the way from the web server to the control loop.
pub fn questions() -> (mpsc::Sender<Question>, Questions) {
    mpsc::channel(WAITING)
}

/// The web server's end.
pub(super) struct Source {
    questions: mpsc::Sender<Question>,
    latest: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl Source {
    pub(super) fn new(questions: mpsc::Sender<Question>) -> Self {
        Self { questions, latest: Mutex::new(None) }
    }

    /// A snapshot that is not older than [`FRESH`]; `None`: the control loop does not answer.
    pub(super) async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        // Whoever comes while one is being taken waits for that one.
        let mut latest = self.latest.lock().await;
        if let Some((taken, snapshot)) = &*latest
            && taken.elapsed() < FRESH
        {
            return Some(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(self.ask(Question::Snapshot).await?);
        *latest = Some((Instant::now(), Arc::clone(&snapshot)));
        Some(snapshot)
    }

    /// The rates of these services; `None`: the control loop does not answer.
    pub(super) async fn history(&self, services: Vec<String>, since: u64) -> Option<History> {
        self.ask(|answer| Question::History { services, since, answer }).await
    }

    /// Whether the director does its work; `None`: the control loop does not answer.
    pub(super) async fn readiness(&self) -> Option<Readiness> {
        self.ask(Question::Readiness).await
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        let asked = async {
            self.questions.send(question(sender)).await.ok()?;
            answer.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}
