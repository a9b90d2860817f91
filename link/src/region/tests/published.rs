use super::{LAYOUT, Place, pair, wan};
use crate::DropReason;
use crate::counters::{PortTotals, RealTotals};
use crate::directory::{RealEntry, RealState, ServiceEntry};
use crate::message::{Refusal, Table};
use crate::model::{ForwardMethod, Protocol, SchedulerKind, ServiceKey};
use std::net::{Ipv4Addr, SocketAddrV4};

#[test]
fn the_view_shows_what_the_dataplane_writes() {
    let place = Place::new();
    let (dataplane, control) = pair(&place);
    let view = control.view();
    assert_eq!(view.ports(), [wan()]);
    assert_eq!((view.identity().pid, view.identity().layout), (std::process::id(), LAYOUT));
    assert!(view.identity().started.elapsed().unwrap().as_secs() < 600);

    let status = dataplane.status();
    assert_eq!((view.status().services_generation, view.status().last_beat), (0, None));
    status.set_services_generation(7);
    status.set_next_hops_generation(8);
    status.beat();
    status.set_refusal(Table::NextHops, 9, Refusal::UnknownPort, 3);
    let seen = view.status();
    assert_eq!((seen.services_generation, seen.next_hops_generation, seen.beats), (7, 8, 1));
    assert!(seen.last_beat.is_some() && seen.services_refusal.is_none());
    let refusal = seen.next_hops_refusal.unwrap();
    assert_eq!((refusal.generation, refusal.reason, refusal.row), (9, Refusal::UnknownPort, 3));
    status.clear_refusal(Table::NextHops);
    assert_eq!(view.status().next_hops_refusal, None);

    for worker in 0..2 {
        let counters = dataplane.worker_counters(worker).unwrap();
        counters.received.add(10 + u64::from(worker));
        counters.dropped(DropReason::NoService).add(1);
        counters.answered(DropReason::NoConnection).add(2);
        dataplane.port_counters(worker, 0).unwrap().rx_bytes.add(64);
    }
    let main_lcore = dataplane.worker_counters(2).unwrap();
    main_lcore.to_kernel.add(5);
    assert!(dataplane.worker_counters(3).is_none() && dataplane.port_counters(0, 1).is_none());
    assert!(dataplane.real_counters(2).is_none(), "the main lcore forwards to no real");
    let all = view.all_workers();
    assert_eq!((all.received, view.workers()[1].received, view.workers().len()), (21, 11, 2));
    assert_eq!((view.main_lcore().to_kernel, all.to_kernel), (5, 5));
    assert_eq!((all.dropped[DropReason::NoService.index()], all.dropped_total()), (2, 2));
    assert_eq!(all.answered[DropReason::NoConnection.index()], 4);
    assert_eq!(view.port(0), Some(PortTotals { rx_bytes: 128, ..PortTotals::default() }));
    assert_eq!(view.port_of_worker(0, 0).unwrap().rx_bytes, 64);
    assert_eq!(view.port(1), None);
}

fn service() -> ServiceEntry {
    let address = SocketAddrV4::new(Ipv4Addr::new(202, 103, 106, 5), 80);
    let key = ServiceKey::new(Protocol::Tcp, address);
    ServiceEntry { key, scheduler: SchedulerKind::WeightedRoundRobin, retired: RealTotals::default() }
}

fn real(baseline: RealTotals) -> RealEntry {
    RealEntry {
        state: RealState::Live,
        service: 3,
        address: SocketAddrV4::new(Ipv4Addr::new(172, 16, 0, 3), 8000),
        method: ForwardMethod::Nat,
        weight: 65_535,
        baseline,
    }
}

#[test]
fn a_real_counts_from_its_baseline_and_its_service_keeps_what_it_counted() {
    let place = Place::new();
    let (dataplane, control) = pair(&place);
    let directory = dataplane.directory();
    let worker = |worker| dataplane.real_counters(worker).unwrap();
    worker(0)[5].connections.add(100);
    assert!(control.view().services().is_empty());

    directory.services[3].publish(&service());
    directory.reals[5].publish(&real(directory.slot_totals(5)));
    worker(0)[5].connections.add(2);
    worker(1)[5].connections.add(3);
    directory.reals[5].active.fetch_add(4, std::sync::atomic::Ordering::Relaxed);
    let seen = &control.view().services()[0];
    assert_eq!((seen.slot, seen.entry, seen.active, seen.inactive), (3, service(), 4, 0));
    assert_eq!((seen.totals.connections, seen.reals.len()), (5, 1));
    assert_eq!((seen.reals[0].slot, seen.reals[0].totals.connections, seen.reals[0].entry.weight), (5, 5, 65_535));

    let baseline = seen.reals[0].entry.baseline;
    directory.reals[5].publish(&RealEntry { state: RealState::Removed, ..real(baseline) });
    assert_eq!(control.view().services()[0].reals[0].entry.state, RealState::Removed);
    directory.retire(5);
    directory.retire(5);
    directory.retire(8);
    let seen = &control.view().services()[0];
    assert_eq!((seen.totals.connections, seen.reals.len()), (5, 0));

    directory.reals[5].publish(&real(directory.slot_totals(5)));
    let seen = &control.view().services()[0];
    assert_eq!((seen.totals.connections, seen.reals[0].totals.connections), (5, 0));
    directory.services[3].release();
    assert!(control.view().services().is_empty());
    assert_eq!(control.view().orphans().len(), 1);
}

#[test]
fn a_total_never_goes_back_while_reals_come_and_go() {
    let place = Place::new();
    let (dataplane, control) = pair(&place);
    let directory = dataplane.directory();
    directory.services[3].publish(&service());
    std::thread::scope(|scope| {
        let (directory, counters) = (&directory, dataplane.real_counters(0).unwrap());
        let writer = scope.spawn(move || {
            for round in 0..10_000 {
                let slot = round % 8;
                directory.reals[slot].publish(&real(directory.slot_totals(slot as u32)));
                counters[slot].in_packets.add(1);
                directory.retire(slot as u32);
                // Changes come in batches with pauses between; a reader is sure of a whole picture in a pause only.
                if round % 10 == 9 {
                    std::thread::sleep(std::time::Duration::from_micros(50));
                }
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let now = control.view().services()[0].totals.in_packets;
            assert!(now >= last, "{last} became {now}");
            last = now;
        }
    });
    assert_eq!(control.view().services()[0].totals.in_packets, 10_000);
}
