//! Each reason for which a packet is dropped or answered can be met.

use crate::rig::{self, Kept, LAN, Rig, WAN, mbuf};
use crate::traffic::{VIP, lan, tcp, udp, wan};
use crate::workers::{Rings, Workers};
use config::Machine;
use dataplane::pipeline::Origin;
use dataplane::worker::{Exits, PortExit};
use link::DropReason;
use link::counters::WorkerTotals;
use rte_rs::{Burst, Mbuf, Mempool, ring};
use rtrb::RingBuffer;
use wire::build::{Frame, eth};

/// Reasons that no test of this file meets, and why.
const NOT_MET: [(DropReason, &str); 1] =
    [(DropReason::KernelRefused, "counted by the main lcore, when an interface of the running kernel is down")];

#[test]
fn each_reason_is_met() {
    let pool = rig::start(4095);
    for reason in DropReason::ALL {
        let met = meet(*reason, &pool)
            .is_some_and(|totals| totals.dropped[reason.index()] + totals.answered[reason.index()] > 0);
        let excused = NOT_MET.iter().any(|(not_met, _)| not_met == reason);
        assert_ne!(met, excused, "{}: met {met}, in the list of those that are not {excused}", reason.name());
        assert_eq!(pool.in_use(), 0, "{}: an mbuf is left", reason.name());
    }
}

/// Provokes a reason and says what was counted.
fn meet(reason: DropReason, pool: &Mempool) -> Option<WorkerTotals> {
    let tcp_80 = || tcp(1000, 80);
    let frames: Vec<(u16, Vec<u8>)> = match reason {
        DropReason::FrameMalformed => vec![(WAN, vec![0; 13])],
        DropReason::OtherHost => vec![(WAN, tcp_80().syn().to("02:00:00:00:99:99").bytes())],
        DropReason::Ipv4Malformed => vec![(WAN, tcp_80().syn().version_and_length(0x65).bytes())],
        DropReason::Ipv4Checksum => vec![(WAN, tcp_80().syn().bad_ip_checksum().bytes())],
        DropReason::TransportMalformed => vec![(WAN, tcp_80().syn().data_offset(4).bytes())],
        DropReason::Fragment => vec![fragment(1, 8, 0)],
        DropReason::FragmentOverlap => vec![fragment(1, 8, 16), fragment(1, 16, 16)],
        DropReason::FragmentDuplicate => vec![fragment(1, 8, 16), fragment(1, 8, 16)],
        DropReason::FragmentTooLarge => vec![fragment(1, 65_528, 8)],
        DropReason::FragmentEvicted => (0..17).map(|id| fragment(id, 8, 16)).collect(),
        DropReason::SourceRouted => vec![(WAN, tcp_80().syn().options(&[131, 7, 8, 10, 0, 0, 1, 0]).bytes())],
        DropReason::OptionsMalformed => vec![(WAN, tcp_80().syn().options(&[7, 1, 4, 0]).bytes())],
        DropReason::FragmentTimeout => return Some(fragments_never_completed(pool)),
        DropReason::NoService => vec![(WAN, tcp(1000, 99).syn().bytes())],
        DropReason::NoConnection => vec![(WAN, tcp_80().acking(1).bytes())],
        DropReason::NoReal => vec![(WAN, tcp(1000, 85).syn().bytes())],
        DropReason::NoRoute => vec![(WAN, tcp(1000, 86).syn().bytes())],
        DropReason::NoNeighbor => vec![(WAN, udp(1000, 87).bytes())],
        // Nothing is idle yet, and nobody can say who of them is a client.
        DropReason::TableFull => (0..20).map(|port| (WAN, udp(1000 + port, 53).bytes())).collect(),
        DropReason::TtlExceeded => vec![(WAN, tcp_80().syn().ttl(1).bytes())],
        DropReason::FragmentationNeeded => vec![(WAN, udp(1000, 53).df().payload_len(1200).bytes())],
        DropReason::IcmpMalformed => vec![(WAN, icmp_error().bad_checksum().bytes())],
        DropReason::IcmpNoConnection => vec![(WAN, icmp_error().bytes())],
        DropReason::NoKernelPath => vec![(LAN, lan().ipv4("172.16.0.2", "8.8.8.8").udp(1, 53).bytes())],
        DropReason::MartianSource => vec![(WAN, wan().ipv4(VIP, VIP).tcp(1000, 80).syn().bytes())],
        DropReason::NotOwner => return Some(handed_to_the_wrong_worker(pool)),
        DropReason::TemplatesFull => return Some(many_clients(pool)),
        DropReason::MtuTooSmall => return Some(small_mtu(pool)),
        DropReason::RealRemoved => return Some(removed_real(pool)),
        DropReason::DropPacket => return Some(chosen_packet(pool)),
        DropReason::NoHeadroom => return Some(no_headroom(pool)),
        DropReason::FragmentsExhausted => return Some(no_mbufs(pool)),
        DropReason::TransmitQueueFull => return Some(full_relay(pool)),
        DropReason::PortDown => return Some(no_port(pool)),
        DropReason::KernelQueueFull => {
            return Some(full_rings(pool, 1, wan().ipv4("202.100.1.2", VIP).echo_request(1, 1)));
        }
        DropReason::HandOffQueueFull => return Some(full_rings(pool, 2, wan().raw(0, &[]))),
        DropReason::ControlChecksum => {
            vec![(WAN, tcp(1000, 21).syn().bytes()), (WAN, tcp(1000, 21).acking(1).bad_checksum().bytes())]
        }
        DropReason::KernelRefused => return None,
    };
    let mut rig = Rig::new(rig::machine(1, 8));
    let mut out = Kept::new(pool);
    for (port, bytes) in frames {
        process(&mut rig, &mut out, port, mbuf(pool, port, &bytes));
    }
    Some(rig.totals())
}

