//! CARD-6: each command that looks, against running programs: for people and as JSON.

use std::net::SocketAddrV4;

use lab::{CLIENT, NAT_VIP, Result};

use crate::support::{
    Session, ask, assert_served, connections, drops, number, paper, serve_on_all, service, url, with_services,
};

#[test]
fn status_services_stats_and_ports_agree_with_what_was_done() -> Result<()> {
    let lab = paper()?;
    assert_served(&lab.client().get(&url(NAT_VIP), 9)?);

    let status = ask(&lab, "status")?;
    let plane = &status["dataplane"];
    assert_eq!((&status["services"], &plane["connected"], &plane["workers"]), (&5.into(), &true.into(), &1.into()));
    assert!(status["warnings"] == serde_json::json!([]) && plane["last_refusal"].is_null(), "{status}");
    assert!(lab.sluice_ok(["status"])?.contains("the same as the running table"));

    let web = ask(&lab, "service show web")?;
    let created = number(&web["traffic"]["connections"]);
    let listed = ask(&lab, "service list")?;
    let stats = ask(&lab, "stats")?;
    for of_web in [&listed[0], &stats["services"][0], &ask(&lab, "stats web")?["services"][0]] {
        assert_eq!((&of_web["name"], &of_web["traffic"]["connections"]), (&"web".into(), &created.into()));
    }
    assert!(created >= 9, "{web}");
    let shown = lab.sluice_ok(["service", "show", "web"])?;
    assert!(shown.contains("web, tcp 202.103.106.5:80, scheduler wrr, method nat"), "{shown}");
    let rate = ask(&lab, "stats --rate")?;
    assert!(rate["services"].is_array() && number(&rate["milliseconds"]) >= 900, "{rate}");

    let ports = ask(&lab, "ports")?;
    let names: Vec<_> = ports.as_array().into_iter().flatten().map(|port| port["name"].clone()).collect();
    assert_eq!(names, ["wan", "lan"]);
    assert!(lab.sluice_ok(["ports"])?.contains("net_tap0,iface=wan0"));
    for port in ports.as_array().into_iter().flatten() {
        assert_eq!((number(&port["rx_missed"]), number(&port["rx_errors"])), (0, 0), "{port}");
    }
    for table in ["service list", "stats", "stats --rate", "drops", "drops --all", "timeouts"] {
        assert!(lab.sluice_ok(table.split(' '))?.lines().count() > 1, "sluice {table}");
    }
    Ok(())
}

#[test]
fn every_packet_received_is_sent_handed_to_the_kernel_or_dropped_for_a_reason() -> Result<()> {
    let lab = paper()?;
    assert_served(&lab.client().get(&url(NAT_VIP), 9)?);
    lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 9), 2)?;
    assert_eq!(drops(&lab, "no_service")?.1, 2);
    // Packets come in at any time (ARP): a look is right when nothing moved during it.
    lab::wait_until("a moment without packets", crate::support::LIMIT, || {
        let (one, all) = (ask(&lab, "drops")?, ask(&lab, "drops")?);
        let dropped: u64 = all["reasons"].as_array().into_iter().flatten().map(|row| number(&row["dropped"])).sum();
        let ended = number(&all["transmitted"]) + number(&all["to_kernel"]) + dropped;
        Ok((one == all && ended == number(&all["received"])).then_some(()))
    })?;
    Ok(())
}

