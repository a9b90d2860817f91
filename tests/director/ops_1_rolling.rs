//! OPS-1: every real of a service is taken out, stopped, started and taken back, one after another, under 500 connections
//! a second; not one request fails. And what a drain closes at its end is told so, both ends.

use std::net::SocketAddrV4;

use lab::{Lab, NAT_VIP, REALS, Result, wait_until};

use crate::support::{
    LIMIT, Session, ask, assert_served, next_answers, number, serve_on_all, shares, url, with_services,
};

fn services() -> String {
    let mut text = format!(
        "[timeouts]\ntcp_time_wait = 1\ntcp_close = 1\n\
         [[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"{NAT_VIP}:80\"\nscheduler = \"lc\"\nslow_start = \"2s\"\n\
         [service.check]\ntype = \"http\"\ninterval = \"200ms\"\n"
    );
    for real in REALS {
        text.push_str(&format!("[[service.real]]\naddress = \"{real}:80\"\n"));
    }
    text
}

/// Waits until `sluice service show` has a real in this state; the connections left on the way.
fn wait_for_state(lab: &Lab, service: &str, real: usize, wanted: &str) -> Result<Vec<u64>> {
    let mut left = Vec::new();
    wait_until(format!("real {} of {service} is {wanted}", real + 1), LIMIT, || {
        let health = ask(lab, &format!("service show {service}"))?["reals"][real]["health"].clone();
        left.extend(health["left"].as_u64());
        Ok((health["state"] == wanted).then_some(()))
    })?;
    Ok(left)
}

#[test]
fn all_reals_are_replaced_under_load_and_no_request_fails() -> Result<()> {
    let lab = with_services(&services())?;
    for real in 0..REALS.len() {
        wait_for_state(&lab, "web", real, "up")?;
    }
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    let mut loads = [lab.client().load(&url(NAT_VIP), 250)?, lab.client().load(&url(NAT_VIP), 250)?];
    for (index, address) in REALS.into_iter().enumerate() {
        let (name, address) = (format!("real{}", index + 1), format!("{address}:80"));
        let pid = lab.folder().join(format!("{name}/nginx.pid"));
        lab.sluice_ok(["real", "drain", "web", &address])?;
        wait_for_state(&lab, "web", index, "drained")?;
        // A real that hangs: any connection that still went there would fail.
        let node = lab.require_real(index + 1)?;
        node.shell(&format!("kill -STOP $(cat {})", pid.display()))?;
        for load in &mut loads {
            let answers = next_answers(load, 50)?;
            assert_eq!(shares(&answers).get(name.as_str()), None, "{name} is out");
        }
        node.shell(&format!("kill -CONT $(cat {})", pid.display()))?;
        // Two successes in a row, after the failures while it hung.
        let since = number(&ask(&lab, "service show web")?["reals"][index]["health"]["checks_passed"]);
        wait_until("checks of it succeed again", LIMIT, || {
            let passed = number(&ask(&lab, "service show web")?["reals"][index]["health"]["checks_passed"]);
            Ok((passed >= since + 4).then_some(()))
        })?;
        lab.sluice_ok(["real", "enable", "web", &address])?;
        wait_until(format!("{name} serves again"), LIMIT, || {
            Ok(shares(&next_answers(&mut loads[0], 20)?).contains_key(name.as_str()).then_some(()))
        })?;
    }
    for load in &mut loads {
        assert_served(&load.answers()?);
    }
    Ok(())
}

#[test]
fn a_drain_counts_down_and_its_end_closes_what_is_left_at_both_ends() -> Result<()> {
    const PORT: u16 = 9000;
    let text = format!(
        "[timeouts]\ntcp_time_wait = 1\ntcp_close = 1\ntcp_fin_wait = 1\ntcp_last_ack = 1\ntcp_close_wait = 1\n\
         [[service]]\nname = \"long\"\nprotocol = \"tcp\"\naddress = \"{NAT_VIP}:{PORT}\"\nscheduler = \"rr\"\n\
         [[service.real]]\naddress = \"{}:{PORT}\"\n[[service.real]]\naddress = \"{}:{PORT}\"\n",
        REALS[0], REALS[1]
    );
    let lab = with_services(&text)?;
    let _servers = serve_on_all(&lab, PORT, "cat")?;
    let address = SocketAddrV4::new(NAT_VIP, PORT);
    let open = |number: usize| Session::open(lab.client(), &format!("long{number}"), address);
    let mut sessions = (0..4).map(open).collect::<Result<Vec<_>>>()?;
    let silent = |number: usize| Session::open_silent(lab.client(), &format!("silent{number}"), address);
    let silent = (0..2).map(silent).collect::<Result<Vec<_>>>()?;
    let real = format!("{}:{PORT}", REALS[0]);
    let index = sessions.iter().position(|session| session.real() == "real1").unwrap_or(0);

    lab.sluice_ok(["real", "drain", "long", &real])?;
    let health = || Ok::<_, lab::LabError>(ask(&lab, "service show long")?["reals"][0]["health"].clone());
    assert_eq!((&health()?["state"], number(&health()?["left"])), (&"draining".into(), 3));
    sessions.iter_mut().try_for_each(Session::goes_on)?;
    drop(sessions.remove(index));
    wait_until("two are left", LIMIT, || Ok((number(&health()?["left"]) == 2).then_some(())))?;
    assert_eq!(open(9)?.real(), "real2", "it gets no new ones");

    lab.sluice_ok(["real", "drain", "long", &real, "--deadline", "1s", "--then", "remove"])?;
    let at = sessions.iter().position(|session| session.real() == "real1").unwrap_or(0);
    let mut other = sessions.remove(at);
    wait_until("it is removed", LIMIT, || {
        let reals = ask(&lab, "service show long")?["reals"].clone();
        let there = reals
            .as_array()
            .is_some_and(|reals| reals.iter().any(|row| row["address"] == real.as_str() && row["removed"] == false));
        Ok((!there).then_some(()))
    })?;
    other.is_reset()?;
    // So is the client that has said nothing all the time; the one of the other real is not.
    let (silent, others): (Vec<_>, Vec<_>) = silent.into_iter().partition(|session| session.real() == "real1");
    assert_eq!((silent.len(), others.len()), (1, 1));
    silent.into_iter().try_for_each(|mut session| session.ends())?;
    others.into_iter().try_for_each(|mut session| session.is_there())?;
    // The real's end is told too: none of its connections is left.
    wait_until("the real has no connection any more", LIMIT, || {
        let open = lab.require_real(1)?.shell(&format!("ss -Htn state established sport = :{PORT}"))?;
        Ok(open.stdout.trim().is_empty().then_some(()))
    })?;
    sessions.iter_mut().try_for_each(Session::goes_on)
}
