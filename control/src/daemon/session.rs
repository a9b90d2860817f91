//! The session with the dataplane: one link, many who ask. Replies find their asker by sequence number, the answers to
//! transactions by table and generation.
//!
//! The ring is polled: each millisecond while an answer is awaited, else twenty times a second. Nothing here blocks the
//! thread or spins.

use super::rows::{Rows, Stream, stream};
use crate::protocol::Failure;
use link::capture::CaptureReader;
use link::message::{Refusal, Reply, Request, Table};
use link::{AttachError, ControlLink, View};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at the ring while an answer is awaited.
const BUSY: Duration = Duration::from_millis(1);
/// Between two looks at the ring otherwise: the delay of an unasked message.
const IDLE: Duration = Duration::from_millis(50);
/// Between two checks that the dataplane lives.
const CHECK: Duration = Duration::from_millis(100);
/// How long a full ring may stay full, and a question unanswered.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why the dataplane did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is none.
    #[error("the dataplane is not running; start sluice-dataplane")]
    NotRunning,
    /// It ended while the answer was awaited.
    #[error("the dataplane ended before it answered; its log says why (journalctl -u sluice-dataplane)")]
    Ended,
    /// It lives and says nothing.
    #[error("the dataplane did not answer in {} s; `sluice status` shows whether it lives", PATIENCE.as_secs())]
    Silent,
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let text = error.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        Self::unavailable(first.into_iter().chain(letters).chain(['.']).collect::<String>())
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The dataplane does not run any more.
    DataplaneEnded,
    /// It was let go from here: [`Session::detach`].
    LetGo,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In force on every worker.
    Applied {
        /// From commit to publication.
        microseconds: u32,
    },
    /// Refused whole.
    Refused {
        /// Why.
        reason: Refusal,
        /// The row to blame, from 0.
        row: u32,
    },
}

/// The session. All methods may be called at any time; without a dataplane they say so.
pub struct Session {
    path: PathBuf,
    attached: RefCell<Option<Attached>>,
    attachments: Cell<u64>,
    sending: Mutex<()>,
    transacting: Mutex<()>,
    wake: Notify,
    wanted: mpsc::Sender<(u16, Ipv4Addr)>,
}

struct Attached {
    link: ControlLink,
    /// Which attachment of this process it is: what was begun in an earlier one must not go on in this one.
    number: u64,
    waiting: HashMap<u32, Waiter>,
    transaction: Option<Transaction>,
}

/// A hello that has been said.
pub struct Hello(oneshot::Receiver<Reply>);

enum Waiter {
    One(oneshot::Sender<Reply>),
    Many(Stream),
}

struct Transaction {
    table: Table,
    generation: u64,
    verdict: oneshot::Sender<Verdict>,
}

impl Session {
    /// A session over the link at `path`, not attached yet. Neighbours that packets wait for go to `wanted`.
    pub fn new(path: &Path, wanted: mpsc::Sender<(u16, Ipv4Addr)>) -> Self {
        Self {
            path: path.to_owned(),
            attached: RefCell::new(None),
            attachments: Cell::new(0),
            sending: Mutex::new(()),
            transacting: Mutex::new(()),
            wake: Notify::new(),
            wanted,
        }
    }

