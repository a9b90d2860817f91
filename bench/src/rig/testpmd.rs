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

    /// Waits until it forwards.
    ///
    /// # Errors
    /// It does not in time; with its log.
    pub fn wait_until_it_forwards(&mut self) -> Result<()> {
        lab::wait_until("dpdk-testpmd to forward", Duration::from_secs(60), || {
            self.check_running()?;
            Ok(self.log().contains("packet forwarding - ports=").then_some(()))
        })
    }

    /// Stops it, and returns the cycles that it spent on a packet and the packets that it sent, if it says so.
    pub fn stop(mut self) -> Option<(f64, f64)> {
        self.say("stop");
        let start = Instant::now();
        while !self.log().contains("CPU cycles/packet") && start.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(20));
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
fn cycles(log: &str) -> Option<(f64, f64)> {
    let line = log.lines().rev().find(|line| line.contains("CPU cycles/packet"))?;
    let number = |after: &str| {
        let rest = line.split(after).nth(1)?.trim_start_matches('=');
        rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?.parse::<f64>().ok()
    };
    Some((number("CPU cycles/packet")?, number("packets")?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn cycles_are_read_from_the_last_lines() {
        let log =
            "testpmd> stop\n  CPU cycles/packet=36.50 (total cycles=7300 / total RX packets=200) at 2600 MHz Clock\n";
        assert_eq!(super::cycles(log), Some((36.5, 200.0)));
        assert_eq!(super::cycles("testpmd> stop\n"), None);
    }
}
