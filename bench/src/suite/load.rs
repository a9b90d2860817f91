//! Control at work while packets flow.

use super::{Suite, must_be_right, once, stream};
use crate::generator::plan::{Kind, Method, Rate, Run, Until};
use crate::network::{many_services, network, services};
use crate::report::Measurement;
use crate::rig::{Director, Joined, Measured, Ports};
use lab::Result;
use std::time::{Duration, Instant};

/// Packets a second of the load, far below what the director can do: what is lost is control's fault.
const LOAD: f64 = 1_000_000.0;
/// Long enough for what control does meanwhile.
const SECONDS: f64 = 4.0;

/// Does `work` while packets of the flows are sent; returns how long that took, and the packets that were lost beside
/// those that would have been anyway.
fn under_load(
    joined: &mut Joined<Director>,
    flows: u64,
    work: impl FnOnce(&Director) -> Result<()>,
) -> Result<(f64, f64)> {
    let stream = stream(Method::Nat, Kind::Udp, flows);
    let run = Run { rate: Rate::PerSecond(LOAD), burst: 8, ..Run::of(stream, Until::Seconds(SECONDS)) };
    joined.generator.begin(&run)?;
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    let done = work(&joined.measured);
    let took = start.elapsed().as_secs_f64();
    let outcome = joined.generator.outcome();
    joined.measured.check_running()?;
    done?;
    let outcome = outcome?;
    must_be_right("packets under load", &outcome, false)?;
    Ok((took, outcome.total().lost() as f64))
}

/// With so many connections, and a generator that leaves control its part of the core.
fn start(suite: &Suite, flows: u64, services: &str) -> Result<Joined<Director>> {
    let mut joined = suite.join_director(flows * 3 / 2, services)?;
    must_be_right("opening connections", &joined.run(&once(&stream(Method::Nat, Kind::Udp, flows)))?, true)?;
    joined.generator.share_its_core();
    Ok(joined)
}

pub(super) fn reload(suite: &mut Suite) -> Result<()> {
    const SERVICES: u32 = 10_000;
    let mut joined = start(suite, 65_536, &many_services(SERVICES, 1))?;
    let (mut times, mut losses, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..suite.rounds() {
        quiet.push(under_load(&mut joined, 65_536, |_| Ok(()))?.1);
        let text = many_services(SERVICES, 2 + round as u16);
        let (took, lost) = under_load(&mut joined, 65_536, |director| director.apply(&text).map(drop))?;
        times.push(took);
        losses.push(lost);
    }
    suite.found(
        Measurement::new("reload 10,000 services", "s", times)
            .at_most(1.0)
            .detail("packets lost", crate::report::median(&losses))
            .detail("packets lost in as long without a reload", crate::report::median(&quiet))
            .note(
                "sluice apply, from the file to the table in force, every real's weight changed, 1 million packets/s; \
                 sluice, sluiced, the main lcore and the generator share a core",
            ),
    );
    Ok(())
}

pub(super) fn dump(suite: &mut Suite) -> Result<()> {
    let mut joined = start(suite, 1_000_000, &services(2))?;
    let (mut times, mut losses, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
    let mut listed = 0;
    for _ in 0..suite.rounds().min(3) {
        quiet.push(under_load(&mut joined, 1_000_000, |_| Ok(()))?.1);
        let (took, lost) = under_load(&mut joined, 1_000_000, |director| {
            listed = director.sluice(&["connection", "list", "--limit", "2000000"])?.lines().count();
            Ok(())
        })?;
        times.push(took);
        losses.push(lost);
    }
    suite.found(
        Measurement::new("dump of 1M connections", "s", times)
            .detail("lines", listed as f64)
            .detail("packets lost", crate::report::median(&losses))
            .detail("packets lost in as long without a dump", crate::report::median(&quiet))
            .note(
                "sluice connection list, 1 million packets/s; sluice, sluiced, the main lcore and the generator share a \
                 core",
            ),
    );
    Ok(())
}

pub(super) fn idle(suite: &mut Suite) -> Result<()> {
    let network = network(2);
    let devices = ["net_null0,no-rx=1".to_owned(), "net_null1,no-rx=1".to_owned()];
    let ports = Ports::one_worker(devices, &network, 100_000, suite.cores);
    let director = Director::start(&suite.folder, &ports, suite.memory(), &services(2))?;
    let mut shares = Vec::new();
    for _ in 0..suite.rounds() {
        let (start, before) = (Instant::now(), director.main_lcore_time());
        std::thread::sleep(Duration::from_secs(2));
        if let (Some(before), Some(after)) = (before, director.main_lcore_time()) {
            shares.push((after - before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0);
        }
    }
    suite.found(Measurement::new("idle main lcore", "% of a core", shares).at_most(2.0));
    Ok(())
}
