//! CARD-5: there is one dataplane and one control; a second is refused with the first's pid, and the first goes on.

use std::ffi::OsStr;
use std::fs;

use lab::{Lab, NAT_VIP, Output, Result};

use crate::support::{assert_served, paper, run_on_director, url};

#[test]
fn a_second_dataplane_is_refused_and_disturbs_nothing() -> Result<()> {
    let mut lab = paper()?;
    let pid = lab.dataplane().expect("it was started").pid();
    let second = run_on_director(&lab, "sluice-dataplane", &[])?;
    let wanted = format!("a sluice-dataplane already runs with this link (pid {pid}); stop it, or give");
    assert!(second.code == Some(1) && second.stderr.contains(&wanted), "{second:?}");
    still_serves(&lab)
}

#[test]
fn a_second_control_is_refused_and_disturbs_nothing() -> Result<()> {
    let mut lab = paper()?;
    let pid = lab.control().expect("it was started").pid();
    let second = run_control(&lab)?;
    let wanted = format!("sluiced with pid {pid} serves it already; end that one first, or give");
    assert!(second.code == Some(1) && second.stderr.contains(&wanted), "{second:?}");
    still_serves(&lab)
}

fn run_control(lab: &Lab) -> Result<Output> {
    let services = lab.folder().join("services.toml");
    run_on_director(lab, "sluiced", &[OsStr::new("--services"), services.as_os_str()])
}

fn still_serves(lab: &Lab) -> Result<()> {
    assert_served(&lab.client().get(&url(NAT_VIP), 6)?);
    assert!(fs::exists(lab.machine().link()).is_ok_and(|is_there| is_there), "the link is the first one's");
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "2"]).map(drop)
}
