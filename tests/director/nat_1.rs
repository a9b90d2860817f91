//! NAT-1: a request's destination becomes the real's address and port; its source stays the client's.

use lab::{CLIENT, NAT_VIP, REALS, Result};

use crate::support::{paper, url};

#[test]
fn a_request_reaches_the_real_at_its_own_address_and_port_from_the_client() -> Result<()> {
    let lab = paper()?;
    let mut seen: Vec<String> = lab.client().get(&url(NAT_VIP), 6)?.into_iter().map(|answer| answer.body).collect();
    seen.sort();
    seen.dedup();
    let at_real1 = format!("real1 {CLIENT} {}:80\n", REALS[0]);
    let at_real2 = format!("real2 {CLIENT} {}:8000\n", REALS[1]);
    assert_eq!(seen, [at_real1, at_real2]);
    Ok(())
}
