//! CARD-2: two workers share the connections of ports with one queue; packets of a connection meet on one of them.

use std::net::SocketAddrV4;

use lab::{DIRECT_VIP, Lab, NAT_VIP, PAPER_SERVICES, Result, TUNNEL_VIP};

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
    for reason in ["hand_off_queue_full", "no_connection"] {
        assert_eq!(crate::support::drops(&lab, reason)?, (0, 0), "{reason}");
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
