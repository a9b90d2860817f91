//! What captures show is what came and what left, and nobody's packet fares differently for it.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::shown::{ALL, Shown};
use crate::traffic::{self, Incoming};
use dataplane::pipeline::Origin;
use link::DropReason;
use link::capture::{
    CaptureOptions, CaptureRefusal, CapturedPacket, Choice, FramePlace, Instruction, PacketVerdict, Program,
};
use link::message::{ConnectionState, FilterPart};
use proptest::prelude::*;
use rte_rs::{Burst, Mempool};

/// TCP only: the byte behind ethertype, time to live and so on is 6.
fn only_tcp() -> Program {
    let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let load = step(0x30, 0, 0, 23);
    Program::new(&[load, step(0x15, 0, 1, 6), step(0x06, 0, 0, 1), step(0x06, 0, 0, 0)]).expect("a program")
}

/// A director of one worker that captures.
struct Watched {
    rig: Rig,
    pool: Mempool,
    shown: Shown,
    out: Kept,
}

impl Watched {
    fn new(options: &CaptureOptions, program: &Program) -> Self {
        let pool = rig::start(1023);
        let mut shown = Shown::new(1);
        assert_eq!(shown.start(options, program, 0), None);
        Self { rig: Rig::new(rig::machine(1, 64)), out: Kept::new(&pool), pool, shown }
    }

    /// Takes frames through, and gives what was shown of them.
    fn carry(&mut self, frames: &[Incoming]) -> Vec<CapturedPacket> {
        let mut burst = Burst::new();
        for (port, bytes) in frames {
            burst.push(mbuf(&self.pool, *port, bytes)).expect("room");
        }
        let capture = &mut self.shown.captures[0];
        assert!(capture.is_on());
        let port = frames.first().expect("a frame").0;
        capture.carry(&mut self.rig.pipelines[0], &mut burst, Origin::Port(port), &mut self.out);
        self.shown.packets(0, ALL.ticket)
    }
}

#[test]
fn a_connection_is_shown_from_its_first_packet_to_the_reply() {
    let mut watched = Watched::new(&ALL, &Program::everything());
    let syn = traffic::tcp(1000, 80).syn().bytes();
    let shown = watched.carry(&[(WAN, syn.clone())]);
    let [first] = shown.as_slice() else { panic!("one packet: {shown:?}") };
    let places: Vec<_> = first.frames.iter().map(|frame| (frame.place, frame.port, frame.bytes.clone())).collect();
    assert_eq!(places, [(FramePlace::In, WAN, syn), (FramePlace::Out, LAN, watched.out.sent[0].1.clone())]);
    let decision = first.decision;
    assert_eq!(decision.verdict, PacketVerdict::Forwarded { port: LAN });
    assert_eq!((decision.before, decision.after.map(|(state, _)| state)), (None, Some(ConnectionState::SynRecv)));
    assert_eq!((decision.choice, decision.outbound), (Some(Choice::Scheduler), false));
    let connection = decision.connection.expect("a new one");
    assert_eq!(connection.client.to_string(), "202.100.1.2:1000");
    assert_eq!(connection.service.to_string(), "202.103.106.5:80");
    let real = connection.real;

    let reply = traffic::reply(&real.ip().to_string(), real.port(), 1000).syn().acking(1).bytes();
    let shown = watched.carry(&[(LAN, reply)]);
    let decision = shown[0].decision;
    assert_eq!((decision.verdict, decision.outbound), (PacketVerdict::Forwarded { port: WAN }, true));
    assert_eq!(decision.connection, Some(connection));
    let shown = watched.carry(&[(WAN, traffic::tcp(1000, 80).acking(1).bytes())]);
    let states = |decision: link::capture::Decision| [decision.before, decision.after].map(|seen| seen.map(|it| it.0));
    assert_eq!(states(shown[0].decision), [Some(ConnectionState::SynRecv), Some(ConnectionState::Established)]);
    assert_eq!(shown[0].decision.choice, None, "it was there");
    assert_eq!(shown[0].number, 3);
}

