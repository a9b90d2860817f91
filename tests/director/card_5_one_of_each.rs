//! CARD-5: there is one dataplane and one control; a second is refused with the first's pid, and the first goes on.

use std::ffi::OsStr;
use std::fs;

use lab::{Lab, NAT_VIP, Output, Result, program, wait_until};

use crate::support::{LIMIT, assert_served, paper, run_on_director, url};

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

#[test]
fn a_control_with_a_socket_of_its_own_says_that_another_has_the_dataplane() -> Result<()> {
    let mut lab = paper()?;
    let pid = lab.control().expect("it was started").pid();
    let machine = lab.folder().join("second.toml");
    let text = lab.machine().to_string().replace("control.sock", "second.sock");
    fs::write(&machine, text).expect("the laboratory's folder can be written");
    let services = lab.folder().join("services.toml");
    let arguments = ["--config".as_ref(), machine.as_os_str(), "--services".as_ref(), services.as_os_str()];
    let _second = lab.director().spawn("second", &program("sluiced")?.to_string_lossy(), arguments)?;

    let sluice = program("sluice")?;
    let socket = lab.folder().join("second.sock");
    let ask = |words: &str| {
        let all = [OsStr::new("--socket"), socket.as_os_str()];
        lab.director().capture(&sluice.to_string_lossy(), all.into_iter().chain(words.split(' ').map(OsStr::new)))
    };
    let wanted = format!("another sluiced is attached (pid {pid}); stop it first");
    wait_until("the second control's warning", LIMIT, || Ok(ask("status")?.stdout.contains(&wanted).then_some(())))?;
    let changed = ask("real set web 172.16.0.2:80 --weight 7")?;
    assert!(changed.code == Some(4) && changed.stderr.contains(&wanted), "{changed:?}");
    still_serves(&lab)
}
