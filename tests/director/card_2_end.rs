//! CARD-2: asked to end, every program ends at once with exit code 0 and takes its own with it.

use std::fs;

use lab::{NAT_VIP, Result, Signal};

use crate::support::{LIMIT, assert_served, paper, url};

#[test]
fn terminated_programs_end_cleanly_and_leave_no_interface_and_no_link() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let mut lab = paper()?;
        let mut load = lab.client().load(&url(NAT_VIP), 50)?;
        crate::support::next_answers(&mut load, 10)?;

        let control = lab.control().expect("it was started");
        control.signal(signal)?;
        assert_eq!(control.wait(LIMIT)?, Some(0));
        // The dataplane does not care.
        assert_served(&crate::support::next_answers(&mut load, 10)?);

        let dataplane = lab.dataplane().expect("it was started");
        dataplane.signal(signal)?;
        assert_eq!(dataplane.wait(LIMIT)?, Some(0));
        assert!(!fs::exists(lab.machine().link()).is_ok_and(|is_there| is_there), "the link stays");
        for node in [lab.director(), lab.router(), lab.segment()] {
            let left = node.run("ip", ["-brief", "link"])?.stdout;
            let ours = ["wan0", "lan0", "sluice-wan", "sluice-lan"];
            assert!(!ours.iter().any(|name| left.contains(name)), "{}: {left}", node.name());
        }
        drop(load);
    }
    Ok(())
}
