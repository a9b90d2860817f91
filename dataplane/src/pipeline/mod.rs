//! A burst's way through a worker, in stages: parse, steer, look up, then packet by packet follow (a connection that
//! exists) or admit (one that does not), forward, out.
//!
//! Of the paths, `follow` carries nearly every packet; `admit` one a connection; answers, ICMP errors and fragments are
//! rare and bounded by their own limits. No path allocates, locks, logs, calls the system or panics.

mod admit;
mod answer;
mod batch;
mod burst;
mod defence;
mod drain;
mod echo;
mod follow;
mod forward;
mod fragments;
mod help;
mod icmp_error;
mod local;
mod options;
mod output;
mod parse;
mod persistence;
mod plain;
mod quick;
mod reset;
mod scheduled_error;
mod stage;
mod stray;
mod unresolved;
mod wait;
mod witness;

pub(crate) use admit::FTP_DATA;
pub use burst::Origin;
pub(crate) use defence::is_on;
pub(crate) use forward::encapsulate;
pub use output::{LARGE_ROOM, Output, Verdict};
pub use parse::{Flow, IPV4_OFFSET, Parsed, parse};
pub(crate) use persistence::{is_usable, real_port, template_key};
pub use stage::{Stage, Stopwatch, Wait};
pub use witness::{Sight, came_as};

use crate::clock::Milliseconds;
use crate::connection::{ConnectionTable, Endpoint, Expected, Templates};
use crate::counters::Counters;
use crate::fragment::{Cuts, Reassembly};
use crate::helper::Helpers;
use crate::limiter::Limiter;
use crate::path_mtu::PathMtus;
use crate::scheduler::Newcomer;
use crate::service::Cursors;
use crate::tables::Tables;
use batch::Batch;
use config::Unmatched;
use defence::Defence;
use link::directory::Directory;
use std::sync::Arc;
use unresolved::Unresolved;

/// Timers that may be looked at for each bucket of expected connections.
const TIMERS_A_BUCKET: usize = 64;

/// What a pipeline knows of a port.
#[derive(Clone, Debug)]
pub struct PortFacts {
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Whether Linux sees it through a TAP interface; if not, the dataplane answers ARP itself.
    pub has_kernel_interface: bool,
    /// The director's own addresses on it, host byte order.
    pub addresses: Vec<u32>,
}

/// What does not change while a worker runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This worker.
    pub worker: u16,
    /// How many there are.
    pub workers: u16,
    /// Ports by index.
    pub ports: Vec<PortFacts>,
    /// Packets to a virtual address with no service.
    pub unmatched: Unmatched,
    /// Answers a second, of this worker.
    pub answer_rate: u32,
    /// What routers said about the ways of tunnels, to all workers.
    pub path_mtus: Arc<PathMtus>,
    /// Connections that helpers announced; one for all workers.
    pub expected: Arc<Expected>,
    /// The templates of persistent services; one for all workers.
    pub templates: Arc<Templates>,
}

/// One worker's packet path, without its queues.
pub struct Pipeline {
    settings: Settings,
    connections: ConnectionTable,
    cursors: Cursors,
    /// Connections by real, over all workers.
    directory: Directory,
    tables: Arc<Tables>,
    counters: Counters,
    limiter: Limiter,
    batch: Batch,
    /// Packets of which some fragments are here.
    reassembly: Reassembly,
    /// Neighbours that packets wait for.
    unresolved: Unresolved,
    /// How the packet came that is about to leave in fragments.
    cuts: Option<Cuts>,
    defence: Defence,
    now: Milliseconds,
    /// Of the last outer header that may be fragmented on its way.
    identification: u16,
}

impl Pipeline {
    /// A pipeline that starts with `tables`.
    pub fn new(
        settings: Settings,
        mut connections: ConnectionTable,
        counters: Counters,
        tables: Arc<Tables>,
        directory: Directory,
        now: Milliseconds,
    ) -> Self {
        connections.set_templates(&settings.templates);
        let limiter = Limiter::new(settings.answer_rate, now);
        let cursors = Cursors::new(settings.worker, directory.services.len() as u32);
        let batch = Batch::default();
        *connections.helpers() = Helpers::of_worker(&settings.expected, settings.worker, settings.workers);
        // Workers that send to one real begin apart.
        let identification = settings.worker.wrapping_mul(u16::MAX / settings.workers.max(1));
        let mut pipeline = Self {
            settings,
            connections,
            cursors,
            directory,
            tables,
            counters,
            limiter,
            batch,
            reassembly: Reassembly::default(),
            unresolved: Unresolved::default(),
            cuts: None,
            defence: Defence::default(),
            now,
            identification,
        };
        pipeline.adopt_defence();
        pipeline
    }

    /// The time that the next packets are handled at.
    #[inline]
    pub fn set_time(&mut self, now: Milliseconds) {
        self.now = now;
    }

    /// The connections, for expiry, removal and counting.
    pub fn connections(&mut self) -> &mut ConnectionTable {
        &mut self.connections
    }

    /// What helpers announced, of all workers.
    pub fn expected(&self) -> &Expected {
        &self.settings.expected
    }

    /// The templates of persistent services.
    pub fn templates(&self) -> &Templates {
        &self.settings.templates
    }

    /// The counters of this worker.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The tables in use.
    #[inline]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// What is due between bursts: expiry, looking at no more than `budget` timers, and the defence against floods.
    #[inline]
    pub fn expire(&mut self, budget: usize) {
        self.connections.expire(self.now, budget);
        self.connections.helpers().sweep(budget.div_ceil(TIMERS_A_BUCKET), self.now);
        self.defend(budget);
    }

    /// Takes a new version of the tables into use. Whoever published it keeps the old one alive, so nothing is freed here.
    pub fn adopt(&mut self, tables: &Arc<Tables>) {
        self.cursors.carry_over(&self.tables.services, &tables.services);
        self.tables = Arc::clone(tables);
        self.adopt_defence();
        self.counters.worker.tables_picked_up.add(1);
    }

    /// The real that a new connection of a service, between these ends, would get here now; changes nothing.
    pub fn peek(&self, service: u32, source: Endpoint, destination: Endpoint) -> Option<u32> {
        let newcomer = Newcomer { source, destination, now: self.now };
        self.tables.services.service(service)?.peek(&self.cursors, &newcomer, &self.directory)
    }
}
