//! Conformance: what Linux IPVS does, Sluice does. Each file of `scenarios` is a test of its name, which compares Sluice
//! with what the reference answered (`recorded`). `make conformance` asks the reference again, in a virtual machine.

mod answer;
mod compare;
mod dump;
#[path = "../frame/mod.rs"]
#[allow(dead_code, reason = "replay cases write frames of the other direction, too")]
mod frame;
mod lists;
mod ours;
mod own_tests;
mod random;
mod reference;
mod report;
mod scenario;
mod services;
mod suite;

use libtest_mimic::{Arguments, Trial};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let first = arguments.first().map(String::as_str);
    match first {
        Some(ours::CHILD) => return ours::child(&arguments[1..]),
        Some(report::WRITE) => return exit(report::write()),
        Some(suite::RANDOM) => return exit(suite::ask_by_chance(&arguments[1..])),
        Some(suite::ASK) => return exit(suite::ask(&arguments[1..])),
        _ => {}
    }
    match suite::files() {
        Ok(files) => {
            let test =
                |file: PathBuf| Trial::test(suite::name(&file), move || Ok(suite::compare_with_recording(&file)?));
            let mut tests: Vec<Trial> = files.into_iter().map(test).collect();
            tests.push(Trial::test("no_name_stands_twice", || Ok(suite::no_name_twice()?)));
            tests.push(Trial::test("report_is_that_of_the_document", || Ok(report::check()?)));
            tests.push(Trial::test("comparison_finds_what_differs", || Ok(own_tests::run()?)));
            libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
        }
        Err(error) => exit(Err(error)),
    }
}

fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
