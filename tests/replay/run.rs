//! Runs a case: capture files in, capture files out, twice.

use crate::case::{Case, Step};
use dataplane::replay::{self, ReplayOptions};
use pcap_file::TsResolution;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use wire::build::describe;

/// The first argument of the process that does the replay: DPDK starts once in a process.
pub(crate) const CHILD: &str = "--replay";

/// Runs a case and says what is wrong.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    write_inputs(case, folder.path()).map_err(|error| format!("writing the inputs: {error}"))?;
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    for results in [&first, &second] {
        fs::create_dir(results).map_err(|error| error.to_string())?;
        replay(case, folder.path(), results)?;
    }
    compare_runs(&first, &second)?;
    let outputs = read_outputs(case, &first)?;
    let verdicts = read_verdicts(&first)?;
    let mut wrong = String::new();
    if verdicts.len() != case.steps.len() {
        return Err(format!("{} verdicts for {} frames", verdicts.len(), case.steps.len()));
    }
    for (step, verdict) in case.steps.iter().zip(&verdicts) {
        let got = outputs.get(&step.time).map_or(&[][..], Vec::as_slice);
        check_step(case, step, verdict, got, &mut wrong);
        if wrong.len() > 20_000 {
            break;
        }
    }
    check_connections(case, &first, &mut wrong)?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The process that does the replay: its folder, its results' folder, the ports, the times of changes.
pub(crate) fn child(arguments: &[String]) -> ExitCode {
    let [folder, results, ports, applies] = arguments else { return ExitCode::from(2) };
    let (folder, results) = (Path::new(folder), Path::new(results));
    let of_port = |folder: &Path, port: &str| (port.to_owned(), folder.join(format!("{port}.pcap")));
    let times = applies.split(',').filter(|seconds| !seconds.is_empty()).enumerate();
    let options = ReplayOptions {
        config: folder.join("sluice.toml"),
        services: folder.join("services.toml"),
        inputs: ports.split(',').map(|port| of_port(folder, port)).collect(),
        outputs: ports.split(',').map(|port| of_port(results, port)).collect(),
        applies: times.map(|(at, seconds)| (seconds.parse().unwrap_or(0.0), apply_file(folder, at))).collect(),
        connections: Some(results.join("connections.json")),
        verdicts: Some(results.join("verdicts.jsonl")),
        states: Vec::new(),
    };
    match replay::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn apply_file(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("services-{at}.toml"))
}

fn write_inputs(case: &Case, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::write(folder.join("sluice.toml"), &case.machine_text)?;
    fs::write(folder.join("services.toml"), &case.services)?;
    for (at, apply) in case.applies.iter().enumerate() {
        fs::write(apply_file(folder, at), &apply.services)?;
    }
    let header = PcapHeader { ts_resolution: TsResolution::NanoSecond, ..PcapHeader::default() };
    for (index, port) in (0u16..).zip(&case.machine.ports) {
        let file = File::create(folder.join(format!("{}.pcap", port.name)))?;
        let mut writer = PcapWriter::with_header(file, header)?;
        for step in case.steps.iter().filter(|step| step.port == index) {
            let time = Duration::from_nanos(step.time);
            writer.write_packet(&PcapPacket::new(time, step.bytes.len() as u32, &step.bytes))?;
        }
    }
    Ok(())
}

fn replay(case: &Case, folder: &Path, results: &Path) -> Result<(), String> {
    let ports: Vec<&str> = case.machine.ports.iter().map(|port| port.name.as_str()).collect();
    let applies: Vec<String> = case.applies.iter().map(|apply| apply.at.to_string()).collect();
    let output = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.arg(CHILD).arg(folder).arg(results).arg(ports.join(",")).arg(applies.join(",")).output()
    });
    let output = output.map_err(|error| format!("starting the replay: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the replay ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// With the same inputs the outputs are the same, byte for byte.
fn compare_runs(first: &Path, second: &Path) -> Result<(), String> {
    for entry in fs::read_dir(first).map_err(|error| error.to_string())?.flatten() {
        if fs::read(entry.path()).ok() != fs::read(second.join(entry.file_name())).ok() {
            return Err(format!("a second run has another {}", entry.file_name().display()));
        }
    }
    Ok(())
}

type Outputs = HashMap<u64, Vec<(u16, Vec<u8>)>>;

/// What left, by the time stamp of its cause; by port, and within a port in order.
fn read_outputs(case: &Case, results: &Path) -> Result<Outputs, String> {
    let mut outputs = Outputs::new();
    for (index, port) in (0u16..).zip(&case.machine.ports) {
        let file = File::open(results.join(format!("{}.pcap", port.name))).map_err(|error| error.to_string())?;
        let mut reader = PcapReader::new(file).map_err(|error| error.to_string())?;
        while let Some(packet) = reader.next_packet() {
            let packet = packet.map_err(|error| error.to_string())?;
            let time = packet.timestamp.as_nanos() as u64;
            outputs.entry(time).or_default().push((index, packet.data.into_owned()));
        }
    }
    Ok(outputs)
}

/// A verdict for each frame, in their order, in the words of a case.
fn read_verdicts(results: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(results.join("verdicts.jsonl")).map_err(|error| error.to_string())?;
    let words = |line: &str| -> Result<String, String> {
        let line: serde_json::Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let words = ["verdict", "reason", "port"].iter().filter_map(|key| line.get(key)?.as_str());
        Ok(words.collect::<Vec<_>>().join(" "))
    };
    text.lines().map(words).collect()
}

fn check_step(case: &Case, step: &Step, verdict: &str, got: &[(u16, Vec<u8>)], wrong: &mut String) {
    let mut wanted = step.outputs.clone();
    wanted.sort_by_key(|(port, _)| *port);
    let wanted_verdict = step.verdict.as_deref().unwrap_or_default();
    if wanted == got && wanted_verdict == verdict {
        return;
    }
    let _ = writeln!(wrong, "{}", step.text);
    if wanted_verdict != verdict {
        let _ = writeln!(wrong, "  wanted: {wanted_verdict}\n  got:    {verdict}");
    }
    if wanted != got {
        show(case, "wanted", &wanted, wrong);
        show(case, "got   ", got, wrong);
    }
}

fn show(case: &Case, word: &str, frames: &[(u16, Vec<u8>)], text: &mut String) {
    if frames.is_empty() {
        let _ = writeln!(text, "  {word} nothing");
    }
    for (port, bytes) in frames {
        let _ = writeln!(text, "  {word} {} {}", case.machine.ports[usize::from(*port)].name, describe(bytes));
        let hex: String = bytes.iter().take(120).map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "         {hex}");
    }
}

fn check_connections(case: &Case, results: &Path, wrong: &mut String) -> Result<(), String> {
    let Some(wanted) = &case.connections else { return Ok(()) };
    let text = fs::read_to_string(results.join("connections.json")).map_err(|error| error.to_string())?;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let keys = ["protocol", "client", "virtual", "real", "method", "state", "expires_in"];
    let words = |entry: &serde_json::Value| {
        let value = |key: &&str| match &entry[*key] {
            serde_json::Value::String(text) => text.clone(),
            other => other.as_f64().map_or_else(|| other.to_string(), |number| number.to_string()),
        };
        keys.iter().map(value).collect::<Vec<_>>().join(" ")
    };
    let mut got: Vec<String> = entries.iter().map(words).collect();
    let mut wanted = wanted.clone();
    got.sort();
    wanted.sort();
    if wanted != got {
        let _ = writeln!(wrong, "connections at the end\n  wanted {wanted:#?}\n  got    {got:#?}");
    }
    Ok(())
}
