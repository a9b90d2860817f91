//! The machine that was measured on.

use rte_rs::cycles::tsc_hz;
use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

/// The machine, its software, and when it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, by its own words.
    pub cpu: String,
    /// How many cores of it there are.
    pub cores: usize,
    /// Cycles a second of the time stamp counter.
    pub tsc_hz: u64,
    /// MiB of memory.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Version of DPDK.
    pub dpdk: String,
    /// Version of the compiler.
    pub rustc: String,
    /// The commit that was measured; with `+` if files had been changed since. Empty outside of a repository.
    pub commit: String,
    /// When, UTC.
    pub date: String,
}

impl Machine {
    /// When it was, and at which commit.
    pub fn moment(&self) -> String {
        format!("{} UTC, commit {}", self.date, self.commit)
    }

    /// This one, now.
    pub fn this() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let after = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib = after(&memory, "MemTotal").unwrap_or_default();
        let kib = kib.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
        let changed = if said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() { "" } else { "+" };
        Self {
            cpu: after(&cpu, "model name").unwrap_or_default(),
            cores: cpu.lines().filter(|line| line.starts_with("processor")).count().max(1),
            tsc_hz: tsc_hz(),
            memory: kib / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            dpdk: said("pkg-config", &["--modversion", "libdpdk"]),
            rustc: said("rustc", &["--version"]),
            commit: said("git", &["rev-parse", "--short=12", "HEAD"]) + changed,
            date: said("date", &["-u", "+%Y-%m-%d %H:%M"]),
        }
    }
}

/// What a program prints; nothing if it is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
