//! CARD-2: two workers share the connections of ports with one queue; packets of a connection meet on one of them.

use std::net::SocketAddrV4;

use lab::{DIRECT_VIP, Lab, NAT_VIP, PAPER_SERVICES, Result, TUNNEL_VIP};
use serde_json::Value;

use crate::support::{LIMIT, ask, assert_served, connections, number, shares, url};

const REQUESTS: usize = 120;

#[test]
fn connections_are_handed_to_their_owner_and_served_in_every_method() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let mut machine = lab.machine();
    machine.workers = vec![1, 2];
    // Three lcores on the two CPUs of a small machine.
    machine.eal = vec!["--lcores=0@0,1@1,2@0".into()];
    lab.start_director(&machine.to_string(), PAPER_SERVICES)?;

    for (vip, weights) in [
        (NAT_VIP, &[("real1", 1), ("real2", 2)][..]),
        (TUNNEL_VIP, &[("real1", 1), ("real2", 2), ("real3", 3)]),
        (DIRECT_VIP, &[("real1", 1), ("real2", 1), ("real3", 1)]),
    ] {
        lab.client().wait_for_answer(&url(vip), LIMIT)?;
        let answers = lab.client().get(&url(vip), REQUESTS)?;
        assert_served(&answers);
        assert_near(&shares(&answers), weights);
    }
    assert_served(&lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 7), 30)?);

    // Lists and counts are of both.
    let count = connections(&lab, "--protocol tcp")?;
    let listed = ask(&lab, "connection list --protocol tcp")?;
    let of = |worker: u64| {
        listed.as_array().into_iter().flatten().filter(|row| number(&row["worker"]) == worker).count() as u64
    };
    assert!(of(0) > 50 && of(1) > 50 && of(0) + of(1) == count, "{} and {} of {count}", of(0), of(1));
    lab.sluice_ok(["connection", "flush", "--protocol", "tcp"])?;
    assert_eq!(connections(&lab, "--protocol tcp")?, 0);

    let stats = ask(&lab, "stats")?;
    let workers = stats["totals"]["workers"].as_array().expect("a list");
    for worker in &workers[..2] {
        // Each port has one queue; half of what comes in belongs to the other worker.
        assert!(number(&worker["handed_off"]) > 100, "{worker}");
        assert!(number(&worker["connections_created"]) > 50, "{worker}");
    }
    assert_ports(&lab)?;
    assert_perf(&lab)?;
    for reason in ["hand_off_queue_full", "no_connection"] {
        assert_eq!(crate::support::drops(&lab, reason)?, (0, 0), "{reason}");
    }
    Ok(())
}

/// `sluice ports` says how packets get to their owners, and adds up.
fn assert_ports(lab: &Lab) -> Result<()> {
    for port in ask(lab, "ports")?.as_array().expect("a list") {
        assert!(["hand-off", "rss, hand-off"].contains(&port["steering"].as_str().unwrap_or_default()), "{port}");
        let workers = port["workers"].as_array().expect("a list");
        let sum = |what: &str| workers.iter().map(|worker| number(&worker[what])).sum::<u64>();
        assert_eq!(workers.len(), 2);
        assert!(number(&port["rx_queues"]) >= 1 && number(&port["handed_off"]) > 100, "{port}");
        assert!(sum("handed_off") >= number(&port["handed_off"]) && sum("rx_packets") > sum("handed_off"), "{port}");
    }
    Ok(())
}

/// `sluice perf` has figures of the time that it covers, of each worker, and its stages are a whole.
fn assert_perf(lab: &Lab) -> Result<()> {
    let mut report = Value::Null;
    std::thread::scope(|scope| -> Result<()> {
        let load = scope.spawn(|| lab.client().get(&url(NAT_VIP), REQUESTS));
        report = ask(lab, "perf --interval 3")?;
        assert_served(&load.join().expect("the load")?);
        Ok(())
    })?;
    let float = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    assert!((2.9..20.0).contains(&float(&report["seconds"])), "{report}");
    let workers = report["workers"].as_array().expect("a list");
    assert_eq!(workers.len(), 2);
    for worker in workers {
        assert!(number(&worker["packets_per_second"]) > 0 && number(&worker["timed_packets"]) > 0, "{worker}");
        assert!((0.0..=100.0).contains(&float(&worker["idle_percent"])), "{worker}");
        assert!((1.0..=32.0).contains(&float(&worker["packets_per_burst"])), "{worker}");
        let stages = worker["stages"].as_array().expect("a list");
        let sum = |what: &str| stages.iter().map(|stage| float(&stage[what])).sum::<f64>();
        assert!((sum("percent") - 100.0).abs() < 1.0, "{worker}");
        for stage in stages {
            let (cycles, waiting) = (float(&stage["cycles_per_packet"]), &stage["waiting_cycles_per_packet"]);
            assert!(cycles > 0.0 && (waiting.is_null() || float(waiting) <= cycles + 0.01), "{stage}");
        }
    }
    Ok(())
}

/// Each worker goes round the reals by itself, so shares are those of the weights but for the rounds begun.
fn assert_near(shares: &std::collections::BTreeMap<&str, usize>, weights: &[(&str, usize)]) {
    let all: usize = weights.iter().map(|(_, weight)| weight).sum();
    for (real, weight) in weights {
        let (got, wanted) = (shares.get(real).copied().unwrap_or(0), REQUESTS * weight / all);
        assert!(got.abs_diff(wanted) <= REQUESTS / 20, "{real}: {got} of {REQUESTS}, wanted about {wanted}");
    }
}
