//! What only DPDK knows, as `sluice-dataplane probe` tells it: its version, and queues and offloads of the ports.

use super::{Finding, Host, Options};
use config::Machine;
use link::Steering;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The answer of `sluice-dataplane probe`.
#[derive(Debug, Deserialize)]
pub struct Probed {
    /// As `DPDK 22.11.11`.
    pub dpdk: String,
    /// Why the ports were not opened, if they were not.
    pub error: Option<String>,
    /// The process that has the ports, if a dataplane runs.
    pub running: Option<u32>,
    /// In the order of sluice.toml.
    #[serde(default)]
    pub ports: Vec<ProbedPort>,
}

/// A port, as DPDK found it.
#[derive(Debug, Deserialize)]
pub struct ProbedPort {
    /// Its name in sluice.toml.
    pub name: String,
    /// Why it can't be opened, if it can't; then the rest is empty.
    pub error: Option<String>,
    /// DPDK's driver.
    #[serde(default)]
    pub driver: String,
    /// Most receive queues.
    #[serde(default)]
    pub rx_queues: u16,
    /// Most transmit queues.
    #[serde(default)]
    pub tx_queues: u16,
    /// How packets would get to the worker that owns their connection, in the words of `sluice ports`.
    #[serde(default)]
    pub steering: String,
    /// Why no better.
    #[serde(default)]
    pub reason: String,
    /// Largest MTU, bytes.
    #[serde(default)]
    pub max_mtu: u16,
}

/// Asks, unless that is not wanted or it is not this machine that is looked at.
pub(super) fn ask(options: &Options, host: &Host) -> Option<Result<Probed, String>> {
    if options.no_probe || !host.is_this() {
        return None;
    }
    let program = beside_this_program("sluice-dataplane");
    let mut command = Command::new(&program);
    command.args([Path::new("probe"), Path::new("--config"), &options.config]).stdin(Stdio::null());
    Some(match command.env("RUST_LOG", "off").output() {
        Err(error) => Err(format!("{} can't be started: {error}", program.display())),
        Ok(output) => serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("it said nothing");
            format!("{} probe ended with {}: {last}", program.display(), output.status)
        }),
    })
}

/// The programs are installed in one folder; else the search path decides.
fn beside_this_program(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(name)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

pub(super) fn examine(probed: &Option<Result<Probed, String>>, machine: &Machine) -> Vec<Finding> {
    const TOPIC: &str = "dpdk";
    let probed = match probed {
        None => return Vec::new(),
        Some(Err(why)) => {
            let advice = "install the package sluice, or build it; --no-probe leaves this out";
            return vec![Finding::fail(TOPIC, why, advice)];
        }
        Some(Ok(probed)) => probed,
    };
    let mut findings = vec![Finding::ok(TOPIC, &probed.dpdk)];
    if let Some(pid) = probed.running {
        let found = format!("a dataplane runs (pid {pid}) and has the ports: `sluice ports` tells of them");
        findings.push(Finding::ok("queues", found));
    } else if let Some(error) = &probed.error {
        let advice = "mend what it names; lines below may say how";
        findings.push(Finding::fail(TOPIC, format!("DPDK does not start: {error}"), advice));
    }
    let workers = machine.dataplane.workers.len() as u16;
    for port in &probed.ports {
        findings.push(queues(port, workers));
        findings.extend(offloads(port));
    }
    let mtus = probed.ports.iter().zip(&machine.ports).filter(|(found, _)| found.error.is_none());
    findings.extend(mtus.filter(|(found, wanted)| found.max_mtu < wanted.mtu).map(|(found, wanted)| {
        let text =
            format!("port {}: MTU {} is asked for, the card has {} at most", found.name, wanted.mtu, found.max_mtu);
        Finding::fail("mtu", text, "lower mtu of this [[port]]")
    }));
    findings
}

fn queues(port: &ProbedPort, workers: u16) -> Finding {
    const TOPIC: &str = "queues";
    let ProbedPort { name, error, driver, rx_queues, tx_queues, .. } = port;
    if let Some(error) = error {
        let advice = "see the lines on driver, IOMMU and hugepages; `dpdk-devbind.py --status-dev net` lists the cards";
        return Finding::fail("port", format!("port {name} can't be opened: {error}"), advice);
    }
    let offers = format!("port {name} ({driver}): up to {rx_queues} receive and {tx_queues} transmit queues");
    if workers == 1 {
        return Finding::ok(TOPIC, format!("{offers}, 1 worker"));
    }
    if *rx_queues < workers {
        let advice = "the other workers get their packets from those that receive: right, and slower";
        return Finding::warn(TOPIC, format!("{offers}, fewer than workers"), advice);
    }
    if *tx_queues < workers {
        let advice = "one worker sends for all: right, and slower";
        return Finding::warn(TOPIC, format!("{offers}, too few to send on for {workers} workers"), advice);
    }
    Finding::ok(TOPIC, format!("{offers}, {workers} workers"))
}

/// The one offload that Sluice asks of a card is RSS: checksums are adjusted by what changes, lengths stay.
fn offloads(port: &ProbedPort) -> Option<Finding> {
    const TOPIC: &str = "offloads";
    let ProbedPort { name, reason, .. } = port;
    let steering = Steering::ALL.into_iter().find(|steering| steering.name() == port.steering)?;
    let advice = "workers hand over what others own: right, and slower; docs/scaling.md says which cards need not";
    Some(match steering {
        Steering::OneWorker => Finding::ok(TOPIC, format!("port {name}: none needed with 1 worker")),
        Steering::ClientAffine => {
            Finding::ok(TOPIC, format!("port {name}: its RSS gives each packet to the worker that owns its connection"))
        }
        Steering::Spread => {
            Finding::warn(TOPIC, format!("port {name}: its RSS spreads packets, not by their owner: {reason}"), advice)
        }
        Steering::HandOff => {
            Finding::warn(TOPIC, format!("port {name}: no RSS that spreads packets: {reason}"), advice)
        }
    })
}
