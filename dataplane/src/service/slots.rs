//! Stable slots for services and reals, kept on the main lcore.
//!
//! A service keeps its slot while it is in the table or one of its reals has a slot. A real keeps its slot while it is
//! in the table, and after that ([`RealState::Removed`]) until it has had no connection for [`RECLAIM_AFTER_MS`]; if
//! it comes back before, it gets the same slot with all that refers to it, as in the reference. Each new owner of a
//! real slot has a new generation, by which a stale reference is told apart.

use link::message::Refusal;
use link::model::{self, RealServer, SchedulerKind, ServiceKey};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddrV4;

/// Milliseconds without a connection after which a removed real loses its slot: until then it may come back with its
/// counters, as in the reference.
pub const RECLAIM_AFTER_MS: u64 = 120_000;

/// The same where slots are short: longer than any worker takes to pick up a new table.
pub const RECLAIM_IN_NEED_AFTER_MS: u64 = 2_000;

/// Whether a real still belongs to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealState {
    /// In the table.
    Live,
    /// No longer in the table.
    Removed {
        /// When it was removed or last seen with a connection, in milliseconds.
        idle_since: u64,
    },
}

/// A real in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Real {
    /// Live or removed.
    pub state: RealState,
    /// The slot of its service.
    pub service: u32,
    /// Address, port, method, weight and thresholds: those of the last table that it was in.
    pub server: RealServer,
    /// Its weight, or the last one before it was quiesced; 0 = it has had none since it came into the table.
    pub lasting_weight: u32,
    /// Which owner of the slot it is.
    pub generation: u32,
    /// The last assignment that had it.
    assigned: u64,
}

/// A service in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    /// Protocol, VIP and port.
    pub key: ServiceKey,
    /// Its scheduler.
    pub scheduler: SchedulerKind,
    /// In the table. If not, it only keeps its slot for its removed reals.
    pub is_live: bool,
    /// How many of its reals, live and removed, have a slot.
    reals: u32,
    /// The last assignment that had it.
    assigned: u64,
}

/// What an assignment did to a real slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealChange {
    /// The slot.
    pub slot: u32,
    /// It has a new owner.
    pub fresh: bool,
}

/// The slots of a table, and what has changed with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The slot of each service, in the table's order.
    pub services: Vec<u32>,
    /// The slots of all reals, service after service, in the table's order.
    pub reals: Vec<u32>,
    /// Service slots that are new or whose row changed.
    pub changed_services: Vec<u32>,
    /// Real slots that are new or whose row changed, those removed included.
    pub changed_reals: Vec<RealChange>,
    /// The slots of services that the table no longer has.
    pub removed_services: Vec<u32>,
}

/// Who has which slot.
#[derive(Debug)]
pub struct Slots {
    services: Vec<Option<ServiceRow>>,
    reals: Vec<Option<Real>>,
    /// The generation of each real slot's last owner; 0 = it had none.
    generations: Vec<u32>,
    service_by_key: HashMap<ServiceKey, u32>,
    real_by_address: HashMap<(u32, SocketAddrV4), u32>,
    /// The lowest free slot first, which keeps the tables short.
    free_services: BinaryHeap<Reverse<u32>>,
    free_reals: BinaryHeap<Reverse<u32>>,
    assignments: u64,
}

impl Slots {
    /// So many slots, all free.
    pub fn new(max_services: u32, max_reals: u32) -> Self {
        Self {
            services: vec![None; max_services as usize],
            reals: vec![None; max_reals as usize],
            generations: vec![0; max_reals as usize],
            service_by_key: HashMap::new(),
            real_by_address: HashMap::new(),
            free_services: (0..max_services).map(Reverse).collect(),
            free_reals: (0..max_reals).map(Reverse).collect(),
            assignments: 0,
        }
    }

    /// The service in a slot.
    pub fn service(&self, slot: u32) -> Option<&ServiceRow> {
        self.services.get(slot as usize)?.as_ref()
    }

    /// The real in a slot.
    pub fn real(&self, slot: u32) -> Option<&Real> {
        self.reals.get(slot as usize)?.as_ref()
    }

    /// The reals that have slots, with them, in the order of slots.
    pub fn reals(&self) -> impl Iterator<Item = (u32, &Real)> {
        (0..).zip(&self.reals).filter_map(|(slot, real)| Some((slot, real.as_ref()?)))
    }

    /// Gives slots to all services and reals of `table`, and makes those removed that it lacks; `now` in milliseconds.
    ///
    /// Refused, nothing changes: two equal services, two equal reals of a service, or not enough free slots. Slots of
    /// what this very table removes do not count as free.
    pub fn assign(&mut self, table: &model::ServiceTable, now: u64) -> Result<Assignment, Refusal> {
        self.check(table)?;
        self.assignments += 1;
        let mut assignment = Assignment::default();
        for service in &table.services {
            let Some(owner) = self.assign_service(service, &mut assignment) else {
                return Err(Refusal::TooManyServices); // `check` has counted: not reached
            };
            for server in &service.reals {
                if self.assign_real(owner, server, &mut assignment).is_none() {
                    return Err(Refusal::TooManyReals); // nor this
                }
            }
        }
        self.remove_unassigned(now, &mut assignment);
        self.free_unused_services();
        Ok(assignment)
    }

