//! Mistakes in settings, groups, and what services and reals do besides.

use super::{Mistake, Services, check};

const OPTIONS: &str = r#"[settings]
am_droprate = 10

[[group]]
number = 7
endpoints = ["tcp 10.9.9.1:80", "udp 10.9.9.1:0"]

[[service]]
name = "hash"
protocol = "tcp"
address = "10.9.9.2:21"
scheduler = "sh"
scheduler_flags = ["sh-port"]
persistence = 360
persistence_netmask = "255.255.255.0"
helper = "ftp"

[service.timeouts]
tcp_established = 60

[[service.real]]
address = "10.0.2.2:21"
upper_threshold = 100
lower_threshold = 75

[[service]]
name = "marked"
group = 7
one_packet = true

[[service.real]]
address = "10.0.2.2:0"
"#;

const OPTION_MISTAKES: &[Mistake] = &[
    ("am_droprate = 10", "am_droprate = 0", "[settings]: am_droprate 0, allowed 1 to 1000000 (f:2)"),
    ("number = 7", "number = 0", "group 1: number 0, allowed 1 to 4294967295 (f:5)"),
    (
        "\"udp 10.9.9.1:0\"",
        "\"tcp 10.9.9.1:80\"",
        "group 1: endpoints tcp 10.9.9.1:80 is given twice, group 7 has it already (f:6)",
    ),
    (
        "udp 10.9.9.1:0",
        "udp 10.9.9.1",
        "group 1: endpoints \"udp 10.9.9.1\", allowed a list of endpoints, as [\"tcp 10.0.0.1:80\", \"udp 10.0.0.1:0\"] (f:6)",
    ),
    (
        "[\"sh-port\"]",
        "[\"mh-port\"]",
        "service \"hash\": scheduler_flags \"mh-port\", allowed with scheduler sh a list of sh-fallback, sh-port, flag-3 (f:13)",
    ),
    (
        "\"255.255.255.0\"",
        "\"0.0.0.0\"",
        "service \"hash\": persistence_netmask \"0.0.0.0\", allowed a mask other than 0.0.0.0, as \"255.255.255.0\" (f:15)",
    ),
    ("persistence = 360", "persistence = 0", "service \"hash\": persistence 0, allowed 1 to 2678400 (f:14)"),
    (
        "persistence = 360\n",
        "",
        "service \"hash\": persistence_netmask is of use with persistence only; give persistence = SECONDS too (f:14)",
    ),
    ("helper = \"ftp\"", "helper = \"irc\"", "service \"hash\": helper \"irc\", allowed ftp, none (f:16)"),
    (
        "protocol = \"tcp\"",
        "protocol = \"udp\"",
        "service \"hash\": helper \"ftp\", allowed only with protocol \"tcp\" and a port (f:16)",
    ),
    (
        "helper = \"ftp\"",
        "one_packet = true",
        "service \"hash\": one_packet true, allowed only with protocol \"udp\", or in the service of a group (f:16)",
    ),
    (
        "tcp_established = 60",
        "tcp_established = 0",
        "service \"hash\", [timeouts]: tcp_established 0, allowed 1 to 2678400 (f:19)",
    ),
    (
        "lower_threshold = 75",
        "lower_threshold = 101",
        "service \"hash\", real 10.0.2.2:21: lower_threshold 101, allowed 0 to upper_threshold, which is 100 (f:24)",
    ),
    (
        "10.0.2.2:21",
        "10.0.2.2:0",
        "service \"hash\", real 10.0.2.2:0: address \"10.0.2.2:0\", allowed a unicast IPv4 address and a port from 1 to 65535, as \"10.0.0.1:80\" (f:22)",
    ),
    (
        "group = 7",
        "group = 7\nprotocol = \"tcp\"",
        "service \"marked\": protocol is for a service without group; leave one of them out (f:29)",
    ),
    (
        "[[service.real]]\naddress = \"10.0.2.2:0\"",
        "[[service.real]]\naddress = \"10.9.9.1:0\"",
        "service \"marked\", real 10.9.9.1:0: address \"10.9.9.1:0\", allowed another address than those of the group: a packet would come back (f:32)",
    ),
];

#[test]
fn each_mistake_in_the_options_of_services_is_named_with_its_line() {
    check(OPTIONS, "f", OPTION_MISTAKES, Services::parse);
    let all_ports = OPTIONS.replace("10.9.9.2:21", "10.9.9.2:0").replace("10.0.2.2:21", "10.0.2.2:0");
    assert!(Services::parse(&all_ports, "f").is_err(), "a helper without a port");
    let all_ports = all_ports.replace("helper = \"ftp\"\n", "");
    assert!(Services::parse(&all_ports, "f").is_ok());
    let direct = all_ports.replace(
        "[[service.real]]\naddress = \"10.0.2.2:0\"",
        "[[service.real]]\nmethod = \"direct\"\naddress = \"10.0.2.2:80\"",
    );
    let refused = Services::parse(&direct, "f").expect_err("another port than the packet's").to_string();
    let want = "service \"hash\", real 10.0.2.2:80: address \"10.0.2.2:80\", allowed port 0 with a service on all ports: method direct keeps the packet's port (f:22)";
    assert_eq!(refused, want);
    let of_group = OPTIONS.replace(
        "[[service.real]]\naddress = \"10.0.2.2:0\"",
        "[[service.real]]\nmethod = \"direct\"\naddress = \"10.0.2.2:80\"",
    );
    assert!(Services::parse(&of_group, "f").is_ok(), "in the service of a group it is only shown");
    let not_persistent = all_ports.replace("persistence = 360\npersistence_netmask = \"255.255.255.0\"\n", "");
    let refused = Services::parse(&not_persistent, "f").expect_err("port 0 without persistence").to_string();
    let want = "service \"hash\": address \"10.9.9.2:0\": port 0, allowed 1 to 65535; 0, all ports, only with persistence (f:11)";
    assert_eq!(refused, want);
}
