//! `sluice-dataplane`: the packet path, and its replay over capture files.

#![forbid(unsafe_code)]

use clap::{CommandFactory, Parser, Subcommand};
use config::Machine;
use dataplane::director;
use dataplane::replay::{self, ReplayOptions};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The packet path of Sluice, a layer-4 director on DPDK.
///
/// Runs until SIGTERM or SIGINT. Exit codes: 0 ended as asked, 1 could not start or run, 2 usage.
#[derive(Parser)]
#[command(name = "sluice-dataplane", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The machine: lcores, ports, memory.
    #[arg(long, value_name = "FILE", default_value = "/etc/sluice/sluice.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the packet path over capture files, with a clock that follows their time stamps.
    Replay(Replay),
    /// Opens the ports, prints as JSON what they can do, and closes them; not while a dataplane has them.
    Probe {
        /// The machine: lcores, ports, memory.
        #[arg(long, value_name = "FILE", default_value = "/etc/sluice/sluice.toml")]
        config: PathBuf,
    },
    /// Writes the manual page into a folder.
    #[command(hide = true)]
    Man {
        /// The folder.
        folder: PathBuf,
    },
}

#[derive(clap::Args)]
struct Replay {
    /// The machine; its devices are not opened. Ports without `mac` get 02:00:00:00:00:0N.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What is balanced.
    #[arg(long, value_name = "FILE")]
    services: PathBuf,
    /// Frames that come in on a port; may be repeated. Inputs are merged by time stamp.
    #[arg(long = "in", value_name = "PORT=PCAP", value_parser = named_file, required = true)]
    inputs: Vec<(String, PathBuf)>,
    /// Where the frames go that leave on a port; may be repeated.
    #[arg(long = "out", value_name = "PORT=PCAP", value_parser = named_file)]
    outputs: Vec<(String, PathBuf)>,
    /// A services file that takes effect that many seconds after the first frame; may be repeated.
    #[arg(long = "apply", value_name = "SECONDS=FILE", value_parser = timed_file)]
    applies: Vec<(f64, PathBuf)>,
    /// Where the connections at the end go, as JSON.
    #[arg(long, value_name = "FILE")]
    connections: Option<PathBuf>,
    /// Where a line of JSON for each input frame goes.
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Where connections, counts and statistics of that many seconds after the first frame go, as JSON; may be repeated.
    #[arg(long = "state", value_name = "SECONDS=FILE", value_parser = timed_file)]
    states: Vec<(f64, PathBuf)>,
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected PORT=FILE, as wan=client.pcap".to_owned()),
    }
}

fn timed_file(text: &str) -> Result<(f64, PathBuf), String> {
    let expected = || "expected SECONDS=FILE, as 1.5=services.toml".to_owned();
    let (seconds, file) = named_file(text).map_err(|_| expected())?;
    let seconds: f64 = seconds.parse().map_err(|_| expected())?;
    if (0.0..=1e9).contains(&seconds) { Ok((seconds, file)) } else { Err(expected()) }
}

fn main() -> ExitCode {
    host::log::start();
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Replay(options)) => run_replay(options),
        Some(Command::Probe { config }) => probe(&config),
        Some(Command::Man { folder }) => write_manual(&folder),
        None => run_director(&arguments.config),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            host::log::failure("sluice-dataplane", &error);
            ExitCode::FAILURE
        }
    }
}

fn run_replay(options: Replay) -> Result<(), Box<dyn Error>> {
    let Replay { config, services, inputs, outputs, applies, connections, verdicts, states } = options;
    replay::run(&ReplayOptions { config, services, inputs, outputs, applies, connections, verdicts, states })?;
    Ok(())
}

fn probe(config: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let report = dataplane::probe::run(&Machine::load(config)?);
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn write_manual(folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let manual = clap_mangen::Man::new(Arguments::command()).section("8");
    manual.generate_to(folder)?;
    Ok(())
}

fn run_director(config: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let machine = Machine::load(config)?;
    let director = director::start(&machine)?;
    host::notify::ready(&format!("forwards, workers on lcores {:?}", machine.dataplane.workers));
    let ended_as_asked = director.run(&stop);
    host::notify::stopping();
    if !ended_as_asked {
        return Err("a worker ended by itself; its panic message is above".into());
    }
    log::info!("stopped");
    Ok(())
}