/// A fragment of a client's datagram, neither the first nor the last.
fn fragment(id: u16, offset: u16, len: usize) -> (u16, Vec<u8>) {
    let fragment = wan().ipv4("202.100.1.2", VIP).protocol(17).id(id).fragment_offset(offset).more_fragments();
    (WAN, fragment.payload_len(len).bytes())
}

fn fragments_never_completed(pool: &Mempool) -> WorkerTotals {
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(pool));
    let (_, bytes) = fragment(1, 8, 16);
    process(&mut rig, &mut out, WAN, mbuf(pool, WAN, &bytes));
    rig.set_time(30_000);
    rig.pipelines[0].expire_fragments(usize::MAX, &mut out);
    rig.totals()
}

fn process(rig: &mut Rig, out: &mut Kept, port: u16, mbuf: Mbuf) {
    let mut burst = Burst::new();
    burst.push(mbuf).expect("room for one");
    rig.pipelines[0].process(&mut burst, Origin::Port(port), out);
}

/// More clients of a persistent service than there is room for templates, all with connections.
fn many_clients(pool: &Mempool) -> WorkerTotals {
    let mut machine = rig::machine(1, 64);
    machine.dataplane.templates = 1;
    let mut rig = Rig::new(machine);
    let mut out = Kept::new(pool);
    for host in 1..64 {
        let frame = wan().ipv4([202, 100, 1, host], VIP).tcp(1000, 88).syn().bytes();
        process(&mut rig, &mut out, WAN, mbuf(pool, WAN, &frame));
    }
    rig.totals()
}

fn icmp_error() -> Frame {
    wan().ipv4("10.55.0.1", VIP).icmp(3, 3).quoting_briefly(&eth().ipv4(VIP, "202.100.1.2").tcp(80, 1000))
}

fn small_mtu(pool: &Mempool) -> WorkerTotals {
    let mut machine: Machine = rig::machine(1, 8);
    machine.ports[usize::from(LAN)].mtu = 80;
    let mut rig = Rig::new(machine);
    let syn = tcp(1000, 82).syn().payload_len(40).bytes();
    process(&mut rig, &mut Kept::new(pool), WAN, mbuf(pool, WAN, &syn));
    rig.totals()
}

fn removed_real(pool: &Mempool) -> WorkerTotals {
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(pool));
    process(&mut rig, &mut out, WAN, mbuf(pool, WAN, &tcp(1000, 80).syn().bytes()));
    assert_eq!(rig.connections(0)[0].real.to_string(), "172.16.0.3:8000");
    rig.apply(1, 0);
    process(&mut rig, &mut out, WAN, mbuf(pool, WAN, &tcp(1000, 80).acking(1).bytes()));
    rig.totals()
}

