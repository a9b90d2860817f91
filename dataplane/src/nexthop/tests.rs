//! Ordinary routing, and agreement with a linear search for the longest prefix.

use super::{FIRST_LEVEL_FROM, Hop, NextHops, PortInterface, Ranges, Unreachable};
use link::message::Refusal;
use link::model::{MacAddress, Neighbor, NextHopTable, Prefix, Route};
use proptest::prelude::*;
use std::net::Ipv4Addr;

fn address(text: &str) -> u32 {
    text.parse::<Ipv4Addr>().expect("an address").to_bits()
}

fn prefix(text: &str) -> Prefix {
    let (network, length) = text.split_once('/').expect("a prefix");
    Prefix::of(network.parse().expect("an address"), length.parse().expect("a length")).expect("up to 32")
}

fn mac(last: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, last]
}

/// Port 0 towards the clients, port 1 towards the reals.
fn ports() -> Vec<PortInterface> {
    let port = |last, mtu, own: &str| PortInterface {
        mac: mac(last),
        mtu,
        addresses: vec![(own.parse().expect("an address"), 24)],
    };
    vec![port(1, 1500, "10.0.1.1"), port(2, 9000, "10.0.2.1")]
}

fn route(to: &str, port: u16, via: Option<&str>) -> Route {
    Route { prefix: prefix(to), port, via: via.map(|via| via.parse().expect("an address")), source: None }
}

fn neighbor(at: &str, port: u16, last: u8) -> Neighbor {
    Neighbor { address: at.parse().expect("an address"), port, mac: MacAddress(mac(last)) }
}

fn build(routes: Vec<Route>, neighbors: Vec<Neighbor>) -> NextHops {
    NextHops::build(7, &NextHopTable { routes, neighbors }, &ports()).expect("known ports")
}

#[test]
fn a_gateways_mac_address_and_the_ports_own_go_into_the_frame() {
    let table = build(vec![route("0.0.0.0/0", 0, Some("10.0.1.254"))], vec![neighbor("10.0.1.254", 0, 0xfe)]);
    let want = Hop {
        address: address("10.0.1.254"),
        source: address("10.0.1.1"),
        port: 0,
        mtu: 1500,
        ethernet: [2, 0, 0, 0, 1, 0xfe, 2, 0, 0, 0, 1, 1, 8, 0],
    };
    assert_eq!(table.route(address("198.51.100.7")), Ok(want));
    assert_eq!(table.generation(), 7);
}

#[test]
fn a_connected_destination_is_its_own_neighbour() {
    let table = build(vec![], vec![neighbor("10.0.2.5", 1, 5), neighbor("10.0.2.6", 0, 6)]);
    let hop = table.route(address("10.0.2.5")).expect("connected and known");
    assert_eq!((hop.port, hop.mtu, hop.destination_mac(), &hop.ethernet[6..12]), (1, 9000, mac(5), &mac(2)[..]));
    assert_eq!((hop.address, hop.source), (address("10.0.2.5"), address("10.0.2.1")));
    let missing = Unreachable::NoNeighbor { port: 1, address: address("10.0.2.6") };
    assert_eq!(table.route(address("10.0.2.6")), Err(missing), "known on the other port only");
}

#[test]
fn an_unknown_gateway_is_named() {
    let table = build(vec![route("0.0.0.0/0", 0, Some("10.0.1.254"))], vec![]);
    let missing = Unreachable::NoNeighbor { port: 0, address: address("10.0.1.254") };
    assert_eq!(table.route(address("198.51.100.7")), Err(missing));
}

#[test]
fn without_a_route_there_is_no_way() {
    let table = build(vec![], vec![]);
    assert_eq!(table.route(address("198.51.100.7")), Err(Unreachable::NoRoute));
    assert_eq!(table.route(0), Err(Unreachable::NoRoute));
    assert_eq!(table.route(u32::MAX), Err(Unreachable::NoRoute));
}

#[test]
fn the_first_of_equal_prefixes_wins_also_over_a_connected_one() {
    let neighbors = vec![neighbor("10.0.1.9", 0, 9), neighbor("10.0.1.8", 0, 8)];
    let table =
        build(vec![route("10.0.2.0/24", 0, Some("10.0.1.9")), route("10.0.2.0/24", 0, Some("10.0.1.8"))], neighbors);
    assert_eq!(table.route(address("10.0.2.5")).map(|hop| hop.destination_mac()), Ok(mac(9)));
}

