//! Connections: how many a second, and what a flood or a full table does to those that are there.

use super::{Suite, must_be_right, once, stream};
use crate::generator::outcome::Outcome;
use crate::generator::plan::{Kind, Method, Rate, Run, Stream, Until, Verify};
use crate::network::{many_services, services};
use crate::report::Measurement;
use crate::rig::{Director, Joined};
use lab::Result;

const MILLION: u64 = 1_000_000;
/// Flows of streams that never come back to their first one in the time of a run.
const ENDLESS: u64 = 2_000_000_000;
/// The first flow of those that come on top of what is there.
const OTHERS: u64 = 4_000_000_000;

pub(super) fn new_connections(suite: &mut Suite) -> Result<()> {
    for count in [0, 1, 1000, 10_000] {
        let text = if count == 0 { services(2) } else { many_services(count, 1) };
        let mut joined = suite.join_director(2_000_000, &text)?;
        let name = match count {
            0 => "new connections udp".to_owned(),
            count => format!("new connections udp, {count} services"),
        };
        let (rates, cycles) = open_a_million(suite, &mut joined, Method::Nat, &name)?;
        let measurement = Measurement::new(name, "million/s", rates)
            .detail("cycles a connection, busy", crate::report::median(&cycles));
        suite.found(if count == 0 { measurement.at_least(1.5) } else { measurement });
        if count == 0 {
            let (rates, _) = open_a_million(suite, &mut joined, Method::Direct, "new connections")?;
            suite.found(Measurement::new("new connections udp direct", "million/s", rates));
            whole_lives(suite, &mut joined)?;
        }
    }
    Ok(())
}

/// Fills the empty table with a million connections, one packet each; rates in millions a second, and cycles.
fn open_a_million(
    suite: &Suite,
    joined: &mut Joined<Director>,
    method: Method,
    name: &str,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut rates, mut cycles) = (Vec::new(), Vec::new());
    for _ in 0..suite.rounds() {
        joined.measured.flush()?;
        joined.generator.forget()?;
        let before = joined.measured.snapshot()?;
        let outcome = joined.run(&Run::of(stream(method, Kind::Udp, MILLION), Until::Packets(MILLION)))?;
        must_be_right(name, &outcome, false)?;
        let worker = joined.measured.snapshot()?.since(&before, 0);
        rates.push(worker.connections_created as f64 / 1e6 / outcome.seconds);
        cycles.push(worker.busy_cycles as f64 / worker.connections_created.max(1) as f64);
    }
    Ok((rates, cycles))
}

/// TCP connections from SYN to FIN, four packets each, by direct routing.
fn whole_lives(suite: &mut Suite, joined: &mut Joined<Director>) -> Result<()> {
    let (mut rates, mut refused, mut lost) = (Vec::new(), 0.0, 0.0);
    for _ in 0..suite.rounds() {
        joined.measured.flush()?;
        joined.generator.forget()?;
        let before = joined.measured.snapshot()?;
        let outcome = joined.run(&Run::of(stream(Method::Direct, Kind::Life, ENDLESS), Until::Seconds(2.0)))?;
        must_be_right("tcp lives", &outcome, false)?;
        let worker = joined.measured.snapshot()?.since(&before, 0);
        rates.push(worker.connections_created as f64 / 1e6 / outcome.seconds);
        refused += worker.connections_evicted as f64;
        lost += outcome.total().lost() as f64;
    }
    let measurement = Measurement::new("new connections tcp, whole lives", "million/s", rates);
    suite.found(
        measurement
            .detail("evicted", refused)
            .detail("packets lost", lost)
            .note("SYN, ACK, data, FIN; direct routing; ended ones go after 1 s"),
    );
    Ok(())
}

pub(super) fn flood(suite: &mut Suite) -> Result<()> {
    let mut joined = suite.join_director(1_500_000, &services(2))?;
    let established = establish(&mut joined, MILLION)?;
    let flood = Stream { first: OTHERS, share: 31, ..stream(Method::Nat, Kind::Syn, ENDLESS) };
    let (mut rates, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..suite.rounds() {
        let before = joined.measured.snapshot()?;
        let both =
            Run { streams: vec![established.clone(), flood.clone()], ..Run::of(flood.clone(), Until::Seconds(2.0)) };
        let outcome = joined.run(&both)?;
        must_be_right("the flood", &outcome, false)?;
        let worker = joined.measured.snapshot()?.since(&before, 0);
        rates.push(worker.received as f64 / 1e6 / outcome.seconds);
        lost.push(connections_lost(&mut joined, &established)?);
    }
    let measurement = Measurement::new("syn flood, established lost", "of 1,000,000", lost).at_most(0.0);
    suite.found(
        measurement.detail("million packets/s of the flood", crate::report::median(&rates)).note(
            "room for 1.5 million; after each flood of 2 s a packet of each connection must come back, to its real",
        ),
    );
    Ok(())
}

/// Opens TCP connections, SYN and then ACK.
fn establish(joined: &mut Joined<Director>, flows: u64) -> Result<Stream> {
    let syn = stream(Method::Nat, Kind::Syn, flows);
    must_be_right("SYNs", &joined.run(&once(&syn))?, true)?;
    let ack = Stream { kind: Kind::Tcp, ..syn };
    must_be_right("ACKs", &joined.run(&once(&ack))?, true)?;
    Ok(ack)
}

/// How many of the connections do not answer, or from another real: a packet of each.
fn connections_lost(joined: &mut Joined<Director>, stream: &Stream) -> Result<f64> {
    let outcome: Outcome = joined.run(&once(stream))?;
    Ok((outcome.total().lost() + outcome.faults.values().sum::<u64>()) as f64)
}

pub(super) fn full_table(suite: &mut Suite) -> Result<()> {
    const ROOM: u64 = 200_000;
    let mut joined = suite.join_director(ROOM, &services(2))?;
    let established = establish(&mut joined, ROOM / 2)?;
    let newcomers = Stream { first: OTHERS, ..stream(Method::Nat, Kind::Udp, ENDLESS) };
    let (mut rates, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..suite.rounds() {
        let before = joined.measured.snapshot()?;
        let both = Run {
            streams: vec![established.clone(), newcomers.clone()],
            verify: Verify::Sample,
            rate: Rate::Most,
            ..Run::of(newcomers.clone(), Until::Seconds(1.0))
        };
        let outcome = joined.run(&both)?;
        must_be_right("the full table", &outcome, false)?;
        let worker = joined.measured.snapshot()?.since(&before, 0);
        rates.push(worker.received as f64 / 1e6 / outcome.seconds);
        lost.push(connections_lost(&mut joined, &established)?);
    }
    let measurement = Measurement::new("full table, packets", "million packets/s", rates);
    suite.found(measurement.note("half of the packets are of connections that are there, half would open new ones"));
    suite.found(Measurement::new("full table, established lost", "of 100,000", lost).at_most(0.0));
    Ok(())
}
