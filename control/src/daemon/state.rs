//! What sluiced knows and how it changes: the running services, the files, the session, the kernel.

mod adopt;
mod again;

use super::differences::differences;
use super::health::Keeper;
use super::history::Recorder;
use super::kernel;
use super::outage::Outage;
use super::rates::Meters;
use super::refusal;
use super::saved::{Saved, Version};
use super::session::{PATIENCE, Session, SessionError, Verdict};
use crate::protocol::{Changed, Failure};
use config::{Machine, Services};
use link::Viewer;
use link::message::Table;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::timeout;

/// The control process.
pub struct Daemon {
    /// What sluice.toml says.
    pub machine: Machine,
    /// Its name, as given.
    pub machine_file: PathBuf,
    /// The services file's name, as given.
    pub services_file: PathBuf,
    /// When this process started.
    pub started: Instant,
    /// The dataplane.
    pub session: Session,
    /// The kernel.
    pub kernel: kernel::Handle,
    /// The reals' health.
    pub health: Keeper,
    /// Rates, and what the counters stood at when they were zeroed.
    pub rates: RefCell<Meters>,
    /// Rates of the last ten minutes.
    pub history: RefCell<Recorder>,
    /// Somebody captures.
    pub capturing: Cell<bool>,
    running: RefCell<Rc<Services>>,
    /// The running services are newer than what the dataplane has, because they changed while it was not there.
    unsent: Cell<bool>,
    saved: Saved,
    changing: Mutex<()>,
    /// The last transaction whose answer was not heard: its generation is never given to other contents.
    doubtful: Cell<Option<Version>>,
    refusal: RefCell<Option<String>>,
    standing: watch::Sender<Standing>,
    /// Since when there has been no dataplane.
    gone_since: Cell<Option<Instant>>,
    /// Whether checks can have reached the reals.
    pub(super) outage: Outage,
}

/// How sluiced stands with the dataplane. Decides what becomes of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not looked for yet, or attached and not yet known to run the running services: changes wait.
    Unsettled,
    /// None runs: changes are kept until one does.
    Absent,
    /// One is there that can't be controlled from here, for this reason: changes are not done.
    NotOurs(String),
    /// It answers, and its table has been brought together with the running services: changes are sent.
    Settled,
}

/// Where a change ended up.
enum Sent {
    InForce(u64),
    Waiting,
}

impl Daemon {
    /// A control process with these files and services; nothing is sent yet.
    pub fn new(
        machine: Machine,
        machine_file: &Path,
        services: Services,
        services_file: &Path,
        kernel: kernel::Handle,
        health: Keeper,
    ) -> Self {
        let session = Session::new(&machine.control.link, kernel.wanted.clone());
        let saved = Saved::beside(&machine.control.socket);
        let (services, unsent) = match saved.find(Version::UNSENT) {
            Some(kept) => {
                let differ = differences(&services, &kept).len();
                log::info!(
                    "changes made while no dataplane ran are kept, {differ} differences to the file; a reload takes the file"
                );
                (kept, true)
            }
            None => (services, false),
        };
        health.adopted(&services);
        Self {
            machine,
            machine_file: machine_file.to_owned(),
            services_file: services_file.to_owned(),
            started: Instant::now(),
            session,
            kernel,
            health,
            rates: RefCell::new(Meters::after(saved.zeroed())),
            history: RefCell::default(),
            capturing: Cell::new(false),
            running: RefCell::new(Rc::new(services)),
            unsent: Cell::new(unsent),
            saved,
            changing: Mutex::new(()),
            doubtful: Cell::new(None),
            refusal: RefCell::new(None),
            standing: watch::Sender::new(Standing::Unsettled),
            gone_since: Cell::new(None),
            outage: Outage::default(),
        }
    }

    /// The running services.
    pub fn running(&self) -> Rc<Services> {
        Rc::clone(&self.running.borrow())
    }

    /// Keeps for the next sluiced what the counters stood at when they were zeroed.
    pub fn keep_zeroed(&self) {
        let zeroed = self.rates.borrow_mut().zeroed();
        if let Err(error) = self.saved.keep_zeroed(&zeroed) {
            log::warn!("what was zeroed can't be saved, and is forgotten when sluiced ends: {error}");
        }
    }

    /// Whether the dataplane answers and changes are sent to it.
    pub fn is_connected(&self) -> bool {
        *self.standing.borrow() == Standing::Settled
    }

