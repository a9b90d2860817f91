//! A case: a file of tests/replay/cases.
//!
//! ```toml
//! about = "NAT-1: ..."             # what it pins
//! services = """..."""             # services.toml
//! machine = { "port.lan.mtu" = 1000 }   # optional: keys of sluice.toml
//! steps = """
//! @0 wan tcp 202.100.1.2:3456 > 202.103.106.5:80 syn
//!   => lan tcp 202.100.1.2:3456 > 172.16.0.2:80 syn ttl=63
//! @1.5 wan x1000 udp 202.100.1.2:3456 > 202.103.106.5:9
//!   = dropped no_service
//! """
//! connections = ["tcp 202.100.1.2:3456 202.103.106.5:80 172.16.0.2:80 nat SYN_RECV 60"]   # optional: at the end
//! [[apply]]                        # optional
//! at = 10
//! services = """..."""
//! ```
//! A step is `@SECONDS PORT FRAME`, with `xN` before the frame N of them. Below it stand the frames that must leave, byte
//! for byte, as `=> PORT FRAME`, and `= VERDICT`: `forwarded PORT`, `answered REASON PORT`, `answered PORT`, `kernel`,
//! `held`, `dropped REASON`. Without one the verdict is that the frame was forwarded on the port of its first output.

use crate::frame::{self, Ends};
use crate::machine;
use config::Machine;
use serde::Deserialize;
use std::path::Path;
use toml::Table;

/// A case's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    #[serde(default)]
    machine: Table,
    services: String,
    #[serde(default)]
    apply: Vec<Apply>,
    steps: String,
    connections: Option<Vec<String>>,
}

/// A change of the services.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apply {
    /// Seconds after the first frame.
    pub(crate) at: f64,
    /// services.toml.
    pub(crate) services: String,
}

/// A case, ready to run.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) machine_text: String,
    pub(crate) machine: Machine,
    pub(crate) services: String,
    pub(crate) applies: Vec<Apply>,
    pub(crate) steps: Vec<Step>,
    pub(crate) connections: Option<Vec<String>>,
}

/// One frame in, and what must come of it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Its line, for messages.
    pub(crate) text: String,
    /// Nanoseconds; no two steps have the same.
    pub(crate) time: u64,
    pub(crate) port: u16,
    pub(crate) bytes: Vec<u8>,
    /// Port and bytes.
    pub(crate) outputs: Vec<(u16, Vec<u8>)>,
    pub(crate) verdict: Option<String>,
}

impl Case {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file: File = toml::from_str(&text).map_err(|error| error.to_string())?;
        if file.about.trim().is_empty() {
            return Err("about is empty: say what the case pins".to_owned());
        }
        let machine_text = machine::text(&file.machine)?;
        let machine = Machine::parse(&machine_text, "sluice.toml").map_err(|error| error.to_string())?;
        let steps = steps(&file.steps, &machine)?;
        let File { services, apply: applies, connections, .. } = file;
        Ok(Self { machine_text, machine, services, applies, steps, connections })
    }
}

fn steps(text: &str, machine: &Machine) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    // How many the last step stands for.
    let mut copies = 1;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        if let Some(step) = line.strip_prefix('@') {
            repeat_last(&mut steps, copies);
            let (step, count) = input(step, machine, steps.last().map(|step| step.time))?;
            steps.push(step);
            copies = count;
            continue;
        }
        let step = steps.last_mut().ok_or_else(|| format!("no step before: {line}"))?;
        if let Some(output) = line.strip_prefix("=>") {
            let (port, text) = port_and_rest(output.trim(), machine)?;
            step.outputs.push((port, frame::parse(text, &Ends::outward(machine, port))?));
        } else if let Some(verdict) = line.strip_prefix('=') {
            step.verdict = Some(verdict.trim().to_owned());
        } else {
            return Err(format!("expected @, => or =, got: {line}"));
        }
    }
    repeat_last(&mut steps, copies);
    for step in &mut steps {
        if step.verdict.is_none() {
            let (port, _) = step.outputs.first().ok_or_else(|| format!("nothing is expected of: {}", step.text))?;
            step.verdict = Some(format!("forwarded {}", machine.ports[usize::from(*port)].name));
        }
    }
    if steps.is_empty() { Err("no steps".to_owned()) } else { Ok(steps) }
}

fn repeat_last(steps: &mut Vec<Step>, copies: usize) {
    for _ in 1..copies {
        if let Some(mut step) = steps.last().cloned() {
            step.time += 1;
            steps.push(step);
        }
    }
}

fn input(text: &str, machine: &Machine, last: Option<u64>) -> Result<(Step, usize), String> {
    let (seconds, rest) = text.split_once(char::is_whitespace).ok_or("expected @SECONDS PORT FRAME")?;
    let seconds: f64 = seconds.parse().map_err(|_| format!("{seconds:?} is no number of seconds"))?;
    let (port, rest) = port_and_rest(rest.trim(), machine)?;
    let count = rest.split_whitespace().next().and_then(|word| word.strip_prefix('x')?.parse().ok());
    let frame = if count.is_some() { rest.split_once(char::is_whitespace).unwrap_or_default().1 } else { rest };
    let at = (seconds * 1e9).round() as u64;
    // Steps of one second follow each other by a nanosecond, so that their order is that of the file.
    let time = last.map_or(at, |last| at.max(last + 1));
    if last.is_some_and(|last| last > at + 1_000_000) {
        return Err(format!("earlier than the step before: @{text}"));
    }
    let bytes = frame::parse(frame, &Ends::inward(machine, port))?;
    let step = Step { text: format!("@{text}"), time, port, bytes, outputs: Vec::new(), verdict: None };
    Ok((step, count.unwrap_or(1)))
}

fn port_and_rest<'a>(text: &'a str, machine: &Machine) -> Result<(u16, &'a str), String> {
    let (name, rest) = text.split_once(char::is_whitespace).ok_or_else(|| format!("expected PORT FRAME: {text}"))?;
    let port = machine.port_index(name).ok_or_else(|| format!("no port {name:?}, in: {text}"))?;
    Ok((port, rest.trim()))
}
