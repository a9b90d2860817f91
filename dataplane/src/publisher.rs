//! Builds new versions of the tables, on the main lcore, and knows when an old one is no longer in use.

use crate::nexthop::{NextHops, PortInterface};
use crate::service::{self, ServiceTable, Slots};
use crate::tables::Tables;
use link::directory::Directory;
use link::message::Refusal;
use link::model::{self, NextHopTable};
use rte_rs::rcu;
use std::sync::Arc;

/// See the module.
pub struct Publisher {
    slots: Slots,
    directory: Directory,
    ports: Vec<PortInterface>,
    /// Old versions are freed here, not on the packet path: a worker that adopts a new one lets go of the old one before
    /// it says that it is quiescent.
    published: rcu::Publisher<Arc<Tables>>,
    /// Versions that a worker may hold although it can no longer see them: one that sleeps adopts late.
    kept: Vec<Arc<Tables>>,
}

impl Publisher {
    /// Empty tables over the slots of `directory`, for so many workers.
    pub fn new(ports: Vec<PortInterface>, directory: Directory, workers: u16) -> Self {
        let slots = Slots::new(directory.services.len() as u32, directory.reals.len() as u32);
        let next_hops = NextHops::initial(&ports);
        let tables = Tables::join(Arc::new(ServiceTable::empty()), Arc::new(next_hops));
        let published = rcu::Publisher::new(Arc::new(tables), u32::from(workers).max(1));
        Self { slots, directory, ports, published, kept: Vec::new() }
    }

    /// A worker's view of the newest version.
    ///
    /// # Errors
    /// When there are more than was said.
    pub fn subscribe(&self) -> Result<rcu::Subscriber<Arc<Tables>>, rte_rs::Error> {
        self.published.subscribe()
    }

    /// The newest version.
    pub fn tables(&self) -> Arc<Tables> {
        Arc::clone(self.published.current())
    }

    /// Takes a new service table into force; refused, nothing changes. `now` in milliseconds.
    ///
    /// # Errors
    /// When a key stands twice or the slots do not suffice.
    pub fn apply_services(&mut self, generation: u64, wanted: &model::ServiceTable, now: u64) -> Result<(), Refusal> {
        let mut assigned = self.slots.assign(wanted, now);
        if matches!(assigned, Err(Refusal::TooManyReals | Refusal::TooManyServices)) {
            let after = service::RECLAIM_IN_NEED_AFTER_MS;
            service::directory::reclaim(&self.directory, &mut self.slots, now, after);
            assigned = self.slots.assign(wanted, now);
        }
        let assignment = assigned?;
        let current = self.tables();
        let services = ServiceTable::build(generation, wanted, &assignment, &self.slots, &current.services);
        {
            let _together = self.directory.change();
            service::directory::publish(&self.directory, &self.slots, &assignment);
        }
        self.publish(Tables::join(Arc::new(services), Arc::clone(&current.next_hops)));
        Ok(())
    }

    /// Takes a new next-hop table into force; refused, nothing changes.
    ///
    /// # Errors
    /// When a row names a port that does not exist; with the row.
    pub fn apply_next_hops(&mut self, generation: u64, wanted: &NextHopTable) -> Result<(), (Refusal, u32)> {
        let current = self.tables();
        let next_hops = NextHops::build(generation, wanted, &self.ports)?;
        self.publish(Tables::join(Arc::clone(&current.services), Arc::new(next_hops)));
        Ok(())
    }

    /// Frees the slots of removed reals whose connections are gone, and what [`Publisher::settle`] does.
    pub fn reclaim(&mut self, now: u64) {
        self.settle();
        service::directory::reclaim(&self.directory, &mut self.slots, now, service::RECLAIM_AFTER_MS);
    }

    /// Frees the versions that no worker can see or holds any more; true when none but the newest can be seen.
    pub fn settle(&mut self) -> bool {
        let unseen = self.published.reclaim() == 0;
        if unseen {
            self.kept.retain(|tables| Arc::strong_count(tables) > 1);
        }
        unseen
    }

    fn publish(&mut self, tables: Tables) {
        self.kept.push(self.tables());
        self.published.publish(Arc::new(tables));
    }
}
