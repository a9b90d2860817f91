//! Packets that come in fragments: one worker and several, both directions, and what is left when the rest never comes.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{VIP, lan, tcp, udp, udp_reply, wan};
use crate::workers::{Rings, Workers};
use dataplane::pipeline::{Origin, Verdict};
use fastrand::Rng;
use link::DropReason;
use rte_rs::Burst;
use wire::build::eth;

fn one(rig: &mut Rig, out: &mut Kept, port: u16, bytes: &[u8]) -> Verdict {
    let mut burst = Burst::new();
    burst.push(mbuf(&out.pools.frames, port, bytes)).expect("room for one");
    rig.pipelines[0].process(&mut burst, Origin::Port(port), out);
    rig.pipelines[0].verdict(0).expect("there was a packet")
}

#[test]
fn packet_in_fragments_is_one_packet_of_one_connection() {
    let pool = rig::start(1023);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(&pool));
    let fragments = udp(1000, 53).id(7).payload_len(2000).fragments(800);
    let verdicts: Vec<_> = fragments.iter().rev().map(|frame| one(&mut rig, &mut out, WAN, frame)).collect();
    assert_eq!(verdicts, [Verdict::Held, Verdict::Held, Verdict::Forwarded { port: LAN }]);
    let lengths: Vec<_> = out.sent.iter().map(|(port, bytes)| (*port, bytes.len())).collect();
    assert_eq!(lengths, [(LAN, 834), (LAN, 834), (LAN, 442)], "it leaves as it came");
    let replies = udp_reply(1000).id(9).payload_len(3000).fragments(1000);
    assert_eq!(one(&mut rig, &mut out, LAN, &replies[0]), Verdict::Held);
    for reply in &replies[1..] {
        one(&mut rig, &mut out, LAN, reply);
    }
    assert_eq!(out.sent[3..].iter().map(|(port, _)| *port).collect::<Vec<_>>(), [WAN; 4]);
    let counters = rig.counters(0);
    let slot =
        (0..16).find(|slot| counters.real(*slot).is_some_and(|real| real.in_packets.value() > 0)).expect("a real");
    let real = counters.real(slot).expect("a real");
    let counts = [&real.connections, &real.in_packets, &real.in_bytes, &real.out_packets, &real.out_bytes];
    assert_eq!(counts.map(|counter| counter.value()), [1, 1, 2028, 1, 3028]);
    let totals = rig.totals();
    assert_eq!((totals.fragments_reassembled, totals.fragments_held, totals.fragments_created), (5, 0, 5));
    assert_eq!((pool.in_use(), out.pools.large.in_use()), (0, 0));
}

/// Bounded, and the sender is told; the ordinary packet before it is not affected.
#[test]
fn sender_of_an_incomplete_packet_is_told_after_thirty_seconds() {
    let pool = rig::start(1023);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(&pool));
    let fragments = udp(1000, 53).id(7).payload_len(1000).fragments(400);
    assert_eq!(one(&mut rig, &mut out, WAN, &fragments[0]), Verdict::Held);
    rig.set_time(29_999);
    rig.pipelines[0].expire_fragments(usize::MAX, &mut out);
    assert_eq!(out.sent, []);
    rig.set_time(30_000);
    rig.pipelines[0].expire_fragments(usize::MAX, &mut out);
    let quoted = udp(1000, 53).id(7).payload_len(1000).fragments(400).swap_remove(0);
    let told = eth().from("02:00:00:00:01:01").to("02:00:00:00:01:fe").ipv4(VIP, "202.100.1.2").tos(0xc0).icmp(11, 1);
    assert_eq!(out.sent, [(WAN, told.payload(&quoted[14..]).bytes())]);
    let totals = rig.totals();
    assert_eq!(totals.answered[DropReason::FragmentTimeout.index()], 1);
    assert_eq!(totals.fragments_held, 0);
    assert_eq!(one(&mut rig, &mut out, WAN, &fragments[1]), Verdict::Held, "what comes later begins anew");
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn poll_rounds_look_at_one_set_of_packets_a_millisecond() {
    let pool = rig::start(1023);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(&pool));
    let fragments = udp(1000, 53).id(7).payload_len(1000).fragments(400);
    assert_eq!(one(&mut rig, &mut out, WAN, &fragments[0]), Verdict::Held);
    rig.set_time(30_000);
    for _ in 0..64 {
        rig.pipelines[0].expire_fragments(1, &mut out);
    }
    assert_eq!(out.sent, [], "one set of 64 was looked at, not that of the packet");
    for now in 30_001..30_064 {
        rig.set_time(now);
        rig.pipelines[0].expire_fragments(1, &mut out);
    }
    assert_eq!((out.sent.len(), rig.totals().fragments_held), (1, 0));
}

