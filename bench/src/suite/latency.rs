//! The highest rate without a loss, and how long packets take on the way through at 10, 50 and 90 % of it: of the
//! director, and of macswap, so that what the director adds is a difference.

use super::{Suite, must_be_right, once, stream};
use crate::generator::plan::{Kind, Method, Rate, Run, Until};
use crate::generator::search::Search;
use crate::network::services;
use crate::report::Measurement;
use crate::rig::{Director, Joined, Measured};
use lab::Result;

const FLOWS: u64 = 65_536;
/// Seconds of a trial, and of a run that measures latency.
const TRIAL: f64 = 0.25;
const SECONDS: f64 = 1.0;
/// Packets sent at once while latency is measured: a burst's own length is not to be what is measured.
const BURST: usize = 4;
const RUNS: usize = 5;

/// Nanoseconds at each share, of each run.
type Times = Vec<(u32, Vec<[f64; 4]>)>;

pub(super) fn run(suite: &mut Suite) -> Result<()> {
    let mut joined = suite.join_director(1_000_000, &services(2))?;
    let (rate, times) = measure(suite, &mut joined)?;
    drop(joined);
    let mut joined = suite.join_macswap()?;
    // At the same rates: what is added is compared at equal loads.
    let macswap = times_at(&mut joined, Method::Macswap, rate, "macswap")?;
    drop(joined);
    for ((percent, of_director), (_, of_macswap)) in times.into_iter().zip(macswap) {
        for (place, quantile) in ["p50", "p99", "p99.9", "max"].into_iter().enumerate() {
            let us = |runs: &[[f64; 4]]| -> Vec<f64> {
                runs.iter().filter_map(|run| run.get(place)).map(|nanoseconds| nanoseconds / 1000.0).collect()
            };
            let of_macswap = Measurement::new(format!("latency macswap {percent} % {quantile}"), "us", us(&of_macswap));
            let of_director =
                Measurement::new(format!("latency nat-in {percent} % {quantile}"), "us", us(&of_director))
                    .detail("added to macswap, us", 0.0);
            let added = of_director.median() - of_macswap.median();
            let of_director = of_director.detail("added to macswap, us", added);
            let of_director = if percent == 50 && quantile == "p99" {
                of_director.at_most(of_macswap.median() + 50.0).note("the goal: at most 50 us more than macswap's")
            } else {
                of_director
            };
            suite.found(of_director);
            suite.found(of_macswap);
        }
    }
    Ok(())
}

/// The rate without loss, packets a second, and the times at shares of it.
fn measure(suite: &mut Suite, joined: &mut Joined<Director>) -> Result<(f64, Times)> {
    let (method, name) = (Method::Nat, "nat-in");
    let stream = stream(method, Kind::Udp, FLOWS);
    must_be_right(name, &joined.run(&once(&stream))?, true)?;
    let run = Run::of(stream, Until::Seconds(SECONDS));
    let most = joined.run(&run)?;
    must_be_right(name, &most, false)?;
    let mut rates = Vec::new();
    for _ in 0..3 {
        let found = joined.search(&Search { run: run.clone(), highest: most.rate, trial: TRIAL, trials: 7 })?;
        rates.push(found.rate / 1e6);
    }
    let measurement = Measurement::new(format!("no loss {name} 64k"), "million packets/s", rates)
        .detail("million packets/s where a full ring makes the sender wait", most.rate / 1e6)
        .note(format!("trials of {TRIAL} s, repeated at most twice after a loss"));
    let rate = measurement.median() * 1e6;
    suite.found(measurement);
    // Where nothing went without a loss, which other work on the machine can cause, half of what goes with some.
    let rate = if rate > 0.0 { rate } else { most.rate / 2.0 };
    Ok((rate, times_at(joined, method, rate, name)?))
}

fn times_at<M: Measured>(joined: &mut Joined<M>, method: Method, rate: f64, name: &str) -> Result<Times> {
    let stream = stream(method, Kind::Udp, FLOWS);
    let mut times = Times::new();
    for percent in [10, 50, 90] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let run = Run {
                rate: Rate::PerSecond(rate * f64::from(percent) / 100.0),
                burst: BURST,
                latency: true,
                ..Run::of(stream.clone(), Until::Seconds(SECONDS))
            };
            let outcome = joined.run(&run)?;
            must_be_right(name, &outcome, false)?;
            if let Some(latency) = outcome.latency {
                runs.push([latency.p50, latency.p99, latency.p99_9, latency.max].map(|value| value as f64));
            }
        }
        times.push((percent, runs));
    }
    Ok(times)
}