    /// Attaches to the dataplane's region and says hello; [`Session::welcome`] awaits the answer.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(&self) -> Result<Hello, AttachError> {
        let mut link = ControlLink::attach(&self.path)?;
        let (sender, receiver) = oneshot::channel();
        let mut waiting = HashMap::new();
        // Before anybody can ask: a session's first request must be the hello. The ring can be full of what an earlier
        // sluiced left; then nobody answers this hello, and the session begins anew.
        if let Ok(sequence) = link.send(&Request::Hello { pid: std::process::id() }) {
            waiting.insert(sequence, Waiter::One(sender));
        }
        let number = self.attachments.get() + 1;
        self.attachments.set(number);
        *self.attached.borrow_mut() = Some(Attached { link, number, waiting, transaction: None });
        Ok(Hello(receiver))
    }

    /// Lets go of the region. Who waits for an answer hears that the dataplane ended.
    pub fn detach(&self) {
        *self.attached.borrow_mut() = None;
        self.wake.notify_one();
    }

    /// What the dataplane shows of itself.
    ///
    /// # Errors
    /// Not running.
    pub fn view<R>(&self, read: impl FnOnce(&View) -> R) -> Result<R, SessionError> {
        let attached = self.attached.borrow();
        attached.as_ref().map(|attached| read(attached.link.view())).ok_or(SessionError::NotRunning)
    }

    /// The ends of the workers' capture rings, by worker. There are to be such of one capture at a time.
    ///
    /// # Errors
    /// Not running.
    pub fn capture_readers(&self) -> Result<Vec<CaptureReader>, SessionError> {
        let attached = self.attached.borrow();
        let link = &attached.as_ref().ok_or(SessionError::NotRunning)?.link;
        Ok((0..link.view().identity().layout.workers).filter_map(|worker| link.capture_reader(worker)).collect())
    }

    /// Passes replies on until the dataplane ends or the session is let go.
    pub async fn pump(&self) -> Over {
        let mut checked = Instant::now();
        loop {
            let busy = {
                let mut attached = self.attached.borrow_mut();
                let Some(attached) = attached.as_mut() else { return Over::LetGo };
                if checked.elapsed() >= CHECK {
                    checked = Instant::now();
                    if !attached.link.dataplane_is_alive() {
                        return Over::DataplaneEnded;
                    }
                }
                attached.drain(&self.wanted);
                attached.transaction.is_some() || !attached.waiting.is_empty()
            };
            if busy {
                sleep(BUSY).await;
            } else {
                // Woken early when somebody asks.
                let _ = timeout(IDLE, self.wake.notified()).await;
            }
        }
    }

    /// Awaits the answer to the hello: the dataplane has forgotten what an earlier sluiced left half-way. The version of
    /// the service table in force.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn welcome(&self, hello: Hello) -> Result<u64, SessionError> {
        match timeout(PATIENCE, hello.0).await {
            Ok(Ok(Reply::Welcome { services_generation, .. })) => Ok(services_generation),
            Ok(Err(_)) => Err(SessionError::Ended),
            Ok(Ok(_)) | Err(_) => Err(SessionError::Silent),
        }
    }

    /// Asks a question that has one reply.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn ask(&self, request: Request) -> Result<Reply, SessionError> {
        self.ask_after(std::iter::empty(), request).await
    }

    /// The same, with requests before it that have no reply and belong to it.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn ask_after(
        &self,
        before: impl Iterator<Item = Request>,
        request: Request,
    ) -> Result<Reply, SessionError> {
        let (sender, receiver) = oneshot::channel();
        let sequence = {
            let _turn = self.sending.lock().await;
            let number = self.attachments.get();
            for part in before {
                self.send(number, part, None).await?;
            }
            self.send(number, request, Some(Waiter::One(sender))).await?
        };
        match timeout(PATIENCE, receiver).await {
            Ok(reply) => reply.map_err(|_| SessionError::Ended),
            Err(_) => {
                if let Some(attached) = self.attached.borrow_mut().as_mut() {
                    attached.waiting.remove(&sequence);
                }
                Err(SessionError::Silent)
            }
        }
    }

    /// Asks for a list.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn list(&self, request: Request) -> Result<Rows, SessionError> {
        let (stream, rows) = stream();
        let _turn = self.sending.lock().await;
        self.send(self.attachments.get(), request, Some(Waiter::Many(stream))).await?;
        Ok(rows)
    }

    /// Replaces a table: `rows` are the transaction's rows, `generation` must be greater than the applied one.
    ///
    /// # Errors
    /// See [`SessionError`]. After [`SessionError::Silent`] nobody knows whether it was or will be applied: detach.
    pub async fn transact(
        &self,
        table: Table,
        generation: u64,
        requests: impl Iterator<Item = Request>,
    ) -> Result<Verdict, SessionError> {
        let _turn = self.transacting.lock().await;
        let (verdict, receiver) = oneshot::channel();
        let number = match self.attached.borrow_mut().as_mut() {
            Some(attached) => {
                attached.transaction = Some(Transaction { table, generation, verdict });
                attached.number
            }
            None => return Err(SessionError::NotRunning),
        };
        let sent = async {
            let _turn = self.sending.lock().await;
            for request in requests {
                self.send(number, request, None).await?;
            }
            Ok(())
        };
        let outcome = match sent.await {
            Ok(()) => match timeout(PATIENCE, receiver).await {
                Ok(verdict) => verdict.map_err(|_| SessionError::Ended),
                Err(_) => Err(SessionError::Silent),
            },
            Err(error) => Err(error),
        };
        if let Some(attached) = self.attached.borrow_mut().as_mut().filter(|attached| attached.number == number) {
            attached.transaction = None;
        }
        outcome
    }

    /// Puts a request into the ring of this attachment; waits while it is full. The caller holds `sending`.
    async fn send(&self, number: u64, request: Request, waiter: Option<Waiter>) -> Result<u32, SessionError> {
        let since = Instant::now();
        loop {
            {
                let mut attached = self.attached.borrow_mut();
                let attached = attached.as_mut().ok_or(SessionError::NotRunning)?;
                if attached.number != number {
                    return Err(SessionError::Ended);
                }
                if let Ok(sequence) = attached.link.send(&request) {
                    if let Some(waiter) = waiter {
                        attached.waiting.insert(sequence, waiter);
                    }
                    self.wake.notify_one();
                    return Ok(sequence);
                }
            }
            if since.elapsed() >= PATIENCE {
                return Err(SessionError::Silent);
            }
            sleep(BUSY).await;
        }
    }
}