    /// Notes how sluiced stands with the dataplane. Where it is looked for in vain, that is the same again and again.
    pub fn set_standing(&self, standing: Standing) {
        if *self.standing.borrow() == standing {
            return;
        }
        if standing == Standing::Absent {
            self.publish_needs();
        }
        let is_gone = standing == Standing::Absent;
        self.gone_since.set(is_gone.then(|| self.gone_since.get().unwrap_or_else(Instant::now)));
        if standing == Standing::Settled {
            self.outage.end(Instant::now());
        }
        self.standing.send_replace(standing);
        self.health.wake();
    }

    /// For how long there has been no dataplane; `None`: there is one.
    pub fn gone_for(&self) -> Option<Duration> {
        self.gone_since.get().map(|since| since.elapsed())
    }

    /// Ends the session; the next one finds out what the dataplane runs. Until then changes wait.
    pub fn let_go(&self) {
        self.set_standing(Standing::Unsettled);
        self.session.detach();
    }

    /// Why the last transaction was refused, in words, if it was.
    pub fn refusal(&self) -> Option<String> {
        self.refusal.borrow().clone()
    }

    /// Why a dataplane that is there can't be controlled from here: another sluiced has it, or it is of another version.
    pub fn not_ours(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::NotOurs(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// Loads the services file and makes it the running table.
    ///
    /// # Errors
    /// The file is refused, or the dataplane refuses it; the running table stays.
    pub async fn reload(&self, dry_run: bool) -> Result<Changed, Failure> {
        let services = Services::load(&self.services_file).map_err(|error| {
            let code = if error.is_unreadable() { Failure::not_found } else { Failure::refused };
            code(error.to_string())
        })?;
        let file = self.services_file.display().to_string();
        self.apply(services, &file, dry_run).await
    }

    /// Makes `services`, from a file of this name, the running table.
    ///
    /// # Errors
    /// The dataplane refuses it; the running table stays.
    pub async fn apply(&self, services: Services, file: &str, dry_run: bool) -> Result<Changed, Failure> {
        let (count, reals) = (services.services.len(), services.services.iter().map(|n| n.service.reals.len()).sum());
        let numbers: (usize, usize) = (count, reals);
        let edit = move |running: &mut Services| {
            *running = services;
            Ok(format!("Applied {file}: {} services, {} reals.", numbers.0, numbers.1))
        };
        if !dry_run {
            return self.change(edit).await;
        }
        let old = self.running();
        let mut new = (*old).clone();
        edit(&mut new)?;
        let changes = differences(&old, &new);
        let message = match changes.len() {
            0 => format!("{file} would change nothing."),
            1 => format!("{file} would change 1 thing."),
            number => format!("{file} would change {number} things."),
        };
        Ok(Changed { message, changes, in_force: false, generation: 0 })
    }

    /// Changes the running services: `edit` works on a copy, which takes their place once the dataplane has it. Where
    /// no dataplane runs it takes their place at once, outlives a restart of sluiced, and the dataplane gets it when it
    /// starts. While it is not known what the dataplane runs the change waits.
    ///
    /// # Errors
    /// Those of `edit`; the dataplane refuses; unavailable: it can't be controlled from here or does not answer. The
    /// running table stays.
    pub async fn change(
        &self,
        edit: impl FnOnce(&mut Services) -> Result<String, Failure>,
    ) -> Result<Changed, Failure> {
        let turn = self.turn().await?;
        let old = self.running();
        let mut new = (*old).clone();
        let mut message = edit(&mut new)?;
        let changes = differences(&old, &new);
        let running = self.session.view(|view| view.status().services_generation);
        // Nothing to send, and nothing to keep either: without a dataplane the services file goes on to count.
        if new == *old && !self.unsent.get() {
            match running {
                Ok(0) => {}
                Ok(generation) => return Ok(Changed { message, changes, in_force: true, generation }),
                Err(_) => return Ok(Changed { message, changes, in_force: false, generation: 0 }),
            }
        }
        let sent = self.send(&turn, new).await?;
        let (in_force, generation) = match sent {
            Sent::InForce(generation) => (true, generation),
            Sent::Waiting => {
                message.push_str(" The dataplane is not running; it gets this when it starts.");
                (false, 0)
            }
        };
        changes.iter().for_each(|line| log::info!("{line}"));
        log::info!("{message}");
        Ok(Changed { message, changes, in_force, generation })
    }

    /// Waits until it is known what becomes of a change, and until no other is under way.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, Failure> {
        let mut standing = self.standing.subscribe();
        loop {
            let settled = timeout(PATIENCE, standing.wait_for(|now| *now != Standing::Unsettled)).await.is_ok();
            if !settled {
                return Err(Failure::unavailable(format!(
                    "The dataplane is there but has not answered in {} s, so nothing is changed; `sluice status` shows \
                     whether it lives.",
                    PATIENCE.as_secs()
                )));
            }
            let turn = self.changing.lock().await;
            match &*self.standing.borrow() {
                Standing::Unsettled => {}
                Standing::NotOurs(why) => {
                    return Err(Failure::unavailable(format!("Nothing is changed: {why}.")));
                }
                Standing::Absent | Standing::Settled => return Ok(turn),
            }
        }
    }

    /// Brings the dataplane and the running services together after attaching: what the dataplane runs is taken over
    /// where it is known (a sluiced that was killed comes back) and nothing newer waits; else the running services are
    /// sent.
    ///
    /// # Errors
    /// The dataplane refused them, or is gone.
    pub async fn reconcile(&self, in_force: u64) -> Result<(), Failure> {
        let turn = self.changing.lock().await;
        let version = Version { instance: self.instance()?, generation: in_force };
        let known = if in_force == 0 || self.unsent.get() { None } else { self.saved.find(version) };
        match known {
            Some(services) => {
                let differ = differences(&self.running(), &services).len();
                log::info!("the dataplane runs generation {in_force}; taken over, {differ} differences to the file");
                self.health.taken_over(&services);
                self.adopt(services);
                Ok(())
            }
            None => {
                // Until they are in force: a refusal, or no answer, must not make them look as if they were.
                self.unsent.set(true);
                let services = (*self.running()).clone();
                match self.send(&turn, services).await? {
                    Sent::InForce(generation) => {
                        log::info!("services sent to the dataplane, generation {generation}");
                        Ok(())
                    }
                    Sent::Waiting => Err(SessionError::Ended.into()),
                }
            }
        }
    }

    /// Whether this run of the dataplane is over.
    fn is_over(&self, instance: u64) -> bool {
        let there = Viewer::open(&self.machine.control.link);
        !there.is_ok_and(|viewer| viewer.dataplane_is_alive() && viewer.view().identity().instance == instance)
    }

    fn instance(&self) -> Result<u64, SessionError> {
        self.session.view(|view| view.identity().instance)
    }

    async fn send(&self, _turn: &MutexGuard<'_, ()>, services: Services) -> Result<Sent, Failure> {
        let Ok((instance, applied)) =
            self.session.view(|view| (view.identity().instance, view.status().services_generation))
        else {
            return Ok(self.keep(services));
        };
        let doubtful = self.doubtful.get().filter(|version| version.instance == instance);
        let generation = applied.max(doubtful.map_or(0, |version| version.generation)) + 1;
        let version = Version { instance, generation };
        let announced = self.saved.announce(version, &services);
        if let Err(error) = &announced {
            log::warn!("the running table can't be saved ({error}): after a restart sluiced loads its file instead");
        }
        self.doubtful.set(Some(version));
        let effective = self.health.effective(&services, &self.running());
        let table = effective.table();
        let requests = link::transaction::services(generation, &table);
        match self.session.transact(Table::Services, generation, requests).await {
            Ok(Verdict::Applied { microseconds }) => {
                log::info!("generation {generation} of the services is in force after {microseconds} us");
                self.doubtful.set(None);
                self.unsent.set(false);
                *self.refusal.borrow_mut() = None;
                // What is saved is never older than what runs.
                self.health.applied(effective);
                let confirmed = announced.and_then(|()| self.saved.confirm());
                confirmed.unwrap_or_else(|_| self.saved.forget());
                self.adopt(services);
                Ok(Sent::InForce(generation))
            }
            Ok(Verdict::Refused { reason, row }) => {
                self.doubtful.set(None);
                self.saved.withdraw();
                let text = refusal::in_words(&effective, reason, row);
                log::warn!("generation {generation} of the services: {text}");
                *self.refusal.borrow_mut() = Some(format!("services, generation {generation}: {text}"));
                Err(Failure::refused(format!("The dataplane refused the change, the running table stays: {text}.")))
            }
            Err(SessionError::Ended | SessionError::NotRunning) if self.is_over(instance) => Ok(self.keep(services)),
            Err(_) => {
                // Whether it was applied shows when the session begins anew.
                self.let_go();
                let text = "The dataplane did not answer in time, so the change may or may not be in force; \
                            `sluice status` shows which generation is.";
                Err(Failure::unavailable(text))
            }
        }
    }
}
