//! Each mistake that a user can make in the two files, with its message; each beside the ordinary text that it must
//! not refuse.

#[path = "mistakes/options.rs"]
mod options;

use config::{ConfigError, Machine, Services};

const SERVICES: &str = r#"[timeouts]
tcp_established = 900
udp = 300

[[service]]
name = "web"
protocol = "tcp"
address = "202.103.106.5:80"
scheduler = "wrr"
method = "nat"

[[service.real]]
address = "172.16.0.2:80"
weight = 1

[[service.real]]
address = "172.16.0.3:8000"
weight = 2

[[service]]
name = "dns"
protocol = "udp"
address = "202.103.106.5:53"
method = "direct"

[[service.real]]
address = "172.16.0.3:53"
"#;

const MACHINE: &str = r#"[dataplane]
main_lcore = 0
workers = [1, 2]
eal = ["--no-pci"]
connections = 1_000_000
idle = "pause"
unmatched = "reject"

[[port]]
name = "wan"
device = "net_tap0,iface=wan0"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24"]
kernel_interface = "sluice-wan"
mtu = 1500

[[port]]
name = "lan"
device = "net_tap1"
mac = "02:00:00:00:01:02"
addresses = ["172.16.0.1/24"]
kernel_interface = "sluice-lan"

[[route]]
prefix = "0.0.0.0/0"
port = "wan"
via = "10.0.1.254"

[[neighbor]]
address = "10.0.1.254"
port = "wan"
mac = "02:00:00:00:01:fe"

[control]
socket = "/run/sluice/control.sock"
http = "127.0.0.1:9106"
"#;

