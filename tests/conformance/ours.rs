//! Asks Sluice: `sluice-dataplane replay` with the frames of a scenario, its changes, and a state for each dump.

use crate::answer::{Answer, Answers};
use crate::dump::Dump;
use crate::scenario::{SIDES, Scenario, What};
use crate::services::Table;
use dataplane::replay::{ReplayOptions, Replayer};
use pcap_file::TsResolution;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use wire::build::eth;

/// The first argument of the process that does the replays: DPDK starts once in a process.
pub(crate) const CHILD: &str = "--replay";

/// What Sluice did.
pub(crate) struct Ours {
    pub(crate) answers: Answers,
    /// By scenario, then by event.
    pub(crate) dumps: BTreeMap<(String, usize), Dump>,
}

/// What it answers to each scenario, all in one process.
pub(crate) fn ask(scenarios: &[Scenario]) -> Result<Ours, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // This program, also where a build has replaced its file meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg(CHILD);
    let mut printed = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let own = folder.path().join(index.to_string());
        printed.push(prepare(scenario, &own).map_err(|error| format!("{}: {error}", scenario.name))?);
        command.arg(own);
    }
    let output = command.output().map_err(|error| format!("starting the replay: {error}"))?;
    if !output.status.success() {
        return Err(format!("the replay ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let mut ours = Ours { answers: Answers::new(), dumps: BTreeMap::new() };
    for ((index, scenario), printed) in scenarios.iter().enumerate().zip(printed) {
        let own = folder.path().join(index.to_string());
        let mut answers =
            read(scenario, &own, &mut ours.dumps).map_err(|error| format!("{}: {error}", scenario.name))?;
        for (event, lines) in printed {
            answers[event].lines = lines;
        }
        ours.answers.insert(scenario.name.clone(), answers);
    }
    Ok(ours)
}

/// The process that does the replays of these folders.
pub(crate) fn child(folders: &[String]) -> ExitCode {
    let replays = || -> Result<(), String> {
        let replayer = Replayer::start().map_err(|error| error.to_string())?;
        for folder in folders {
            let folder = Path::new(folder);
            replayer.run(&options(folder)?).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        Ok(())
    };
    match replays() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(folder: &Path) -> Result<ReplayOptions, String> {
    let each = |suffix: &str| SIDES.map(|side| (side.to_owned(), folder.join(format!("{side}{suffix}.pcap")))).into();
    Ok(ReplayOptions {
        config: folder.join("sluice.toml"),
        services: folder.join("services.toml"),
        inputs: each("-in"),
        outputs: each("-out"),
        applies: timed(folder, "services-")?,
        connections: None,
        verdicts: Some(folder.join("verdicts.jsonl")),
        states: timed(folder, "state-")?.into_iter().map(|(at, path)| (at, path.with_extension("json"))).collect(),
    })
}

/// The files of these names, `PREFIX-MILLISECONDS.EXTENSION`.
fn timed(folder: &Path, prefix: &str) -> Result<Vec<(f64, PathBuf)>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        let path = entry.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(at) = stem.strip_prefix(prefix).and_then(|at| at.parse::<u64>().ok()) {
            found.push((at as f64 / 1000.0, path));
        }
    }
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    Ok(found)
}

/// What the commands of a scenario print, by event.
type Printed = Vec<(usize, Vec<String>)>;

/// Writes the files of a replay.
fn prepare(scenario: &Scenario, folder: &Path) -> Result<Printed, Box<dyn std::error::Error>> {
    fs::create_dir(folder)?;
    let mut machine = include_str!("director.toml").to_owned();
    if let Some(mtu) = scenario.lan_mtu {
        machine = machine.replace("name = \"lan\"\n", &format!("name = \"lan\"\nmtu = {mtu}\n"));
    }
    fs::write(folder.join("sluice.toml"), machine)?;
    let mut table = Table::new(&scenario.vips, &scenario.marks)?;
    fs::write(folder.join("services.toml"), table.to_toml())?;
    let mut printed = Vec::new();
    let header = PcapHeader { ts_resolution: TsResolution::NanoSecond, ..PcapHeader::default() };
    let writer = |side| -> Result<_, Box<dyn std::error::Error>> {
        Ok(PcapWriter::with_header(File::create(folder.join(format!("{side}-in.pcap")))?, header)?)
    };
    let mut writers = [writer(SIDES[0])?, writer(SIDES[1])?];
    // The clock begins with a frame that nobody answers.
    let first = eth().to("02:00:00:00:00:01").raw(0x88b5, &[]).bytes();
    writers[0].write_packet(&PcapPacket::new(Duration::ZERO, first.len() as u32, &first))?;
    for (index, event) in scenario.events.iter().enumerate() {
        match &event.what {
            What::Frame { side, bytes } => {
                let time = Duration::from_millis(event.at);
                writers[*side].write_packet(&PcapPacket::new(time, bytes.len() as u32, bytes))?;
                continue;
            }
            What::Dump => {
                fs::write(folder.join(format!("state-{}.wanted", event.at)), "")?;
                continue;
            }
            What::Ipvsadm(line) => printed.push((index, table.command(line)?)),
            What::Set(name, value) => table.set(name, value)?,
        }
        fs::write(folder.join(format!("services-{}.toml", event.at)), table.to_toml())?;
    }
    Ok(printed)
}

fn read(
    scenario: &Scenario,
    folder: &Path,
    dumps: &mut BTreeMap<(String, usize), Dump>,
) -> Result<Vec<Answer>, Box<dyn std::error::Error>> {
    let mut answers = vec![Answer::default(); scenario.events.len()];
    for (side, name) in SIDES.iter().enumerate() {
        let mut reader = PcapReader::new(File::open(folder.join(format!("{name}-out.pcap")))?)?;
        while let Some(packet) = reader.next_packet() {
            let packet = packet?;
            let cause = scenario.events.iter().position(|event| Duration::from_millis(event.at) == packet.timestamp);
            let cause = cause.ok_or("a frame left with no cause")?;
            answers[cause].frames[side].push(packet.data.into_owned());
        }
    }
    for (index, event) in scenario.events.iter().enumerate() {
        if matches!(event.what, What::Dump) {
            let state = fs::read_to_string(folder.join(format!("state-{}.json", event.at)))?;
            dumps.insert((scenario.name.clone(), index), Dump::of_state(&serde_json::from_str(&state)?));
        }
    }
    let verdicts = fs::read_to_string(folder.join("verdicts.jsonl"))?;
    let frames = scenario.events.iter().zip(&mut answers).filter(|(event, _)| matches!(event.what, What::Frame { .. }));
    for ((_, answer), verdict) in frames.zip(verdicts.lines().skip(1)) {
        answer.lines.push(verdict.to_owned());
    }
    Ok(answers)
}
