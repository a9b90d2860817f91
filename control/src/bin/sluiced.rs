//! The control process; see [`control::daemon`].

use std::process::ExitCode;

fn main() -> ExitCode {
    control::daemon::program::main()
}
