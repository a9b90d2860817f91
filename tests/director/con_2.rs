//! CON-2: each state has its own timeout, which can be set while the director runs.

use std::net::SocketAddrV4;

use lab::{NAT_VIP, Result, wait_until};

use crate::support::{LIMIT, ask, assert_served, connections, paper, url};

#[test]
fn a_timeout_set_while_running_ends_connections_of_its_state_only() -> Result<()> {
    let lab = paper()?;
    assert_served(&lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 7), 3)?);
    let tcp = connections(&lab, "--protocol tcp")?;
    assert_eq!((connections(&lab, "--protocol udp")?, tcp > 0), (3, true));

    lab.sluice_ok(["timeouts", "set", "udp=1"])?;
    assert_eq!(ask(&lab, "timeouts")?["udp"], 1);
    assert_served(&lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 7), 3)?);
    // The first three keep the 300 s that their packets gave them.
    wait_until("the end of three UDP connections", LIMIT, || {
        Ok((connections(&lab, "--protocol udp")? == 3).then_some(()))
    })?;
    assert!(connections(&lab, "--protocol tcp")? >= tcp, "those of TCP stay");
    assert_served(&lab.client().get(&url(NAT_VIP), 3)?);
    Ok(())
}
