use super::*;
use crate::daemon::differences::differences;
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
        protocol: Some(Protocol::Tcp),
        address: Some(endpoint(address)),
        group: None,
        scheduler: SchedulerKind::RoundRobin,
        method: ForwardMethod::Nat,
        options: OptionChanges::default(),
    }
}

fn change(service: &str, address: &str) -> RealChange {
    RealChange::new(service.to_owned(), endpoint(address))
}

fn none() -> OptionChanges {
    OptionChanges::default()
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
    let (message, lines) = done(|table| set_service(table, "web", Some(SchedulerKind::RoundRobin), None, &none()));
    assert_eq!(message, "Set service web: rr, nat.");
    assert_eq!(lines, ["~ service web: scheduler wrr -> rr"]);
    let (message, lines) = done(|table| remove_service(table, "web"));
    assert_eq!(message, "Removed service web and its 2 reals.");
    assert_eq!(lines, ["- service web, tcp 202.103.106.5:80"]);

    assert_eq!(refused(|table| set_service(table, "web", None, None, &none())).0, Code::Usage);
    let (code, message) = refused(|table| remove_service(table, "wep"));
    assert_eq!((code, message.as_str()), (Code::NotFound, "service \"wep\" does not exist; there are: web, dns."));
}

#[test]
fn a_real_is_added_with_the_services_method_or_its_own() {
    let (message, lines) =
        done(|table| add_real(table, &RealChange { weight: Some(3), ..change("web", "172.16.0.4:80") }));
    assert_eq!(message, "Added real 172.16.0.4:80 to web: nat, weight 3.");
    assert_eq!(lines, ["+ real 172.16.0.4:80 of web, nat, weight 3"]);
    let method = Some(ForwardMethod::Tunnel);
    let (_, lines) = done(|table| add_real(table, &RealChange { method, ..change("web", "172.16.0.4:80") }));
    assert_eq!(lines, ["+ real 172.16.0.4:80 of web, tunnel, weight 1"]);
    let (_, lines) = done(|table| add_real(table, &change("dns", "172.16.0.4:53")));
    assert_eq!(lines, ["+ real 172.16.0.4:53 of dns, direct, weight 1"]);

    let (code, message) = refused(|table| add_real(table, &change("web", "172.16.0.2:80")));
    assert_eq!(code, Code::Refused);
    assert!(message.starts_with("service \"web\" has real 172.16.0.2:80 already; change it with"), "{message}");
    let (_, message) =
        refused(|table| add_real(table, &RealChange { weight: Some(70_000), ..change("web", "172.16.0.4:80") }));
    assert_eq!(message, "service \"web\", real 172.16.0.4:80: weight 70000, allowed 0 to 65535.");
    let (_, message) = refused(|table| add_real(table, &change("dns", "172.16.0.4:54")));
    assert!(message.contains("method direct keeps the packet's port"), "{message}");
    assert_eq!(refused(|table| add_real(table, &change("wep", "172.16.0.4:80"))).0, Code::NotFound);
}

#[test]
fn a_real_is_set_drained_and_removed() {
    let real = endpoint("172.16.0.3:8000");
    let (message, lines) =
        done(|table| set_real(table, &RealChange { weight: Some(5), ..change("web", "172.16.0.3:8000") }));
    assert_eq!(message, "Set real 172.16.0.3:8000 of web: nat, weight 5.");
    assert_eq!(lines, ["~ real 172.16.0.3:8000 of web: weight 2 -> 5"]);
    let (_, lines) =
        done(|table| set_real(table, &RealChange { weight: Some(0), ..RealChange::new("web".to_owned(), real) }));
    assert_eq!(lines, ["~ real 172.16.0.3:8000 of web: weight 2 -> 0"]);
    let (message, lines) = done(|table| remove_real(table, "web", real));
    assert_eq!(message, "Removed real 172.16.0.3:8000 from web.");
    assert_eq!(lines, ["- real 172.16.0.3:8000 of web"]);

    assert_eq!(refused(|table| set_real(table, &change("web", "172.16.0.3:8000"))).0, Code::Usage);
    let method = Some(ForwardMethod::Tunnel);
    let tunnel = RealChange { method, ..change("web", "172.16.0.3:8000") };
    assert_eq!(refused(|table| set_real(table, &tunnel)).0, Code::Refused, "ports differ");
    let (code, message) = refused(|table| remove_real(table, "web", endpoint("172.16.0.9:80")));
    assert_eq!(code, Code::NotFound);
    assert_eq!(message, "service \"web\" has no real 172.16.0.9:80; `sluice service show web` lists those it has.");
}

