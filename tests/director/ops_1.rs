//! OPS-1: a real is taken out for maintenance, and put back, at any time; clients do not see it.

use lab::{NAT_VIP, Result};

use crate::support::{assert_served, next_answers, paper, shares, url};

const REAL2: &str = "172.16.0.3:8000";

#[test]
fn a_real_is_drained_removed_and_added_again_under_load() -> Result<()> {
    let lab = paper()?;
    let mut load = lab.client().load(&url(NAT_VIP), 50)?;
    assert_eq!(shares(&next_answers(&mut load, 30)?).len(), 2);
    for action in ["drain", "remove"] {
        lab.sluice_ok(["real", action, "web", REAL2])?;
        assert_eq!(shares(&next_answers(&mut load, 30)?), [("real1", 30)].into(), "after {action}");
    }
    lab.sluice_ok(["real", "add", "web", REAL2, "--weight", "2"])?;
    let again = next_answers(&mut load, 30)?;
    assert!(shares(&again).get("real2").is_some_and(|count| (19..=21).contains(count)), "{:?}", shares(&again));
    assert_served(&load.answers()?);
    Ok(())
}
