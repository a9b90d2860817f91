//! sluiced and the Linux kernel, in a network namespace of its own. Needs root.

mod support;

use link::model::{MacAddress, NextHopTable, Route};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{FakeDataplane, SERVICES, Site, eventually};

const PEER_MAC: &str = "02:00:00:00:02:02";

/// A namespace with the ports' kernel interfaces: `sluice-wan` and `sluice-lan`, veths whose other ends are in a second
/// namespace, where 10.0.1.254 and 172.16.0.2 live.
struct Net {
    director: String,
    outside: String,
}

impl Net {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let net = Self { director: format!("slk{id}-{name}"), outside: format!("slk{id}-{name}-out") };
        ip(&format!("netns add {}", net.director));
        ip(&format!("netns add {}", net.outside));
        for (port, address) in [("wan", "10.0.1.254/24"), ("lan", "172.16.0.2/24")] {
            let (director, outside) = (&net.director, &net.outside);
            ip(&format!("-n {director} link add sluice-{port} type veth peer name {port} netns {outside}"));
            ip(&format!("-n {director} link set sluice-{port} up"));
            ip(&format!("-n {outside} address add {address} dev {port}"));
            ip(&format!("-n {outside} link set {port} up"));
        }
        ip(&format!("-n {} link set lan address {PEER_MAC}", net.outside));
        net
    }

    /// A site whose sluiced runs in the namespace.
    fn site(&self) -> Site {
        let mut site = Site::new();
        site.prefix = ["ip", "netns", "exec", &self.director].map(str::to_owned).to_vec();
        site.write_machine("kernel_interface = \"sluice-wan\"", "kernel_interface = \"sluice-lan\"");
        site
    }

    fn director(&self, command: &str) -> String {
        ip(&format!("-n {} {command}", self.director))
    }

    /// Waits until the interface has the address, or has it no more.
    fn expect_address(&self, address: &str, there: bool) {
        eventually(&format!("address {address}: {there}"), || {
            let listed = self.director("-4 -o address show");
            (listed.contains(&format!(" {address} ")) == there).then_some(())
        });
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.director, &self.outside] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// Writes down how the director's addresses change.
struct Monitor {
    child: Child,
    lines: Arc<Mutex<String>>,
}

impl Monitor {
    fn start(net: &Net) -> Self {
        let mut command = Command::new("ip");
        command.args(["-n", &net.director, "-4", "-o", "monitor", "address"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ip runs");
        let reader = BufReader::new(child.stdout.take().expect("its output"));
        let lines = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                into.lock().expect("not poisoned").extend([line.as_str(), "\n"]);
            }
        });
        let monitor = Self { child, lines };
        // It listens once it shows a change.
        eventually("the monitor listens", || {
            net.director("address replace 192.0.2.1/32 dev lo");
            net.director("address delete 192.0.2.1/32 dev lo");
            monitor.removed("192.0.2.1").then_some(())
        });
        monitor
    }

    fn removed(&self, address: &str) -> bool {
        let lines = self.lines.lock().expect("not poisoned");
        lines.lines().any(|line| line.contains("Deleted") && line.contains(&format!(" {address}/")))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said} (these tests need root)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

/// Waits for a next-hop table in force.
fn next_hops(dataplane: &FakeDataplane, what: &str, wanted: impl Fn(&NextHopTable) -> bool) {
    eventually(what, || dataplane.shared().next_hops.last().is_some_and(&wanted).then_some(()));
}

fn route<'a>(table: &'a NextHopTable, to: &str) -> Option<&'a Route> {
    table.routes.iter().find(|route| route.prefix.to_string() == to)
}

