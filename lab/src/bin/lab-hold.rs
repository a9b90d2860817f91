//! The paper's network without a director, until it is ended: to look at what the reals do by themselves.

use std::process::ExitCode;
use std::thread::park;

use lab::Lab;

fn main() -> ExitCode {
    match Lab::paper_example() {
        Ok(lab) => {
            println!("{}: namespaces {}-client and so on; end it with Ctrl-C", lab.folder().display(), lab.name());
            loop {
                park();
            }
        }
        Err(error) => {
            eprintln!("lab-hold: {error}");
            ExitCode::FAILURE
        }
    }
}
