//! `make demo`: Sluice balances real HTTP and UDP clients by all three methods, and outlives its control process.
//!
//! Prints one table and what happens to a load while control is killed and a real removed; the exit status is 0 only if
//! every line holds.

mod shares;
mod survival;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::Parser;
use lab::{Hugepages, Lab, LabError, Result};

/// Memory of the demo's dataplane, MiB.
const MEMORY_MIB: u64 = 512;
/// Where the director serves its page, within its namespace.
const HTTP: &str = "127.0.0.1:9106";
/// The whole run, build aside.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Shows Sluice at work in network namespaces. Needs root.
#[derive(Parser)]
struct Arguments {
    /// Leave everything running at the end and say how to look around.
    #[arg(long)]
    keep: bool,
    /// Run on ordinary memory pages even where hugepages can be had.
    #[arg(long)]
    no_huge: bool,
    /// End and remove what an earlier run with --keep left, and nothing else.
    #[arg(long, conflicts_with_all = ["keep", "no_huge"])]
    end: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.end { end() } else { demo(&arguments) };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("\nThe demo failed: a line above says so.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn end() -> Result<bool> {
    let removed = lab::end_all()?;
    match removed.as_slice() {
        [] => println!("Nothing was left running."),
        names => println!("Removed {}.", names.join(", ")),
    }
    Ok(true)
}

/// Whether every line held.
fn demo(arguments: &Arguments) -> Result<bool> {
    let start = Instant::now();
    let pages_before = Hugepages::in_pool();
    let mut lab = Lab::paper_example()?;
    let mut held = show(&mut lab, arguments.no_huge)?;
    if arguments.keep {
        lab.keep()?;
        how_to_look_around(&lab)?;
        return Ok(held);
    }
    if !held {
        eprint!("{}", lab.log_tails(30));
    }
    let name = lab.name().to_owned();
    lab.remove()?;
    held &= check("Left on the machine: nothing", nothing_left(&name, pages_before));
    let took = start.elapsed();
    held &= check(&format!("Time: {:.1} s, at most {} s", took.as_secs_f64(), TIME_LIMIT.as_secs()), in_time(took));
    Ok(held)
}

fn show(lab: &mut Lab, no_huge: bool) -> Result<bool> {
    println!("client {} -- router -- director -- segment -- real1, real2, real3 ({})", lab::CLIENT, lab::REALS[0]);
    println!("Each is a network namespace, {}-client and so on.", lab.name());
    let mut machine = lab.machine();
    if available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        println!("This machine has one CPU; DPDK needs one for its worker and one for the rest: expect a refusal.");
    }
    machine.memory = if no_huge { Hugepages::not_wanted() } else { lab.obtain_hugepages(MEMORY_MIB)? };
    machine.memory_mib = MEMORY_MIB;
    machine.idle = "pause".into();
    // The last of its tables is [control].
    machine.more = format!("http = \"{HTTP}\"");
    println!("Memory: {}\n", machine.memory);
    lab.start_director(&machine.to_string(), lab::PAPER_SERVICES)?;
    let shares = shares::show(lab)?;
    let survival = survival::show(lab)?;
    Ok(shares && survival)
}

/// Prints a line with its verdict; an error says what is wrong.
fn check(line: &str, verdict: Result<(), String>) -> bool {
    match verdict {
        Ok(()) => {
            println!("{line:<108} ok");
            true
        }
        Err(why) => {
            println!("{line:<108} FAILED: {why}");
            false
        }
    }
}

fn in_time(took: Duration) -> Result<(), String> {
    if took <= TIME_LIMIT { Ok(()) } else { Err("too slow".into()) }
}

fn nothing_left(name: &str, pages_before: Option<u64>) -> Result<(), String> {
    let pages = Hugepages::in_pool();
    if pages != pages_before {
        return Err(format!("hugepages in the pool: {pages_before:?} before, {pages:?} now"));
    }
    let left = lab::left_of(name);
    if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
}

fn how_to_look_around(lab: &Lab) -> Result<()> {
    let beside = |program: &str| -> Result<PathBuf> {
        let demo =
            std::env::current_exe().map_err(|source| LabError::Io { what: "finding the demo".into(), source })?;
        Ok(demo.with_file_name(program))
    };
    let (name, folder) = (lab.name(), lab.folder());
    println!("Everything is still running. To look around:");
    println!("  ip netns exec {name}-client curl http://{}/", lab::NAT_VIP);
    println!("  {} --socket {}/control.sock status", beside("sluice")?.display(), folder.display());
    println!("  {} --socket {}/control.sock top", beside("sluice")?.display(), folder.display());
    println!("  ip netns exec {name}-director curl http://{HTTP}/metrics");
    println!("  ip netns exec {name}-segment tcpdump -ni lan0");
    println!("  {}/*.log, sluice.toml, services.toml", folder.display());
    println!("To end and remove it: make demo-end");
    Ok(())
}