#[test]
fn each_end_of_a_packet_is_shown_with_the_reason_it_is_counted_by() {
    let mut watched = Watched::new(&ALL, &Program::everything());
    let frames = [
        (WAN, traffic::tcp(1000, 81).syn().bytes()),
        (WAN, traffic::tcp(1000, 80).acking(1).bytes()),
        (WAN, traffic::udp(1000, 87).bytes()),
        (WAN, traffic::tcp(1000, 85).syn().bytes()),
        (WAN, traffic::wan().ipv4("202.100.1.2", "10.0.1.1").tcp(1, 22).syn().bytes()),
        (WAN, vec![0; 10]),
    ];
    let verdicts: Vec<_> = watched.carry(&frames).iter().map(|packet| packet.decision.verdict).collect();
    let answered = |reason| PacketVerdict::Answered { reason: Some(reason), port: WAN };
    let want = [
        answered(DropReason::NoService),
        answered(DropReason::NoConnection),
        PacketVerdict::Dropped(DropReason::NoNeighbor),
        answered(DropReason::NoReal),
        PacketVerdict::Kernel,
        PacketVerdict::Dropped(DropReason::FrameMalformed),
    ];
    assert_eq!(verdicts, want);
    let totals = watched.rig.totals();
    for reason in want.iter().filter_map(|verdict| verdict.reason()) {
        assert_eq!(totals.dropped[reason.index()] + totals.answered[reason.index()], 1, "{}", reason.name());
    }
}

#[test]
fn only_what_was_asked_for_is_shown() {
    let frames = [
        (WAN, traffic::udp(1000, 53).bytes()),
        (WAN, traffic::tcp(1000, 80).syn().payload_len(400).bytes()),
        (WAN, traffic::tcp(1000, 81).syn().bytes()),
        (WAN, traffic::udp(1001, 53).bytes()),
    ];
    let options = CaptureOptions { snaplen: 100, outgoing: false, instructions: 4, ..ALL };
    let mut watched = Watched::new(&options, &only_tcp());
    let shown = watched.carry(&frames);
    let sizes: Vec<_> = shown.iter().map(|packet| (packet.frames.len(), packet.frames[0].bytes.len())).collect();
    assert_eq!(sizes, [(1, 100), (1, 54)]);
    assert_eq!(shown[0].frames[0].length, 454);
    assert_eq!(watched.out.sent.len(), 4, "all went their way");
    let totals = watched.shown.readers[0].totals();
    assert_eq!((totals.seen, totals.matched, totals.missed), (4, 2, 0));

    let next = CaptureOptions { drops_only: true, ticket: 8, ..ALL };
    watched.shown.start(&next, &Program::everything(), 0);
    watched.carry(&frames);
    let shown = watched.shown.packets(0, 8);
    assert!(shown.is_empty(), "they were read under the other ticket: {shown:?}");
    watched.shown.start(&CaptureOptions { drops_only: true, ..ALL }, &Program::everything(), 0);
    let reasons: Vec<_> = watched.carry(&frames).iter().map(|packet| packet.decision.verdict.reason()).collect();
    assert_eq!(reasons, [Some(DropReason::NoService)]);

    // A worker takes up a ticket that it does not have yet.
    watched.shown.start(&next, &Program::everything(), 0);
    watched.shown.start(&CaptureOptions { packets: 2, ..ALL }, &Program::everything(), 0);
    assert_eq!(watched.carry(&frames).len(), 2);
    assert!(!watched.shown.captures[0].is_on(), "two were all that was wanted");
}

