//! The dataplane's side of the link, on the main lcore: takes transactions into force, answers questions, in small
//! steps. Nothing that control does, or that stands in the shared memory, reaches the workers but whole, valid tables.

use crate::capture::Desk;
use crate::connection::{Expected, Templates};
use crate::explain::{Explained, WorkerView, explain, with_choice};
use crate::publisher::Publisher;
use crate::sweeper::Sweeper;
use crate::tables::Tables;
use crate::worker::{Mailbox, NeighborWish, matches};
use config::Unmatched;
use link::message::{ConnectionFilter, ConnectionRow, Explanation, Flow, Reply, Request, Table};
use link::record::Address;
use link::region::{DataplaneLink, Garbage, Received};
use link::transaction::{Assembled, Assembler, Refused};
use rtrb::Consumer;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

/// Requests taken in one step.
const REQUESTS_A_STEP: usize = 8192;
/// Slab entries looked at in one step of a list or count.
const ENTRIES_A_STEP: usize = 16_384;
/// Buckets of templates flushed in one step.
const BUCKETS_A_STEP: usize = 2048;
/// Steps in which all templates are looked at once, for those whose time is up.
const SWEEP_STEPS: usize = 1024;
/// Questions that wait; more are taken when these are answered.
const MAX_JOBS: usize = 64;
/// Wishes of one worker looked at in one step.
const WISHES_A_STEP: usize = 256;
/// Milliseconds between two wishes for one neighbour.
const WISH_INTERVAL: u64 = 1000;
/// Neighbours remembered as wished for; a scan of an on-link network must not grow this without end.
const MAX_WISHES: usize = 4096;

/// What the main lcore has of the workers; each list by worker.
pub struct Outside {
    /// What may be read.
    pub views: Vec<WorkerView>,
    /// Where requests go.
    pub mailboxes: Vec<Arc<Mailbox>>,
    /// Neighbours they miss.
    pub wishes: Vec<Consumer<NeighborWish>>,
    /// What helpers announced.
    pub expected: Option<Arc<Expected>>,
    /// The templates that they share.
    pub templates: Arc<Templates>,
}

impl Outside {
    /// Of no worker yet.
    pub fn new(templates: Arc<Templates>) -> Self {
        Self { views: Vec::new(), mailboxes: Vec::new(), wishes: Vec::new(), expected: None, templates }
    }

    /// How many parts a list of connections has.
    fn parts(&self) -> usize {
        self.views.len() + 2
    }

    /// What is at a place of a part of the list: the worker's slabs, what is expected, the templates. `None`: beyond the
    /// end of that part.
    fn row(&self, part: usize, place: usize, now: u64) -> Option<Option<ConnectionRow>> {
        match self.views.get(part) {
            Some(view) => view.slab.get(place).map(|entry| entry.row(now, part as u16)),
            None if part == self.views.len() => {
                self.expected.as_ref().filter(|e| place < e.positions()).map(|expected| expected.row(place, now))
            }
            None => (place < self.templates.positions()).then(|| self.templates.row(place, now)),
        }
    }
}

/// See the module.
pub struct ControlLink {
    link: DataplaneLink,
    assembler: Assembler,
    publisher: Publisher,
    outside: Outside,
    unmatched: Unmatched,
    /// Published, not yet in use by every worker.
    settling: Option<Settling>,
    jobs: VecDeque<Job>,
    wished: HashMap<NeighborWish, u64>,
    sweeper: Sweeper,
    captures: Desk,
}

struct Settling {
    from: Address,
    table: Table,
    generation: u64,
    began: Instant,
}

/// A question that takes more than one step.
struct Job {
    from: Address,
    kind: JobKind,
}