/// The owner of the connection, the worker where fragments meet and those that receive them are all different now and
/// then: nothing is lost and each packet is put together.
#[test]
fn fragments_find_each_other_and_their_connection_whichever_workers_receive_them() {
    const PACKETS: u16 = 300;
    let pool = rig::start(8191);
    let mut workers = Workers::new(Rig::new(rig::machine(4, 2000)), &pool, Rings::default());
    let large = rig::pools(&pool).large;
    let mut rng = Rng::with_seed(5u64);
    let mut receive = |workers: &mut Workers, port: u16, mut frames: Vec<Vec<u8>>| {
        rng.shuffle(&mut frames);
        for frame in frames {
            let mut burst = Burst::new();
            burst.push(mbuf(&pool, port, &frame)).expect("room for one");
            workers.round(rng.usize(..4), port, &mut burst);
        }
        for worker in (0..4).chain(0..4) {
            workers.round(worker, port, &mut Burst::new());
        }
    };
    for client in 1000..1000 + PACKETS {
        receive(&mut workers, WAN, udp(client, 53).id(client).payload_len(1400).fragments(600));
        receive(&mut workers, LAN, udp_reply(client).id(client).payload_len(1400).fragments(600));
    }
    // A tunnel's SYN, cut within the TCP header.
    receive(&mut workers, WAN, tcp(999, 82).id(1).syn().payload_len(40).fragments(8));
    workers.settle();
    let totals = workers.assert_conserved();
    let packets = u64::from(PACKETS);
    assert_eq!(totals.received, packets * 6 + 8);
    assert_eq!(totals.fragments_reassembled, packets * 4 + 7);
    assert_eq!(totals.connections_created, packets + 1);
    assert_eq!(totals.dropped_total(), 0, "{totals:#?}");
    // The tunnel's packet leaves in pieces of 16 bytes: 80 bytes with the inner header, of 28 at most.
    assert_eq!(totals.transmitted, packets * 6 + 10);
    assert!(totals.handed_off > packets * 4 && totals.handed_off == totals.taken_over, "{totals:#?}");
    assert_eq!((pool.in_use(), large.in_use()), (0, 0));
}

/// What is no connection's goes to the kernel as it came, if there is a way; a fragment of nobody's is not kept.
#[test]
fn whole_that_is_the_kernel_s_gets_there_in_its_fragments() {
    let pool = rig::start(1023);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(&pool));
    let echo = wan().ipv4("202.100.1.2", VIP).id(3).echo_request(1, 1).payload_len(2000).fragments(1200);
    for fragment in &echo {
        one(&mut rig, &mut out, WAN, fragment);
    }
    assert_eq!(out.to_kernel, echo.iter().map(|frame| (WAN, frame.clone())).collect::<Vec<_>>());
    let elsewhere = wan().ipv4("202.100.1.2", "10.0.1.1").udp(1, 2).id(4).payload_len(2000).fragments(1200);
    assert_eq!(one(&mut rig, &mut out, WAN, &elsewhere[1]), Verdict::Kernel);
    // The way on from the port of the reals has no kernel.
    let own = lan().ipv4("172.16.0.2", "8.8.8.8").udp(1, 53).id(5).payload_len(2000).fragments(1200);
    assert_eq!(one(&mut rig, &mut out, LAN, &own[0]), Verdict::Held);
    assert_eq!(one(&mut rig, &mut out, LAN, &own[1]), Verdict::Dropped(DropReason::NoKernelPath));
    // The next packet that leaves in fragments leaves in its own.
    let large = tcp(999, 82).id(6).syn().payload_len(1460).bytes();
    assert_eq!(one(&mut rig, &mut out, WAN, &large), Verdict::Forwarded { port: LAN });
    let lengths: Vec<_> = out.sent.iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lengths, [1010, 558]);
    assert_eq!((pool.in_use(), out.pools.large.in_use()), (0, 0));
}

