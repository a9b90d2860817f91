//! NAT-6: the director is the reals' gateway, also for connections that they start themselves: these go by the kernel
//! path, under the operator's own routes and rules.

use std::net::SocketAddrV4;

use lab::{CLIENT, DIRECTOR_WAN, Lab, NAT_VIP, REALS, Result, program};

use crate::support::{assert_served, number, paper, url};

#[test]
fn a_real_opens_connections_to_the_outside_while_it_serves_a_vip() -> Result<()> {
    let lab = paper()?;
    // The reals' network is private to the outside: the way back is a route here, as NAT rules would be elsewhere.
    lab.router().ip(&format!("route replace 172.16.0.0/24 via {DIRECTOR_WAN}\n"))?;
    let echo = program("lab-echo")?;
    let serve = ["serve", "--name", "outside", "--greet", "0.0.0.0:2121"];
    let mut outside = lab.client().spawn("outside", &echo.to_string_lossy(), serve)?;
    lab.client().wait_for_socket(&mut outside, "tcp", 2121)?;

    let to_kernel = to_kernel(&lab)?;
    for real in 1..=REALS.len() {
        let greetings = lab.require_real(real)?.read_greetings(SocketAddrV4::new(CLIENT, 2121), 5)?;
        assert!(greetings.iter().all(|greeting| greeting.real == "outside"), "{greetings:?}");
        assert_served(&lab.client().get(&url(NAT_VIP), 5)?);
    }
    assert!(self::to_kernel(&lab)? > to_kernel, "these connections are the kernel's, not balanced ones");
    Ok(())
}

fn to_kernel(lab: &Lab) -> Result<u64> {
    Ok(number(&crate::support::ask(lab, "drops")?["to_kernel"]))
}
