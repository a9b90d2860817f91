//! CON-4: a connection is removed when it has ended: its state takes the short timeout of a closed one.

use lab::{NAT_VIP, Result, wait_until};

use crate::support::{LIMIT, assert_served, connections, paper, url};

#[test]
fn connections_that_were_closed_go_and_the_service_serves_on() -> Result<()> {
    let lab = paper()?;
    lab.sluice_ok(["connection", "flush", "--all"])?;
    lab.sluice_ok(["timeouts", "set", "tcp_time_wait=1", "tcp_fin_wait=1", "tcp_close=1"])?;
    assert_served(&lab.client().get(&url(NAT_VIP), 20)?);
    // Established ones would stay for 900 s.
    wait_until(
        "the end of closed connections",
        LIMIT,
        || Ok((connections(&lab, "--service web")? == 0).then_some(())),
    )?;
    assert_served(&lab.client().get(&url(NAT_VIP), 3)?);
    Ok(())
}
