//! A burst has the effect of its packets one by one.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{self, Incoming};
use dataplane::pipeline::{Origin, Verdict};
use link::message::ConnectionState;
use proptest::prelude::*;
use rte_rs::{Burst, Mempool};

/// Room for few, so that the table is full at times.
const CONNECTIONS: u32 = 8;

#[derive(Clone, Debug)]
enum Step {
    /// Frames from one port.
    Port(u16, Vec<prop::sample::Index>),
    /// Frames that another worker handed over.
    Worker(Vec<prop::sample::Index>),
    /// Milliseconds pass.
    Wait(u64),
    /// Another variant of the services.
    Services(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let frames = || prop::collection::vec(any::<prop::sample::Index>(), 1..=Burst::CAPACITY);
    prop_oneof![
        5 => frames().prop_map(|picks| Step::Port(WAN, picks)),
        3 => frames().prop_map(|picks| Step::Port(LAN, picks)),
        2 => frames().prop_map(Step::Worker),
        2 => prop_oneof![Just(0), 1..200u64, 5_000..400_000u64].prop_map(Step::Wait),
        1 => (0..4usize).prop_map(Step::Services),
    ]
}

/// What can be seen of a director after a step.
#[derive(Debug, PartialEq)]
struct Seen {
    verdicts: Vec<Verdict>,
    sent: Vec<(u16, Vec<u8>)>,
    to_kernel: Vec<(u16, Vec<u8>)>,
    wishes: Vec<(u16, u32)>,
}

/// Runs frames through in bursts of at most `size`.
fn run(rig: &mut Rig, pool: &Mempool, frames: &[&Incoming], origin: Origin, size: usize) -> Seen {
    let mut out = Kept::new(pool);
    let mut verdicts = Vec::new();
    for chunk in frames.chunks(size) {
        let mut burst = Burst::new();
        for (port, bytes) in chunk {
            burst.push(mbuf(pool, *port, bytes)).expect("a burst of at most 32");
        }
        let pipeline = &mut rig.pipelines[0];
        pipeline.process(&mut burst, origin, &mut out);
        verdicts.extend((0..chunk.len()).filter_map(|position| pipeline.verdict(position)));
    }
    Seen { verdicts, sent: out.sent, to_kernel: out.to_kernel, wishes: out.wishes }
}

fn compare(pool: &Mempool, frames: &[Incoming], steps: &[Step]) -> Result<(), TestCaseError> {
    let mut rigs = [Rig::new(rig::machine(1, CONNECTIONS)), Rig::new(rig::machine(1, CONNECTIONS))];
    let mut now = 0;
    for step in steps {
        let (picks, origin) = match step {
            Step::Wait(milliseconds) => {
                now += milliseconds;
                rigs.iter_mut().for_each(|rig| rig.set_time(now));
                continue;
            }
            Step::Services(variant) => {
                rigs.iter_mut().for_each(|rig| rig.apply(*variant, now));
                continue;
            }
            Step::Port(port, picks) => (picks, Origin::Port(*port)),
            Step::Worker(picks) => (picks, Origin::Worker),
        };
        let of_origin: Vec<&Incoming> =
            frames.iter().filter(|(port, _)| origin == Origin::Worker || origin == Origin::Port(*port)).collect();
        let chosen: Vec<&Incoming> = picks.iter().map(|pick| of_origin[pick.index(of_origin.len())]).collect();
        let [whole, single] = &mut rigs;
        let burst = run(whole, pool, &chosen, origin, Burst::CAPACITY);
        prop_assert_eq!(burst, run(single, pool, &chosen, origin, 1));
    }
    let [whole, single] = &mut rigs;
    prop_assert_eq!(whole.connections(now), single.connections(now));
    let (mut burst, mut one) = (whole.totals(), single.totals());
    (burst.bursts, one.bursts) = (0, 0);
    prop_assert_eq!(burst, one);
    Ok(())
}

#[test]
fn burst_has_the_effect_of_its_packets_one_by_one() {
    let pool = rig::start(1023);
    let frames = traffic::all(&[1000, 1001]);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    let steps = prop::collection::vec(step(), 1..30);
    runner.run(&steps, |steps| compare(&pool, &frames, &steps)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn two_packets_of_one_new_flow_in_a_burst_make_one_connection() {
    let pool = rig::start(1023);
    let mut rig = Rig::new(rig::machine(1, CONNECTIONS));
    let (syn, data) = (traffic::tcp(1000, 80).syn(), traffic::tcp(1000, 80).acking(1).payload(b"at once"));
    let frames = [(WAN, syn.bytes()), (WAN, data.bytes()), (WAN, traffic::tcp(1001, 80).syn().bytes())];
    let frames: Vec<&Incoming> = frames.iter().collect();
    let seen = run(&mut rig, &pool, &frames, Origin::Port(WAN), Burst::CAPACITY);
    assert_eq!(seen.verdicts, [Verdict::Forwarded { port: LAN }; 3]);
    let mac = |index: usize| seen.sent[index].1[..6].to_vec();
    assert_eq!(mac(0), mac(1), "the second packet goes to the same real");
    assert_ne!(mac(0), mac(2), "another flow takes its turn");
    let states: Vec<_> = rig.connections(0).iter().map(|row| (row.client.port(), row.state)).collect();
    assert_eq!(states, [(1000, ConnectionState::Established), (1001, ConnectionState::SynRecv)]);
}

#[test]
fn port_that_is_used_again_within_a_burst_begins_a_new_connection_there() {
    let pool = rig::start(1023);
    let mut rig = Rig::new(rig::machine(1, CONNECTIONS));
    let tcp = || traffic::tcp(1000, 80);
    // A RST closes; the SYN after it chooses anew, and the packet after that follows the SYN.
    let frames = [tcp().syn(), tcp().acking(1), tcp().rst(), tcp().syn().seq(9), tcp().seq(10).acking(1)];
    let frames: Vec<Incoming> = frames.iter().map(|frame| (WAN, frame.bytes())).collect();
    let frames: Vec<&Incoming> = frames.iter().collect();
    let seen = run(&mut rig, &pool, &frames, Origin::Port(WAN), Burst::CAPACITY);
    let macs: Vec<u8> = seen.sent.iter().map(|(_, bytes)| bytes[5]).collect();
    assert_eq!(macs, [3, 3, 3, 2, 2]);
    let rows = rig.connections(0);
    assert_eq!((rows.len(), rows[0].state), (1, ConnectionState::Established));
    assert_eq!(rig.totals().connections_created, 2);
}
