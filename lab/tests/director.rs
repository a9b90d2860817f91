//! The laboratory's director: its programs are started, ended and started again, and the cables come back. Needs root,
//! and the binaries of the workspace (`cargo build --workspace --bins`).

use std::time::Duration;

use lab::{Lab, LabError, NAT_VIP, PAPER_SERVICES, Result, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_dataplane_that_was_killed_is_started_again_with_its_cables() -> Result<()> {
    let url = format!("http://{NAT_VIP}/");
    let mut lab = Lab::paper_example()?;
    lab.start_director(&lab.machine().to_string(), PAPER_SERVICES)?;
    lab.client().wait_for_answer(&url, LIMIT)?;

    lab.dataplane().expect("it was started").kill()?;
    assert!(lab.client().curl(&url).is_err(), "nobody forwards");

    lab.start_dataplane()?;
    lab.client().wait_for_answer(&url, LIMIT)
}

#[test]
fn reals_reach_the_outside_and_the_director_through_the_kernel_path() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    lab.start_director(&lab.machine().to_string(), PAPER_SERVICES)?;
    // The reals' network is private to the outside: the way back is a route here, as NAT rules would be elsewhere.
    lab.router().ip(&format!("route replace {}/32 via {}\n", lab::REALS[0], lab::DIRECTOR_WAN))?;
    let client = lab.client().spawn("listen", "socat", ["-u", "UDP4-RECV:5000", "-"])?;
    let send = format!("echo hello | socat -u - UDP4-SENDTO:{}:5000", lab::CLIENT);
    wait_until("a datagram of real1 at the client", LIMIT, || {
        lab.require_real(1)?.shell(&send)?;
        Ok(client.log().starts_with("hello").then_some(()))
    })
}

#[test]
fn a_director_that_refuses_its_configuration_is_reported_with_its_words() -> Result<()> {
    let mut lab = Lab::new(0)?;
    let machine = lab.machine().to_string().replace("main_lcore = 0", "main_lcore = 1");
    let error = lab.start_director(&machine, PAPER_SERVICES).expect_err("one core with two jobs");
    assert!(matches!(&error, LabError::Ended { log, .. } if log.contains("main_lcore")), "{error}");
    Ok(())
}