enum JobKind {
    /// Lists (or only counts) connections: part of the list (see [`Outside::row`]), place in it, rows so far.
    Scan { filter: ConnectionFilter, list: bool, worker: usize, next: usize, rows: u64 },
    /// Waits for the workers to remove connections; then bucket by bucket the templates go, so many so far.
    Flush { filter: ConnectionFilter, asked: bool, bucket: usize, templates: u64 },
    /// Waits for a worker's scheduler.
    Explain { so_far: Explanation, service: u32, flow: Flow, asked: bool },
    /// An answer that found the ring full.
    Say(Reply),
}

/// What a step of a job has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It is answered.
    Done,
    /// It goes on.
    Moved,
    /// It waits: for a worker, or for control to read.
    Blocked,
}

impl ControlLink {
    /// Serves `link`.
    pub fn new(
        link: DataplaneLink,
        assembler: Assembler,
        publisher: Publisher,
        outside: Outside,
        unmatched: Unmatched,
    ) -> Self {
        let (jobs, wished) = (VecDeque::new(), HashMap::new());
        Self {
            link,
            assembler,
            publisher,
            outside,
            unmatched,
            settling: None,
            jobs,
            wished,
            sweeper: Sweeper::default(),
            captures: Desk::default(),
        }
    }

    /// The newest tables.
    pub fn tables(&self) -> Arc<Tables> {
        self.publisher.tables()
    }

    /// One step; says whether there was something to do. `now` in milliseconds.
    pub fn step(&mut self, now: u64) -> bool {
        let mut busy = self.settle();
        for _ in 0..REQUESTS_A_STEP {
            if self.settling.is_some() || self.jobs.len() >= MAX_JOBS {
                break;
            }
            match self.link.receive() {
                Some(Ok(received)) => self.take(&received, now),
                Some(Err(garbage)) => self.refuse_garbage(&garbage),
                None => break,
            }
            busy = true;
        }
        busy |= self.run_job(now);
        self.pass_wishes_on(now);
        self.sweep_templates(now);
        busy
    }

    /// Once a second or so: what is no longer in use is freed, and readers see that this process lives.
    pub fn keep_house(&mut self, now: u64) {
        self.publisher.reclaim(now);
        self.wished.retain(|_, at| now.saturating_sub(*at) < WISH_INTERVAL);
        self.captures.keep_house(&self.outside.mailboxes, &self.link, now);
        self.link.status().beat();
    }

    fn sweep_templates(&mut self, now: u64) {
        let buckets = self.outside.templates.buckets().div_ceil(SWEEP_STEPS);
        let pressure =
            (0u16..).map_while(|worker| self.link.worker_counters(worker)).any(|of| of.pressure.value() != 0);
        let tables = self.publisher.tables();
        self.sweeper.step(&self.outside.templates, &tables.services, pressure, buckets, now);
    }

    fn take(&mut self, received: &Received, now: u64) {
        if let Some(outcome) = self.assembler.feed(&received.request) {
            match outcome {
                Ok(assembled) => self.apply(received.from, &assembled, now),
                Err(refused) => self.refuse(received.from, &refused),
            }
        }
        let kind = match received.request {
            Request::Hello { pid } => {
                log::info!("control attached, pid {pid}");
                self.jobs.clear();
                self.captures.stop(&self.outside.mailboxes);
                let status = self.link.status().report();
                JobKind::Say(Reply::Welcome {
                    services_generation: status.services_generation,
                    next_hops_generation: status.next_hops_generation,
                })
            }
            Request::Connections(filter) => JobKind::Scan { filter, list: true, worker: 0, next: 0, rows: 0 },
            Request::Count(filter) => JobKind::Scan { filter, list: false, worker: 0, next: 0, rows: 0 },
            Request::Flush(filter) => JobKind::Flush { filter, asked: false, bucket: 0, templates: 0 },
            Request::Explain(flow) => {
                let Outside { views, templates, .. } = &mut self.outside;
                match explain(&flow, &self.publisher.tables(), views, templates, self.unmatched, now) {
                    Explained::Done(explanation) => JobKind::Say(Reply::Explanation(explanation)),
                    Explained::NeedsChoice { so_far, service, flow } => {
                        JobKind::Explain { so_far, service, flow, asked: false }
                    }
                }
            }
            Request::CaptureFilter(part) => return self.captures.add(&part),
            Request::CaptureStart(options) => {
                let refused = self.captures.start(&options, &self.outside.mailboxes, &self.link, now);
                JobKind::Say(Reply::Capturing { refused })
            }
            Request::CaptureStop => {
                self.captures.stop(&self.outside.mailboxes);
                JobKind::Say(Reply::End { count: 0 })
            }
            _ => return,
        };
        self.jobs.push_back(Job { from: received.from, kind });
    }

