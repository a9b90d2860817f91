//! The command line of Sluice: asks `sluiced` over its Unix socket. `sluice --help` lists the commands.
#![forbid(unsafe_code)]

use std::io::{BufWriter, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = BufWriter::new(stdout().lock());
    control::client::run(std::env::args_os(), &mut out, &mut stderr().lock()).into()
}
