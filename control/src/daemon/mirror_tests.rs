use super::*;

const WAN: u32 = 7;
const LAN: u32 = 9;
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 1, 0xfe]);
const OTHER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 1, 0xff]);

fn prefix(text: &str) -> Prefix {
    let (network, length) = text.split_once('/').expect("a prefix");
    Prefix { network: address(network), length: length.parse().expect("a length") }
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn ports() -> Vec<MirrorPort> {
    let port = |name: &str, own: &str| MirrorPort {
        kernel_interface: Some(name.to_owned()),
        addresses: vec![(address(own), 24)],
    };
    vec![port("sluice-wan", "10.0.1.1"), port("sluice-lan", "172.16.0.1")]
}

/// Two ports with their interfaces up, no static entries.
fn mirror() -> Mirror {
    with_statics(NextHopTable::default())
}

fn with_statics(statics: NextHopTable) -> Mirror {
    let mut mirror = Mirror::new(ports(), statics);
    assert!(mirror.interface_seen(WAN, "sluice-wan"));
    assert!(mirror.interface_seen(LAN, "sluice-lan"));
    assert!(!mirror.interface_seen(1, "lo"));
    mirror
}

fn kernel_route(to: &str, metric: u32, interface: u32, via: Option<&str>) -> KernelRoute {
    let hops = vec![KernelHop { interface, via: via.map(address) }];
    KernelRoute { prefix: prefix(to), metric, source: None, hops }
}

fn found<'a>(table: &'a NextHopTable, to: &str) -> Option<&'a Route> {
    table.routes.iter().find(|route| route.prefix == prefix(to))
}

#[test]
fn without_a_kernel_the_table_is_statics_and_connected_routes() {
    let gateway = Route { prefix: prefix("0.0.0.0/0"), port: 0, via: Some(address("10.0.1.254")), source: None };
    let neighbor = Neighbor { address: address("10.0.1.254"), port: 0, mac: MAC };
    let statics = NextHopTable { routes: vec![gateway], neighbors: vec![neighbor] };
    let table = Mirror::new(ports(), statics).table();
    assert_eq!(table.neighbors, [neighbor]);
    assert_eq!(table.routes.first(), Some(&gateway));
    let connected = found(&table, "172.16.0.0/24").expect("the connected route");
    assert_eq!((connected.port, connected.via, connected.source), (1, None, Some(address("172.16.0.1"))));
}

#[test]
fn a_kernel_route_on_a_port_is_mirrored_with_gateway_and_source() {
    let mut mirror = mirror();
    let mut default = kernel_route("0.0.0.0/0", 0, WAN, Some("10.0.1.254"));
    default.source = Some(address("10.0.1.1"));
    mirror.route_added(default.clone(), false);
    let route = *found(&mirror.table(), "0.0.0.0/0").expect("the default route");
    assert_eq!((route.port, route.via, route.source), (0, Some(address("10.0.1.254")), default.source));
    mirror.route_removed(&default);
    assert_eq!(found(&mirror.table(), "0.0.0.0/0"), None);
}

#[test]
fn a_kernel_route_on_another_interface_is_not() {
    let mut mirror = mirror();
    mirror.route_added(kernel_route("192.168.0.0/16", 0, 3, None), false);
    assert_eq!(found(&mirror.table(), "192.168.0.0/16"), None);
}

#[test]
fn the_lowest_metric_wins_and_the_next_takes_over() {
    let mut mirror = mirror();
    mirror.route_added(kernel_route("10.9.0.0/16", 200, LAN, Some("172.16.0.9")), false);
    mirror.route_added(kernel_route("10.9.0.0/16", 100, WAN, Some("10.0.1.9")), false);
    assert_eq!(found(&mirror.table(), "10.9.0.0/16").map(|route| route.port), Some(0));
    mirror.route_removed(&kernel_route("10.9.0.0/16", 100, WAN, Some("10.0.1.9")));
    assert_eq!(found(&mirror.table(), "10.9.0.0/16").map(|route| route.port), Some(1));
}

