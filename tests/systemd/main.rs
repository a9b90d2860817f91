//! The systemd units, under a systemd: what is in them is allowed what it needs, says when it is ready, is restarted
//! when it is stuck, and neither takes the other down.

mod machine;

use lab::{Result, wait_until};
use machine::{LIMIT, Machine};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::process::Command;

const UNITS: [&str; 2] = ["sluice-dataplane", "sluiced"];

fn unit_file(unit: &str) -> String {
    format!("{}/conf/systemd/{unit}.service", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn units_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    for unit in UNITS {
        // The programs need not be installed where the test runs.
        let text = fs::read_to_string(unit_file(unit)).expect("the unit");
        let programs = lab::program("sluice").expect("it is built");
        let programs = programs.parent().expect("a folder").display().to_string();
        let text = text.replace("=/usr/bin/", &format!("={programs}/"));
        fs::write(folder.path().join(format!("{unit}.service")), text).expect("written");
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(UNITS.map(|unit| folder.path().join(format!("{unit}.service"))));
    let output = verify.output().expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The figure of `systemd-analyze security`, tenths: 0 is the best of 100.
#[test]
fn units_are_hardened_and_stay_so() {
    for (unit, exposure) in [("sluice-dataplane", 30), ("sluiced", 24)] {
        let rated = |threshold: u32| {
            let mut rate = Command::new("systemd-analyze");
            rate.args(["security", "--offline=yes", "--no-pager", &format!("--threshold={threshold}")]);
            let output = rate.arg(unit_file(unit)).output().expect("systemd-analyze runs");
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (is_below, said) = rated(exposure);
        assert!(is_below, "{said}");
        assert!(!rated(exposure - 1).0, "{unit} is better than {exposure}: record its new figure here");
    }
}

#[test]
fn both_run_within_their_limits_and_tell_how_they_are() -> Result<()> {
    let machine = Machine::boot()?;
    machine.start_both()?;
    for unit in UNITS {
        let pid = machine.pid_of(unit)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        assert!(status.contains("NoNewPrivs:\t1"), "{unit}: {status}");
        assert!(status.contains("Seccomp:\t2"), "{unit}: {status}");
    }
    assert!(machine.show("sluice-dataplane", "StatusText")?.contains("workers on lcores [1]"));
    assert!(machine.show("sluiced", "StatusText")?.contains("control.sock"));
    // Its kernel interface is there, with the address that control put on it.
    let address = machine.run(&["ip", "-4", "-o", "addr", "show", "dev", "sluice-wan"])?;
    assert!(address.contains("202.103.106.5/32"), "{address}");
    // A line an event, its priority understood, without a time beside the journal's own.
    let line = "--output=cat --priority=info..info --unit=sluiced";
    let log =
        machine.run(&["journalctl", "--quiet", "--no-pager"].into_iter().chain(line.split(' ')).collect::<Vec<_>>())?;
    assert!(log.lines().any(|line| line.starts_with("sluiced 0")), "{log}");
    Ok(())
}

#[test]
fn each_restarts_without_the_other() -> Result<()> {
    let machine = Machine::boot()?;
    machine.start_both()?;
    let (dataplane, control) = (machine.pid_of("sluice-dataplane")?, machine.pid_of("sluiced")?);

    machine.systemctl(&["restart", "sluiced"])?;
    machine.wait_for_tables()?;
    assert_eq!(machine.pid_of("sluice-dataplane")?, dataplane);
    let second_control = machine.pid_of("sluiced")?;
    assert_ne!(second_control, control);

    machine.systemctl(&["restart", "sluice-dataplane"])?;
    machine.wait_for_tables()?;
    assert_eq!(machine.pid_of("sluiced")?, second_control);
    assert_ne!(machine.pid_of("sluice-dataplane")?, dataplane);

    machine.systemctl(&["stop", "sluiced"])?;
    assert_eq!(machine.show("sluice-dataplane", "ActiveState")?, "active");
    assert_eq!(machine.run(&["find", "/run/sluice", "-name", "control.sock"])?, "", "the socket goes with control");
    machine.systemctl(&["start", "sluiced"])?;
    machine.wait_for_tables()?;
    Ok(())
}

#[test]
fn a_stuck_worker_misses_the_watchdog_and_the_dataplane_is_restarted() -> Result<()> {
    let machine = Machine::boot()?;
    machine.start_both()?;
    let (dataplane, control) = (machine.pid_of("sluice-dataplane")?, machine.pid_of("sluiced")?);
    let worker = Pid::from_raw(thread_of(dataplane, "worker"));
    // Stops this one thread: the others, the main lcore among them, go on.
    ptrace::attach(worker).expect("attached");
    waitpid(worker, Some(WaitPidFlag::__WALL)).expect("stopped");
    wait_until("systemd to restart the dataplane", LIMIT, || {
        // Who traces a thread has to take its end off the system: before that its process is not gone.
        let _ = waitpid(worker, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
        let pid = machine.pid_of("sluice-dataplane").unwrap_or(0);
        Ok((pid != 0 && pid != dataplane).then_some(()))
    })?;
    assert_eq!(machine.show("sluice-dataplane", "NRestarts")?, "1");
    assert!(machine.log().contains("Watchdog timeout"), "{}", machine.log());
    machine.wait_for_tables()?;
    assert_eq!(machine.pid_of("sluiced")?, control);
    Ok(())
}

#[test]
fn a_stuck_web_server_misses_the_watchdog_and_sluiced_is_restarted() -> Result<()> {
    let machine = Machine::boot()?;
    machine.start_both()?;
    let (dataplane, control) = (machine.pid_of("sluice-dataplane")?, machine.pid_of("sluiced")?);
    let web = Pid::from_raw(thread_of(control, "http"));
    ptrace::attach(web).expect("attached");
    waitpid(web, Some(WaitPidFlag::__WALL)).expect("stopped");
    wait_until("systemd to restart sluiced", LIMIT, || {
        let _ = waitpid(web, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
        let pid = machine.pid_of("sluiced").unwrap_or(0);
        Ok((pid != 0 && pid != control).then_some(()))
    })?;
    assert!(machine.log().contains("the web server's thread has not gone on for 2 s"), "{}", machine.log());
    machine.wait_for_tables()?;
    assert_eq!(machine.pid_of("sluice-dataplane")?, dataplane);
    Ok(())
}

/// The thread of a process with this in its name; DPDK names workers after their lcores.
fn thread_of(pid: i32, part: &str) -> i32 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let mut threads = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |thread: &i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm")).unwrap_or_default();
        name.contains(part)
    };
    threads.find(is_it).unwrap_or_else(|| panic!("no thread {part}"))
}

#[test]
fn a_reload_says_whether_the_file_is_in_force() -> Result<()> {
    let machine = Machine::boot()?;
    machine.start_both()?;
    let services = machine.services();
    machine.write_services(&services.replace("weight = 1", "weight = 70000"));
    let refused = machine.systemctl(&["reload", "sluiced"]).expect_err("the file is refused").to_string();
    assert!(refused.contains("sluiced"), "{refused}");
    assert!(machine.log().contains("weight 70000, allowed 0 to 65535"), "{}", machine.log());
    machine.write_services(&services.replace("weight = 1", "weight = 7"));
    machine.systemctl(&["reload", "sluiced"])?;
    assert!(machine.run(&["/opt/bin/sluice", "service", "show", "web"])?.contains("  7  "));
    Ok(())
}