/// First fragments without end, of one sender and of a thousand, and pieces of 8 bytes that cut a TCP header: memory is what
/// it was, each is counted, and nothing of it is left after 30 s. Whole packets and their connections do not notice.
#[test]
fn flood_of_fragments_is_bounded_and_costs_no_other_packet() {
    const FLOOD: u32 = 20_000;
    /// 64 sets of 16 packets, each of as few fragments as come here.
    const ROOM: u64 = 64 * 16;
    let pool = rig::start(1023);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(&pool));
    let datagram = udp(1000, 53).bytes();
    let forwarded = Verdict::Forwarded { port: LAN };
    assert_eq!(one(&mut rig, &mut out, WAN, &datagram), forwarded);
    for n in 0..FLOOD {
        let sender = if n % 2 == 0 { 0xca64_0707 } else { 0xca64_0800 + n % 1000 };
        let (protocol, len) = if n % 3 == 0 { (6, 8) } else { (17, 800) };
        let first = wan().ipv4(sender.to_be_bytes(), VIP).id(n as u16).protocol(protocol).more_fragments();
        assert_eq!(one(&mut rig, &mut out, WAN, &first.payload_len(len).bytes()), Verdict::Held);
        if n % 500 == 0 {
            assert_eq!(one(&mut rig, &mut out, WAN, &datagram), forwarded);
            assert!(rig.totals().fragments_held <= ROOM, "{} are held", rig.totals().fragments_held);
        }
    }
    let totals = rig.totals();
    let evicted = totals.dropped[DropReason::FragmentEvicted.index()];
    assert_eq!(evicted + totals.fragments_held, u64::from(FLOOD), "each is held or counted");
    assert_eq!((totals.connections_created, pool.in_use()), (1, 0));
    let last = udp(1001, 53).id(7).payload_len(1000).fragments(400);
    let verdicts: Vec<_> = last.iter().map(|frame| one(&mut rig, &mut out, WAN, frame)).collect();
    assert_eq!(verdicts.last(), Some(&forwarded), "a packet that comes whole is put together: {verdicts:?}");
    rig.set_time(30_000);
    rig.pipelines[0].expire_fragments(usize::MAX, &mut out);
    let totals = rig.totals();
    assert_eq!((totals.fragments_held, pool.in_use(), out.pools.large.in_use()), (0, 0, 0));
}

#[test]
fn without_mbufs_a_packet_is_not_put_together_and_nothing_is_left() {
    let pool = rig::start(1023);
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(&pool));
    let fragments = || udp(1000, 53).id(7).payload_len(3000).fragments(1400);
    let all: Vec<_> = std::iter::from_fn(|| out.pools.large.alloc()).collect();
    let verdicts: Vec<_> = fragments().iter().map(|frame| one(&mut rig, &mut out, WAN, frame)).collect();
    assert_eq!(verdicts[2], Verdict::Dropped(DropReason::FragmentsExhausted));
    assert_eq!(rig.totals().dropped[DropReason::FragmentsExhausted.index()], 3);
    drop(all);
    let verdicts: Vec<_> = fragments().iter().map(|frame| one(&mut rig, &mut out, WAN, frame)).collect();
    assert_eq!(verdicts[2], Verdict::Forwarded { port: LAN });
    assert_eq!((pool.in_use(), out.pools.large.in_use()), (0, 0));
}