#[test]
fn a_replaced_route_leaves_even_when_the_new_one_is_on_another_interface() {
    let mut mirror = mirror();
    mirror.route_added(kernel_route("10.9.0.0/16", 0, WAN, Some("10.0.1.9")), false);
    mirror.route_added(kernel_route("10.9.0.0/16", 0, WAN, Some("10.0.1.8")), true);
    assert_eq!(found(&mirror.table(), "10.9.0.0/16").and_then(|route| route.via), Some(address("10.0.1.8")));
    mirror.route_added(kernel_route("10.9.0.0/16", 0, 3, None), true);
    assert_eq!(found(&mirror.table(), "10.9.0.0/16"), None);
}

#[test]
fn the_first_hop_on_a_port_serves_for_a_multipath_route() {
    let mut mirror = mirror();
    let mut route = kernel_route("10.9.0.0/16", 0, 3, None);
    route.hops.push(KernelHop { interface: LAN, via: Some(address("172.16.0.9")) });
    mirror.route_added(route, false);
    assert_eq!(found(&mirror.table(), "10.9.0.0/16").map(|route| route.port), Some(1));
}

#[test]
fn statics_win_over_the_kernel() {
    let route = Route { prefix: prefix("0.0.0.0/0"), port: 1, via: Some(address("172.16.0.254")), source: None };
    let neighbor = Neighbor { address: address("172.16.0.254"), port: 1, mac: MAC };
    let mut mirror = with_statics(NextHopTable { routes: vec![route], neighbors: vec![neighbor] });
    mirror.route_added(kernel_route("0.0.0.0/0", 0, WAN, Some("10.0.1.254")), false);
    mirror.neighbor_seen((LAN, neighbor.address), Some(OTHER_MAC), Upkeep::Asked);
    let table = mirror.table();
    assert_eq!(found(&table, "0.0.0.0/0"), Some(&route));
    assert_eq!(table.neighbors, [neighbor]);
    assert_eq!(mirror.targets(&table, &BTreeSet::new()), BTreeSet::new(), "a static neighbour needs no resolving");
}

#[test]
fn a_neighbor_is_pushed_while_the_kernel_has_its_mac() {
    let mut mirror = mirror();
    let target = (WAN, address("10.0.1.254"));
    mirror.neighbor_seen(target, Some(MAC), Upkeep::Asked);
    assert_eq!(mirror.table().neighbors, [Neighbor { address: target.1, port: 0, mac: MAC }]);
    mirror.neighbor_seen(target, None, Upkeep::Asked);
    assert_eq!(mirror.table().neighbors, []);
    mirror.neighbor_seen((3, target.1), Some(MAC), Upkeep::Asked);
    assert_eq!(mirror.table().neighbors, [], "not on a port");
}

#[test]
fn a_neighbor_is_kept_by_the_kernel_or_by_hand_and_only_by_hand_permanent() {
    let mut mirror = mirror();
    let target = (WAN, address("10.0.1.254"));
    for (upkeep, kept, permanent) in
        [(Upkeep::Asked, false, false), (Upkeep::Managed, true, false), (Upkeep::Permanent, true, true)]
    {
        mirror.neighbor_seen(target, Some(MAC), upkeep);
        assert_eq!((mirror.is_kept(target), mirror.is_permanent(target)), (kept, permanent), "{upkeep:?}");
    }
    mirror.neighbor_removed(target);
    assert!(!mirror.is_permanent(target), "removed by hand: it may be asked for");
}

#[test]
fn gateways_and_reals_on_a_link_are_to_be_resolved() {
    let mut mirror = mirror();
    mirror.route_added(kernel_route("0.0.0.0/0", 0, WAN, Some("10.0.1.254")), false);
    let reals = BTreeSet::from([address("172.16.0.2"), address("198.51.100.7")]);
    let targets = mirror.targets(&mirror.table(), &reals);
    assert_eq!(targets, BTreeSet::from([(WAN, address("10.0.1.254")), (LAN, address("172.16.0.2"))]));
}

#[test]
fn a_renamed_or_lost_interface_is_no_longer_a_port() {
    let mut mirror = mirror();
    assert_eq!(mirror.first_interface(), Some((0, WAN)));
    assert!(mirror.interface_seen(WAN, "old-wan"), "a change of ours: it was a port's");
    assert_eq!(mirror.first_interface(), Some((1, LAN)));
    mirror.forget_kernel();
    assert_eq!(mirror.first_interface(), None);
}
