//! Slots over table changes, look-ups against a plain search, cursors over versions.

mod versions;

use super::{Cursors, RECLAIM_AFTER_MS, RealChange, RealState, ServiceTable, Slots};
use crate::connection::Endpoint;
use crate::scheduler::{Load, Newcomer};
use link::message::{ConnectionState, Refusal};
use link::model::{
    self, ForwardMethod, Group, Protocol, RealServer, SchedulerKind, Service, ServiceEndpoint, ServiceKey,
    ServiceOptions,
};
use std::net::{Ipv4Addr, SocketAddrV4};

const NONE: [u32; 0] = [];

struct NoLoad;

impl Load for NoLoad {
    fn active(&self, _: u32) -> u32 {
        0
    }

    fn inactive(&self, _: u32) -> u32 {
        0
    }

    fn is_overloaded(&self, _: u32) -> bool {
        false
    }
}

/// A connection from the client's port 1, at the beginning of time.
fn newcomer() -> Newcomer {
    let end = |address, port| Endpoint { address, port };
    Newcomer { source: end(0x0101_0101, 1), destination: end(0x0a09_0901, 80), now: 0 }
}

fn key(protocol: Protocol, vip: u8, port: u16) -> ServiceKey {
    ServiceKey::new(protocol, SocketAddrV4::new(Ipv4Addr::new(10, 9, 9, vip), port))
}

fn real(host: u8, weight: u32) -> RealServer {
    RealServer::new(SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, host), 80), ForwardMethod::Nat, weight)
}

fn web(scheduler: SchedulerKind, hosts: &[u8]) -> Service {
    let reals = hosts.iter().map(|host| real(*host, 1)).collect();
    Service { key: key(Protocol::Tcp, 1, 80), options: ServiceOptions::new(scheduler), reals }
}

fn table(services: Vec<Service>) -> model::ServiceTable {
    model::ServiceTable { services, ..model::ServiceTable::default() }
}

fn rr(hosts: &[u8]) -> model::ServiceTable {
    table(vec![web(SchedulerKind::RoundRobin, hosts)])
}

/// The main lcore's part, with one worker.
struct Bench {
    slots: Slots,
    now: u64,
    table: ServiceTable,
    cursors: Cursors,
}

impl Bench {
    fn new(max_services: u32, max_reals: u32) -> Self {
        let slots = Slots::new(max_services, max_reals);
        Self { slots, now: 0, table: ServiceTable::empty(), cursors: Cursors::new(0, max_services) }
    }

    fn apply(&mut self, wanted: &model::ServiceTable) -> Result<super::Assignment, Refusal> {
        let assignment = self.slots.assign(wanted, self.now)?;
        let generation = self.table.generation() + 1;
        let table = ServiceTable::build(generation, wanted, &assignment, &self.slots, &self.table);
        self.cursors.carry_over(&self.table, &table);
        self.table = table;
        Ok(assignment)
    }

    fn picks(&mut self, count: usize) -> Vec<u8> {
        let vip = Ipv4Addr::new(10, 9, 9, 1).to_bits();
        let entry = self.table.lookup(Protocol::Tcp, vip, 80).expect("the service");
        (0..count)
            .filter_map(|_| entry.pick(&mut self.cursors, &newcomer(), &NoLoad))
            .filter_map(|slot| self.table.real_at(slot))
            .map(|real| real.address as u8)
            .collect()
    }
}

#[test]
fn slots_stay_when_the_table_changes_around_them() {
    let mut bench = Bench::new(4, 8);
    assert_eq!(bench.apply(&rr(&[2, 3])).expect("room").reals, [0, 1]);
    let other = Service { key: key(Protocol::Udp, 2, 53), ..web(SchedulerKind::LeastConnection, &[2]) };
    let assignment = bench.apply(&table(vec![other, web(SchedulerKind::RoundRobin, &[4, 3, 2])])).expect("room");
    assert_eq!((assignment.services, assignment.reals), (vec![1, 0], vec![2, 3, 1, 0]));
}

#[test]
fn an_assignment_tells_what_changed() {
    let mut bench = Bench::new(4, 8);
    let first = bench.apply(&rr(&[2, 3])).expect("room");
    assert_eq!(first.changed_services, [0]);
    assert_eq!(first.changed_reals, [0, 1].map(|slot| RealChange { slot, fresh: true }));
    let same = bench.apply(&rr(&[2, 3])).expect("room");
    assert_eq!((same.changed_services, same.changed_reals), (vec![], vec![]));
    let mut edited = rr(&[3]);
    edited.services[0].reals[0].weight = 9;
    edited.services[0].options.scheduler = SchedulerKind::LeastConnection;
    let third = bench.apply(&edited).expect("room");
    assert_eq!(third.changed_services, [0]);
    assert_eq!(third.changed_reals, [1, 0].map(|slot| RealChange { slot, fresh: false }));
}