#[test]
fn settings_are_set_by_key() {
    let wanted = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
    let (message, lines) = done(|table| set_settings(table, &wanted("drop_entry", 3)));
    assert_eq!(message, "Set settings: drop_entry 3.");
    assert_eq!(lines, ["~ setting drop_entry: 0 -> 3"]);
    let (code, message) = refused(|table| set_settings(table, &wanted("drop_entry", 4)));
    assert_eq!(code, Code::Refused);
    assert!(message.starts_with("settings: drop_entry 4, allowed 0 to 3"), "{message}");
    let (code, message) = refused(|table| set_settings(table, &wanted("backup_only", 1)));
    assert_eq!(code, Code::Usage);
    assert!(message.starts_with("settings: key \"backup_only\" is not known, allowed: sloppy_tcp, "), "{message}");
    assert_eq!(refused(|table| set_settings(table, &BTreeMap::new())).0, Code::Usage);
}

#[test]
fn a_service_has_timeouts_of_its_own_until_they_are_set_to_0() {
    let own = |key: &str, seconds| OptionChanges { timeouts: BTreeMap::from([(key.to_owned(), seconds)]), ..none() };
    let set = |table: &mut Services, key, seconds| set_service(table, "web", None, None, &own(key, seconds));
    let (message, lines) = done(|table| set(table, "udp", 30));
    assert_eq!(message, "Set service web: wrr, nat, udp 30 s.");
    assert_eq!(lines, ["~ service web: timeouts none -> udp 30"]);
    let (message, _) = done(|table| {
        set(table, "udp", 30)?;
        set(table, "tcp_close", 5)
    });
    assert_eq!(message, "Set service web: wrr, nat, tcp_close 5 s, udp 30 s.");
    let (_, lines) = done(|table| {
        set(table, "udp", 30)?;
        set(table, "udp", 0)
    });
    assert_eq!(lines, Vec::<String>::new());
    let (code, message) = refused(|table| set(table, "udp", 2_678_401));
    assert_eq!(code, Code::Refused);
    assert!(message.starts_with("service \"web\": udp 2678401, allowed 1 to 2678400"), "{message}");
    assert_eq!(refused(|table| set(table, "sctp", 5)).0, Code::Usage);
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

#[test]
fn options_are_set_one_by_one_and_a_new_scheduler_takes_its_flags_away() {
    let flags = OptionChanges { scheduler_flags: Some(vec!["sh-port".to_owned()]), ..none() };
    let hash = Some(SchedulerKind::SourceHash);
    let (message, lines) = done(|table| set_service(table, "web", hash, None, &flags));
    assert_eq!(message, "Set service web: sh, nat, sh-port.");
    assert_eq!(lines, ["~ service web: scheduler wrr -> sh", "~ service web: scheduler_flags none -> sh-port"]);
    let (_, lines) = done(|table| {
        set_service(table, "web", hash, None, &flags)?;
        set_service(table, "web", Some(SchedulerKind::RoundRobin), None, &none())
    });
    assert_eq!(lines, ["~ service web: scheduler wrr -> rr"]);
    let (code, message) = refused(|table| set_service(table, "web", None, None, &flags));
    assert_eq!(code, Code::Usage);
    let want = "service \"web\": scheduler flag \"sh-port\", allowed with scheduler wrr: flag-1, flag-2, flag-3.";
    assert_eq!(message, want);
}

#[test]
fn persistence_comes_with_its_seconds_and_goes_with_0() {
    let persistent = OptionChanges { persistence: Some(360), ..none() };
    let (message, lines) = done(|table| set_service(table, "web", None, None, &persistent));
    assert_eq!(message, "Set service web: wrr, nat, persistence 360 s.");
    let want = ["~ service web: persistence none -> 360", "~ service web: persistence_netmask none -> 255.255.255.255"];
    assert_eq!(lines, want);
    let masked = OptionChanges { persistence_netmask: Some(std::net::Ipv4Addr::new(255, 255, 255, 0)), ..none() };
    let (message, _) = done(|table| {
        set_service(table, "web", None, None, &persistent)?;
        set_service(table, "web", None, None, &masked)
    });
    assert_eq!(message, "Set service web: wrr, nat, persistence 360 s mask 255.255.255.0.");
    let (_, lines) = done(|table| {
        set_service(table, "web", None, None, &persistent)?;
        set_service(table, "web", None, None, &OptionChanges { persistence: Some(0), ..none() })
    });
    assert_eq!(lines, Vec::<String>::new());
    assert_eq!(refused(|table| set_service(table, "web", None, None, &masked)).0, Code::Usage);
    let no_mask = OptionChanges { persistence_netmask: Some(std::net::Ipv4Addr::UNSPECIFIED), ..persistent };
    let (code, message) = refused(|table| set_service(table, "web", None, None, &no_mask));
    assert_eq!(code, Code::Refused);
    assert!(message.contains("persistence_netmask \"0.0.0.0\", allowed a mask other than 0.0.0.0"), "{message}");
    let one_packet = OptionChanges { one_packet: Some(true), ..none() };
    let (code, message) = refused(|table| set_service(table, "web", None, None, &one_packet));
    assert_eq!(code, Code::Refused);
    assert!(message.contains("one_packet true, allowed only with protocol \"udp\""), "{message}");
}

#[test]
fn thresholds_of_a_real_are_set_and_the_lower_one_is_not_above_the_upper() {
    let limits = |upper_threshold, lower_threshold| RealChange {
        upper_threshold,
        lower_threshold,
        ..change("web", "172.16.0.2:80")
    };
    let (message, lines) = done(|table| set_real(table, &limits(Some(100), None)));
    assert_eq!(message, "Set real 172.16.0.2:80 of web: nat, weight 1, thresholds 75 and 100.");
    assert_eq!(lines, ["~ real 172.16.0.2:80 of web: upper_threshold 0 -> 100"]);
    let (_, message) = refused(|table| set_real(table, &limits(Some(100), Some(101))));
    assert!(message.contains("lower_threshold 101, allowed 0 to upper_threshold, which is 100"), "{message}");
}

#[test]
fn a_group_is_made_changed_and_removed_and_a_service_is_over_it() {
    let endpoints = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let two = endpoints(&["tcp 202.103.106.9:80", "tcp 202.103.106.9:443", "tcp 202.103.106.9:80"]);
    let (message, lines) = done(|table| set_group(table, 7, &two));
    assert_eq!(message, "Set group 7: 2 endpoints.");
    assert_eq!(lines, ["+ group 7: tcp 202.103.106.9:80, tcp 202.103.106.9:443"]);
    let add = ServiceAdd { protocol: None, address: None, group: Some(7), ..service_add("shop", "10.0.0.1:1") };
    let (message, lines) = done(|table| add_service(table, &add));
    assert_eq!(message, "Added service shop: group 7, rr, nat.");
    assert_eq!(lines, ["+ service shop, group 7, rr, nat"]);
    let both = ServiceAdd { group: Some(7), ..service_add("shop", "10.0.0.1:1") };
    assert_eq!(refused(|table| add_service(table, &both)).0, Code::Usage);

    let (_, lines) = done(|table| {
        set_group(table, 7, &two)?;
        remove_group(table, 7)
    });
    assert_eq!(lines, Vec::<String>::new());
    assert_eq!(refused(|table| remove_group(table, 7)).0, Code::NotFound);
    assert_eq!(refused(|table| set_group(table, 0, &two)).0, Code::Refused);
    let (_, message) = refused(|table| set_group(table, 7, &endpoints(&["tcp 202.103.106.9"])));
    assert!(message.starts_with("group 7: endpoint \"tcp 202.103.106.9\", allowed protocol"), "{message}");
    let mut taken = table();
    set_group(&mut taken, 7, &two).expect("a group");
    let failure = set_group(&mut taken, 8, &two).expect_err("its endpoints are taken");
    assert!(failure.message.contains("tcp 202.103.106.9:80 is in group 7 already"), "{}", failure.message);
}

#[test]
fn a_real_has_no_address_of_its_services_group() {
    let mut table = table();
    set_group(&mut table, 7, &["tcp 202.103.106.9:80".to_owned()]).expect("a group");
    let add = ServiceAdd { protocol: None, address: None, group: Some(7), ..service_add("shop", "10.0.0.1:1") };
    add_service(&mut table, &add).expect("a service");
    let failure = add_real(&mut table, &change("shop", "202.103.106.9:8080")).expect_err("a packet would come back");
    let want = "service \"shop\", real 202.103.106.9:8080: address \"202.103.106.9:8080\", allowed another address than \
                those of the group: a packet would come back.";
    assert_eq!(failure.message, want);
    add_real(&mut table, &change("shop", "172.16.0.9:8080")).expect("the ordinary case");
    let failure = set_group(&mut table, 7, &["tcp 172.16.0.9:80".to_owned()]).expect_err("its real has it");
    assert!(failure.message.starts_with("group 7: service \"shop\", real 172.16.0.9:8080: "), "{}", failure.message);
    set_group(&mut table, 8, &["tcp 172.16.0.9:80".to_owned()]).expect("another group may have it");
}
