//! `bench`: the measurements, each a subcommand. `make bench` runs them all.

use bench::calibration;
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
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Calibrate => println!("{:.3} cycles a step", calibration::cycles_a_step(5)),
    }
    ExitCode::SUCCESS
}
