//! Shows the slots to control, in the link's directory, and reads the loads from it.

use super::slots::{Assignment, Real, RealState, Slots};
use crate::connection::thresholds;
use crate::scheduler::Load;
use link::counters::RealTotals;
use link::directory::{self, Directory};
use std::collections::{HashMap, HashSet};
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

    #[inline]
    fn is_overloaded(&self, slot: u32) -> bool {
        self.reals.get(slot as usize).is_some_and(|real| real.overloaded.load(Ordering::Relaxed) != 0)
    }
}

/// Publishes what an assignment changed. A service that left is no longer shown; its reals are, while they have
/// connections. Main lcore only.
pub fn publish(directory: &Directory, slots: &Slots, assignment: &Assignment) {
    for &slot in &assignment.removed_services {
        if let Some(place) = directory.services.get(slot as usize) {
            place.release();
        }
    }
    let mut uncounted = uncounted(directory, slots, assignment);
    for &slot in &assignment.changed_services {
        let Some((place, row)) = directory.services.get(slot as usize).zip(slots.service(slot)) else { continue };
        // A slot that is shown already belongs to this service; one that is not counts from now on.
        let retired = place.read().map(|before| before.retired);
        let retired = retired.unwrap_or_else(|| uncounted.remove(&slot).unwrap_or_default());
        place.publish(&directory::ServiceEntry { key: row.key, scheduler: row.scheduler, retired });
    }
    for change in &assignment.changed_reals {
        let Some((place, real)) = directory.reals.get(change.slot as usize).zip(slots.real(change.slot)) else {
            continue;
        };
        let before = if change.fresh { None } else { place.read() };
        let baseline = before.map_or_else(|| directory.slot_totals(change.slot), |before| before.baseline);
        place.publish(&entry(real, baseline));
        if real.state == RealState::Live {
            thresholds::set(place, &real.server);
        }
    }
}

/// For each service that is shown anew, what its reals have counted before: the negative of it, so that the sum over
/// service and reals begins at zero. The reals themselves go on counting, as in the reference.
fn uncounted(directory: &Directory, slots: &Slots, assignment: &Assignment) -> HashMap<u32, RealTotals> {
    let is_shown = |slot: &u32| directory.services.get(*slot as usize).is_some_and(|place| place.read().is_some());
    let mut uncounted: HashMap<u32, RealTotals> = assignment
        .changed_services
        .iter()
        .filter(|slot| !is_shown(slot))
        .map(|slot| (*slot, RealTotals::default()))
        .collect();
    if uncounted.is_empty() {
        return uncounted;
    }
    let fresh: HashSet<u32> = assignment.changed_reals.iter().filter(|real| real.fresh).map(|real| real.slot).collect();
    for (slot, real) in slots.reals().filter(|(slot, _)| !fresh.contains(slot)) {
        let before = directory.reals.get(slot as usize).and_then(|place| place.read());
        if let Some((sum, before)) = uncounted.get_mut(&real.service).zip(before) {
            sum.add(&before.baseline.less(&directory.slot_totals(slot)));
        }
    }
    uncounted
}

/// Frees the slots of reals that have left and have neither connections nor templates any more, see [`Slots::reclaim`];
/// their totals go to their services. To be called on the main lcore each second or so, outside of a [`Directory::change`].
pub fn reclaim(directory: &Directory, slots: &mut Slots, now: u64, after: u64) {
    let templates =
        |slot: u32| directory.reals.get(slot as usize).map_or(0, |real| real.persistent.load(Ordering::Relaxed));
    let in_use = |slot| directory.active(slot) != 0 || directory.inactive(slot) != 0 || templates(slot) != 0;
    for slot in slots.reclaim(now, after, in_use) {
        directory.retire(slot);
    }
}

