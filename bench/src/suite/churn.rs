//! Long and large: many connections, held, renewed and ended.

use super::{Suite, must_be_right, once, stream};
use crate::generator::plan::{Kind, Method, Rate, Run, Stream, Until};
use crate::network::services;
use crate::report::Measurement;
use crate::rig::Memory;
use lab::Result;
use std::time::{Duration, Instant};

const TEN_MILLION: u64 = 10_000_000;

pub(super) fn ten_million(suite: &mut Suite) -> Result<()> {
    let mut joined = suite.join_director(11_000_000, &services(2))?;
    let stream = stream(Method::Nat, Kind::Udp, TEN_MILLION);
    must_be_right("opening 10 million", &joined.run(&once(&stream))?, true)?;
    let (mut rates, mut cycles) = (Vec::new(), Vec::new());
    for _ in 0..suite.rounds() {
        let before = joined.measured.snapshot()?;
        let outcome = joined.run(&Run::of(stream.clone(), Until::Seconds(1.5)))?;
        must_be_right("10 million flows", &outcome, false)?;
        rates.push(outcome.rate / 1e6);
        cycles.push(joined.measured.snapshot()?.since(&before, 0).cycles_a_packet());
    }
    if let (Some(resident), Memory::Huge(pages)) = (joined.measured.resident(), suite.memory()) {
        let mib = resident as f64 / 1024.0 / 1024.0 + pages as f64;
        suite.found(Measurement::new("memory of the dataplane with 10M connections", "MiB", vec![mib]).at_most(4096.0));
    }
    let measurement = Measurement::new("cable nat-in 10M", "million packets/s", rates);
    suite.found(measurement.detail("cycles a packet, busy", crate::report::median(&cycles)));
    Ok(())
}

/// Ten minutes: each of the held connections has a packet every 20 s or so, and as many new ones a second come and time
/// out as is a hundredth of them.
pub(super) fn churn(suite: &mut Suite) -> Result<()> {
    const MINUTES: u64 = 10;
    const NEW_A_SECOND: u64 = 50_000;
    let text = services(2).replace("[timeouts]", "[timeouts]\nudp = 60");
    // Room for those that are held, and for a minute of new ones and as long until the wheel has removed them.
    let mut joined = suite.join_director(TEN_MILLION + NEW_A_SECOND * 130, &text)?;
    let held = stream(Method::Nat, Kind::Udp, TEN_MILLION);
    must_be_right("opening 10 million", &joined.run(&once(&held))?, true)?;
    let renewed = Stream { first: TEN_MILLION, ..stream(Method::Nat, Kind::Udp, 2_000_000_000) };
    let mut begun = joined.measured.resident();
    let (mut lost, mut faults, mut grown) = (0, 0, 0.0_f64);
    let start = Instant::now();
    let mut passed = 0;
    while start.elapsed() < Duration::from_secs(MINUTES * 60) {
        let both = Run {
            streams: vec![
                Stream { share: 10, ..held.clone() },
                Stream { first: renewed.first + passed, flows: 100_000_000, ..renewed.clone() },
            ],
            rate: Rate::PerSecond(11.0 * NEW_A_SECOND as f64),
            burst: 8,
            ..Run::of(held.clone(), Until::Seconds(20.0))
        };
        let outcome = joined.run(&both)?;
        passed += outcome.streams.get(1).map_or(0, |stream| stream.sent);
        lost += outcome.total().lost();
        faults += outcome.faults.values().sum::<u64>();
        // What it has after the first minutes is what it needs; the question is whether it goes on growing.
        if start.elapsed() < Duration::from_secs(130) {
            begun = joined.measured.resident();
        } else if let (Some(begun), Some(now)) = (begun, joined.measured.resident()) {
            grown = grown.max((now as f64 - begun as f64) / 1024.0 / 1024.0);
        }
    }
    let there = joined.measured.snapshot()?.workers.first().map_or(0, |worker| worker.connections);
    must_be_right("the held ones", &joined.run(&once(&held))?, true)?;
    suite.found(
        Measurement::new("churn, held ones lost", "of 10,000,000", vec![0.0])
            .at_most(0.0)
            .detail("packets lost in ten minutes", lost as f64)
            .detail("wrong packets", faults as f64)
            .detail("connections opened meanwhile", passed as f64)
            .detail("connections at the end", there as f64)
            .detail("memory grown after two minutes, MiB", grown)
            .note("10 minutes, 500,000 packets/s over 10 million connections, 50,000 new ones a second"),
    );
    Ok(())
}

/// A million connections are opened within a second and time out within one, while others go on.
pub(super) fn expiry(suite: &mut Suite) -> Result<()> {
    const MILLION: u64 = 1_000_000;
    let text = services(2).replace("[timeouts]", "[timeouts]\nudp = 3");
    let mut joined = suite.join_director(2_000_000, &text)?;
    let others = Stream { first: 10 * MILLION, ..stream(Method::Nat, Kind::Udp, 1000) };
    let load =
        Run { rate: Rate::PerSecond(200_000.0), burst: 4, latency: true, ..Run::of(others, Until::Seconds(5.0)) };
    must_be_right("others", &joined.run(&load)?, false)?;
    let (mut longest, mut expired, mut before) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let calm = joined.run(&load)?;
        before.extend(calm.latency.map(|latency| latency.max as f64 / 1e6));
        let open = Run::of(stream(Method::Nat, Kind::Udp, MILLION), Until::Packets(MILLION));
        must_be_right("a million", &joined.run(&open)?, false)?;
        let then = joined.measured.snapshot()?;
        let outcome = joined.run(&load)?;
        must_be_right("others", &outcome, false)?;
        expired.push(joined.measured.snapshot()?.since(&then, 0).connections_expired as f64);
        longest.extend(outcome.latency.map(|latency| latency.max as f64 / 1e6));
    }
    suite.found(
        Measurement::new("expiry of 1M, longest wait", "ms", longest)
            .at_most(1.0)
            .detail("expired meanwhile", crate::report::median(&expired))
            .detail("longest wait without expiry, ms", crate::report::median(&before))
            .note("of 200,000 packets/s of other connections, for the 5 s in which a million end"),
    );
    Ok(())
}
