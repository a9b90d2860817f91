//! CARD-5: the dataplane forwards with the last table for as long as it runs, whatever happens to control.

use std::net::SocketAddrV4;

use lab::{NAT_VIP, PAPER_SERVICES, Result};

use crate::support::{Session, ask, assert_served, next_answers, paper, serve_on_all, service, shares, url};

#[test]
fn control_is_killed_under_load_and_finds_the_director_as_it_left_it() -> Result<()> {
    let mut lab = paper()?;
    let mut load = lab.client().load(&url(NAT_VIP), 50)?;
    // What only the running table has: the services file says 1 and 2.
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "9"])?;
    lab.sluice_ok(["service", "remove", "ftp"])?;
    let before = names_and_weights(&lab)?;

    lab.control().expect("it was started").kill()?;
    assert_eq!(shares(&next_answers(&mut load, 44)?), [("real1", 36), ("real2", 8)].into(), "weights 9:2");
    assert_eq!(lab.sluice(["status"])?.code, Some(4));

    lab.start_control()?;
    assert_eq!(names_and_weights(&lab)?, before);
    let differences = ask(&lab, "status")?["differences"].as_array().map(Vec::len);
    assert_eq!(differences, Some(3), "a weight, a service and its real: told, and kept");
    next_answers(&mut load, 20)?;
    assert_served(&load.answers()?);
    Ok(())
}

#[test]
fn a_long_connection_does_not_notice_that_control_is_gone() -> Result<()> {
    let mut lab = crate::support::with_services(&service("echo", "tcp", NAT_VIP, 9000, "nat"))?;
    let _servers = serve_on_all(&lab, 9000, "cat")?;
    let mut session = Session::open(lab.client(), "session", SocketAddrV4::new(NAT_VIP, 9000))?;
    lab.control().expect("it was started").kill()?;
    session.goes_on()?;
    lab.start_control()?;
    session.goes_on()?;
    // A file that has the service in another way keeps its connections too.
    lab.write_services(&format!("{PAPER_SERVICES}{}", service("echo9", "tcp", NAT_VIP, 9000, "nat")))?;
    lab.sluice_ok(["reload"])?;
    session.goes_on()
}

fn names_and_weights(lab: &lab::Lab) -> Result<Vec<String>> {
    let services = ask(lab, "service list")?;
    let list = services.as_array().into_iter().flatten().map(|service| {
        let reals = service["reals"].as_array().into_iter().flatten();
        let reals: Vec<String> = reals
            .filter(|real| real["removed"] == false)
            .map(|real| format!("{} {} {}", real["address"], real["weight"], real["method"]))
            .collect();
        format!("{} {}: {}", service["name"], service["address"], reals.join(", "))
    });
    Ok(list.collect())
}
