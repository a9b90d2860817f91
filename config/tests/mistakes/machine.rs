//! Mistakes in sluice.toml.

use super::{Machine, Mistake, check};

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
        "vips = \"sometimes\"",
        "[control]: vips \"sometimes\", allowed always, served, never (sluice.toml:36)",
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

#[test]
fn each_mistake_in_sluice_toml_is_named_with_its_line() {
    check(MACHINE, "sluice.toml", MACHINE_MISTAKES, Machine::parse);
}

#[test]
fn where_the_lcores_run_may_be_said_in_eal_arguments() {
    let mapped = "[dataplane]\nworkers = [1, 2]\neal = [\"--lcores=0@0,1@1,2@0\"]\n\
                  [[port]]\nname = \"a\"\ndevice = \"net_null0\"\n";
    let machine = Machine::parse(mapped, "sluice.toml").expect("valid");
    assert_eq!((machine.dataplane.workers, machine.dataplane.eal), (vec![1, 2], vec!["--lcores=0@0,1@1,2@0".into()]));
}
