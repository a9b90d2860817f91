//! Throughput over memif: the generator on one core, what is measured on another, every packet counted and some
//! checked. The rounds of the director and of macswap alternate.

use super::{Extent, Suite, count_name, must_be_right, once, stream};
use crate::generator::plan::{Kind, Method, Popularity, Run, Side, Size, Stream, Until};
use crate::network::services;
use crate::report::Measurement;
use lab::Result;
use std::collections::BTreeMap;

/// What all points together open, and some more.
const CONNECTIONS: u64 = 2_500_000;

/// Seconds of a run.
const SECONDS: f64 = 0.7;

/// Near 0, the generator sets the pace; far from it, what is measured does.
const RING_FULL: &str = "sends that found the ring full, %";

/// What is sent, by name.
type Points = Vec<(String, Stream)>;
/// The figures of each, a round each; then the cycles; then the share of the sends that found the ring full, %.
type Figures = BTreeMap<String, [Vec<f64>; 3]>;

pub(super) fn run(suite: &mut Suite) -> Result<()> {
    let points = points(suite.extent);
    let (mut director, mut macswap) = (Figures::new(), Figures::new());
    for _ in 0..suite.rounds() {
        round_of_macswap(suite, &points, &mut macswap)?;
        round_of_director(suite, &points, &mut director)?;
    }
    for (name, stream) in &points {
        let Some([rates, cycles, full]) = director.remove(name) else { continue };
        let ceiling = macswap.get(&ceiling_name(stream)).map(|[rates, ..]| crate::report::median(rates));
        let measurement = Measurement::new(format!("cable {name}"), "million packets/s", rates)
            .ceiling(ceiling)
            .detail("cycles a packet, busy", crate::report::median(&cycles))
            .detail(RING_FULL, crate::report::median(&full));
        suite.found(match name.as_str() {
            "nat-in 1k" => measurement.at_least_of_ceiling(80.0),
            "nat-in 64k" => measurement.at_least_of_ceiling(70.0),
            _ => measurement,
        });
    }
    for (name, [rates, _, full]) in macswap {
        let measurement = Measurement::new(format!("cable {name}"), "million packets/s", rates);
        suite.found(measurement.detail(RING_FULL, crate::report::median(&full)).note("dpdk-testpmd"));
    }
    Ok(())
}

fn points(extent: Extent) -> Points {
    let of = |method, flows, size| Stream { size, ..stream(method, Kind::Udp, flows) };
    let smallest = Size::Fixed(60);
    let mut points = Points::new();
    let mut add = |name: &str, stream: Stream| points.push((format!("{name} {}", count_name(stream.flows)), stream));
    add("nat-in", of(Method::Nat, 1000, smallest));
    add("nat-in", of(Method::Nat, 65_536, smallest));
    add("nat-out", Stream { side: Side::Real, ..of(Method::Nat, 65_536, smallest) });
    add("tunnel", of(Method::Tunnel, 65_536, smallest));
    add("direct", of(Method::Direct, 65_536, smallest));
    if extent > Extent::Quick {
        add("nat-in elephant", of(Method::Nat, 1, smallest));
        add("nat-in imix", of(Method::Nat, 65_536, Size::Imix));
        add("direct imix", of(Method::Direct, 65_536, Size::Imix));
        add("nat-in 1514 B", of(Method::Nat, 65_536, Size::Fixed(1514)));
        add("nat-in", of(Method::Nat, 1_000_000, smallest));
        add("nat-in zipf", Stream { popularity: Popularity::Zipf(1.0), ..of(Method::Nat, 1_000_000, smallest) });
    }
    if extent > Extent::Usual {
        add("nat-out", Stream { side: Side::Real, ..of(Method::Nat, 1_000_000, smallest) });
        add("nat-out imix", Stream { side: Side::Real, ..of(Method::Nat, 65_536, Size::Imix) });
        add("tunnel imix", of(Method::Tunnel, 65_536, Size::Imix));
        for method in [Method::Tunnel, Method::Direct] {
            let name = format!("{method:?}").to_lowercase();
            add(&name, of(method, 1000, smallest));
            add(&name, of(method, 1_000_000, smallest));
        }
    }
    points
}

/// Macswap knows no flows: what it does depends on the size only.
fn ceiling_name(stream: &Stream) -> String {
    match stream.size {
        Size::Imix => "macswap imix".into(),
        Size::Fixed(60) => "macswap".into(),
        Size::Fixed(size) => format!("macswap {size} B"),
    }
}

fn round_of_macswap(suite: &Suite, points: &Points, figures: &mut Figures) -> Result<()> {
    let mut joined = suite.join_macswap()?;
    let mut done = BTreeMap::new();
    for (_, point) in points {
        let stream = Stream { method: Method::Macswap, side: Side::Client, flows: 65_536, ..point.clone() };
        let name = ceiling_name(&stream);
        if done.insert(name.clone(), ()).is_none() {
            let outcome = joined.run(&Run::of(stream, Until::Seconds(SECONDS)))?;
            must_be_right(&name, &outcome, false)?;
            let entry = figures.entry(name).or_default();
            entry[0].push(outcome.rate / 1e6);
            entry[2].push(outcome.blocked * 100.0);
        }
    }
    Ok(())
}

fn round_of_director(suite: &Suite, points: &Points, figures: &mut Figures) -> Result<()> {
    let mut joined = suite.join_director(CONNECTIONS, &services(2))?;
    for (number, (name, point)) in points.iter().enumerate() {
        // Each point has connections of its own; those of a method's earlier points stay and are in nobody's way.
        let stream = Stream { first: number as u64 * 10_000_000, ..point.clone() };
        let opened = joined.run(&once(&stream))?;
        must_be_right(name, &opened, true)?;
        let before = joined.measured.snapshot()?;
        let outcome = joined.run(&Run::of(stream, Until::Seconds(SECONDS)))?;
        let worker = joined.measured.snapshot()?.since(&before, 0);
        must_be_right(name, &outcome, false)?;
        let entry = figures.entry(name.clone()).or_default();
        entry[0].push(outcome.rate / 1e6);
        entry[1].push(worker.cycles_a_packet());
        entry[2].push(outcome.blocked * 100.0);
    }
    Ok(())
}