#[test]
fn a_removed_real_keeps_its_slot_while_it_has_connections() {
    let mut bench = Bench::new(1, 2);
    bench.apply(&rr(&[2, 3])).expect("room");
    bench.apply(&rr(&[2])).expect("room");
    assert_eq!(bench.slots.real(1).map(|real| real.state), Some(RealState::Removed { idle_since: 0 }));
    assert_eq!(bench.apply(&rr(&[2, 4])), Err(Refusal::TooManyReals));
    let used_until = 60_000;
    assert_eq!(bench.slots.reclaim(used_until, RECLAIM_AFTER_MS, |slot| slot == 1), NONE);
    assert_eq!(bench.slots.reclaim(used_until + RECLAIM_AFTER_MS - 1, RECLAIM_AFTER_MS, |_| false), NONE);
    assert_eq!(bench.slots.reclaim(used_until + RECLAIM_AFTER_MS, RECLAIM_AFTER_MS, |_| false), [1]);
    assert_eq!(bench.apply(&rr(&[2, 4])).map(|assignment| assignment.reals), Ok(vec![0, 1]));
}

#[test]
fn a_real_that_comes_back_in_time_has_its_old_slot_and_generation() {
    let mut bench = Bench::new(1, 4);
    bench.apply(&rr(&[2, 3])).expect("room");
    let before = *bench.table.real_at(1).expect("slot 1");
    bench.apply(&rr(&[2])).expect("room");
    assert!(!bench.table.real(1, before.generation).expect("still known").available);
    let back = bench.apply(&rr(&[2, 3])).expect("room");
    assert_eq!(back.changed_reals, [RealChange { slot: 1, fresh: false }]);
    assert_eq!(bench.table.real(1, before.generation), Some(&before));
}

#[test]
fn the_next_owner_of_a_slot_has_another_generation() {
    let mut bench = Bench::new(1, 2);
    bench.apply(&rr(&[2, 3])).expect("room");
    let old = bench.table.real_at(1).expect("slot 1").generation;
    bench.apply(&rr(&[2])).expect("room");
    bench.slots.reclaim(RECLAIM_AFTER_MS, RECLAIM_AFTER_MS, |_| false);
    bench.apply(&rr(&[2, 4])).expect("room");
    assert_eq!(bench.table.real(1, old), None);
    assert_eq!(bench.table.real_at(1).map(|real| real.address as u8), Some(4));
}

#[test]
fn a_service_keeps_its_slot_until_its_last_real_lost_its_own() {
    let mut bench = Bench::new(2, 4);
    bench.apply(&rr(&[2])).expect("room");
    assert_eq!(bench.apply(&table(vec![])).expect("room").removed_services, [0]);
    assert!(bench.table.lookup(Protocol::Tcp, Ipv4Addr::new(10, 9, 9, 1).to_bits(), 80).is_none());
    let back = bench.apply(&rr(&[2])).expect("room");
    assert_eq!((back.services, back.changed_services), (vec![0], vec![0]));
    bench.apply(&table(vec![])).expect("room");
    assert!(bench.slots.service(0).is_some_and(|row| !row.is_live));
    assert_eq!(bench.slots.reclaim(RECLAIM_AFTER_MS, RECLAIM_AFTER_MS, |_| false), [0]);
    assert!(bench.slots.service(0).is_none());
}

#[test]
fn a_service_without_reals_loses_its_slot_at_once() {
    let mut bench = Bench::new(1, 1);
    bench.apply(&rr(&[])).expect("room");
    assert_eq!(bench.apply(&table(vec![])).expect("room").removed_services, [0]);
    assert!(bench.slots.service(0).is_none());
    bench.apply(&rr(&[2])).expect("room again");
}

/// Every row, of two services at most.
fn rows(slots: &Slots) -> (Vec<Option<super::ServiceRow>>, Vec<(u32, super::Real)>) {
    let services = (0..2).map(|slot| slots.service(slot).copied()).collect();
    (services, slots.reals().map(|(slot, real)| (slot, *real)).collect())
}