#[test]
fn explain_tells_what_would_happen_to_a_packet_and_why() -> Result<()> {
    let lab = with_services(&service("web", "tcp", NAT_VIP, 9000, "nat"))?;
    let _servers = serve_on_all(&lab, 9000, "cat")?;
    let explain = |source: &str, destination: &str| ask(&lab, &format!("explain tcp {source} {destination}"));
    let vip = SocketAddrV4::new(NAT_VIP, 9000);
    let mut session = Session::open(lab.client(), "session", vip)?;

    let new = explain("202.100.1.2:999", "202.103.106.5:9000")?;
    assert_eq!((&new["outcome"], &new["service"]["name"]), (&"forwarded".into(), &"web".into()));
    assert!(new["connection"].is_null() && new["next_hop"]["port"] == "lan", "{new}");

    let refused = explain("202.100.1.2:999", "202.103.106.5:81")?;
    assert_eq!((&refused["outcome"], &refused["reason"]), (&"answered".into(), &"no_service".into()));
    let kernel = explain("202.100.1.2:999", "202.103.106.1:22")?;
    assert_eq!(kernel["outcome"], "kernel");

    let rows = ask(&lab, "connection list --service web")?;
    let row = &rows[0];
    let (client, real) = (row["client"].as_str().unwrap_or_default(), row["real"].as_str().unwrap_or_default());
    assert_eq!((&row["state"], &row["virtual"]), (&"ESTABLISHED".into(), &vip.to_string().into()));
    let known = explain(client, &vip.to_string())?;
    assert_eq!((&known["connection"]["state"], &known["real"]["address"]), (&"ESTABLISHED".into(), &real.into()));
    let reply = explain(real, client)?;
    assert_eq!((&reply["outcome"], &reply["outbound"]), (&"forwarded".into(), &true.into()));
    let words = lab.sluice_ok(["explain", "tcp", client, &vip.to_string()])?;
    assert!(words.contains("exists, ESTABLISHED"), "{words}");

    session.goes_on()?;
    lab.sluice_ok(["real", "remove", "web", real])?;
    let removed = explain(client, &vip.to_string())?;
    assert_eq!((&removed["outcome"], &removed["reason"]), (&"dropped".into(), &"real_removed".into()), "{removed}");
    Ok(())
}

#[test]
fn connections_are_listed_counted_and_flushed_by_filter() -> Result<()> {
    let lab = paper()?;
    lab.sluice_ok(["connection", "flush", "--all"])?;
    assert_served(&lab.client().get(&url(NAT_VIP), 6)?);
    assert_served(&lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 7), 3)?);
    for (filter, count) in [
        ("--protocol udp", 3),
        ("--service web", 6),
        ("--service 202.103.106.5:7", 3),
        ("--service web --real 172.16.0.2:80", 2),
        (&format!("--client {CLIENT}"), 9),
        ("--client 10.9.8.7", 0),
    ] {
        assert_eq!(connections(&lab, filter)?, count, "{filter}");
        let listed = ask(&lab, &format!("connection list {filter}"))?;
        assert_eq!(listed.as_array().map(Vec::len), usize::try_from(count).ok(), "{filter}");
    }
    assert_eq!(ask(&lab, "connection list --limit 4")?.as_array().map(Vec::len), Some(4));
    let unasked = lab.sluice(["connection", "flush"])?;
    assert!(unasked.code == Some(2) && unasked.stderr.contains("Nothing was removed"), "{unasked:?}");
    assert_eq!(lab.sluice_ok(["connection", "flush", "--protocol", "udp"])?, "Removed 3 connections.\n");
    assert_eq!((connections(&lab, "--protocol udp")?, connections(&lab, "--protocol tcp")?), (0, 6));
    Ok(())
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_panic() -> Result<()> {
    let lab = paper()?;
    assert_served(&lab.client().get(&url(NAT_VIP), 20)?);
    let sluice = lab::program("sluice")?;
    let socket = lab.folder().join("control.sock");
    for words in ["connection list", "--format json service list", "drops --all"] {
        // The shell gives the exit code of sluice; its reader is gone before it starts.
        let line = format!(
            "{{ sleep 0.3; {} --socket {} {words} || echo $? >&2; }} | true",
            sluice.display(),
            socket.display()
        );
        let said = lab.director().shell(&line)?;
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", "141\n"), "{words}");
    }
    Ok(())
}
