//! SCH-1: each connection is scheduled by weight, and by how many connections each real has.

use std::net::SocketAddrV4;

use lab::{NAT_VIP, Result};

use crate::support::{Session, ask, in_all_methods, number, paper, serve_on_all, shares, url, with_services};

#[test]
fn shares_follow_a_change_of_weights_at_once() -> Result<()> {
    let lab = paper()?;
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "3"])?;
    lab.sluice_ok(["real", "set", "web", "172.16.0.3:8000", "--weight", "1"])?;
    let answers = lab.client().get(&url(NAT_VIP), 40)?;
    assert_eq!(shares(&answers), [("real1", 30), ("real2", 10)].into());
    Ok(())
}

#[test]
fn least_connection_sends_a_new_connection_where_the_fewest_are() -> Result<()> {
    const PORT: u16 = 9000;
    let lab = with_services(&in_all_methods("tcp", PORT))?;
    let _servers = serve_on_all(&lab, PORT, "cat")?;
    lab.sluice_ok(["service", "set", "nat", "--scheduler", "lc"])?;
    let address = SocketAddrV4::new(NAT_VIP, PORT);
    let sessions: Vec<Session> = (0..6)
        .map(|number| Session::open(lab.client(), &format!("session{number}"), address))
        .collect::<Result<_>>()?;
    let mut reals: Vec<String> = sessions.iter().map(Session::real).collect();
    reals.sort();
    assert_eq!(reals, ["real1", "real1", "real2", "real2", "real3", "real3"]);
    let shown = ask(&lab, "service show nat")?;
    let active: Vec<u64> =
        shown["reals"].as_array().into_iter().flatten().map(|real| number(&real["active"])).collect();
    assert_eq!(active, [2, 2, 2]);
    Ok(())
}