#[test]
fn a_capture_begins_with_a_valid_filter_and_ends_when_its_time_is_up_or_nobody_reads() {
    let mut shown = Shown::new(2);
    let everything = Program::everything();
    let start = |shown: &mut Shown, options: CaptureOptions| shown.start(&options, &everything, 1000);
    assert_eq!(start(&mut shown, CaptureOptions { instructions: 2, ..ALL }), Some(CaptureRefusal::FilterIncomplete));
    assert_eq!(start(&mut shown, CaptureOptions { worker: Some(2), ..ALL }), Some(CaptureRefusal::UnknownWorker));
    let endless = FilterPart { first: 0, count: 1, instructions: [Instruction::default(); 6] };
    shown.desk.add(&endless);
    let refused = shown.desk.start(&ALL, &shown.mailboxes, &shown.link, 1000);
    assert_eq!(refused, Some(CaptureRefusal::FilterInvalid));
    let on = |shown: &Shown| shown.captures.iter().map(|capture| capture.is_on()).collect::<Vec<_>>();
    assert_eq!(on(&shown), [false, false]);

    assert_eq!(start(&mut shown, CaptureOptions { worker: Some(1), ..ALL }), None);
    assert_eq!(on(&shown), [false, true]);
    assert_eq!(start(&mut shown, ALL), None);
    shown.desk.keep_house(&shown.mailboxes, &shown.link, 60_999);
    shown.pick_up();
    assert_eq!(on(&shown), [true, true]);
    shown.desk.keep_house(&shown.mailboxes, &shown.link, 61_000);
    shown.pick_up();
    assert_eq!(on(&shown), [false, false]);

    assert_eq!(start(&mut shown, ALL), None);
    let shown = shown.without_control();
    assert_eq!(on(&shown), [false, false], "the kernel says that control has gone");
}

/// What a director does, whether somebody looks or not.
fn compare(pool: &Mempool, shown: &mut Shown, bursts: &[Vec<&Incoming>]) -> Result<(), TestCaseError> {
    let mut rigs = [Rig::new(rig::machine(1, 8)), Rig::new(rig::machine(1, 8))];
    let mut outs = [Kept::new(pool), Kept::new(pool)];
    prop_assert_eq!(shown.start(&CaptureOptions { snaplen: 64, instructions: 4, ..ALL }, &only_tcp(), 0), None);
    for frames in bursts {
        let fill = || {
            let mut burst = Burst::new();
            frames.iter().for_each(|(port, bytes)| burst.push(mbuf(pool, *port, bytes)).expect("room"));
            burst
        };
        let origin = Origin::Worker;
        rigs[0].pipelines[0].process(&mut fill(), origin, &mut outs[0]);
        shown.captures[0].carry(&mut rigs[1].pipelines[0], &mut fill(), origin, &mut outs[1]);
        shown.packets(0, ALL.ticket);
    }
    let [plain, watched] = &outs;
    prop_assert_eq!(&plain.sent, &watched.sent);
    prop_assert_eq!(&plain.to_kernel, &watched.to_kernel);
    prop_assert_eq!(&plain.wishes, &watched.wishes);
    let [plain, watched] = &mut rigs;
    prop_assert_eq!(plain.connections(0), watched.connections(0));
    prop_assert_eq!(plain.totals(), watched.totals());
    Ok(())
}

#[test]
fn packets_fare_the_same_whether_somebody_looks_or_not() {
    let pool = rig::start(1023);
    let frames = traffic::all(&[1000, 1001]);
    let mut shown = Shown::new(1);
    let pick = || prop::collection::vec(any::<prop::sample::Index>(), 1..=Burst::CAPACITY);
    let bursts = prop::collection::vec(pick(), 1..8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    let run = |bursts: Vec<Vec<prop::sample::Index>>| {
        let bursts: Vec<Vec<&Incoming>> =
            bursts.iter().map(|picks| picks.iter().map(|pick| pick.get(&frames)).collect()).collect();
        compare(&pool, &mut shown, &bursts)
    };
    let run = std::cell::RefCell::new(run);
    runner.run(&bursts, |bursts| (*run.borrow_mut())(bursts)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(pool.in_use(), 0);
}
