//! Checks that go the way of clients: what the director's kernel sends to a check address leaves as a client's packet to the
//! VIP, and what the VIP answers comes back from the check address.

use crate::rig::{self, LAN, Rig, mbuf};
use crate::traffic::{VIP, lan};
use dataplane::vip_checks::{Departure, VipChecks};
use link::DropReason;
use link::model::{ForwardMethod, ServiceTable};
use rte_rs::{Burst, Mempool, ring};
use std::net::Ipv4Addr;
use wire::build::{Frame, eth};
use wire::ipv4::{self, Ipv4};

const OWN: &str = "172.16.0.1";
const BY_TUNNEL: &str = "198.18.0.1";
const BY_LINK: &str = "198.18.0.2";
const LOST: &str = "198.18.0.3";
const CHECKS_MAC: &str = "02:53:4c:43:48:4b";
const ETHERNET: usize = 14;

/// The first real of the services on these ports has a check address.
fn services() -> ServiceTable {
    let mut table = rig::services(0).table();
    for (port, address) in [(82, BY_TUNNEL), (83, BY_LINK), (87, LOST)] {
        for service in table.services.iter_mut().filter(|service| service.key.port() == port) {
            let real = &mut service.reals[0];
            real.check_address = Some(address.parse::<Ipv4Addr>().expect("an address"));
            if real.method == ForwardMethod::Nat {
                real.method = ForwardMethod::Tunnel;
            }
        }
    }
    table
}

fn from_kernel() -> Frame {
    eth().from("02:00:00:00:02:01").to(CHECKS_MAC)
}

fn leave(checks: &mut VipChecks, pool: &Mempool, frame: &Frame) -> Departure {
    checks.leave(mbuf(pool, LAN, &frame.bytes()))
}

#[test]
fn a_packet_to_a_check_address_goes_the_clients_way_to_its_real_and_the_answer_comes_back() {
    let pool = rig::start(63);
    let mut rig = Rig::new(rig::machine(1, 64));
    let (sender, mut receiver) = ring::many_to_one("to-lan", 64, -1).expect("a ring");
    let mut checks = VipChecks::new(rig.publisher.tables(), vec![None, Some(sender)]);
    let syn = |to: &str, port: u16| from_kernel().ipv4(OWN, to).tcp(40_000 + port, port).syn();
    assert!(matches!(leave(&mut checks, &pool, &syn(BY_LINK, 83)), Departure::Plain(_)), "nothing is checked so");

    rig.apply_table(&services(), 0);
    checks.adopt(&rig.publisher.tables());
    assert!(matches!(leave(&mut checks, &pool, &syn("172.16.0.3", 83)), Departure::Plain(_)), "no check address");
    let mut sent = |departure: Departure| {
        assert!(matches!(departure, Departure::Sent), "{departure:?}");
        let mut burst = Burst::new();
        assert_eq!(receiver.dequeue(&mut burst), 1);
        burst.iter().next().expect("a frame").data().to_vec()
    };

    let direct = sent(leave(&mut checks, &pool, &syn(BY_LINK, 83)));
    let wanted = eth().from("02:00:00:00:02:01").to("02:00:00:00:02:03").ipv4(OWN, VIP).ttl(63).tcp(40_083, 83).syn();
    assert_eq!(direct, wanted.bytes(), "as a client's");

    let tunnelled = sent(leave(&mut checks, &pool, &syn(BY_TUNNEL, 82)));
    let outer = Ipv4::parse(&tunnelled[ETHERNET..]).expect("IPv4");
    assert_eq!((outer.source().to_string(), outer.destination().to_string()), (OWN.into(), "172.16.0.2".to_owned()));
    assert_eq!(outer.protocol(), ipv4::protocol::IPIP);
    assert_eq!(outer.payload(), eth().ipv4(OWN, VIP).ttl(63).tcp(40_082, 82).syn().packet());

    let answer = |from: &str, to_port: u16| lan().ipv4(from, OWN).tcp(82, to_port).syn().acking(1);
    let arrived = |frame: Frame| {
        let mut bytes = frame.bytes();
        checks.arrive(&mut bytes);
        bytes
    };
    assert_eq!(arrived(answer(VIP, 40_082)), answer(BY_TUNNEL, 40_082).bytes());
    for other in [answer(VIP, 40_081), answer("172.16.0.2", 40_082)] {
        assert_eq!(arrived(other.clone()), other.bytes(), "not of a check");
    }
}

#[test]
fn the_kernel_finds_check_addresses_and_what_cannot_be_sent_is_lost_for_a_reason() {
    let pool = rig::start(63);
    let mut rig = Rig::new(rig::machine(1, 64));
    rig.apply_table(&services(), 0);
    let mut checks = VipChecks::new(rig.publisher.tables(), vec![None, None]);
    let asks = |address: &str| eth().from("02:00:00:00:02:01").arp_request(OWN, address);
    match leave(&mut checks, &pool, &asks(BY_TUNNEL)) {
        Departure::Answer(mbuf) => {
            let reply = eth().from(CHECKS_MAC).to("02:00:00:00:02:01").arp_reply(BY_TUNNEL, OWN);
            assert_eq!(mbuf.data(), reply.bytes());
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(leave(&mut checks, &pool, &asks("172.16.0.2")), Departure::Plain(_)), "for the wire");

    let to = |address: &str| from_kernel().ipv4(OWN, address);
    let lost = |frame: Frame, checks: &mut VipChecks| match leave(checks, &pool, &frame) {
        Departure::Lost(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(lost(to(LOST).udp(40_087, 87), &mut checks), DropReason::NoNeighbor);
    assert_eq!(lost(to(BY_LINK).tcp(40_083, 83).syn(), &mut checks), DropReason::NoKernelPath, "of that port");
    assert_eq!(lost(to(BY_LINK).protocol(1), &mut checks), DropReason::NoService, "neither TCP nor UDP");
    let large = to(BY_TUNNEL).tcp(40_082, 82).acking(1).payload(&[0; 941]);
    assert_eq!(lost(large, &mut checks), DropReason::FragmentationNeeded, "of 981 bytes, with 980 for the tunnel");
}
