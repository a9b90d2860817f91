//! DPDK's own test program in the director's place: it swaps the MAC addresses and does nothing else. What is faster
//! than that is not a director.

use super::last_words::ended;
use super::{Cores, Measured, Memory, before_others};
use lab::{LabError, Result};
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "dpdk-testpmd";

/// A running `dpdk-testpmd --forward-mode=macswap`. It ends when this is dropped.
#[derive(Debug)]
pub struct Testpmd {
    child: Child,
    input: Option<ChildStdin>,
    log: std::path::PathBuf,
}

impl Testpmd {
    /// Starts it on two devices, with so many mbufs; its log is in `folder`.
    ///
    /// # Errors
    /// It is not installed.
    pub fn start(folder: &Path, devices: &[String; 2], memory: Memory, cores: Cores, mbufs: u32) -> Result<Self> {
        let log = folder.join("testpmd.log");
        let io = |source| LabError::Io { what: format!("the log {}", log.display()), source };
        let file = std::fs::File::create(&log).map_err(io)?;
        let copy = file.try_clone().map_err(io)?;
        // By lines, since what it says is waited for.
        let mut command = before_others(Command::new("stdbuf").args(["-oL", PROGRAM]));
        command.arg(format!("--lcores={0}@{0},{1}@{1}", cores.main, cores.worker));
        command.arg(format!("--main-lcore={}", cores.main)).args(memory.eal());
        command.args(devices.iter().map(|device| format!("--vdev={device}")));
        command.args(["--", "-i", "--forward-mode=macswap", "--auto-start", "--record-core-cycles", "--nb-cores=1"]);
        command.args(["--no-lsc-interrupt".into(), format!("--total-num-mbufs={mbufs}")]);
        command.stdin(Stdio::piped()).stdout(file).stderr(copy);
        let mut child = command.spawn().map_err(|_| LabError::MissingProgram { program: PROGRAM.into() })?;
        let input = child.stdin.take();
        Ok(Self { child, input, log })
    }

    /// Waits until both ports are started: they ask for their connections, which they need not have yet.
    ///
    /// # Errors
    /// They are not in time; with its log.
    pub fn wait_until_its_ports_are_started(&mut self) -> Result<()> {
        // It gives a port's MAC address after it started it.
        self.wait_until("dpdk-testpmd to start its ports", "\nPort 1: ")
    }

    /// Waits until it forwards.
    ///
    /// # Errors
    /// It does not in time; with its log.
    pub fn wait_until_it_forwards(&mut self) -> Result<()> {
        self.wait_until("dpdk-testpmd to forward", "packet forwarding - ports=")
    }

    fn wait_until(&mut self, what: &str, says: &str) -> Result<()> {
        lab::wait_until(what, Duration::from_secs(60), || {
            self.check_running()?;
            Ok(self.log().contains(says).then_some(()))
        })
    }

    /// Has it forward again, after [`Testpmd::stop`].
    pub fn go_on(&mut self) {
        self.say("start");
    }

    /// Has it stop forwarding, and returns the cycles that it spent on a packet since it began, if it says so.
    pub fn stop(&mut self) -> Option<f64> {
        let told = |log: &str| log.matches("CPU cycles/packet").count();
        let before = told(&self.log());
        self.say("stop");
        let start = Instant::now();
        while told(&self.log()) == before {
            if start.elapsed() > Duration::from_secs(2) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        cycles(&self.log())
    }

    fn say(&mut self, word: &str) {
        if let Some(input) = &mut self.input {
            drop(writeln!(input, "{word}"));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Measured for Testpmd {
    fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(ended(PROGRAM, status.to_string(), &self.log)),
            _ => Ok(()),
        }
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        self.say("quit");
        drop(self.input.take());
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > Duration::from_secs(5) {
                drop(self.child.kill());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// From a line as `CPU cycles/packet=36.50 (total cycles=7300 / total RX packets=200) at 2600 MHz Clock`.
fn cycles(log: &str) -> Option<f64> {
    let line = log.lines().rev().find(|line| line.contains("CPU cycles/packet"))?;
    let rest = line.split("CPU cycles/packet=").nth(1)?;
    rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn cycles_are_read_from_the_last_lines() {
        let log =
            "testpmd> stop\n  CPU cycles/packet=36.50 (total cycles=7300 / total RX packets=200) at 2600 MHz Clock\n";
        assert_eq!(super::cycles(log), Some(36.5));
        assert_eq!(super::cycles("testpmd> stop\n"), None);
    }
}