/// A mistake: what is written, what the user wrote instead (the first occurrence is replaced), the whole refusal.
type Mistake = (&'static str, &'static str, &'static str);

const SERVICE_MISTAKES: &[Mistake] = &[
    (
        "weight = 1",
        "weight = 70000",
        "service \"web\", real 172.16.0.2:80: weight 70000, allowed 0 to 65535 (services.toml:14)",
    ),
    (
        "weight = 1",
        "weight = -1",
        "service \"web\", real 172.16.0.2:80: weight -1, allowed 0 to 65535 (services.toml:14)",
    ),
    (
        "weight = 1",
        "weight = \"1\"",
        "service \"web\", real 172.16.0.2:80: weight \"1\", allowed 0 to 65535 (services.toml:14)",
    ),
    (
        "weight = 1",
        "wieght = 1",
        "service \"web\", real 172.16.0.2:80: unknown key \"wieght\", allowed address, weight, method, upper_threshold, lower_threshold (services.toml:14)",
    ),
    (
        "weight = 1",
        "weight = 1\nmethod = \"gre\"",
        "service \"web\", real 172.16.0.2:80: method \"gre\", allowed nat, tunnel, direct (services.toml:15)",
    ),
    ("weight = 1", "weight = 1\nweight = 2", "this is not TOML at \"weight\": duplicate key (services.toml:15)"),
    (
        "\"172.16.0.2:80\"",
        "\"172.16.0.2\"",
        "service \"web\", real 172.16.0.2: address \"172.16.0.2\", allowed a unicast IPv4 address and a port from 1 to 65535, \
      as \"10.0.0.1:80\" (services.toml:13)",
    ),
    (
        "\"172.16.0.2:80\"",
        "\"172.16.0.2:0\"",
        "service \"web\", real 172.16.0.2:0: address \"172.16.0.2:0\", allowed a unicast IPv4 address and a port from 1 \
      to 65535, as \"10.0.0.1:80\" (services.toml:13)",
    ),
    (
        "\"172.16.0.2:80\"",
        "\"[2001:db8::1]:80\"",
        "service \"web\", real [2001:db8::1]:80: address \"[2001:db8::1]:80\", allowed a unicast IPv4 address and a port from 1 to \
      65535, as \"10.0.0.1:80\" (services.toml:13)",
    ),
    (
        "\"172.16.0.2:80\"",
        "\"172.16.0.3:8000\"",
        "service \"web\", real 172.16.0.3:8000: address \"172.16.0.3:8000\" is given twice, an earlier real has it already \
      (services.toml:17)",
    ),
    (
        "\"172.16.0.2:80\"",
        "\"202.103.106.5:8080\"",
        "service \"web\", real 202.103.106.5:8080: address \"202.103.106.5:8080\", allowed another address than the \
      service's own: a packet would come back (services.toml:13)",
    ),
    (
        "\"172.16.0.3:53\"",
        "\"172.16.0.3:5353\"",
        "service \"dns\", real 172.16.0.3:5353: address \"172.16.0.3:5353\", allowed port 53 as the service has: method \
      direct keeps the packet's port (services.toml:27)",
    ),
    (
        "address = \"172.16.0.3:8000\"",
        "address = \"172.16.0.3:8000\"\nmethod = \"tunnel\"",
        "service \"web\", real 172.16.0.3:8000: address \"172.16.0.3:8000\", allowed port 80 as the service has: method \
      tunnel keeps the packet's port (services.toml:17)",
    ),
    (
        "address = \"172.16.0.2:80\"\n",
        "",
        "service \"web\", real 1: address is missing, allowed a unicast IPv4 address and a port from 1 to 65535, as \
      \"10.0.0.1:80\" (services.toml:12)",
    ),
    (
        "name = \"web\"\n",
        "",
        "service 202.103.106.5:80: name is missing, allowed 1 to 64 of letters, digits, \".\", \"_\" and \"-\" (services.toml:5)",
    ),
    (
        "name = \"web\"",
        "name = \"my web\"",
        "service \"my web\": name \"my web\", allowed 1 to 64 of letters, digits, \".\", \"_\" and \"-\" (services.toml:6)",
    ),
    (
        "name = \"web\"",
        "name = \"\"",
        "service 202.103.106.5:80: name \"\", allowed 1 to 64 of letters, digits, \".\", \"_\" and \"-\" (services.toml:6)",
    ),
    (
        "name = \"dns\"",
        "name = \"web\"",
        "service \"web\": name \"web\" is given twice, an earlier service has it already (services.toml:21)",
    ),
    (
        "protocol = \"tcp\"",
        "protocol = \"sctp\"",
        "service \"web\": protocol \"sctp\", allowed tcp, udp (services.toml:7)",
    ),
    ("protocol = \"tcp\"\n", "", "service \"web\": protocol is missing, allowed tcp, udp (services.toml:5)"),
    (
        "\"202.103.106.5:80\"",
        "\"224.0.0.5:80\"",
        "service \"web\": address \"224.0.0.5:80\", allowed a unicast IPv4 address and a port from 1 to 65535, as \
      \"10.0.0.1:80\" (services.toml:8)",
    ),
    (
        "\"202.103.106.5:80\"",
        "\"0.0.0.0:80\"",
        "service \"web\": address \"0.0.0.0:80\", allowed a unicast IPv4 address and a port from 1 to 65535, as \
      \"10.0.0.1:80\" (services.toml:8)",
    ),
    (
        "\"202.103.106.5:80\"",
        "\"127.0.0.1:80\"",
        "service \"web\": address \"127.0.0.1:80\", allowed a unicast IPv4 address and a port from 1 to 65535, as \
      \"10.0.0.1:80\" (services.toml:8)",
    ),
    (
        "protocol = \"udp\"\naddress = \"202.103.106.5:53\"\nmethod = \"direct\"",
        "protocol = \"tcp\"\naddress = \"202.103.106.5:80\"",
        "service \"dns\": address \"202.103.106.5:80\" (tcp) is given twice, service \"web\" has it already \
      (services.toml:23)",
    ),
    (
        "scheduler = \"wrr\"",
        "scheduler = \"wrrr\"",
        "service \"web\": scheduler \"wrrr\", allowed rr, wrr, lc, wlc, sed, nq, lblc, lblcr, dh, sh, mh, fo, ovf, twos (services.toml:9)",
    ),
    (
        "scheduler = \"wrr\"",
        "schedulr = \"wrr\"",
        "service \"web\": unknown key \"schedulr\", allowed name, protocol, address, group, scheduler, scheduler_flags, persistence, persistence_netmask, one_packet, clamp_mss, helper, method, timeouts, real (services.toml:9)",
    ),
    (
        "tcp_established = 900",
        "tcp_established = 0",
        "[timeouts]: tcp_established 0, allowed 1 to 2678400 (services.toml:2)",
    ),
    (
        "tcp_established = 900",
        "tcp_established = 900.5",
        "[timeouts]: tcp_established 900.5, allowed 1 to 2678400 (services.toml:2)",
    ),
    (
        "tcp_established = 900",
        "established = 900",
        "[timeouts]: unknown key \"established\", allowed tcp_none, tcp_established, tcp_syn_sent, tcp_syn_recv, \
      tcp_fin_wait, tcp_time_wait, tcp_close, tcp_close_wait, tcp_last_ack, tcp_listen, tcp_synack, udp \
      (services.toml:2)",
    ),
    (
        "[timeouts]",
        "[timeout]",
        "unknown section \"timeout\", allowed timeouts, settings, group, service (services.toml:1)",
    ),
    ("[timeouts]", "[[timeouts]]", "timeouts must be a table, write [timeouts] (services.toml:1)"),
    (
        "udp = 300",
        "udp = 300 seconds",
        "this is not TOML at \"300 seconds\": string values must be quoted, expected literal string (services.toml:3)",
    ),
];

const MACHINE_MISTAKES: &[Mistake] = &[
    ("main_lcore = 0", "main_lcore = 128", "[dataplane]: main_lcore 128, allowed 0 to 127 (sluice.toml:2)"),
    (
        "main_lcore = 0",
        "main_lcore = 2",
        "[dataplane]: workers has lcore 2, which is main_lcore; give the workers other lcores (sluice.toml:3)",
    ),
    ("[1, 2]", "[1, 1]", "[dataplane]: workers has lcore 1 twice, allowed once (sluice.toml:3)"),
    ("[1, 2]", "[]", "[dataplane]: workers [], allowed at least one lcore, as [1] (sluice.toml:3)"),
    ("[1, 2]", "1", "[dataplane]: workers 1, allowed a list of numbers, each 0 to 127 (sluice.toml:3)"),
    ("[1, 2]", "[1, 200]", "[dataplane]: workers 200, allowed a list of numbers, each 0 to 127 (sluice.toml:3)"),
    (
        "workers = [1, 2]\n",
        "",
        "[dataplane]: workers is missing, allowed a list of numbers, each 0 to 127, as [1] (sluice.toml:1)",
    ),
    (
        "workers",
        "worker",
        "[dataplane]: unknown key \"worker\", allowed main_lcore, workers, eal, connections, templates, max_services, max_reals, \
      mbufs, idle, unmatched, reject_rate (sluice.toml:3)",
    ),
    (
        "[\"--no-pci\"]",
        "[\"-l\", \"0-3\"]",
        "[dataplane]: eal has \"-l\", which main_lcore and workers decide; remove it from eal (sluice.toml:4)",
    ),
    (
        "[\"--no-pci\"]",
        "[\"--main-lcore=1\"]",
        "[dataplane]: eal has \"--main-lcore=1\", which main_lcore and workers decide; remove it from eal (sluice.toml:4)",
    ),
    (
        "[\"--no-pci\"]",
        "\"--no-pci\"",
        "[dataplane]: eal \"--no-pci\", allowed a list of strings without control characters (sluice.toml:4)",
    ),
    ("1_000_000", "0", "[dataplane]: connections 0, allowed 1 to 100000000 (sluice.toml:5)"),
    ("idle = \"pause\"", "idle = \"busy\"", "[dataplane]: idle \"busy\", allowed spin, pause, sleep (sluice.toml:6)"),
    (
        "unmatched = \"reject\"",
        "unmatched = \"accept\"",
        "[dataplane]: unmatched \"accept\", allowed reject, kernel, drop (sluice.toml:7)",
    ),
    (
        "unmatched = \"reject\"",
        "reject_rate = 1_000_001",
        "[dataplane]: reject_rate 1_000_001, allowed 0 to 1000000 (sluice.toml:7)",
    ),
    ("unmatched = \"reject\"", "max_services = 0", "[dataplane]: max_services 0, allowed 1 to 1048576 (sluice.toml:7)"),
    (
        "unmatched = \"reject\"",
        "max_reals = 2_000_000",
        "[dataplane]: max_reals 2_000_000, allowed 1 to 1048576 (sluice.toml:7)",
    ),
    ("unmatched = \"reject\"", "mbufs = 10", "[dataplane]: mbufs 10, allowed 1024 to 16777215 (sluice.toml:7)"),
    (
        "name = \"wan\"",
        "name = \"wan port\"",
        "port \"wan port\": name \"wan port\", allowed 1 to 31 of letters, digits, \".\", \"_\" and \"-\" (sluice.toml:10)",
    ),
    (
        "name = \"lan\"",
        "name = \"wan\"",
        "port \"wan\": name \"wan\" is given twice, an earlier port has it already (sluice.toml:18)",
    ),
    (
        "device = \"net_tap1\"\n",
        "",
        "port \"lan\": device is missing, allowed a PCI address, as \"0000:01:00.0\", or a vdev, as \
      \"net_tap0,iface=wan0\"; at most 255 bytes (sluice.toml:17)",
    ),
    (
        "\"net_tap1\"",
        "\"net_tap0,iface=wan0\"",
        "port \"lan\": device \"net_tap0,iface=wan0\" is given twice, port \"wan\" has it already (sluice.toml:19)",
    ),
    (
        "\"02:00:00:00:01:02\"",
        "\"02:00:00:00:01:01\"",
        "port \"lan\": mac \"02:00:00:00:01:01\" is given twice, port \"wan\" has it already (sluice.toml:20)",
    ),
    (
        "\"02:00:00:00:01:01\"",
        "\"03:00:00:00:01:01\"",
        "port \"wan\": mac \"03:00:00:00:01:01\", allowed the MAC address of one host: six bytes in hex, not multicast, \
      not zero, as \"02:00:00:00:01:01\" (sluice.toml:12)",
    ),
    (
        "\"02:00:00:00:01:01\"",
        "\"02-00-00-00-01-01\"",
        "port \"wan\": mac \"02-00-00-00-01-01\", allowed the MAC address of one host: six bytes in hex, not multicast, \
      not zero, as \"02:00:00:00:01:01\" (sluice.toml:12)",
    ),
    (
        "[\"10.0.1.1/24\"]",
        "[\"10.0.1.1\"]",
        "port \"wan\": addresses \"10.0.1.1\", allowed a list of unicast IPv4 addresses with prefix length 1 to 32, as \
      [\"10.0.1.1/24\"] (sluice.toml:13)",
    ),
    (
        "[\"10.0.1.1/24\"]",
        "[\"10.0.1.1/33\"]",
        "port \"wan\": addresses \"10.0.1.1/33\", allowed a list of unicast IPv4 addresses with prefix length 1 to 32, as \
      [\"10.0.1.1/24\"] (sluice.toml:13)",
    ),
    (
        "\"172.16.0.1/24\"",
        "\"10.0.1.1/16\"",
        "port \"lan\": addresses 10.0.1.1 is given twice, port \"wan\" has it already (sluice.toml:21)",
    ),
    (
        "\"172.16.0.1/24\"",
        "\"10.0.2.1/24\", \"10.0.2.1/24\"",
        "port \"lan\": addresses 10.0.2.1 is given twice, port \"lan\" has it already (sluice.toml:21)",
    ),
    (
        "\"172.16.0.1/24\"",
        "\"10.0.2.1/24\",\"10.0.2.2/24\",\"10.0.2.3/24\",\"10.0.2.4/24\",\"10.0.2.5/24\",\"10.0.2.6/24\",\
      \"10.0.2.7/24\",\"10.0.2.8/24\",\"10.0.2.9/24\"",
        "port \"lan\": addresses has 9 entries, allowed at most 8 (sluice.toml:21)",
    ),
    (
        "\"sluice-wan\"",
        "\"sluice-interface\"",
        "port \"wan\": kernel_interface \"sluice-interface\", allowed 1 to 15 bytes without \"/\", \":\" and spaces, as \
      \"sluice-wan\" (sluice.toml:14)",
    ),
    (
        "\"sluice-lan\"",
        "\"sluice-wan\"",
        "port \"lan\": kernel_interface \"sluice-wan\" is given twice, port \"wan\" has it already (sluice.toml:22)",
    ),
    ("mtu = 1500", "mtu = 67", "port \"wan\": mtu 67, allowed 68 to 9600 (sluice.toml:15)"),
    ("mtu = 1500", "mtu = 9601", "port \"wan\": mtu 9601, allowed 68 to 9600 (sluice.toml:15)"),
    (
        "\"0.0.0.0/0\"",
        "\"10.1.2.3/8\"",
        "route 10.1.2.3/8: prefix \"10.1.2.3/8\", allowed zero host bits: \"10.0.0.0/8\" (sluice.toml:25)",
    ),
    (
        "\"0.0.0.0/0\"",
        "\"default\"",
        "route default: prefix \"default\", allowed an IPv4 prefix of length 0 to 32, as \"10.0.0.0/8\" (sluice.toml:25)",
    ),
    (
        "\"0.0.0.0/0\"",
        "\"10.0.0.0/33\"",
        "route 10.0.0.0/33: prefix \"10.0.0.0/33\", allowed an IPv4 prefix of length 0 to 32, as \"10.0.0.0/8\" (sluice.toml:25)",
    ),
    (
        "port = \"wan\"",
        "port = \"dmz\"",
        "route 0.0.0.0/0: port \"dmz\", allowed the name of a [[port]]: wan, lan (sluice.toml:26)",
    ),
    (
        "via = \"10.0.1.254\"",
        "via = \"10.0.1.1\"",
        "route 0.0.0.0/0: via 10.0.1.1 is the director's own address on port \"wan\", allowed the address of another host \
      (sluice.toml:27)",
    ),
    (
        "via = \"10.0.1.254\"",
        "via = \"255.255.255.255\"",
        "route 0.0.0.0/0: via \"255.255.255.255\", allowed a unicast IPv4 address, as \"10.0.1.254\" (sluice.toml:27)",
    ),
    (
        "[[neighbor]]",
        "[[route]]\nprefix = \"0.0.0.0/0\"\nport = \"lan\"\n\n[[neighbor]]",
        "route 0.0.0.0/0: prefix \"0.0.0.0/0\" is given twice, an earlier route has it already (sluice.toml:30)",
    ),
    (
        "[control]",
        "[[neighbor]]\naddress = \"10.0.1.254\"\nport = \"wan\"\nmac = \"02:00:00:00:01:fd\"\n\n[control]",
        "neighbor 10.0.1.254: address \"10.0.1.254\" is given twice, an earlier neighbor has it already (sluice.toml:35)",
    ),
    (
        "mac = \"02:00:00:00:01:fe\"\n",
        "",
        "neighbor 10.0.1.254: mac is missing, allowed the MAC address of one host: six bytes in hex, not multicast, not \
      zero, as \"02:00:00:00:01:01\" (sluice.toml:29)",
    ),
    (
        "\"/run/sluice/control.sock\"",
        "\"control.sock\"",
        "[control]: socket \"control.sock\", allowed an absolute path of at most 107 bytes (sluice.toml:35)",
    ),
    (
        "\"127.0.0.1:9106\"",
        "9106",
        "[control]: http 9106, allowed an IP address and a port, as \"127.0.0.1:9106\" (sluice.toml:36)",
    ),
    (
        "http = \"127.0.0.1:9106\"",
        "link = \"sluice.link\"",
        "[control]: link \"sluice.link\", allowed an absolute path (sluice.toml:36)",
    ),
    (
        "[control]",
        "[controls]",
        "unknown section \"controls\", allowed dataplane, port, route, neighbor, control (sluice.toml:34)",
    ),
    ("[[neighbor]]", "[neighbor]", "neighbor must be a list of tables, write [[neighbor]] for each (sluice.toml:29)"),
];

fn check<T>(good: &str, file: &str, mistakes: &[Mistake], parse: impl Fn(&str, &str) -> Result<T, ConfigError>) {
    parse(good, file).map(|_| ()).expect("the text without a mistake");
    let mut wrong = Vec::new();
    for (written, mistaken, want) in mistakes {
        assert!(good.contains(written), "{written:?} is not in the text");
        let got = match parse(&good.replacen(written, mistaken, 1), file) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        if got != *want {
            wrong.push(format!("{written:?} -> {mistaken:?}\n  want {want}\n  got  {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), mistakes.len(), wrong.join("\n"));
}

#[test]
fn each_mistake_in_services_toml_is_named_with_its_line() {
    check(SERVICES, "services.toml", SERVICE_MISTAKES, Services::parse);
}

#[test]
fn each_mistake_in_sluice_toml_is_named_with_its_line() {
    check(MACHINE, "sluice.toml", MACHINE_MISTAKES, Machine::parse);
}

#[test]
fn files_without_their_required_parts_are_refused_and_empty_services_are_fine() {
    assert_eq!(Services::parse("", "services.toml"), Ok(Services::default()));
    let refusal = |text| Machine::parse(text, "sluice.toml").expect_err("refused").to_string();
    let want = "[dataplane] is missing, allowed a table with at least workers, as workers = [1] (sluice.toml:1)";
    assert_eq!(refusal(""), want);
    let want = "there is no [[port]], give at least one with name and device (sluice.toml:1)";
    assert_eq!(refusal("[dataplane]\nworkers = [1]\n"), want);
}

#[test]
fn the_same_port_is_fine_with_another_protocol_or_method() {
    // One VIP and port in TCP and UDP; a NAT real on another port in a tunnel service.
    let text = r#"
        [[service]]
        name = "dns-tcp"
        protocol = "tcp"
        address = "192.0.2.1:53"
        method = "tunnel"
        [[service.real]]
        address = "10.0.0.1:53"
        weight = 0
        [[service.real]]
        address = "10.0.0.1:5353"
        method = "nat"
        weight = 65535
        [[service]]
        name = "dns-udp"
        protocol = "udp"
        address = "192.0.2.1:53"
        [[service.real]]
        address = "10.0.0.1:5353"
    "#;
    let services = Services::parse(text, "services.toml").expect("valid");
    assert_eq!(services.services.len(), 2);
    assert_eq!(Services::parse(&services.to_toml(), "again"), Ok(services));
}

#[test]
fn where_the_lcores_run_may_be_said_in_eal_arguments() {
    let mapped = "[dataplane]\nworkers = [1, 2]\neal = [\"--lcores=0@0,1@1,2@0\"]\n\
                  [[port]]\nname = \"a\"\ndevice = \"net_null0\"\n";
    let machine = Machine::parse(mapped, "sluice.toml").expect("valid");
    assert_eq!((machine.dataplane.workers, machine.dataplane.eal), (vec![1, 2], vec!["--lcores=0@0,1@1,2@0".into()]));
}
