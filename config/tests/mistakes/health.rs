//! Mistakes in what services.toml says of the health of reals.

use super::{Mistake, check};
use config::Services;
use config::health::{CheckKind, HttpCheck, Start, TlsCheck, Via};
use std::time::Duration;

const HEALTH: &str = r#"[[service]]
name = "web"
protocol = "tcp"
address = "192.0.2.1:80"
quorum = 3
quorum_hysteresis = 1
slow_start = "30s"
on_failure = "remove"
[service.check]
type = "https"
interval = "2s"
timeout = "1s"
fall = 2
path = "/health"
status = ["200-299", "404"]
body = "^ok"
verify = false
[service.sorry]
address = "10.0.0.9:80"
[service.hooks]
up = ["/bin/tell", "up"]
[[service.real]]
address = "10.0.0.1:80"
[[service.real]]
address = "10.0.0.2:80"
[service.real.check]
type = "dns"
name = "example.org"
answers = ["192.0.2.7"]
"#;

const MISTAKES: &[Mistake] = &[
    ("quorum = 3", "quorum = 0", "service \"web\": quorum 0, allowed 1 to 4294967295 (f:5)"),
    ("hysteresis = 1", "hysteresis = 3", "service \"web\": quorum_hysteresis 3, allowed 0 to 2 (f:6)"),
    (
        "\"30s\"",
        "\"2days\"",
        "service \"web\": slow_start \"2days\", allowed a time from 0s to 1day, as \"2s\" or \"500ms\" (f:7)",
    ),
    ("\"remove\"", "\"drop\"", "service \"web\": on_failure \"drop\", allowed quiesce, remove (f:8)"),
    (
        "\"https\"",
        "\"ftp\"",
        "service \"web\", [check]: type \"ftp\", allowed tcp, http, https, udp, dns, icmp, exec, none (f:10)",
    ),
    (
        "type = \"https\"\n",
        "",
        "service \"web\", [check]: type is missing, allowed tcp, http, https, udp, dns, icmp, exec, none (f:9)",
    ),
    (
        "fall = 2",
        "fail = 2",
        "service \"web\", [check]: unknown key \"fail\", allowed type, interval, jitter, timeout, rise, fall, start, flap_limit, flap_window, flap_hold, port, via, method, path, host, status, body, sni, verify, ca_file, payload, payload_hex, expect, name, record, answers, command, exit_weight (f:13)",
    ),
    (
        "fall = 2",
        "expect = \"pong\"",
        "service \"web\", [check]: expect \"pong\", allowed with check type udp only (f:13)",
    ),
    (
        "timeout = \"1s\"",
        "timeout = \"3s\"",
        "service \"web\", [check]: timeout \"3s\", allowed 10ms to 2s, the interval (f:12)",
    ),
    ("fall = 2", "via = \"tunnel\"", "service \"web\", [check]: via \"tunnel\", allowed real, vip (f:13)"),
    (
        "fall = 2",
        "via = \"vip\"",
        "service \"web\", [check]: via \"vip\", allowed \"real\" where on_failure = \"remove\": no check would reach a real that has left the table (f:13)",
    ),
    (
        "\"/health\"",
        "\"health\"",
        "service \"web\", [check]: path \"health\", allowed a path that begins with \"/\", of printable ASCII without spaces (f:14)",
    ),
    (
        "\"404\"",
        "\"all\"",
        "service \"web\", [check]: status [\"200-299\", \"all\"], allowed a list of statuses or ranges from 100 to 599, as [\"200-299\", \"404\"] (f:15)",
    ),
    (
        "\"^ok\"",
        "\"(ok\"",
        "service \"web\", [check]: body \"(ok\", allowed a regular expression (unclosed group) (f:16)",
    ),
    (
        "10.0.0.9:80",
        "10.0.0.1:80",
        "service \"web\", [sorry]: address \"10.0.0.1:80\" is given twice, a real of the service has it already (f:19)",
    ),
    (
        "\"/bin/tell\"",
        "\"tell\"",
        "service \"web\", [hooks]: up [\"tell\", \"up\"], allowed a program, from \"/\", and its arguments, as [\"/usr/local/bin/tell\", \"ops\"] (f:21)",
    ),
    (
        "name = \"example.org\"\n",
        "",
        "service \"web\", real 10.0.0.2:80, [check]: name is missing, allowed a domain name, as \"www.example.org\" (f:26)",
    ),
    (
        "192.0.2.7",
        "www.example.org",
        "service \"web\", real 10.0.0.2:80, [check]: answers \"www.example.org\", allowed what an answer of type A may be (f:29)",
    ),
];

#[test]
fn each_mistake_in_health_is_named_with_its_line() {
    check(HEALTH, "f", MISTAKES, Services::parse);
}

#[test]
fn a_real_overrides_single_keys_of_its_services_check() {
    let services = Services::parse(HEALTH, "f").expect("valid");
    let health = &services.services[0].health;
    let [first, second] = ["10.0.0.1:80", "10.0.0.2:80"]
        .map(|address| health.check_of(address.parse().expect("an address")).expect("valid").expect("a check"));
    let CheckKind::Http(HttpCheck { method, path, host: None, status, tls: Some(tls), .. }) = &first.kind else {
        panic!("{first:?}")
    };
    assert_eq!((method.as_str(), path.as_str(), status.as_slice()), ("GET", "/health", &[200..=299, 404..=404][..]));
    assert_eq!(*tls, TlsCheck { sni: None, verify: false, ca_file: None });
    assert_eq!((first.start, first.port), (Start::Down, 80));
    // Of another type, it keeps what every type has.
    assert!(matches!(second.kind, CheckKind::Dns(_)), "{second:?}");
    assert_eq!((first.fall, second.fall, second.rise), (2, 2, 2));
    assert_eq!(second.timeout, Duration::from_secs(1));
    let none = HEALTH.replace("type = \"dns\"\nname = \"example.org\"\nanswers = [\"192.0.2.7\"]", "type = \"none\"");
    let services = Services::parse(&none, "f").expect("valid");
    assert_eq!(services.services[0].health.check_of("10.0.0.2:80".parse().expect("an address")), Ok(None));
}

#[test]
fn a_datagram_by_way_of_the_vip_needs_an_answer() {
    const TEXT: &str = "[[service]]\nname = \"log\"\nprotocol = \"udp\"\naddress = \"192.0.2.1:514\"\nmethod = \"tunnel\"\n\
                        [service.check]\ntype = \"udp\"\nvia = \"vip\"\nexpect = \"ok\"\n\
                        [[service.real]]\naddress = \"10.0.0.1:514\"\n";
    let services = Services::parse(TEXT, "f").expect("valid");
    let found = services.services[0].health.check_of("10.0.0.1:514".parse().expect("an address"));
    assert_eq!(found.expect("valid").expect("a check").via, Via::Vip);
    let mistakes: &[Mistake] = &[(
        "expect = \"ok\"\n",
        "",
        "service \"log\", [check]: expect is missing, allowed a regular expression (with via = \"vip\" an answer is needed) (f:6)",
    )];
    check(TEXT, "f", mistakes, Services::parse);
}

#[test]
fn what_is_said_of_health_is_written_as_it_was_given() {
    let odd = HEALTH.replace("\"^ok\"", r#"'^ok "\d+" # \\ end'"#);
    let services = Services::parse(&odd, "f").expect("valid");
    assert_eq!(Services::parse(&services.to_toml(), "again"), Ok(services));
}
