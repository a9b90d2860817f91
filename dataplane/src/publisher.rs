//! Builds new versions of the tables, on the main lcore, and knows when an old one is no longer in use.

use crate::nexthop::{NextHops, PortInterface};
use crate::service::{self, ServiceTable, Slots};
use crate::tables::Tables;
use arc_swap::ArcSwap;
use link::directory::Directory;
use link::message::Refusal;
use link::model::{self, NextHopTable};
use std::sync::Arc;

/// See the module.
pub struct Publisher {
    slots: Slots,
    directory: Directory,
    ports: Vec<PortInterface>,
    published: Arc<ArcSwap<Tables>>,
    /// Versions that a worker may still hold. They are freed here, not on the packet path.
    retired: Vec<Arc<Tables>>,
}

impl Publisher {
    /// Empty tables over the slots of `directory`.
    pub fn new(ports: Vec<PortInterface>, directory: Directory) -> Self {
        let slots = Slots::new(directory.services.len() as u32, directory.reals.len() as u32);
        let next_hops = NextHops::initial(&ports);
        let tables = Tables::join(Arc::new(ServiceTable::empty()), Arc::new(next_hops));
        let published = Arc::new(ArcSwap::from_pointee(tables));
        Self { slots, directory, ports, published, retired: Vec::new() }
    }

    /// Where workers find the newest version.
    pub fn published(&self) -> Arc<ArcSwap<Tables>> {
        Arc::clone(&self.published)
    }

    /// The newest version.
    pub fn tables(&self) -> Arc<Tables> {
        self.published.load_full()
    }

    /// Takes a new service table into force; refused, nothing changes. `now` in milliseconds.
    ///
    /// # Errors
    /// When a key stands twice or the slots do not suffice.
    pub fn apply_services(&mut self, generation: u64, wanted: &model::ServiceTable, now: u64) -> Result<(), Refusal> {
        let assignment = self.slots.assign(wanted, now)?;
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

    /// Frees old versions that nobody holds, and the slots of removed reals whose connections are gone.
    pub fn reclaim(&mut self, now: u64) {
        self.retired.retain(|tables| Arc::strong_count(tables) > 1);
        service::directory::reclaim(&self.directory, &mut self.slots, now);
    }

    /// Whether every worker has left the versions before the newest.
    pub fn is_settled(&self) -> bool {
        self.retired.iter().all(|tables| Arc::strong_count(tables) == 1)
    }

    fn publish(&mut self, tables: Tables) {
        self.retired.push(self.published.swap(Arc::new(tables)));
    }
}