fn entry(real: &Real, baseline: RealTotals) -> directory::RealEntry {
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

#[cfg(test)]
mod tests {
    use super::{publish, reclaim};
    use crate::scheduler::Load;
    use crate::service::{RECLAIM_AFTER_MS, Slots};
    use crate::test_link::private_link;
    use link::DataplaneLink;
    use link::directory::RealState;
    use link::model::{
        ForwardMethod, Protocol, RealServer, SchedulerKind, Service, ServiceKey, ServiceOptions, ServiceTable,
    };
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::sync::atomic::Ordering;

    fn link() -> DataplaneLink {
        private_link(2, 2, 4)
    }

    fn service(hosts: &[u8]) -> ServiceTable {
        let end = |last, port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, last), port);
        let real = |host: &u8| RealServer::new(end(*host, 80), ForwardMethod::Nat, 1);
        let services = vec![Service {
            key: ServiceKey::new(Protocol::Tcp, end(200, 80)),
            options: ServiceOptions::new(SchedulerKind::RoundRobin),
            reals: hosts.iter().map(real).collect(),
        }];
        ServiceTable { services, ..ServiceTable::default() }
    }

    fn apply(link: &DataplaneLink, slots: &mut Slots, table: &ServiceTable, now: u64) {
        let assignment = slots.assign(table, now).expect("room");
        publish(&link.directory(), slots, &assignment);
    }

    #[test]
    fn a_removed_real_is_shown_while_it_has_connections_and_its_totals_go_to_the_service() {
        let (link, mut slots) = (link(), Slots::new(2, 4));
        let directory = link.directory();
        apply(&link, &mut slots, &service(&[2, 3]), 0);
        let counters = link.real_counters(1).expect("worker 1");
        counters[1].connections.add(7);
        directory.reals[1].inactive.fetch_add(1, Ordering::Relaxed);
        assert_eq!((directory.active(1), directory.inactive(1), directory.inactive(0)), (0, 1, 0));

        apply(&link, &mut slots, &service(&[2]), 10);
        reclaim(&directory, &mut slots, 10 + RECLAIM_AFTER_MS, RECLAIM_AFTER_MS);
        assert_eq!(directory.reals[1].read().map(|real| real.state), Some(RealState::Removed));

        directory.reals[1].inactive.fetch_sub(1, Ordering::Relaxed);
        reclaim(&directory, &mut slots, 10 + 2 * RECLAIM_AFTER_MS, RECLAIM_AFTER_MS);
        assert_eq!(directory.reals[1].read(), None);
        let retired = directory.services[0].read().expect("the service").retired;
        assert_eq!(retired.connections, 7);
    }

    #[test]
    fn the_next_owner_of_a_slot_counts_from_zero_and_an_edit_keeps_the_count() {
        let (link, mut slots) = (link(), Slots::new(2, 4));
        let directory = link.directory();
        apply(&link, &mut slots, &service(&[2]), 0);
        link.real_counters(0).expect("worker 0")[0].connections.add(5);
        apply(&link, &mut slots, &service(&[]), 0);
        reclaim(&directory, &mut slots, RECLAIM_AFTER_MS, RECLAIM_AFTER_MS);
        apply(&link, &mut slots, &service(&[3]), RECLAIM_AFTER_MS);
        let mut edited = service(&[3]);
        edited.services[0].reals[0].weight = 0;
        apply(&link, &mut slots, &edited, RECLAIM_AFTER_MS);
        let real = directory.reals[0].read().expect("slot 0");
        assert_eq!((real.address.ip().octets()[3], real.weight, real.baseline.connections), (3, 0, 5));
    }

    #[test]
    fn a_removed_service_is_not_shown_but_its_reals_with_connections_are() {
        let (link, mut slots) = (link(), Slots::new(2, 4));
        let directory = link.directory();
        apply(&link, &mut slots, &service(&[2]), 0);
        directory.reals[0].active.fetch_add(1, Ordering::Relaxed);
        apply(&link, &mut slots, &ServiceTable::default(), 0);
        reclaim(&directory, &mut slots, RECLAIM_AFTER_MS, RECLAIM_AFTER_MS);
        assert_eq!(directory.services[0].read(), None);
        assert_eq!(directory.reals[0].read().map(|real| real.state), Some(RealState::Removed));
        apply(&link, &mut slots, &service(&[2]), RECLAIM_AFTER_MS);
        assert!(directory.services[0].read().is_some());
        assert_eq!(directory.reals[0].read().map(|real| real.state), Some(RealState::Live));
    }

    #[test]
    fn a_service_that_comes_back_counts_from_zero_and_its_real_goes_on() {
        let (link, mut slots) = (link(), Slots::new(2, 4));
        let directory = link.directory();
        apply(&link, &mut slots, &service(&[2]), 0);
        let counters = link.real_counters(0).expect("worker 0");
        counters[0].connections.add(4);
        apply(&link, &mut slots, &ServiceTable::default(), 0);
        apply(&link, &mut slots, &service(&[2]), 10);
        counters[0].connections.add(2);
        let totals = |slot| directory.slot_totals(slot).connections;
        let service = directory.services[0].read().expect("the service").retired.connections;
        assert_eq!((totals(0), totals(0).wrapping_add(service)), (6, 2));
    }
}
