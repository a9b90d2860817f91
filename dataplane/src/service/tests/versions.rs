//! Any versions of a table, one after the other, against a model of them.

use super::{Bench, key, table, web};
use crate::service::{RECLAIM_AFTER_MS, ServiceTable, Slots};
use link::model::{self, Protocol, SchedulerKind, Service, ServiceKey};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

fn services() -> impl Strategy<Value = Vec<Service>> {
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp]);
    let keys = prop::collection::btree_map((0..2_u8, 0..4_u8, 1..4_u16), protocol, 0..10);
    let hosts = prop::collection::btree_set(2..8_u8, 0..4);
    (keys, prop::collection::vec((hosts, prop::sample::select(SchedulerKind::ALL.to_vec())), 10)).prop_map(
        |(keys, bodies)| {
            keys.into_keys()
                .zip(bodies)
                .map(|((protocol, vip, port), (hosts, scheduler))| {
                    let protocol = if protocol == 0 { Protocol::Tcp } else { Protocol::Udp };
                    let hosts: Vec<_> = hosts.into_iter().collect();
                    Service { key: key(protocol, vip, port), ..web(scheduler, &hosts) }
                })
                .collect()
        },
    )
}

/// Who has which real slot: service, address, generation.
fn owners(slots: &Slots) -> BTreeMap<u32, (ServiceKey, SocketAddrV4, u32)> {
    let owner = |service| slots.service(service).expect("a real's service has a slot").key;
    slots.reals().map(|(slot, real)| (slot, (owner(real.service), real.server.address, real.generation))).collect()
}

proptest! {
    #[test]
    fn every_version_agrees_with_its_model_and_no_slot_changes_hands_while_in_use(
        versions in prop::collection::vec((services(), any::<u32>(), 0..3_000_u64), 1..12),
    ) {
        let mut bench = Bench::new(32, 64);
        for (services, in_use, later) in versions {
            let before = owners(&bench.slots);
            bench.now += later;
            bench.slots.reclaim(bench.now, RECLAIM_AFTER_MS, |slot| in_use >> (slot % 32) & 1 == 1);
            let wanted = table(services);
            if bench.apply(&wanted).is_err() {
                continue;
            }
            for (slot, owner) in owners(&bench.slots) {
                let same_generation = before.get(&slot).is_none_or(|old| (old.2 == owner.2) == (*old == owner));
                prop_assert!(same_generation, "slot {} has a new owner and its old generation", slot);
            }
            for (slot, owner) in before.iter().filter(|(slot, _)| in_use >> (*slot % 32) & 1 == 1) {
                let now = owners(&bench.slots).get(slot).copied();
                prop_assert_eq!(now, Some(*owner), "slot {} changed hands in use", slot);
            }
            check_against_model(&bench.table, &wanted)?;
        }
    }
}

fn check_against_model(table: &ServiceTable, wanted: &model::ServiceTable) -> Result<(), TestCaseError> {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for (vip, port) in (0..5).flat_map(|vip| (1..6).map(move |port| (vip, port))) {
            let key = key(protocol, vip, port);
            let found = table.lookup(protocol, key.address().expect("an endpoint").ip().to_bits(), port);
            let service = wanted.services.iter().find(|service| service.key == key);
            prop_assert_eq!(found.map(|entry| entry.key), service.map(|service| service.key));
            if let Some((entry, service)) = found.zip(service) {
                let got: Vec<_> = entry.candidates.iter().filter_map(|it| table.real_at(it.slot)).collect();
                prop_assert!(got.iter().all(|real| real.available && real.service == entry.slot));
                let got: Vec<_> = got.iter().map(|real| real.address).collect();
                let want: Vec<_> = service.reals.iter().rev().map(|real| real.address.ip().to_bits()).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
    let vips: BTreeSet<_> =
        wanted.services.iter().map(|service| service.key.address().expect("an endpoint").ip().to_bits()).collect();
    prop_assert_eq!(table.virtual_addresses().collect::<BTreeSet<_>>(), vips);
    Ok(())
}
