//! Keeps the reals' health: takes results, changes what the dataplane has, tells those who want to know.

use super::report;
use super::running;
use super::state::Daemon;
use crate::health::book::{Book, Now};
use crate::health::drain::{self, Step};
use crate::health::hooks::Hook;
use crate::health::kept;
use crate::health::probe::Exit;
use crate::health::runner::{Report, Runner};
use crate::health::target::RealKey;
use crate::protocol::{Changed, DrainRequest, EventRow, Failure, RealHealth, ServiceHealth, Then};
use config::{NamedService, Services};
use link::model::{Phase, ServiceKey};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep, sleep_until};

/// Results are taken together that come within this time.
const GATHER: Duration = Duration::from_millis(20);
/// Between two looks at reals that are drained.
const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// Between two changes of the table that only a slow start asks for.
const GROWTH: Duration = Duration::from_secs(1);
/// After a change that the dataplane did not take.
const RETRY: Duration = Duration::from_secs(1);
/// Results taken in one go.
const RESULTS: usize = 8192;
/// Events that are remembered, and that a follower may be behind.
const EVENTS: usize = 1024;

/// The health of all reals, as this sluiced knows it.
pub struct Keeper {
    book: RefCell<Book>,
    runner: Runner,
    results: Cell<Option<UnboundedReceiver<Report>>>,
    file: PathBuf,
    wake: Notify,
    events: RefCell<VecDeque<EventRow>>,
    news: broadcast::Sender<EventRow>,
    /// What the dataplane has, of the running services; `None`: not known.
    in_force: RefCell<Option<Services>>,
}

impl Keeper {
    /// Starts the checks' thread; goes on from what an earlier sluiced of this socket knew. Checks by way of the VIP leave
    /// by one of the exits.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(socket: &Path, exits: Vec<Exit>) -> io::Result<Self> {
        let (runner, results) = Runner::start(exits)?;
        let file = kept::beside(socket);
        Ok(Self {
            book: RefCell::new(Book::restore(kept::load(&file))),
            runner,
            results: Cell::new(Some(results)),
            file,
            wake: Notify::new(),
            events: RefCell::default(),
            news: broadcast::Sender::new(EVENTS),
            in_force: RefCell::default(),
        })
    }

    /// What the dataplane is to have of these services, which are to take the place of `before`.
    pub(super) fn effective(&self, services: &Services, before: &Services) -> Services {
        let now = Now::read();
        let mut book = self.book.borrow_mut();
        book.prepare(services, before, now);
        book.effective(services, now)
    }

    /// The dataplane has been serving these since before this sluiced.
    pub(super) fn taken_over(&self, services: &Services) {
        let now = Now::read();
        let mut book = self.book.borrow_mut();
        book.assume_serving(services, now);
        let effective = book.effective(services, now);
        // Which check addresses an earlier sluiced gave is not known: the table is sent again with those of this one.
        let mut reals = effective.services.iter().flat_map(|named| &named.service.reals);
        let has_addresses = reals.any(|real| real.check_address.is_some());
        *self.in_force.borrow_mut() = (!has_addresses).then_some(effective);
    }

    /// The dataplane has these, made by [`Self::effective`].
    pub(super) fn applied(&self, effective: Services) {
        *self.in_force.borrow_mut() = Some(effective);
    }

    /// Whether the dataplane has what is to be made of the running services.
    pub(super) fn is_in_force(&self, running: &Services) -> bool {
        self.in_force.borrow().as_ref() == Some(&self.as_served(running))
    }

    /// The running services as health has them served now.
    fn as_served(&self, running: &Services) -> Services {
        self.book.borrow().effective(running, Now::read())
    }

    /// The running services as the network is to know them; see [`Book::announced`].
    pub(super) fn as_announced(&self, running: &Services) -> Services {
        self.book.borrow().announced(running, Now::read())
    }

    /// Whether the dataplane knows that a real is drained: only then what it has left can but shrink.
    fn is_out(&self, key: &RealKey) -> bool {
        let in_force = self.in_force.borrow();
        let services = in_force.iter().flat_map(|services| &services.services);
        let mut reals =
            services.filter(|named| named.service.key == key.service).flat_map(|named| &named.service.reals);
        reals.any(|real| real.address == key.real && real.phase != Phase::Serving)
    }

    /// These are the running services now.
    pub(super) fn adopted(&self, services: &Services) {
        if let Some(targets) = self.book.borrow_mut().settle(services, Now::read()) {
            self.runner.check(targets);
        }
        self.wake.notify_one();
    }

    /// Something may have to be done.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// How a service and its reals are; `left` as in [`Book::of_service`].
    pub fn of_service(
        &self,
        named: &NamedService,
        left: impl Fn(&RealKey) -> Option<u64>,
    ) -> Option<(ServiceHealth, Vec<RealHealth>)> {
        self.book.borrow().of_service(named, left, Now::read())
    }

    /// What an operator should know of these services.
    pub fn warnings(&self, services: &Services) -> Vec<String> {
        self.book.borrow().warnings(services, Now::read())
    }

    /// The last events, the oldest first, and those to come.
    pub fn events(&self) -> (Vec<EventRow>, broadcast::Receiver<EventRow>) {
        (self.events.borrow().iter().cloned().collect(), self.news.subscribe())
    }

    fn tell(&self, services: &Services, event: EventRow) {
        let real = event.real.map_or_else(String::new, |real| format!(", real {real}"));
        log::info!("service {}{real}: {}: {}", event.service, event.event, event.text);
        let named = services.find(&event.service);
        let hook = named.and_then(|named| {
            let hooks = named.health.hooks.entries();
            hooks.into_iter().find(|(name, command)| *name == event.event && !command.is_empty()).map(|(_, hook)| hook)
        });
        if let Some(command) = hook {
            let environment = vec![
                ("SLUICE_EVENT", event.event.clone()),
                ("SLUICE_SERVICE", event.service.clone()),
                ("SLUICE_VIRTUAL", event.key.clone()),
                ("SLUICE_REAL", event.real.map_or_else(String::new, |real| real.to_string())),
                ("SLUICE_REASON", event.text.clone()),
            ];
            self.runner.tell(Hook { command: command.to_vec(), environment });
        }
        let mut events = self.events.borrow_mut();
        if events.len() == EVENTS {
            events.pop_front();
        }
        events.push_back(event.clone());
        // Nobody may be listening.
        let _ = self.news.send(event);
    }

    /// Takes results of checks, and tells what follows from them; `looks`: something else may have changed too.
    fn take(&self, reports: &mut Vec<Report>, looks: bool, services: &Services) {
        let now = Now::read();
        for report in reports.drain(..) {
            let event = self.book.borrow_mut().take(&report, now);
            event.into_iter().for_each(|event| self.tell(services, event));
        }
        if looks || self.book.borrow().has_changed() {
            let events = self.book.borrow_mut().review(services, now);
            events.into_iter().for_each(|event| self.tell(services, event));
        }
    }

    /// Saves what has changed; says whether anything has.
    fn save(&self) -> bool {
        let Some(kept) = self.book.borrow_mut().keep() else { return false };
        if let Err(error) = kept::save(&self.file, &kept) {
            log::warn!(
                "{} can't be written ({error}): a sluiced that is restarted starts anew; check the folder and its disk",
                self.file.display()
            );
        }
        true
    }
}

