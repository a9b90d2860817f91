//! Long and large: many connections, held, renewed and ended.

use super::{Suite, count_name, must_be_right, once, stream};
use crate::generator::outcome::Outcome;
use crate::generator::plan::{Kind, Method, Rate, Run, Stream, Until};
use crate::network::services;
use crate::report::Measurement;
use crate::rig::Memory;
use lab::Result;
use std::time::{Duration, Instant};

const TEN_MILLION: u64 = 10_000_000;

pub(super) fn ten_million(suite: &mut Suite) -> Result<()> {
    // A machine of 4 GB must be enough.
    many(suite, TEN_MILLION, |memory| memory.at_most(4096.0))
}

pub(super) fn thirty_million(suite: &mut Suite) -> Result<()> {
    many(suite, 3 * TEN_MILLION, |memory| memory)
}

/// Opens so many connections, every one to be seen forwarded, and sends through all of them in turn.
fn many(suite: &mut Suite, connections: u64, judged: impl Fn(Measurement) -> Measurement) -> Result<()> {
    let name = count_name(connections);
    let mut joined = suite.join_director(connections + connections / 10, &services(2))?;
    let stream = stream(Method::Nat, Kind::Udp, connections);
    must_be_right("opening them", &joined.run(&once(&stream))?, true)?;
    // At 6.7 million packets a second each of them has one; more come here.
    let run = Run::of(stream, Until::Seconds(connections as f64 / 6.7e6));
    let (mut rates, mut cycles) = (Vec::new(), Vec::new());
    for _ in 0..suite.rounds() {
        let before = joined.measured.snapshot()?;
        let outcome = joined.run(&run)?;
        must_be_right("all flows in turn", &outcome, false)?;
        rates.push(outcome.rate / 1e6);
        cycles.push(joined.measured.snapshot()?.since(&before, 0).cycles_a_packet());
    }
    if let (Some(resident), Memory::Huge(pages)) = (joined.measured.resident(), suite.memory()) {
        let mib = resident as f64 / 1024.0 / 1024.0 + pages as f64;
        let memory = format!("memory of the dataplane with {name} connections");
        suite.found(judged(Measurement::new(memory, "MiB", vec![mib])));
    }
    let measurement = Measurement::new(format!("cable nat-in {name}"), "million packets/s", rates);
    suite.found(measurement.detail("cycles a packet, busy", crate::report::median(&cycles)));
    Ok(())
}

/// Ten minutes: each of the held connections has a packet every 20 s or so, and as many new ones a second come and time
/// out as is a two hundredth of them. Then the new ones are left to end: what is still there beside the held ones leaked.
pub(super) fn churn(suite: &mut Suite) -> Result<()> {
    const MINUTES: u64 = 10;
    const NEW_A_SECOND: u64 = 50_000;
    // A held connection's next packet comes within two of them: a run begins with the first again.
    const RUN_SECONDS: f64 = 25.0;
    let text = services(2).replace("[timeouts]", "[timeouts]\nudp = 60");
    // Room for those that are held, and for a minute of new ones and as long until the wheel has removed them.
    let mut joined = suite.join_director_patiently(TEN_MILLION + NEW_A_SECOND * 130, &text)?;
    let held = stream(Method::Nat, Kind::Udp, TEN_MILLION);
    must_be_right("opening 10 million", &joined.run(&once(&held))?, true)?;
    let (mut sum, mut begun, mut grown) = (Churned::default(), joined.measured.resident(), 0.0_f64);
    let first = joined.measured.snapshot()?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(MINUTES * 60) {
        let renewed = Stream { first: TEN_MILLION + sum.opened, flows: 100_000_000, ..held.clone() };
        let both = Run {
            streams: vec![Stream { share: 10, ..held.clone() }, renewed],
            rate: Rate::PerSecond(11.0 * NEW_A_SECOND as f64),
            burst: 8,
            ..Run::of(held.clone(), Until::Seconds(RUN_SECONDS))
        };
        let outcome = joined.run(&both)?;
        must_be_right("churn", &outcome, false)?;
        sum.add(&outcome);
        // What it has after the first minutes is what it needs; the question is whether it goes on growing.
        if start.elapsed() < Duration::from_secs(130) {
            begun = joined.measured.resident();
        } else if let (Some(begun), Some(now)) = (begun, joined.measured.resident()) {
            grown = grown.max((now as f64 - begun as f64) / 1024.0 / 1024.0);
        }
    }
    // A held connection that was lost is made again by its next packet.
    let then = joined.measured.snapshot()?;
    must_be_right("the held ones", &joined.run(&once(&held))?, true)?;
    let lost = joined.measured.snapshot()?.since(&then, 0).connections_created;
    let alone = Run {
        rate: Rate::PerSecond(10.0 * NEW_A_SECOND as f64),
        burst: 8,
        ..Run::of(held.clone(), Until::Seconds(130.0))
    };
    must_be_right("the held ones alone", &joined.run(&alone)?, false)?;
    let left = joined.measured.snapshot()?.workers.first().map_or(0, |worker| worker.connections);
    suite.found(
        Measurement::new("churn, held ones lost", "of 10,000,000", vec![lost as f64])
            .at_most(0.0)
            .detail("connections opened meanwhile", sum.opened as f64)
            .note("10 minutes, 500,000 packets/s over 10 million connections, 50,000 new ones a second"),
    );
    let dropped = then.since(&first, 0).dropped;
    suite.found(
        Measurement::new("churn, packets lost", "packets", vec![sum.lost as f64])
            .at_most(0.0)
            .detail("of", sum.sent as f64)
            .detail("that the ring had no room for", sum.not_taken as f64)
            .detail("that the director dropped", dropped as f64),
    );
    let leaked = (left as f64 - TEN_MILLION as f64).abs();
    suite.found(Measurement::new("churn, connections left over", "connections", vec![leaked]).at_most(0.0));
    suite.found(Measurement::new("churn, memory grown after two minutes", "MiB", vec![grown]).at_most(1.0));
    Ok(())
}

/// What the runs of [`churn`] found together.
#[derive(Default)]
struct Churned {
    sent: u64,
    lost: u64,
    not_taken: u64,
    opened: u64,
}

impl Churned {
    /// Takes a run in, whose second stream opens connections.
    fn add(&mut self, outcome: &Outcome) {
        let total = outcome.total();
        self.sent += total.sent;
        self.lost += total.lost();
        self.not_taken += total.not_taken;
        self.opened += outcome.streams.get(1).map_or(0, |stream| stream.sent);
    }
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
