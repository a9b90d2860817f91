//! CON-5: UDP is balanced as TCP is, by all three methods.

use std::net::SocketAddrV4;

use lab::{Result, wait_until};

use crate::support::{LIMIT, METHODS, in_all_methods, shares, with_services};

#[test]
fn datagrams_are_balanced_and_answered_from_the_vip_in_every_method() -> Result<()> {
    let lab = with_services(&in_all_methods("udp", 7))?;
    for (method, vip) in METHODS {
        let echo = SocketAddrV4::new(vip, 7);
        // The first datagrams may wait for ARP, and UDP does not ask again.
        wait_until("an echo of every real", LIMIT, || {
            let answers = lab.client().ask_udp(echo, 3)?;
            Ok((shares(&answers).len() == 3 && answers.iter().all(lab::Answer::is_ok)).then_some(()))
        })?;
        // A port of before would be a connection of before.
        lab.sluice_ok(["connection", "flush", "--all"])?;
        // The client's sockets are connected: an answer from elsewhere than the VIP is none.
        let answers = lab.client().ask_udp(echo, 30)?;
        assert_eq!(shares(&answers), [("real1", 10), ("real2", 10), ("real3", 10)].into(), "{method}");
    }
    Ok(())
}
