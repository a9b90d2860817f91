use super::*;
use crate::protocol::Code;
use link::model::Protocol;

const FILE: &str = r#"
[[service]]
name = "web"
protocol = "tcp"
address = "202.103.106.5:80"
scheduler = "wrr"
method = "nat"
[[service.real]]
address = "172.16.0.2:80"
[[service.real]]
address = "172.16.0.3:8000"
weight = 2

[[service]]
name = "dns"
protocol = "udp"
address = "202.103.106.5:53"
method = "direct"
"#;

fn table() -> Services {
    Services::parse(FILE, "services.toml").expect("a valid file")
}

fn endpoint(text: &str) -> SocketAddrV4 {
    text.parse().expect("an endpoint")
}

fn service_add(name: &str, address: &str) -> ServiceAdd {
    ServiceAdd {
        name: name.to_owned(),
        protocol: Protocol::Tcp,
        address: endpoint(address),
        scheduler: SchedulerKind::RoundRobin,
        method: ForwardMethod::Nat,
    }
}

/// Makes a change and gives its sentence and the lines of its diff.
fn done(change: impl FnOnce(&mut Services) -> Result<String, Failure>) -> (String, Vec<String>) {
    let mut new = table();
    let message = change(&mut new).expect("not refused");
    (message, differences(&table(), &new))
}

/// Makes a change that must be refused, without a trace.
fn refused(change: impl FnOnce(&mut Services) -> Result<String, Failure>) -> (Code, String) {
    let mut new = table();
    let failure = change(&mut new).expect_err("refused");
    assert_eq!(new, table(), "a refusal changes nothing");
    (failure.code, failure.message)
}

#[test]
fn a_service_is_added_unless_its_name_or_key_is_taken() {
    let (message, lines) = done(|table| add_service(table, &service_add("mail", "202.103.106.5:25")));
    assert_eq!(message, "Added service mail: tcp 202.103.106.5:25, rr, nat.");
    assert_eq!(lines, ["+ service mail, tcp 202.103.106.5:25, rr, nat"]);

    let (code, message) = refused(|table| add_service(table, &service_add("web", "202.103.106.5:25")));
    assert_eq!(code, Code::Refused);
    assert_eq!(
        message,
        "service \"web\" exists already (tcp 202.103.106.5:80); change it with `sluice service set`, or take another \
         name."
    );
    let (_, message) = refused(|table| add_service(table, &service_add("web2", "202.103.106.5:80")));
    assert!(message.contains("belongs to service \"web\" already"), "{message}");
    let (_, message) = refused(|table| add_service(table, &service_add("web 2", "202.103.106.5:25")));
    assert!(message.contains("name \"web 2\", allowed 1 to 64"), "{message}");
    let (_, message) = refused(|table| add_service(table, &service_add("mail", "224.0.0.1:25")));
    assert!(message.contains("address \"224.0.0.1:25\", allowed a unicast"), "{message}");
}

#[test]
fn a_service_is_set_and_removed() {
    let (message, lines) = done(|table| set_service(table, "web", Some(SchedulerKind::RoundRobin), None));
    assert_eq!(message, "Set service web: rr, nat.");
    assert_eq!(lines, ["~ service web: scheduler wrr -> rr"]);
    let (message, lines) = done(|table| remove_service(table, "web"));
    assert_eq!(message, "Removed service web and its 2 reals.");
    assert_eq!(lines, ["- service web, tcp 202.103.106.5:80"]);

    assert_eq!(refused(|table| set_service(table, "web", None, None)).0, Code::Usage);
    let (code, message) = refused(|table| remove_service(table, "wep"));
    assert_eq!((code, message.as_str()), (Code::NotFound, "service \"wep\" does not exist; there are: web, dns."));
}

