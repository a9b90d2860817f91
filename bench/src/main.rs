//! `bench`: the measurements, each a subcommand. `make bench` runs them all.

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
    /// Cycles that one step of the calibration loop takes on this machine now.
    Calibrate,
    /// Cycles a packet of the packet path alone, by stage, without input and output.
    Stages(stages::StagesArguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Calibrate => println!("{:.3} cycles a step", calibration::cycles_a_step(5)),
        Command::Stages(arguments) => {
            if let Err(problem) = stages::run(&arguments) {
                eprintln!("bench stages: {problem}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
