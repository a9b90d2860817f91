//! Each mistake that a user can make in the two files, with its message; each beside the ordinary text that it must
//! not refuse.

#[path = "mistakes/health.rs"]
mod health;
#[path = "mistakes/machine.rs"]
mod machine;
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
        "service \"web\", real 172.16.0.2:80: unknown key \"wieght\", allowed address, weight, method, upper_threshold, lower_threshold, check (services.toml:14)",
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
        "service \"web\": unknown key \"schedulr\", allowed name, protocol, address, group, scheduler, scheduler_flags, persistence, persistence_netmask, one_packet, clamp_mss, helper, method, on_failure, quorum, quorum_hysteresis, slow_start, timeouts, check, sorry, hooks, real (services.toml:9)",
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