impl Attached {
    /// Takes what is in the ring, at most one ring's worth. A list that is ahead of its reader stays there, unless
    /// somebody else's answer is behind it.
    fn drain(&mut self, wanted: &mpsc::Sender<(u16, Ipv4Addr)>) {
        let (mut ahead, mut awaited) = (false, self.transaction.is_some());
        for waiter in self.waiting.values_mut() {
            match waiter {
                Waiter::Many(stream) => ahead |= stream.is_ahead_of_its_reader(),
                Waiter::One(_) => awaited = true,
            }
        }
        if ahead && !awaited {
            return;
        }
        for _ in 0..link::ring::SLOTS {
            match self.link.receive() {
                Some(Ok((sequence, reply))) => self.pass_on(sequence, reply, wanted),
                Some(Err(garbage)) => log::warn!(
                    "the dataplane sent what is not a reply: {garbage}; are sluiced and sluice-dataplane of the same version?"
                ),
                None => return,
            }
        }
    }

    fn pass_on(&mut self, sequence: u32, reply: Reply, wanted: &mpsc::Sender<(u16, Ipv4Addr)>) {
        match reply {
            Reply::NeighborWanted { port, address } => {
                // A full queue drops the wish; the dataplane repeats it.
                let _ = wanted.try_send((port, address));
            }
            Reply::Applied { table, generation, microseconds } => {
                self.decide(table, generation, Verdict::Applied { microseconds });
            }
            Reply::Refused { table, generation, reason, row } => {
                self.decide(table, generation, Verdict::Refused { reason, row });
            }
            Reply::Connection(_) => {
                if let Some(Waiter::Many(stream)) = self.waiting.get_mut(&sequence) {
                    stream.push(reply);
                }
            }
            Reply::Welcome { .. } | Reply::Explanation(_) | Reply::Capturing { .. } | Reply::End { .. } => {
                match self.waiting.remove(&sequence) {
                    // Who asked may have stopped waiting.
                    Some(Waiter::One(sender)) => drop(sender.send(reply)),
                    Some(Waiter::Many(mut stream)) => stream.push(reply),
                    None => {}
                }
            }
        }
    }

    fn decide(&mut self, table: Table, generation: u64, verdict: Verdict) {
        // Generation 0: refused before the dataplane understood which it is.
        let answers =
            |pending: &mut Transaction| generation == 0 || (pending.table == table && pending.generation == generation);
        match self.transaction.take_if(answers) {
            Some(pending) => drop(pending.verdict.send(verdict)),
            None => log::warn!("an answer to a transaction that is not under way: {table:?} {generation}: {verdict:?}"),
        }
    }
}