#[test]
fn a_refused_table_changes_nothing() {
    let mut bench = Bench::new(2, 3);
    bench.apply(&rr(&[2, 3])).expect("room");
    let before = rows(&bench.slots);
    let twice = table(vec![web(SchedulerKind::RoundRobin, &[5]), web(SchedulerKind::RoundRobin, &[6])]);
    let udp = |port| Service { key: key(Protocol::Udp, 1, port), ..web(SchedulerKind::RoundRobin, &[]) };
    for (wanted, refusal) in [
        (twice, Refusal::DuplicateService),
        (rr(&[5, 6, 5]), Refusal::DuplicateReal),
        (table(vec![udp(1), udp(2)]), Refusal::TooManyServices),
        (rr(&[5, 6]), Refusal::TooManyReals),
    ] {
        assert_eq!(bench.apply(&wanted), Err(refusal));
        assert_eq!(rows(&bench.slots), before);
    }
    bench.apply(&rr(&[2, 3, 5])).expect("the last free slot");
}

#[test]
fn the_empty_table_finds_nothing_and_has_the_default_timeouts() {
    let table = ServiceTable::empty();
    assert!(table.lookup(Protocol::Tcp, 1, 1).is_none());
    assert!(!table.is_virtual(1));
    assert!(table.real_at(0).is_none());
    assert_eq!(table.timeout_ms(0, ConnectionState::Established), 900_000);
    assert_eq!(table.timeout_ms(0, ConnectionState::Udp), 300_000);
}

#[test]
fn reals_are_served_newest_first_and_the_cursor_survives_a_change() {
    let mut bench = Bench::new(2, 8);
    bench.apply(&rr(&[2, 3, 4, 5])).expect("room");
    assert_eq!(bench.picks(6), [5, 4, 3, 2, 5, 4]);
    bench.apply(&rr(&[2, 3, 5])).expect("room");
    assert_eq!(bench.picks(5), [3, 2, 5, 3, 2]);
    bench.apply(&rr(&[2, 3, 5, 6])).expect("room");
    assert_eq!(bench.picks(6), [6, 5, 3, 2, 6, 5]);
}

#[test]
fn another_scheduler_starts_afresh_and_another_service_changes_nothing() {
    let mut bench = Bench::new(4, 8);
    bench.apply(&rr(&[2, 3, 4])).expect("room");
    assert_eq!(bench.picks(2), [4, 3]);
    let other = Service { key: key(Protocol::Udp, 2, 53), ..web(SchedulerKind::RoundRobin, &[9]) };
    bench.apply(&table(vec![other, web(SchedulerKind::RoundRobin, &[2, 3, 4])])).expect("room");
    let vip = Ipv4Addr::new(10, 9, 9, 1).to_bits();
    assert_eq!(bench.table.lookup(Protocol::Tcp, vip, 80).map(|entry| entry.revision), Some(1));
    assert_eq!(bench.picks(2), [2, 4]);
    bench.apply(&table(vec![web(SchedulerKind::WeightedRoundRobin, &[2, 3, 4])])).expect("room");
    assert_eq!(bench.picks(2), [4, 3]);
}

#[test]
fn the_next_service_in_a_slot_starts_afresh() {
    let mut bench = Bench::new(1, 4);
    let dns = Service { key: key(Protocol::Udp, 2, 53), ..web(SchedulerKind::RoundRobin, &[2, 3, 4]) };
    bench.apply(&table(vec![dns])).expect("room");
    let entry = bench.table.services().next().expect("the service");
    assert_eq!((entry.slot, entry.pick(&mut bench.cursors, &newcomer(), &NoLoad)), (0, Some(2)));
    bench.apply(&table(vec![])).expect("room");
    bench.slots.reclaim(RECLAIM_AFTER_MS, RECLAIM_AFTER_MS, |_| false);
    bench.apply(&rr(&[2, 3, 4])).expect("room");
    assert_eq!(bench.picks(2), [4, 3]);
}

#[test]
fn editing_a_method_is_a_change_of_the_service() {
    let mut bench = Bench::new(1, 4);
    let mut wanted = table(vec![web(SchedulerKind::WeightedRoundRobin, &[2, 3, 4])]);
    bench.apply(&wanted).expect("room");
    assert_eq!(bench.picks(1), [4]);
    wanted.services[0].reals[0].method = ForwardMethod::Direct;
    bench.apply(&wanted).expect("room");
    assert_eq!(bench.picks(2), [4, 3], "from the head of the list again");
}