/// Runs for ever.
pub(super) async fn run(daemon: Rc<Daemon>) {
    let keeper = &daemon.health;
    let Some(mut results) = keeper.results.take() else { return };
    let (mut batch, mut due) = (Vec::new(), None::<Instant>);
    loop {
        let timer = async {
            match due {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let asked = tokio::select! {
            _ = results.recv_many(&mut batch, RESULTS) => false,
            () = keeper.wake.notified() => true,
            () = timer => true,
        };
        sleep(GATHER).await;
        if !results.is_empty() {
            results.recv_many(&mut batch, RESULTS).await;
        }
        let now = std::time::Instant::now();
        batch.retain(|report| !(report.found.is_ill() && daemon.outage.explains(now - report.took, now)));
        let looks = asked || due.is_some_and(|at| at <= Instant::now());
        keeper.take(&mut batch, looks, &daemon.running());
        if keeper.save() || looks {
            due = bring_in_force(&daemon).await.map(|wait| Instant::now() + wait);
        }
    }
}

/// Has the dataplane take what has changed, and carries drains on. How long until that is to be done again, whatever
/// happens meanwhile.
async fn bring_in_force(daemon: &Daemon) -> Option<Duration> {
    let keeper = &daemon.health;
    let mut again = None;
    if let Err(failure) = daemon.refresh().await {
        log::warn!("what follows from health is not in force: {failure}");
        again = Some(RETRY);
    }
    carry_drains_on(daemon).await;
    let book = keeper.book.borrow();
    let reasons = [again, book.drains().then_some(DRAIN_LOOK), book.grows().then_some(GROWTH)];
    reasons.into_iter().flatten().min()
}

/// Connections of each real now; empty where there is no dataplane.
fn connections(daemon: &Daemon) -> HashMap<RealKey, u64> {
    let mut all = HashMap::new();
    for (service, report) in report::counted(daemon) {
        for real in &report.reals {
            let key = RealKey { service, real: real.entry.address };
            *all.entry(key).or_default() += u64::from(real.active) + u64::from(real.inactive);
        }
    }
    all
}

async fn carry_drains_on(daemon: &Daemon) {
    let keeper = &daemon.health;
    if !keeper.book.borrow().drains() || !daemon.is_connected() {
        return;
    }
    let (counted, now) = (connections(daemon), Now::read());
    let steps = keeper.book.borrow().due(|key| counted.get(key).copied().filter(|_| keeper.is_out(key)), now);
    for step in steps {
        let (key, done) = match step {
            Step::Close(key) => (key, ("closing", Ok("the time is over: what is left is closed".to_owned()))),
            Step::Drop(key) => {
                (key, ("closing", Ok("clients that do not answer: their connections are removed".to_owned())))
            }
            Step::Keep(key) => {
                (key, ("drained", Ok("no connection is left; it stays out until it is enabled".to_owned())))
            }
            Step::Remove(key) => (key, ("drained", remove(daemon, &key).await)),
        };
        match done {
            (_, Err(failure)) => log::warn!("draining {} of {}: {failure}", key.real, key.service),
            (event, Ok(text)) => {
                keeper.book.borrow_mut().stepped(step, now);
                if let Some(event) = drain::event(&daemon.running(), &key, event, text, now) {
                    keeper.tell(&daemon.running(), event);
                }
            }
        }
    }
}

async fn remove(daemon: &Daemon, key: &RealKey) -> Result<String, Failure> {
    let Some(name) = name_of(&daemon.running(), key.service) else { return Ok(String::new()) };
    daemon.change(|services| running::remove_real(services, &name, key.real)).await?;
    Ok("no connection is left; removed".to_owned())
}

fn name_of(services: &Services, key: ServiceKey) -> Option<String> {
    services.services.iter().find(|named| named.service.key == key).map(|named| named.name.clone())
}

/// Begins to drain a real.
///
/// # Errors
/// Not found; or the dataplane does not take it: nothing has changed then.
pub(super) async fn drain(daemon: &Daemon, wanted: &DrainRequest) -> Result<Changed, Failure> {
    let (name, address) = (wanted.service.as_str(), wanted.address);
    let key = key_of(daemon, name, address)?;
    let remove = wanted.then == Then::Remove;
    let deadline = if wanted.now { Some(Duration::ZERO) } else { wanted.deadline_seconds.map(Duration::from_secs) };
    let mut text = format!("Draining real {address} of {name}: no new connections");
    match wanted.deadline_seconds {
        _ if wanted.now => text.push_str(", what is left is closed now"),
        Some(seconds) => text.push_str(&format!(", what is left after {} is closed", human(seconds))),
        None => {}
    }
    text.push_str(if remove { "; then it is removed." } else { "; `sluice real enable` takes it back." });
    let line = format!("~ real {address} of {name}: draining");
    let change = |book: &mut Book| book.drain(key, deadline, remove, Now::read());
    let changed = replace(daemon, key, change, text, line).await?;
    let counted = connections(daemon);
    let left = counted.get(&key).map_or_else(String::new, |left| format!("{left} connections left"));
    if let Some(event) = drain::event(&daemon.running(), &key, "draining", left, Now::read()) {
        daemon.health.tell(&daemon.running(), event);
    }
    Ok(changed)
}

/// Ends a drain.
///
/// # Errors
/// Not found; refused: the real is not drained; or the dataplane does not take it: nothing has changed then.
pub(super) async fn enable(daemon: &Daemon, name: &str, address: SocketAddrV4) -> Result<Changed, Failure> {
    let key = key_of(daemon, name, address)?;
    if daemon.health.book.borrow().drain_of(&key).is_none() {
        let text = format!(
            "service {name:?}, real {address} is not drained; `sluice service show {name}` shows how it is, and \
             `sluice real set {name} {address} --weight WEIGHT` changes its share."
        );
        return Err(Failure::refused(text));
    }
    let text = format!("Enabled real {address} of {name}.");
    let line = format!("~ real {address} of {name}: enabled");
    let changed = replace(
        daemon,
        key,
        |book| {
            book.enable(&key);
        },
        text,
        line,
    )
    .await?;
    if let Some(event) = drain::event(&daemon.running(), &key, "enabled", "it may serve again".to_owned(), Now::read())
    {
        daemon.health.tell(&daemon.running(), event);
    }
    Ok(changed)
}

/// Changes how a real is drained, and the dataplane with it; puts it back where that is not possible.
async fn replace(
    daemon: &Daemon,
    key: RealKey,
    change: impl FnOnce(&mut Book),
    text: String,
    line: String,
) -> Result<Changed, Failure> {
    let before = daemon.health.book.borrow().drain_of(&key);
    change(&mut daemon.health.book.borrow_mut());
    let outcome = daemon.send_again(text, line).await;
    if outcome.is_err() {
        daemon.health.book.borrow_mut().put_back(key, before);
    }
    daemon.health.wake();
    outcome
}

fn key_of(daemon: &Daemon, name: &str, address: SocketAddrV4) -> Result<RealKey, Failure> {
    let running = daemon.running();
    let named = running::service(&running, name)?;
    running::real(named, address)?;
    Ok(RealKey { service: named.service.key, real: address })
}

fn human(seconds: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(seconds))
}