    fn apply(&mut self, from: Address, assembled: &Assembled, now: u64) {
        let began = Instant::now();
        let (table, generation, result) = match assembled {
            Assembled::Services { generation, table } => {
                let result = self.publisher.apply_services(*generation, table, now);
                (Table::Services, *generation, result.map_err(|reason| (reason, 0)))
            }
            Assembled::NextHops { generation, table } => {
                (Table::NextHops, *generation, self.publisher.apply_next_hops(*generation, table))
            }
        };
        match result {
            Ok(()) => self.settling = Some(Settling { from, table, generation, began }),
            Err((reason, row)) => self.refuse(from, &Refused { table, generation, reason, row }),
        }
    }

    /// Every worker uses the newest tables: says so.
    fn settle(&mut self) -> bool {
        if self.settling.is_none() || !self.publisher.settle() {
            return false;
        }
        let Some(Settling { from, table, generation, began }) = self.settling.take() else { return false };
        self.assembler.applied(table, generation);
        let status = self.link.status();
        match table {
            Table::Services => status.set_services_generation(generation),
            Table::NextHops => status.set_next_hops_generation(generation),
        }
        status.clear_refusal(table);
        let microseconds = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        log::info!("{table:?} generation {generation} applied in {microseconds} us");
        self.say(from, Reply::Applied { table, generation, microseconds });
        true
    }

    fn refuse(&mut self, from: Address, refused: &Refused) {
        let Refused { table, generation, reason, row } = *refused;
        log::warn!("{table:?} generation {generation} refused at row {row}: {}", reason.help());
        self.link.status().set_refusal(table, generation, reason, row);
        self.say(from, Reply::Refused { table, generation, reason, row });
    }

    fn refuse_garbage(&mut self, garbage: &Garbage) {
        log::warn!("the link: {garbage}; not acted on (are sluiced and sluice-dataplane of the same version?)");
        if let (Some(refused), Some(from)) = (self.assembler.garbage(), self.link.unasked()) {
            self.refuse(from, &refused);
        }
    }

    /// A reply to a transaction goes before lists: a slow reader of one must not hold a table change up.
    fn say(&mut self, from: Address, reply: Reply) {
        if !self.link.reply(from, &reply) {
            self.jobs.push_front(Job { from, kind: JobKind::Say(reply) });
        }
    }

    /// One step of the first job; says whether there was something to do. A list then lets the others go first. What
    /// waits for a worker keeps its place: a mailbox holds one question, and the answer in it is that question's.
    fn run_job(&mut self, now: u64) -> bool {
        let Some(mut job) = self.jobs.pop_front() else { return false };
        let progress = match job.kind {
            JobKind::Say(reply) if self.link.reply(job.from, &reply) => Progress::Done,
            JobKind::Say(_) => {
                self.jobs.push_front(job);
                return false;
            }
            JobKind::Scan { .. } => self.scan(&mut job, now),
            JobKind::Flush { .. } => self.flush(&mut job, now),
            JobKind::Explain { .. } => self.ask_scheduler(&mut job),
        };
        match job.kind {
            _ if progress == Progress::Done => {}
            JobKind::Scan { .. } => self.jobs.push_back(job),
            _ => self.jobs.push_front(job),
        }
        progress != Progress::Blocked
    }

