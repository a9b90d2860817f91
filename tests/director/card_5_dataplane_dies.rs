//! CARD-5: a dataplane that dies is noticed; the next one gets the running table from control.

use lab::{NAT_VIP, Result, wait_until};

use crate::support::{LIMIT, ask, assert_served, paper, shares, url};

#[test]
fn the_next_dataplane_gets_the_table_that_the_killed_one_had() -> Result<()> {
    let mut lab = paper()?;
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "2"])?;
    let first = ask(&lab, "status")?["dataplane"]["pid"].clone();

    lab.dataplane().expect("it was started").kill()?;
    wait_until("control to notice", LIMIT, || Ok(ask(&lab, "status")?["dataplane"].is_null().then_some(())))?;
    let lists = lab.sluice(["connection", "count"])?;
    assert_eq!(lists.code, Some(4), "{lists:?}");
    // A change meanwhile is kept for the next dataplane.
    lab.sluice_ok(["real", "set", "web", "172.16.0.3:8000", "--weight", "4"])?;

    lab.start_dataplane()?;
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    let second = ask(&lab, "status")?["dataplane"]["pid"].clone();
    assert!(first != second && second.is_u64(), "{first}, {second}");
    let answers = lab.client().get(&url(NAT_VIP), 30)?;
    assert_served(&answers);
    assert_eq!(shares(&answers), [("real1", 10), ("real2", 20)].into());
    Ok(())
}
