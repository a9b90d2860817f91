//! DR-1: direct routing changes the frame's MAC address only; the real gets the client's packet as it was sent.

use lab::{CLIENT, DIRECT_VIP, Result};

use crate::support::{paper, shares, url};

#[test]
fn a_request_reaches_each_real_with_the_vip_as_its_destination() -> Result<()> {
    let lab = paper()?;
    let answers = lab.client().get(&url(DIRECT_VIP), 30)?;
    for (real, count) in shares(&answers) {
        assert!(!real.is_empty() && (8..=12).contains(&count), "{real}: {count} of 30, equal weights");
    }
    for answer in answers {
        assert_eq!(answer.body, format!("{} {CLIENT} {DIRECT_VIP}:80\n", answer.real));
    }
    Ok(())
}
