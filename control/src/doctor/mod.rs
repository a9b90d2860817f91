//! `sluice doctor`: looks at a machine and says what stands in the way of a director, and what to do. It needs no
//! running daemon and changes nothing. What only DPDK knows is asked of `sluice-dataplane probe`.

mod announcing;
mod cores;
mod devices;
mod files;
mod host;
mod kernel;
mod memory;
mod probe;
mod real;
#[cfg(test)]
mod tests;

pub use host::Host;
pub use probe::{Probed, ProbedPort};

use clap::Args;
use link::model::ForwardMethod;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Options {
    /// The machine: ports, cores, memory
    #[arg(long, value_name = "FILE", default_value = "/etc/sluice/sluice.toml")]
    pub config: PathBuf,
    /// What is balanced
    #[arg(long, value_name = "FILE", default_value = "/etc/sluice/services.toml")]
    pub services: PathBuf,
    /// Do not have the dataplane open the ports to tell their queues and offloads
    #[arg(long)]
    pub no_probe: bool,
    /// Look at this machine as a real server with this method instead: nat, tunnel or direct
    #[arg(long, value_name = "METHOD", requires = "vip")]
    pub real: Option<ForwardMethod>,
    /// With --real: the virtual address that the real server serves
    #[arg(long, value_name = "ADDRESS", requires = "real")]
    pub vip: Option<Ipv4Addr>,
    /// Read /proc, /sys and /dev below this folder
    #[arg(long, value_name = "FOLDER", hide = true, default_value = "/")]
    pub root: PathBuf,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Warn,
    /// The director does not work so.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, a word.
    pub topic: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing where it is as it should be.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(topic: &'static str, found: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(topic: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(topic: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { topic, verdict: Verdict::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at everything.
pub fn examine(options: &Options) -> Vec<Finding> {
    let host = Host::new(&options.root);
    if let (Some(method), Some(vip)) = (options.real, options.vip) {
        return real::examine(&host, method, vip);
    }
    let (machine, services, mut findings) = files::examine(options);
    findings.extend(cores::processor(&host));
    let Some(machine) = machine else { return findings };
    let probed = probe::ask(options, &host);
    findings.extend(probe::examine(&probed, &machine));
    findings.extend(memory::examine(&host, &machine));
    findings.extend(devices::examine(&host, &machine));
    findings.extend(cores::examine(&host, &machine));
    findings.extend(kernel::examine(&host, &machine, services.as_ref()));
    findings.extend(announcing::examine(&host, &machine));
    findings
}

/// The report, for people.
///
/// # Errors
/// It can't be written.
pub fn show(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let width = findings.iter().map(|finding| finding.topic.len()).max().unwrap_or(0);
    for Finding { topic, verdict, found, advice } in findings {
        writeln!(out, "{verdict:<4}  {topic:<width$}  {found}")?;
        if let Some(advice) = advice {
            writeln!(out, "      {:<width$}  -> {advice}", "")?;
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count();
    writeln!(out, "{} ok, {} warnings, {} failures", count(Verdict::Ok), count(Verdict::Warn), count(Verdict::Fail))
}

/// Whether a director can run here.
pub fn is_fit(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict != Verdict::Fail)
}