#[test]
fn vips_and_own_addresses_are_put_on_the_kernel_interfaces_and_stay_when_sluiced_ends() {
    let net = Net::new("vip");
    let site = net.site();
    let dataplane = FakeDataplane::start(&site.link());
    let mut sluiced = site.start();
    for own in ["10.0.1.1/24", "172.16.0.1/24", "202.103.106.5/32", "202.103.106.6/32"] {
        net.expect_address(own, true);
    }
    assert!(net.director("-4 -o address show dev sluice-wan").contains("202.103.106.5/32"), "on the first port");
    dataplane.table(1);
    site.connected();
    site.ask(r#"{"command":"service_remove","service":"dns"}"#);
    net.expect_address("202.103.106.6/32", false);
    sluiced.signal("TERM");
    sluiced.wait();
    net.expect_address("202.103.106.5/32", true);
}

#[test]
fn an_address_of_an_earlier_run_is_removed_with_its_service_and_a_foreign_one_is_not() {
    let net = Net::new("own");
    net.director("address add 202.103.106.6/32 dev sluice-wan");
    let site = net.site();
    let earlier = site.start();
    net.expect_address("202.103.106.5/32", true);
    earlier.kill();
    net.expect_address("202.103.106.5/32", true);

    let _sluiced = site.start();
    site.ask(r#"{"command":"service_remove","service":"web"}"#);
    net.expect_address("202.103.106.5/32", false);
    site.ask(r#"{"command":"service_remove","service":"dns"}"#);
    let mail = r#"{"command":"service_add","name":"mail","protocol":"tcp","address":"202.103.106.7:25"}"#;
    site.ask(mail);
    net.expect_address("202.103.106.7/32", true);
    net.expect_address("202.103.106.6/32", true);
}

#[test]
fn a_restart_takes_no_vip_away_that_the_file_does_not_name() {
    let net = Net::new("vips");
    let site = net.site();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    site.ask(r#"{"command":"service_add","name":"mail","protocol":"tcp","address":"202.103.106.7:25"}"#);
    net.expect_address("202.103.106.7/32", true);
    sluiced.kill();

    // The dataplane takes its time to say what runs.
    dataplane.shared().frozen = true;
    let monitor = Monitor::start(&net);
    let _sluiced = site.start();
    std::thread::sleep(Duration::from_millis(500));
    dataplane.shared().frozen = false;
    site.connected();
    site.ask(r#"{"command":"service_remove","service":"dns"}"#);
    eventually("the address of a removed service goes", || monitor.removed("202.103.106.6").then_some(()));
    assert!(!monitor.removed("202.103.106.7") && !monitor.removed("202.103.106.5"), "not even for a moment");
}

#[test]
fn routes_follow_the_kernel_and_statics_win() {
    let net = Net::new("routes");
    let site = net.site();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    net.expect_address("172.16.0.1/24", true);
    net.director("route add 198.51.100.0/24 via 172.16.0.254 src 172.16.0.1");
    next_hops(&dataplane, "a new route", |table| {
        route(table, "198.51.100.0/24").is_some_and(|route| {
            (route.port, route.via, route.source) == (1, Some(address("172.16.0.254")), Some(address("172.16.0.1")))
        })
    });
    net.director("route replace 198.51.100.0/24 via 10.0.1.253");
    next_hops(&dataplane, "a replaced route", |table| {
        route(table, "198.51.100.0/24").is_some_and(|route| route.via == Some(address("10.0.1.253")))
    });
    net.director("route add default via 10.0.1.253");
    net.director("route delete 198.51.100.0/24");
    next_hops(&dataplane, "a deleted route", |table| route(table, "198.51.100.0/24").is_none());
    next_hops(&dataplane, "the static default", |table| {
        route(table, "0.0.0.0/0").is_some_and(|route| route.via == Some(address("10.0.1.254")))
    });
    // The kernel says nothing of the routes that go down with a link.
    net.director("route add 198.51.100.0/24 via 172.16.0.254");
    next_hops(&dataplane, "a route", |table| route(table, "198.51.100.0/24").is_some());
    net.director("link set sluice-lan down");
    next_hops(&dataplane, "the route went with its link", |table| route(table, "198.51.100.0/24").is_none());
}

#[test]
fn reals_are_resolved_by_the_kernel_and_kept_so() {
    let net = Net::new("reals");
    let site = net.site();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    let mac: MacAddress = PEER_MAC.parse().expect("a MAC");
    let has_real = |table: &NextHopTable| {
        table
            .neighbors
            .iter()
            .any(|entry| entry.address == address("172.16.0.2") && entry.mac == mac && entry.port == 1)
    };
    next_hops(&dataplane, "the real's MAC", has_real);
    assert!(net.director("neighbor show 172.16.0.2").contains("managed"), "the kernel keeps it resolved");
    net.director("neighbor delete 172.16.0.2 dev sluice-lan");
    next_hops(&dataplane, "the neighbour is gone", |table| !has_real(table));
    dataplane.shared().wants = Some((1, address("172.16.0.2")));
    next_hops(&dataplane, "resolved because packets wait", has_real);
    assert!(net.director("neighbor show 172.16.0.2").contains("managed"), "and still kept");
}

#[test]
fn a_neighbor_set_by_hand_stays_as_it_was_set() {
    let net = Net::new("hand");
    let mac = "02:00:00:00:02:77";
    net.director(&format!("neighbor add 172.16.0.2 lladdr {mac} nud permanent dev sluice-lan"));
    let site = net.site();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    let mac: MacAddress = mac.parse().expect("a MAC");
    let by_hand = |table: &NextHopTable| table.neighbors.iter().any(|entry| entry.mac == mac);
    next_hops(&dataplane, "the MAC set by hand", by_hand);
    site.connected();
    // What sluiced asks for: a waiting packet's neighbour, and a real that leaves, with one beside it to show that both
    // were dealt with.
    dataplane.shared().wants = Some((1, address("172.16.0.2")));
    eventually("the wish is sent", || dataplane.shared().wants.is_none().then_some(()));
    site.ask(r#"{"command":"real_remove","service":"web","address":"172.16.0.2:80"}"#);
    site.ask(r#"{"command":"real_add","service":"web","address":"172.16.0.9:80"}"#);
    eventually("the other real is asked for", || {
        net.director("neighbor show dev sluice-lan").contains("172.16.0.9").then_some(())
    });
    let shown = net.director("neighbor show 172.16.0.2");
    assert!(shown.contains("PERMANENT") && !shown.contains("managed"), "{shown}");
}

#[test]
fn a_removed_real_is_no_longer_kept_resolved() {
    let net = Net::new("forget");
    let site = net.site();
    let _sluiced = site.start();
    let managed = || net.director("neighbor show 172.16.0.2").contains("managed");
    eventually("kept", || managed().then_some(()));
    site.ask(r#"{"command":"real_remove","service":"web","address":"172.16.0.2:80"}"#);
    eventually("not kept", || (!managed()).then_some(()));
}

#[test]
fn an_interface_that_appears_later_is_taken_up_and_warned_of_before() {
    let net = Net::new("later");
    net.director("link delete sluice-wan");
    let site = net.site();
    site.write_services(SERVICES);
    let _sluiced = site.start();
    let warnings = || site.ask(r#"{"command":"status"}"#)["warnings"].to_string();
    eventually("a warning", || warnings().contains("Kernel interface sluice-wan does not exist").then_some(()));
    net.director("link add sluice-wan type veth peer name far");
    net.director("link set sluice-wan up");
    net.expect_address("10.0.1.1/24", true);
    eventually("no warning", || (warnings() == "[]").then_some(()));
    eventually("the VIP moved to the first port", || {
        net.director("-4 -o address show dev sluice-wan").contains("202.103.106.5/32").then_some(())
    });
}

#[test]
fn a_restart_takes_no_next_hop_away() {
    let net = Net::new("restart");
    let site = net.site();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    let has_real = |table: &NextHopTable| table.neighbors.iter().any(|entry| entry.address == address("172.16.0.2"));
    next_hops(&dataplane, "the real's MAC", has_real);
    sluiced.kill();
    let before = dataplane.shared().next_hops.len();
    let _sluiced = site.start();
    eventually("pushed again", || (dataplane.shared().next_hops.len() > before).then_some(()));
    assert!(dataplane.shared().next_hops.iter().skip(before).all(has_real), "each table pushed since has it");
}
