use super::{Average, BYTE_BITS, COUNT_BITS, Meters};
use crate::protocol::Rates;
use link::counters::RealTotals;
use link::directory::{RealEntry, RealState, ServiceEntry};
use link::model::{ForwardMethod, Protocol, SchedulerKind, ServiceKey};
use link::{RealReport, ServiceReport};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Bytes of each 2 s and the rate that Linux 6.1 showed after them, in a VM: 7 datagrams of 135 bytes, nothing, nothing,
/// 100 of 228, nothing, 3 of 131, nothing ...
const SERIES: [(u64, u64); 13] = [
    (945, 118),
    (0, 89),
    (0, 66),
    (22_800, 2900),
    (0, 2175),
    (393, 1680),
    (0, 1260),
    (0, 945),
    (0, 709),
    (0, 532),
    (0, 399),
    (0, 299),
    (0, 224),
];

#[test]
fn the_average_is_that_of_the_reference_digit_by_digit() {
    let mut average = Average::default();
    for (bytes, want) in SERIES {
        average = average.after(bytes, BYTE_BITS);
        assert_eq!(average.rounded(BYTE_BITS), want, "after {bytes} bytes");
    }
    let mut average = Average::default();
    for (packets, want) in [(7, 1), (0, 1), (0, 0), (100, 13), (0, 10), (3, 8), (0, 6), (0, 4), (0, 3), (0, 2)] {
        average = average.after(packets, COUNT_BITS);
        assert_eq!(average.rounded(COUNT_BITS), want, "after {packets} packets");
    }
}

#[test]
fn no_count_is_too_large() {
    let mut average = Average::default();
    for _ in 0..200 {
        average = average.after(u64::MAX, BYTE_BITS);
    }
    assert_eq!(average.rounded(BYTE_BITS), u64::MAX / 2);
    for _ in 0..400 {
        average = average.after(0, BYTE_BITS);
    }
    assert_eq!(average.rounded(BYTE_BITS), 0);
}

const KEY: ServiceKey = ServiceKey::new(Protocol::Tcp, SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 80));

/// A service with one real; both counted `packets`.
fn report(packets: u64) -> ServiceReport {
    let totals = RealTotals { in_packets: packets, in_bytes: 100 * packets, ..RealTotals::default() };
    let entry = RealEntry {
        service: 0,
        state: RealState::Live,
        method: ForwardMethod::Nat,
        weight: 1,
        address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 80),
        baseline: RealTotals::default(),
    };
    let real = RealReport { slot: 0, entry, totals, active: 0, inactive: 0, persistent: 0, overloaded: false };
    let entry = ServiceEntry { key: KEY, scheduler: SchedulerKind::RoundRobin, retired: RealTotals::default() };
    ServiceReport { slot: 0, entry, totals, active: 0, inactive: 0, reals: vec![real] }
}

/// Packets since zeroed and packets a second, of the service and of its real.
fn shown(meters: &Meters, packets: u64) -> [(u64, u64); 2] {
    let report = report(packets);
    let of = |(traffic, rates): (crate::protocol::Traffic, Rates)| (traffic.in_packets, rates.in_packets);
    [of(meters.service(&report)), of(meters.real(KEY, &report.reals[0]))]
}

#[test]
fn what_was_counted_before_the_first_sample_makes_no_rate_and_what_is_new_later_does() {
    let mut meters = Meters::default();
    assert_eq!(shown(&meters, 500), [(500, 0); 2], "not sampled yet");
    meters.estimate(1, &[report(500)]);
    assert_eq!(shown(&meters, 500), [(500, 0); 2]);
    meters.estimate(1, &[report(580)]);
    assert_eq!(shown(&meters, 580), [(580, 10); 2]);
    meters.estimate(1, &[]);
    meters.estimate(1, &[report(80)]);
    assert_eq!(shown(&meters, 80), [(80, 10); 2], "added again: all its packets are of these 2 s");
}

#[test]
fn another_run_of_the_dataplane_and_another_real_of_that_name_begin_anew() {
    let mut meters = Meters::default();
    meters.estimate(1, &[report(0)]);
    meters.estimate(1, &[report(800)]);
    meters.zero(1, &[report(800)], None);
    meters.estimate(2, &[report(900)]);
    assert_eq!(shown(&meters, 900), [(900, 0); 2], "another dataplane");
    meters.estimate(2, &[report(980)]);
    meters.estimate(2, &[report(3)]);
    assert_eq!(shown(&meters, 3), [(3, 0); 2], "counters went backwards");
}

#[test]
fn zeroing_begins_counters_and_rates_anew_and_leaves_other_services_alone() {
    let mut meters = Meters::default();
    meters.estimate(1, &[report(0)]);
    meters.estimate(1, &[report(800)]);
    assert_eq!(shown(&meters, 800), [(800, 100); 2]);
    meters.zero(1, &[report(800)], Some(ServiceKey::Group(7)));
    assert_eq!(shown(&meters, 800), [(800, 100); 2]);
    meters.zero(1, &[report(810)], Some(KEY));
    assert_eq!(shown(&meters, 815), [(5, 0); 2]);
    meters.estimate(1, &[report(890)]);
    assert_eq!(shown(&meters, 890), [(80, 10); 2]);
    meters.zero(1, &[report(890)], None);
    assert_eq!(shown(&meters, 890), [(0, 0); 2]);
}

#[test]
fn what_was_zeroed_outlives_sluiced_and_belongs_to_one_run_of_the_dataplane() {
    let mut meters = Meters::default();
    meters.estimate(1, &[report(700)]);
    meters.zero(1, &[report(800)], None);
    let kept = meters.zeroed();
    assert_eq!(kept.rows.len(), 2, "the service and its real");
    let begun = |instance, packets| {
        let mut meters = Meters::after(Some(kept.clone()));
        meters.begin(instance, &[report(packets)]);
        shown(&meters, packets)
    };
    assert_eq!(begun(1, 850), [(50, 0); 2]);
    assert_eq!(begun(2, 850), [(850, 0); 2], "another dataplane");
    assert_eq!(begun(1, 30), [(30, 0); 2], "counters went backwards");
    let mut meters = Meters::after(Some(kept));
    meters.begin(1, &[report(850)]);
    assert!(!meters.lost_zeroes);
    meters.estimate(1, &[]);
    assert!(meters.lost_zeroes, "the service is gone");
    assert_eq!(meters.zeroed().rows, []);
}