#[test]
fn a_real_is_added_with_the_services_method_or_its_own() {
    let (message, lines) = done(|table| add_real(table, "web", endpoint("172.16.0.4:80"), 3, None));
    assert_eq!(message, "Added real 172.16.0.4:80 to web: nat, weight 3.");
    assert_eq!(lines, ["+ real 172.16.0.4:80 of web, nat, weight 3"]);
    let tunnel = Some(ForwardMethod::Tunnel);
    let (_, lines) = done(|table| add_real(table, "web", endpoint("172.16.0.4:80"), 3, tunnel));
    assert_eq!(lines, ["+ real 172.16.0.4:80 of web, tunnel, weight 3"]);
    let (_, lines) = done(|table| add_real(table, "dns", endpoint("172.16.0.4:53"), 1, None));
    assert_eq!(lines, ["+ real 172.16.0.4:53 of dns, direct, weight 1"]);

    let (code, message) = refused(|table| add_real(table, "web", endpoint("172.16.0.2:80"), 1, None));
    assert_eq!(code, Code::Refused);
    assert!(message.starts_with("service \"web\" has real 172.16.0.2:80 already; change it with"), "{message}");
    let (_, message) = refused(|table| add_real(table, "web", endpoint("172.16.0.4:80"), 70_000, None));
    assert_eq!(message, "service \"web\", real 172.16.0.4:80: weight 70000, allowed 0 to 65535.");
    let (_, message) = refused(|table| add_real(table, "dns", endpoint("172.16.0.4:54"), 1, None));
    assert!(message.contains("method direct keeps the packet's port"), "{message}");
    assert_eq!(refused(|table| add_real(table, "wep", endpoint("172.16.0.4:80"), 1, None)).0, Code::NotFound);
}

#[test]
fn a_real_is_set_drained_and_removed() {
    let real = endpoint("172.16.0.3:8000");
    let (message, lines) = done(|table| set_real(table, "web", real, Some(5), None));
    assert_eq!(message, "Set real 172.16.0.3:8000 of web: nat, weight 5.");
    assert_eq!(lines, ["~ real 172.16.0.3:8000 of web: weight 2 -> 5"]);
    let (_, lines) = done(|table| drain_real(table, "web", real));
    assert_eq!(lines, ["~ real 172.16.0.3:8000 of web: weight 2 -> 0"]);
    let (message, lines) = done(|table| remove_real(table, "web", real));
    assert_eq!(message, "Removed real 172.16.0.3:8000 from web.");
    assert_eq!(lines, ["- real 172.16.0.3:8000 of web"]);

    assert_eq!(refused(|table| set_real(table, "web", real, None, None)).0, Code::Usage);
    let tunnel = Some(ForwardMethod::Tunnel);
    assert_eq!(refused(|table| set_real(table, "web", real, None, tunnel)).0, Code::Refused, "ports differ");
    let (code, message) = refused(|table| remove_real(table, "web", endpoint("172.16.0.9:80")));
    assert_eq!(code, Code::NotFound);
    assert_eq!(message, "service \"web\" has no real 172.16.0.9:80; `sluice service show web` lists those it has.");
}

#[test]
fn timeouts_are_set_by_key() {
    let wanted = |key: &str, seconds| BTreeMap::from([(key.to_owned(), seconds)]);
    let (message, lines) = done(|table| set_timeouts(table, &wanted("udp", 30)));
    assert_eq!(message, "Set timeouts: udp 30 s.");
    assert_eq!(lines, ["~ timeout udp: 300 -> 30"]);
    assert_eq!(refused(|table| set_timeouts(table, &wanted("udp", 0))).0, Code::Refused);
    let (code, message) = refused(|table| set_timeouts(table, &wanted("sctp", 30)));
    assert_eq!(code, Code::Usage);
    assert!(message.starts_with("timeouts: key \"sctp\" is not known, allowed: tcp_none, "), "{message}");
    assert_eq!(refused(|table| set_timeouts(table, &BTreeMap::new())).0, Code::Usage);
}

#[test]
fn two_files_differ_in_words_and_the_same_file_not_at_all() {
    assert_eq!(differences(&table(), &table()), Vec::<String>::new());
    let mut new = table();
    new.services.reverse();
    assert_eq!(differences(&table(), &new), Vec::<String>::new(), "the order of services means nothing");
    new.services[0].name = "domain".to_owned();
    new.services[1].service.reals.reverse();
    new.services[1].service.reals[1].method = ForwardMethod::Tunnel;
    assert_eq!(
        differences(&table(), &new),
        [
            "~ service domain: name dns -> domain",
            "~ real 172.16.0.2:80 of web: method nat -> tunnel",
            "~ service web: order of its reals",
        ]
    );
}

#[test]
fn a_new_service_comes_with_its_reals() {
    let lines = differences(&Services::default(), &table());
    assert_eq!(
        lines,
        [
            "+ service web, tcp 202.103.106.5:80, wrr, nat",
            "+ real 172.16.0.2:80 of web, nat, weight 1",
            "+ real 172.16.0.3:8000 of web, nat, weight 2",
            "+ service dns, udp 202.103.106.5:53, wlc, direct",
        ]
    );
}
