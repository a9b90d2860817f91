//! Shows the slots to control, in the link's directory, and reads the loads from it.

use super::slots::{Assignment, Real, RealState, Slots};
use crate::scheduler::Load;
use link::directory::{self, Directory};
use std::sync::atomic::Ordering;

impl Load for Directory {
    #[inline]
    fn active(&self, slot: u32) -> u32 {
        self.reals.get(slot as usize).map_or(0, |real| real.active.load(Ordering::Relaxed))
    }

    #[inline]
    fn inactive(&self, slot: u32) -> u32 {
        self.reals.get(slot as usize).map_or(0, |real| real.inactive.load(Ordering::Relaxed))
    }
}

/// Publishes what an assignment changed. Main lcore only.
pub fn publish(directory: &Directory, slots: &Slots, assignment: &Assignment) {
    for &slot in &assignment.freed_services {
        release_service(directory, slot);
    }
    for &slot in &assignment.changed_services {
        let Some((place, row)) = directory.services.get(slot as usize).zip(slots.service(slot)) else { continue };
        // A slot that was free has no totals yet; one that was not belongs to the same service as before.
        let retired = place.read().map(|before| before.retired).unwrap_or_default();
        place.publish(&directory::ServiceEntry { key: row.key, scheduler: row.scheduler, retired });
    }
    for change in &assignment.changed_reals {
        let Some((place, real)) = directory.reals.get(change.slot as usize).zip(slots.real(change.slot)) else {
            continue;
        };
        let before = if change.fresh { None } else { place.read() };
        let baseline = before.map_or_else(|| directory.slot_totals(change.slot), |before| before.baseline);
        place.publish(&entry(real, baseline));
    }
}

/// Frees the slots of reals that have left and have no connections any more, see [`Slots::reclaim`]; their totals go
/// to their services. To be called on the main lcore each second or so, outside of a [`Directory::change`].
pub fn reclaim(directory: &Directory, slots: &mut Slots, now: u64) {
    let in_use = |slot| directory.active(slot) != 0 || directory.inactive(slot) != 0;
    let reclaimed = slots.reclaim(now, in_use);
    for slot in reclaimed.reals {
        directory.retire(slot);
    }
    for slot in reclaimed.services {
        release_service(directory, slot);
    }
}

fn release_service(directory: &Directory, slot: u32) {
    if let Some(place) = directory.services.get(slot as usize) {
        place.release();
    }
}

fn entry(real: &Real, baseline: link::counters::RealTotals) -> directory::RealEntry {
    directory::RealEntry {
        state: match real.state {
            RealState::Live => directory::RealState::Live,
            RealState::Removed { .. } => directory::RealState::Removed,
        },
        service: real.service,
        address: real.server.address,
        method: real.server.method,
        weight: real.server.weight,
        baseline,
    }
}
