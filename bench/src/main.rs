//! `bench`: the measurements, each a subcommand. `make bench` runs them all.

mod generate;
mod interrupted;
mod run;

use bench::{calibration, stages};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures how fast the director is.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the scenarios and reports.
    Run(run::Arguments),
    /// Cycles that one step of the calibration loop takes on this machine now.
    Calibrate,
    /// Cycles a packet of the packet path alone, by stage, without input and output.
    Stages(stages::StagesArguments),
    /// Sends traffic through two ports and checks what comes back.
    Generate(generate::Arguments),
    /// The generator as a process that reads commands, JSON lines, from standard input.
    #[command(hide = true)]
    Generator(generate::Ports),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Calibrate => {
            println!("{:.3} cycles a step", calibration::cycles_a_step(5));
            Ok(ExitCode::SUCCESS)
        }
        Command::Stages(arguments) => stages::run(&arguments).map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Command::Generate(arguments) => generate::generate(&arguments),
        Command::Generator(ports) => generate::serve(&ports),
    };
    done.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    })
}