    /// Frees the slots of removed reals that have had no connection for `after` milliseconds ([`RECLAIM_AFTER_MS`]), and
    /// those of removed services that are left without any. `in_use` tells whether a real slot has connections. Returns the real slots.
    /// To be called now and then.
    pub fn reclaim(&mut self, now: u64, after: u64, in_use: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut reclaimed = Vec::new();
        for (slot, place) in (0..).zip(&mut self.reals) {
            let Some(real) = place else { continue };
            let RealState::Removed { idle_since } = &mut real.state else { continue };
            if in_use(slot) {
                *idle_since = now;
            } else if now.saturating_sub(*idle_since) >= after {
                self.real_by_address.remove(&(real.service, real.server.address));
                if let Some(Some(service)) = self.services.get_mut(real.service as usize) {
                    service.reals -= 1;
                }
                *place = None;
                self.free_reals.push(Reverse(slot));
                reclaimed.push(slot);
            }
        }
        if !reclaimed.is_empty() {
            self.free_unused_services();
        }
        reclaimed
    }

    fn check(&self, table: &model::ServiceTable) -> Result<(), Refusal> {
        let (mut keys, mut addresses) = (HashSet::new(), HashSet::new());
        let (mut new_services, mut new_reals) = (0, 0);
        for service in &table.services {
            if !keys.insert(service.key) {
                return Err(Refusal::DuplicateService);
            }
            addresses.clear();
            if !service.reals.iter().all(|real| addresses.insert(real.address)) {
                return Err(Refusal::DuplicateReal);
            }
            let slot = self.service_by_key.get(&service.key);
            new_services += usize::from(slot.is_none());
            let is_known =
                |real: &&RealServer| slot.is_some_and(|slot| self.real_by_address.contains_key(&(*slot, real.address)));
            new_reals += service.reals.len() - service.reals.iter().filter(is_known).count();
        }
        if new_services > self.free_services.len() {
            return Err(Refusal::TooManyServices);
        }
        if new_reals > self.free_reals.len() {
            return Err(Refusal::TooManyReals);
        }
        Ok(())
    }

    fn assign_service(&mut self, service: &model::Service, assignment: &mut Assignment) -> Option<u32> {
        let slot = match self.service_by_key.get(&service.key) {
            Some(slot) => *slot,
            None => self.free_services.pop()?.0,
        };
        let place = self.services.get_mut(slot as usize)?;
        let reals = place.map_or(0, |row| row.reals);
        let (key, scheduler) = (service.key, service.options.scheduler);
        let row = ServiceRow { key, scheduler, is_live: true, reals, assigned: self.assignments };
        if place.replace(row).is_none_or(|before| !before.is_live || before.scheduler != scheduler) {
            assignment.changed_services.push(slot);
        }
        self.service_by_key.insert(key, slot);
        assignment.services.push(slot);
        Some(slot)
    }

    fn assign_real(&mut self, service: u32, server: &RealServer, assignment: &mut Assignment) -> Option<()> {
        let slot = match self.real_by_address.get(&(service, server.address)) {
            Some(slot) => *slot,
            None => {
                let slot = self.free_reals.pop()?.0;
                let generation = self.generations.get_mut(slot as usize)?;
                *generation = generation.wrapping_add(1);
                self.services.get_mut(service as usize)?.as_mut()?.reals += 1;
                slot
            }
        };
        let generation = *self.generations.get(slot as usize)?;
        let assigned = self.assignments;
        let place = self.reals.get_mut(slot as usize)?;
        let live = place.filter(|before| before.state == RealState::Live);
        let lasting_weight = match server.weight {
            0 => live.map_or(0, |before| before.lasting_weight),
            weight => weight,
        };
        let real = Real { state: RealState::Live, service, server: *server, lasting_weight, generation, assigned };
        let before = place.replace(real);
        if before.is_none_or(|before| (before.state, before.server) != (real.state, real.server)) {
            assignment.changed_reals.push(RealChange { slot, fresh: before.is_none() });
        }
        self.real_by_address.insert((service, server.address), slot);
        assignment.reals.push(slot);
        Some(())
    }

    fn remove_unassigned(&mut self, now: u64, assignment: &mut Assignment) {
        for (slot, real) in (0..).zip(&mut self.reals) {
            if let Some(real) = real
                && real.assigned != self.assignments
                && real.state == RealState::Live
            {
                real.state = RealState::Removed { idle_since: now };
                assignment.changed_reals.push(RealChange { slot, fresh: false });
            }
        }
        for (slot, service) in (0..).zip(&mut self.services) {
            if let Some(row) = service
                && row.assigned != self.assignments
                && row.is_live
            {
                row.is_live = false;
                assignment.removed_services.push(slot);
            }
        }
    }

    /// Frees the slots of services that are neither in the table nor have reals with slots.
    fn free_unused_services(&mut self) {
        for (slot, place) in (0..).zip(&mut self.services) {
            if let Some(row) = place
                && !row.is_live
                && row.reals == 0
            {
                self.service_by_key.remove(&row.key);
                *place = None;
                self.free_services.push(Reverse(slot));
            }
        }
    }
}