#[test]
fn peek_tells_the_next_pick_and_changes_nothing() {
    let mut bench = Bench::new(1, 4);
    bench.apply(&rr(&[2, 3, 4])).expect("room");
    for _ in 0..5 {
        let entry = bench.table.services().next().expect("the service");
        let peeked = entry.peek(&bench.cursors, &newcomer(), &NoLoad);
        assert_eq!(entry.peek(&bench.cursors, &newcomer(), &NoLoad), peeked);
        assert_eq!(entry.pick(&mut bench.cursors, &newcomer(), &NoLoad), peeked);
    }
}

#[test]
fn tables_of_hash_schedulers_are_kept_over_changes_elsewhere_and_made_anew_over_their_own() {
    use crate::scheduler::Scheduler::{DestinationHash, MaglevHash, SourceHash};
    let is_same = |one: &ServiceTable, other: &ServiceTable| {
        let scheduler = |table: &ServiceTable| table.service(0).expect("the service").scheduler.clone();
        match (scheduler(one), scheduler(other)) {
            (DestinationHash(one), DestinationHash(other)) => one.is(&other),
            (SourceHash(one, _), SourceHash(other, _)) | (MaglevHash(one, _), MaglevHash(other, _)) => one.is(&other),
            other => panic!("{other:?}"),
        }
    };
    let mut bench = Bench::new(4, 8);
    let dns = Service { key: key(Protocol::Udp, 2, 53), ..web(SchedulerKind::RoundRobin, &[9]) };
    for kind in [SchedulerKind::DestinationHash, SchedulerKind::SourceHash, SchedulerKind::MaglevHash] {
        let mut build = |wanted: &model::ServiceTable, previous: &ServiceTable| {
            let assignment = bench.slots.assign(wanted, 0).expect("room");
            ServiceTable::build(previous.generation() + 1, wanted, &assignment, &bench.slots, previous)
        };
        let first = build(&table(vec![web(kind, &[2, 3])]), &ServiceTable::empty());
        let second = build(&table(vec![web(kind, &[2, 3]), dns.clone()]), &first);
        let third = build(&table(vec![web(kind, &[2, 3, 4])]), &second);
        assert!(is_same(&first, &second), "{kind}");
        assert!(!is_same(&second, &third), "{kind}");
    }
}

fn endpoint(vip: u8, port: u16) -> ServiceEndpoint {
    ServiceEndpoint { protocol: Protocol::Tcp, address: SocketAddrV4::new(Ipv4Addr::new(10, 9, 9, vip), port) }
}

/// The key of the service that a packet to this VIP and port belongs to.
fn found(table: &ServiceTable, vip: u8, port: u16) -> Option<ServiceKey> {
    let vip = Ipv4Addr::new(10, 9, 9, vip).to_bits();
    table.lookup(Protocol::Tcp, vip, port).map(|entry| entry.key)
}

#[test]
fn a_group_comes_first_then_the_port_then_all_ports() {
    let on = |key| Service { key, ..web(SchedulerKind::RoundRobin, &[]) };
    let (port, all, group) = (key(Protocol::Tcp, 1, 80), key(Protocol::Tcp, 1, 0), ServiceKey::Group(7));
    let services = vec![on(port), on(all), on(group)];
    let build = |wanted: &model::ServiceTable| {
        let mut bench = Bench::new(8, 8);
        bench.apply(wanted).expect("room");
        bench.table
    };
    let plain = build(&model::ServiceTable { services: services.clone(), ..model::ServiceTable::default() });
    assert_eq!((found(&plain, 1, 80), found(&plain, 1, 81), found(&plain, 2, 80)), (Some(port), Some(all), None));

    let of = |endpoints| vec![Group { number: 7, endpoints }];
    let mut wanted = model::ServiceTable {
        groups: of(vec![endpoint(1, 80), endpoint(2, 443)]),
        services,
        ..model::ServiceTable::default()
    };
    let some = build(&wanted);
    assert_eq!((found(&some, 1, 80), found(&some, 1, 81)), (Some(group), Some(all)));
    assert_eq!((found(&some, 2, 443), found(&some, 2, 80)), (Some(group), None));
    assert!(some.is_virtual(Ipv4Addr::new(10, 9, 9, 2).to_bits()));

    wanted.groups = of(vec![endpoint(1, 0)]);
    assert_eq!((found(&build(&wanted), 1, 80), found(&build(&wanted), 1, 81)), (Some(group), Some(group)));

    wanted.services.pop();
    assert_eq!(found(&build(&wanted), 1, 80), Some(port), "a group without a service is nobody's");
}