    fn flush(&mut self, job: &mut Job, now: u64) -> Progress {
        let JobKind::Flush { filter, asked, bucket, templates } = &mut job.kind else { return Progress::Done };
        let mailboxes = &self.outside.mailboxes;
        let removed: Option<u64> = mailboxes.iter().map(|mailbox| mailbox.flush.removed()).sum();
        match removed {
            // A flush of a control that is gone may be under way: its filter must not change under it.
            None => Progress::Blocked,
            Some(_) if !*asked => {
                mailboxes.iter().for_each(|mailbox| mailbox.flush.request(filter));
                *asked = true;
                Progress::Moved
            }
            Some(_) if *bucket < self.outside.templates.buckets() => {
                let end = *bucket + BUCKETS_A_STEP;
                let flush = |bucket| self.outside.templates.flush(bucket, now, |row| matches(filter, row));
                *templates += (*bucket..end).map(flush).sum::<u64>();
                *bucket = end;
                Progress::Moved
            }
            Some(count) => self.answer(job.from, &Reply::End { count: count + *templates }),
        }
    }

    fn ask_scheduler(&mut self, job: &mut Job) -> Progress {
        let JobKind::Explain { so_far, service, flow, asked } = &mut job.kind else { return Progress::Done };
        let Some(mailbox) = self.outside.mailboxes.get(usize::from(so_far.worker)) else { return Progress::Done };
        if !*asked {
            mailbox.peek.ask(*service, flow.source.into(), flow.destination.into());
            *asked = true;
            return Progress::Moved;
        }
        let Some(chosen) = mailbox.peek.answer() else { return Progress::Blocked };
        let explanation = with_choice(*so_far, chosen, flow.destination.port(), &self.publisher.tables());
        self.answer(job.from, &Reply::Explanation(explanation))
    }

    fn answer(&mut self, to: Address, reply: &Reply) -> Progress {
        if self.link.reply(to, reply) { Progress::Done } else { Progress::Blocked }
    }

    /// A part of a list or count. A full reply ring leaves it where it is.
    fn scan(&mut self, job: &mut Job, now: u64) -> Progress {
        let JobKind::Scan { filter, list, worker, next, rows } = &mut job.kind else { return Progress::Done };
        let limit = if filter.limit == 0 { u64::MAX } else { u64::from(filter.limit) };
        let start = (*worker, *next);
        let mut budget = ENTRIES_A_STEP;
        while *worker < self.outside.parts() && *rows < limit {
            let Some(row) = self.outside.row(*worker, *next, now) else {
                *worker += 1;
                *next = 0;
                continue;
            };
            if budget == 0 {
                return Progress::Moved;
            }
            budget -= 1;
            let row = row.filter(|row| matches(filter, row));
            if row.is_some_and(|row| *list && !self.link.reply(job.from, &Reply::Connection(row))) {
                return if start == (*worker, *next) { Progress::Blocked } else { Progress::Moved };
            }
            *rows += u64::from(row.is_some());
            *next += 1;
        }
        let count = *rows;
        self.answer(job.from, &Reply::End { count })
    }

    /// Tells control which neighbours packets wait for; each at most once a second.
    fn pass_wishes_on(&mut self, now: u64) {
        for wishes in &mut self.outside.wishes {
            for _ in 0..WISHES_A_STEP {
                let Ok(wish) = wishes.pop() else { break };
                let recent = self.wished.get(&wish).is_some_and(|at| now.saturating_sub(*at) < WISH_INTERVAL);
                if recent || self.wished.len() >= MAX_WISHES {
                    continue;
                }
                let reply = Reply::NeighborWanted { port: wish.0, address: Ipv4Addr::from_bits(wish.1) };
                if self.link.unasked().is_some_and(|control| self.link.reply(control, &reply)) {
                    self.wished.insert(wish, now);
                }
            }
        }
    }
}
