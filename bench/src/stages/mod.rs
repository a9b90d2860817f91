//! The first level of measurement: a worker's pipeline over frames in memory, without any input or output. Real mempools,
//! hash tables, service tables and counters; what leaves comes in again.

mod captured;
mod flows;
mod measure;
mod memory;
mod miss;
mod opens;
mod reference;
mod report;
mod rig;

pub use flows::{Method, Popularity};
pub use report::{Report, StageFigures};

use crate::calibration;
use crate::neighbours::Neighbours;
use clap::Args;
use rte_rs::Mempool;
use std::path::PathBuf;
use std::time::Duration;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct StagesArguments {
    /// Forwarding methods.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Method::ALL)]
    method: Vec<Method>,
    /// Numbers of flows.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 64_000, 1_000_000, 10_000_000])]
    flows: Vec<u32>,
    /// Which flow the next packet is of.
    #[arg(long, value_enum, default_value_t = Popularity::Uniform)]
    popularity: Popularity,
    /// TCP segments of established connections in place of datagrams.
    #[arg(long)]
    tcp: bool,
    /// Real servers of the service.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    reals: u16,
    /// Runs of each, of which the median is shown; a fifth as many of what takes a second.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Bursts of 32 packets a run.
    #[arg(long, default_value_t = 4_000)]
    bursts: u32,
    /// Leave new connections and the look-up on a miss out.
    #[arg(long)]
    hits_only: bool,
    /// Also the inbound NAT path while `sluice capture` runs
    #[arg(long)]
    captures: bool,
    /// Seconds, all in all, that are spent on waiting for the core to be left alone by other machines.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Where to write the figures as JSON; "-" for standard output in place of the table.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What all measurements share.
struct Setting<'a> {
    pool: &'a Mempool,
    /// Of each.
    runs: usize,
    /// Of what takes a second each.
    long_runs: usize,
    neighbours: Neighbours,
}

/// Measures and reports.
///
/// # Errors
/// What could not be set up, in a sentence.
pub fn run(arguments: &StagesArguments) -> Result<(), String> {
    let memory = memory::start()?;
    // First of all: what was taken and given back does not count as taken when it is taken again.
    let bytes_a_connection = memory::bytes_a_connection()?;
    let pool = rig::frame_pool()?;
    let all = !arguments.hits_only;
    let neighbours = Neighbours::new(Duration::from_secs(arguments.patience));
    let mut setting = Setting {
        pool: &pool,
        runs: arguments.runs.into(),
        long_runs: usize::from(arguments.runs).div_ceil(5),
        neighbours,
    };
    let hits = hits(arguments, &memory, &mut setting)?;
    let (opens, expiry) = if all { opens::measure_all(&memory, &mut setting)? } else { Default::default() };
    let report = Report {
        calibration_cycles: calibration::cycles_a_step(5),
        hugepages: memory.hugepages,
        hits,
        opens,
        expiry,
        misses: if all { miss::measure_all(&mut setting)? } else { Vec::new() },
        reference: if all { reference::measure_all(&arguments.flows, &mut setting) } else { Vec::new() },
        captures: if arguments.captures { captured::measure_all(&arguments.flows, &mut setting)? } else { Vec::new() },
        bytes_a_connection,
    };
    report.print(arguments.json.as_deref())
}

/// The hit paths: method by method, from few flows to many. What there is no memory for is said and left out.
fn hits(
    arguments: &StagesArguments,
    memory: &memory::Memory,
    setting: &mut Setting<'_>,
) -> Result<Vec<StageFigures>, String> {
    let mut figures = Vec::new();
    for &flows in &arguments.flows {
        if !memory.suffices_for(flows) {
            eprintln!("skipped: {flows} flows: {}", memory.lacking_for(flows));
            continue;
        }
        for &method in &arguments.method {
            let case = measure::Case {
                method,
                flows,
                popularity: arguments.popularity,
                tcp: arguments.tcp,
                reals: arguments.reals,
                bursts: arguments.bursts,
            };
            figures.push(measure::measure(&case, setting)?);
        }
    }
    Ok(figures)
}
