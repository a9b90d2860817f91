use super::{PERIOD, Recorder, SAMPLES};
use crate::protocol::History;
use link::counters::RealTotals;
use link::directory::{RealEntry, RealState, ServiceEntry};
use link::model::{ForwardMethod, Protocol, SchedulerKind, ServiceKey};
use link::{RealReport, ServiceReport};
use std::net::{Ipv4Addr, SocketAddrV4};

const KEY: ServiceKey = ServiceKey::new(Protocol::Tcp, SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 80));
const REAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 8, 0, 1), 80);
const RUN: u64 = 7;

/// A service with one real; both counted so many connections.
fn report(connections: u64) -> ServiceReport {
    let totals = RealTotals { connections, in_packets: 10 * connections, ..RealTotals::default() };
    let entry = RealEntry {
        service: 0,
        address: REAL,
        method: ForwardMethod::Nat,
        weight: 1,
        state: RealState::Live,
        baseline: RealTotals::default(),
    };
    let (active, inactive, persistent) = (0, 0, 0);
    let real = RealReport { slot: 0, entry, totals, active, inactive, persistent, overloaded: false };
    let entry = ServiceEntry { key: KEY, scheduler: SchedulerKind::RoundRobin, retired: RealTotals::default() };
    ServiceReport { slot: 0, entry, totals, active: 0, inactive: 0, reals: vec![real] }
}

fn recorded(counts: &[Option<u64>]) -> Recorder {
    let mut recorder = Recorder::default();
    for count in counts {
        let reports = count.map(|count| [report(count)]);
        recorder.record(PERIOD, reports.as_ref().map(|reports| (RUN, reports.as_slice())));
    }
    recorder
}

fn all(recorder: &Recorder) -> History {
    recorder.history([("web", KEY)].into_iter(), 0)
}

#[test]
fn what_was_counted_between_two_samples_is_a_rate_of_service_real_and_total() {
    let history = all(&recorded(&[Some(100), Some(106), Some(109)]));
    assert_eq!((history.newest, history.period_seconds, history.capacity), (3, 6, 100));
    assert_eq!(history.total.connections, [None, Some(1.0), Some(0.5)]);
    let [web] = history.services.as_slice() else { panic!("{history:?}") };
    assert_eq!((web.name.as_str(), &web.series), ("web", &history.total));
    assert_eq!(web.series.in_packets, [None, Some(10.0), Some(5.0)]);
    assert_eq!((web.reals[0].address, &web.reals[0].series), (REAL, &history.total));
}

#[test]
fn without_a_dataplane_there_is_a_gap_and_no_zero() {
    let history = all(&recorded(&[Some(0), Some(6), None, Some(600), Some(606)]));
    let want = [None, Some(1.0), None, None, Some(1.0)];
    assert_eq!((history.total.connections.as_slice(), history.services[0].series.connections.as_slice()), {
        (&want[..], &want[..])
    });
}

#[test]
fn counters_of_another_run_and_counters_that_went_backwards_make_no_rate() {
    let mut recorder = recorded(&[Some(100), Some(106)]);
    recorder.record(PERIOD, Some((RUN + 1, &[report(112)])));
    recorder.record(PERIOD, Some((RUN + 1, &[report(50)])));
    recorder.record(PERIOD, Some((RUN + 1, &[report(56)])));
    assert_eq!(all(&recorder).total.connections, [None, Some(1.0), None, None, Some(1.0)]);
}

#[test]
fn what_is_new_since_a_number_is_told_and_all_of_it_for_a_number_that_never_was() {
    let recorder = recorded(&[Some(0), Some(6), Some(18)]);
    let since = |number| recorder.history([("web", KEY)].into_iter(), number).total.connections;
    assert_eq!(since(2), [Some(2.0)]);
    assert_eq!(since(3), []);
    assert_eq!(since(4), [None, Some(1.0), Some(2.0)]);
}

#[test]
fn a_series_has_a_fixed_length_and_goes_when_nothing_of_it_is_left() {
    let mut recorder = recorded(&[Some(0), Some(6)]);
    for _ in 0..SAMPLES - 1 {
        recorder.record(PERIOD, Some((RUN, &[])));
        assert_eq!(all(&recorder).services.len(), 1);
    }
    assert_eq!(all(&recorder).total.connections.len(), SAMPLES);
    recorder.record(PERIOD, Some((RUN, &[])));
    assert_eq!(all(&recorder).services, []);
}
