//! NAT-2: a reply comes from the VIP and its port; the client never sees which real answered.

use lab::{NAT_VIP, Result, wait_until};

use crate::support::{LIMIT, assert_served, paper, url};

#[test]
fn every_packet_that_the_client_gets_is_from_the_vip() -> Result<()> {
    let lab = paper()?;
    // A raw socket gets a copy of every TCP packet that reaches the client, from the addresses in its range.
    let listen = |label: &str, range: &str| {
        lab.client().spawn(label, "socat", ["-u", &format!("IP4-RECV:6,range={range}"), "-"])
    };
    let from_vip = listen("from-vip", &format!("{NAT_VIP}/32"))?;
    let from_reals = listen("from-reals", "172.16.0.0/16")?;
    wait_until("packets from the VIP", LIMIT, || {
        assert_served(&lab.client().get(&url(NAT_VIP), 6)?);
        Ok((!from_vip.log().is_empty()).then_some(()))
    })?;
    assert_served(&lab.client().get(&url(NAT_VIP), 6)?);
    assert_eq!(from_reals.log(), "");
    Ok(())
}