#[test]
fn neighbouring_routes_with_one_gateway_are_one_range() {
    let via = Some("10.0.1.254");
    let routes = vec![route("198.51.0.0/17", 0, via), route("198.51.128.0/17", 0, via), route("198.51.7.0/24", 0, via)];
    let table = build(routes, vec![]);
    let connected = [0, address("10.0.1.0"), address("10.0.2.0"), address("10.0.3.0")];
    assert_eq!(table.ranges.starts, [&connected[..], &[address("198.51.0.0"), address("198.52.0.0")]].concat());
}

#[test]
fn a_routes_own_source_address_goes_before_the_ports() {
    let source = Some(Ipv4Addr::new(192, 0, 2, 1));
    let with_source = Route { source, ..route("198.51.100.0/24", 0, Some("10.0.1.254")) };
    let table = build(vec![with_source], vec![neighbor("10.0.1.254", 0, 0xfe)]);
    assert_eq!(table.route(address("198.51.100.7")).map(|hop| hop.source), Ok(address("192.0.2.1")));
}

#[test]
fn own_addresses_are_those_of_all_ports() {
    let table = NextHops::initial(&ports());
    assert!(table.is_own(address("10.0.1.1")) && table.is_own(address("10.0.2.1")));
    assert!(!table.is_own(address("10.0.1.2")) && !table.is_own(0));
    assert_eq!(table.generation(), 0);
}

#[test]
fn a_row_with_an_unknown_port_is_refused() {
    let tables = [
        (vec![route("0.0.0.0/0", 0, None), route("10.0.0.0/8", 2, None)], vec![], 1),
        (vec![route("0.0.0.0/0", 0, None)], vec![neighbor("10.0.1.2", 1, 1), neighbor("10.0.1.3", 9, 1)], 2),
    ];
    for (routes, neighbors, row) in tables {
        let result = NextHops::build(1, &NextHopTable { routes, neighbors }, &ports());
        assert_eq!(result.map(|_| ()), Err((Refusal::UnknownPort, row)));
    }
}

/// The reference: of all prefixes with the address, the first of the longest.
fn linear(prefixes: &[Prefix], address: u32) -> Option<u32> {
    let holders = (0..).zip(prefixes).filter(|(_, prefix)| prefix.contains(Ipv4Addr::from_bits(address)));
    let longest = holders.fold(None, |best: Option<(u32, u8)>, (index, prefix)| match best {
        Some((_, length)) if length >= prefix.length => best,
        _ => Some((index, prefix.length)),
    });
    longest.map(|(index, _)| index)
}

/// Each prefix has its index for a value.
fn flatten(prefixes: &[Prefix]) -> Ranges {
    Ranges::flatten(&prefixes.iter().copied().zip(0..).collect::<Vec<_>>())
}

fn assert_agrees(prefixes: &[Prefix], others: &[u32]) {
    let ranges = flatten(prefixes);
    let edges = prefixes.iter().flat_map(|prefix| {
        let first = prefix.network.to_bits();
        let size = 1_u64 << (32 - u32::from(prefix.length));
        let last = (u64::from(first) + size - 1) as u32;
        [first, last, first.wrapping_sub(1), last.wrapping_add(1)]
    });
    for address in edges.chain(others.iter().copied()).chain([0, u32::MAX]) {
        assert_eq!(ranges.find(address), linear(prefixes, address), "{}", Ipv4Addr::from_bits(address));
    }
}

proptest! {
    #[test]
    fn agrees_with_a_linear_search(
        prefixes in prop::collection::vec((any::<u32>(), 0..=32_u8, any::<bool>()), 0..60),
        others in prop::collection::vec(any::<u32>(), 0..40),
    ) {
        // Half of them crowd together, so that prefixes nest, touch and repeat.
        let crowded = |bits: u32, near: bool| if near { 0x0a00_0000 | bits & 0xff } else { bits };
        let prefixes: Vec<_> = prefixes
            .into_iter()
            .filter_map(|(bits, length, near)| Prefix::of(Ipv4Addr::from_bits(crowded(bits, near)), length))
            .collect();
        assert_agrees(&prefixes, &others);
    }
}

#[test]
fn a_large_table_with_a_first_level_agrees_too() {
    // A linear congruential generator (Knuth's MMIX) is enough to scatter prefixes of /8 to /32.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let prefixes: Vec<_> =
        (0..3_000).filter_map(|_| Prefix::of(Ipv4Addr::from_bits(random()), 8 + (random() % 25) as u8)).collect();
    assert!(flatten(&prefixes).starts.len() >= FIRST_LEVEL_FROM);
    let others: Vec<_> = (0..2_000).map(|_| random()).collect();
    assert_agrees(&prefixes, &others);
}
