//! OPS-1: checks take a real out that fails, and back in; the sorry server serves when none is left.

use std::time::Duration;

use lab::{Lab, NAT_VIP, REALS, Result, TUNNEL_VIP, wait_until};
use serde_json::Value;

use crate::support::{LIMIT, ask, assert_served, next_answers, shares, url, with_services};

const CHECK: &str = "[service.check]\ntype = \"http\"\ninterval = \"200ms\"\ntimeout = \"150ms\"\nrise = 2\nfall = 2\nbody = \"^real\"\n";

/// `web` by NAT over the first two reals, with the third one for times without quorum; and `pass` by tunnel over all.
fn services() -> String {
    let real = |number: usize| format!("[[service.real]]\naddress = \"{}:80\"\n", REALS[number]);
    format!(
        "[timeouts]\ntcp_time_wait = 1\ntcp_close = 1\n\
         [[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"{NAT_VIP}:80\"\nscheduler = \"wrr\"\n{CHECK}\
         [service.sorry]\naddress = \"{}:80\"\n{}{}\
         [[service]]\nname = \"pass\"\nprotocol = \"tcp\"\naddress = \"{TUNNEL_VIP}:80\"\nscheduler = \"rr\"\nmethod = \"tunnel\"\n\
         {CHECK}{}{}",
        REALS[2],
        real(0),
        real(1),
        real(0),
        real(1)
    )
}

/// What nginx of a real, from 1, does from now on: `STOP` it hangs, `CONT` it goes on.
fn signal(lab: &Lab, real: usize, name: &str) -> Result<()> {
    let pid = lab.folder().join(format!("real{real}/nginx.pid"));
    lab.require_real(real)?.shell(&format!("kill -{name} $(cat {})", pid.display())).map(drop)
}

fn state(lab: &Lab, service: &str, real: usize) -> Result<Value> {
    Ok(ask(lab, &format!("service show {service}"))?["reals"][real - 1]["health"].clone())
}

fn wait_for_state(lab: &Lab, service: &str, real: usize, wanted: &str) -> Result<Value> {
    wait_until(format!("real {real} of {service} is {wanted}"), LIMIT, || {
        let health = state(lab, service, real)?;
        Ok((health["state"] == wanted).then_some(health))
    })
}

#[test]
fn a_real_that_hangs_is_taken_out_and_back_and_the_sorry_server_serves_alone() -> Result<()> {
    let lab = with_services(&services())?;
    for (service, real) in [("web", 1), ("web", 2), ("pass", 1), ("pass", 2)] {
        wait_for_state(&lab, service, real, "up")?;
    }
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    let mut load = lab.client().load(&url(NAT_VIP), 50)?;
    assert_eq!(shares(&next_answers(&mut load, 30)?), [("real1", 15), ("real2", 15)].into());

    signal(&lab, 1, "STOP")?;
    let health = wait_for_state(&lab, "web", 1, "down")?;
    let reason = health["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("no answer to the request within 150ms"), "{reason}");
    wait_for_state(&lab, "pass", 1, "down")?;
    // What was under way to it when it went down ends first.
    lab.sluice_ok(["connection", "flush", "--real", "172.16.0.2:80"])?;
    wait_until("the load goes on", LIMIT, || Ok(next_answers(&mut load, 1)?[0].is_ok().then_some(())))?;
    assert_eq!(shares(&next_answers(&mut load, 30)?), [("real2", 30)].into());

    signal(&lab, 2, "STOP")?;
    wait_for_state(&lab, "web", 2, "down")?;
    lab.sluice_ok(["connection", "flush", "--real", "172.16.0.3:80"])?;
    wait_until(
        "the sorry server serves",
        LIMIT,
        || Ok((next_answers(&mut load, 1)?[0].real == "real3").then_some(())),
    )?;
    let shown = lab.sluice_ok(["service", "show", "web"])?;
    assert!(shown.contains("no quorum, 172.16.0.4:80 serves: 0 reals in the pool"), "{shown}");

    signal(&lab, 1, "CONT")?;
    signal(&lab, 2, "CONT")?;
    for (service, real) in [("web", 1), ("web", 2), ("pass", 1), ("pass", 2)] {
        wait_for_state(&lab, service, real, "up")?;
    }
    let answers = next_answers(&mut load, 30)?;
    assert_served(&answers);
    assert_eq!(shares(&answers), [("real1", 15), ("real2", 15)].into());
    let events = lab.sluice_ok(["events"])?;
    for words in ["down           web               172.16.0.2:80", "quorum_lost    web", "quorum_gained  web"] {
        assert!(events.contains(words), "{words} is not in\n{events}");
    }
    Ok(())
}

#[test]
fn a_restart_of_the_dataplane_takes_no_real_out() -> Result<()> {
    let mut lab = with_services(&services())?;
    let reals = [("web", 1), ("web", 2), ("pass", 1), ("pass", 2)];
    for (service, real) in reals {
        wait_for_state(&lab, service, real, "up")?;
    }
    lab.dataplane().expect("it runs").kill()?;
    wait_until("control to notice", LIMIT, || Ok(ask(&lab, "status")?["dataplane"].is_null().then_some(())))?;
    // Many checks of each real come to nothing meanwhile: the kernel's interfaces are gone.
    std::thread::sleep(Duration::from_secs(2));
    lab.start_dataplane()?;
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    let answers = lab.client().get(&url(NAT_VIP), 30)?;
    assert_eq!(shares(&answers), [("real1", 15), ("real2", 15)].into());
    let events = lab.sluice_ok(["events"])?;
    assert!(!events.contains("down "), "{events}");
    // What fails afterwards counts.
    signal(&lab, 1, "STOP")?;
    wait_for_state(&lab, "web", 1, "down")?;
    signal(&lab, 1, "CONT")
}
