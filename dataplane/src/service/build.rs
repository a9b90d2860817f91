//! How a service's entry in a new table comes from the one in the table before.

use super::entries::{RealEntry, ServiceEntry};
use super::table::ServiceTable;
use crate::connection::Endpoint;
use crate::scheduler::{Candidate, Change, Member, Scheduler, Start};
use link::model::{self, Settings};
use std::collections::HashSet;

/// What the entries of a new table are made from.
pub(super) struct Built<'a> {
    pub(super) generation: u64,
    pub(super) settings: &'a Settings,
    /// Slots of reals that are new or changed.
    pub(super) edited: &'a HashSet<u32>,
    pub(super) reals: &'a [RealEntry],
    pub(super) previous: &'a ServiceTable,
}

impl Built<'_> {
    /// The entry of a service; what has not changed since the previous table is taken over.
    pub(super) fn entry(&self, service: &model::Service, slot: u32, candidates: Box<[Candidate]>) -> ServiceEntry {
        let (key, options) = (service.key, service.options);
        let is_same = |before: &&ServiceEntry| {
            let is_edited = |candidate: &Candidate| self.edited.contains(&candidate.slot);
            before.key == key && before.candidates == candidates && !candidates.iter().any(is_edited)
        };
        let same = self.previous.service(slot).filter(is_same);
        let members = || candidates.iter().filter_map(|candidate| self.reals.get(candidate.slot as usize)).map(member);
        let before = same.map(|before| &before.scheduler);
        let scheduler = Scheduler::new(&options, self.settings, &candidates, members, before);
        let same = same.filter(|before| before.scheduler.kind() == scheduler.kind());
        let revision = same.map_or(self.generation, |before| before.revision);
        let mut entry = ServiceEntry { key, options, slot, revision, start: Start::default(), scheduler, candidates };
        entry.start = start_of(&entry, self.previous, self.reals);
        entry
    }
}

/// Where the round robin of a service in a new table begins, after that of the `previous` one; `reals` are the new ones.
fn start_of(entry: &ServiceEntry, previous: &ServiceTable, reals: &[RealEntry]) -> Start {
    let Some(before) = previous.service(entry.slot).filter(|before| before.key == entry.key) else {
        return entry.scheduler.first_start(&entry.candidates);
    };
    if before.scheduler.kind() != entry.scheduler.kind() {
        return entry.scheduler.start_after_another();
    }
    if before.revision == entry.revision {
        return before.start;
    }
    let is_there =
        |real: u32| reals.get(real as usize).is_some_and(|real| real.available && real.service == entry.slot);
    let (old, new) = (&before.candidates[..], &entry.candidates[..]);
    let change = Change { old, new, was_there: |real| previous.has(entry.slot, real), is_there };
    entry.scheduler.carry_start_over(before.start, &change)
}

fn member(real: &RealEntry) -> Member {
    Member { endpoint: Endpoint { address: real.address, port: real.port }, lasting_weight: real.lasting_weight }
}