fn chosen_packet(pool: &Mempool) -> WorkerTotals {
    let (mut rig, mut out) = (Rig::new(rig::machine(1, 8)), Kept::new(pool));
    rig.apply_settings("drop_packet = 3", 0);
    process(&mut rig, &mut out, WAN, mbuf(pool, WAN, &tcp(1000, 80).syn().bytes()));
    process(&mut rig, &mut out, WAN, mbuf(pool, WAN, &tcp(1001, 80).syn().bytes()));
    assert_eq!(out.sent.len(), 1, "only the first of ten is dropped");
    rig.totals()
}

/// A frame that begins where its mbuf does leaves no room for an outer header.
fn no_headroom(pool: &Mempool) -> WorkerTotals {
    let mut rig = Rig::new(rig::machine(1, 8));
    let bytes = tcp(1000, 82).syn().bytes();
    let mut mbuf = pool.alloc().expect("the pool is empty");
    let headroom = mbuf.headroom();
    mbuf.prepend(headroom).expect("all the headroom")[..bytes.len()].copy_from_slice(&bytes);
    assert!(mbuf.truncate(bytes.len()));
    process(&mut rig, &mut Kept::new(pool), WAN, mbuf);
    rig.totals()
}

fn no_mbufs(pool: &Mempool) -> WorkerTotals {
    let mut rig = Rig::new(rig::machine(1, 8));
    let large = mbuf(pool, WAN, &udp(1000, 53).payload_len(1200).bytes());
    let others: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    process(&mut rig, &mut Kept::new(pool), WAN, large);
    drop(others);
    rig.totals()
}

/// Another worker has the port's only transmit queue and does not come to empty the ring to it.
fn full_relay(pool: &Mempool) -> WorkerTotals {
    let mut rig = Rig::new(rig::machine(1, 8));
    let (sender, _receiver) = ring::many_to_one("relay", 16, -1).unwrap();
    let ports = vec![PortExit::Relay(sender.clone()), PortExit::Relay(sender)];
    let mut exits =
        Exits::new(ports, vec![None, None], vec![None], RingBuffer::new(1).0, rig::pools(pool), rig.counters(0));
    for _ in 0..32 {
        let mut burst = Burst::new();
        burst.push(mbuf(pool, WAN, &tcp(1000, 80).syn().bytes())).expect("room for one");
        rig.pipelines[0].process(&mut burst, Origin::Port(WAN), &mut exits);
    }
    exits.flush();
    rig.totals()
}

fn no_port(pool: &Mempool) -> WorkerTotals {
    let mut rig = Rig::new(rig::machine(1, 8));
    let mut exits = Exits::new(vec![], vec![], vec![], RingBuffer::new(1).0, rig::pools(pool), rig.counters(0));
    let mut burst = Burst::new();
    burst.push(mbuf(pool, WAN, &tcp(1000, 80).syn().bytes())).expect("room for one");
    rig.pipelines[0].process(&mut burst, Origin::Port(WAN), &mut exits);
    rig.totals()
}

/// Nobody empties the rings to the kernel and between workers. Beside `frame`, new flows of many clients come: with two
/// workers half of them are the other's.
fn full_rings(pool: &Mempool, count: u16, frame: Frame) -> WorkerTotals {
    let rings = Rings { kernel: 16, hand_off: 16 };
    let mut workers = Workers::new(Rig::new(rig::machine(count, 64)), pool, rings);
    for round in 0..4 {
        let mut burst = Burst::new();
        for port in 0..16 {
            burst.push(mbuf(pool, WAN, &tcp(1000 + round * 16 + port, 80).syn().bytes())).expect("room");
            burst.push(mbuf(pool, WAN, &frame.bytes())).expect("room");
        }
        workers.round(0, WAN, &mut burst);
    }
    let totals = workers.rig.totals();
    workers.settle();
    workers.assert_conserved();
    totals
}

/// A worker whose tables lack the VIP takes a SYN to it for a reply, and hands it to the owner of the VIP's own port.
fn handed_to_the_wrong_worker(pool: &Mempool) -> WorkerTotals {
    let mut rig = Rig::new(rig::machine(2, 64));
    let mut out = Kept::new(pool);
    for port in 1000..1064 {
        let mut burst = Burst::new();
        burst.push(mbuf(pool, WAN, &tcp(port, 80).syn().bytes())).expect("room for one");
        rig.pipelines[0].process(&mut burst, Origin::Worker, &mut out);
    }
    rig.totals()
}
