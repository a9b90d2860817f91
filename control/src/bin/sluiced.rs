//! The control process; see [`control::daemon`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    control::daemon::program::main()
}
