//! The checker finds what is wrong, each kind of it, and nothing where nothing is: packets are made, altered as a
//! director alters them, spoilt in one way, and given back.

use super::check::Fault;
use super::outcome::Outcome;
use super::plan::{Kind, Method, Run, Side, Size, Stream, Until, Verify};
use super::traffic::{Memories, Traffic};
use crate::network::{VIP, network};
use rte_rs::{Burst, Eal, EalOptions, Mempool, MempoolOptions};
use std::net::SocketAddrV4;
use wire::checksum;
use wire::ipv4::Ipv4;

const PACKETS: usize = 32;

fn stream(method: Method, kind: Kind, size: Size) -> Stream {
    Stream {
        kind,
        side: Side::Client,
        to: SocketAddrV4::new(VIP, 53),
        first: 5000,
        flows: 8,
        popularity: super::plan::Popularity::Uniform,
        size,
        share: 1,
        method,
    }
}

fn pool() -> Mempool {
    let arguments = ["--no-huge", "--no-pci", "--in-memory", "--no-telemetry", "-m", "64"].map(str::to_owned).to_vec();
    Eal::start(&EalOptions { program: "bench-test".into(), main_lcore: 0, workers: vec![], arguments }).unwrap();
    Mempool::new("test", MempoolOptions { mbufs: 255, cache: 0, ..MempoolOptions::default() }).unwrap()
}

/// What a director makes of a frame of the clients, for the real with this number.
fn forwarded(frame: &[u8], method: Method, real: u8) -> Vec<u8> {
    let network = network(3);
    let to = network.reals[usize::from(real)];
    let mut packet = Ipv4::parse(frame[14..].to_vec()).unwrap();
    if method != Method::Macswap {
        packet.set_ttl(packet.ttl() - 1);
    }
    if method == Method::Nat {
        packet.set_destination(*to.address.ip());
        let (source, destination, protocol) = (packet.source(), packet.destination(), packet.protocol());
        let at = if protocol == wire::ipv4::protocol::UDP { 6 } else { 16 };
        let segment = packet.payload_mut();
        segment[2..4].copy_from_slice(&to.address.port().to_be_bytes());
        segment[at..at + 2].fill(0);
        let sum = checksum::transport(source, destination, protocol, segment);
        segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    packet.fill_checksum();
    let length = packet.total_len();
    let mut bytes = packet.into_inner();
    // Ethernet padding is cut off.
    bytes.truncate(length);
    let mut out = Vec::new();
    if method == Method::Macswap {
        out.extend_from_slice(&network.router_mac);
        out.extend_from_slice(&network.director_wan_mac);
    } else {
        out.extend_from_slice(&to.mac);
        out.extend_from_slice(&network.director_lan_mac);
    }
    out.extend_from_slice(&[8, 0]);
    if method == Method::Tunnel {
        let outer = wire::ipv4::Header {
            tos: 0,
            total_len: bytes.len() as u16 + 20,
            identification: 0,
            flags_and_offset: wire::ipv4::DONT_FRAGMENT,
            ttl: 63,
            protocol: wire::ipv4::protocol::IPIP,
            source: network.director_lan,
            destination: *to.address.ip(),
        };
        out.extend_from_slice(&outer.emit());
    }
    out.extend_from_slice(&bytes);
    out
}

/// The real that the director of these tests chooses for the packet in this place: one for each flow.
fn real_of(place: usize) -> u8 {
    (place % 8 % 2) as u8
}

/// Makes packets of one stream, lets `spoil` change the frames that come back, and returns what the checker says.
fn check(stream: Stream, spoil: impl FnOnce(&mut Vec<Vec<u8>>)) -> Outcome {
    let pool = pool();
    let network = network(2);
    let method = stream.method;
    let run = Run { verify: Verify::All, ..Run::of(stream, Until::Packets(PACKETS as u64)) };
    run.check().unwrap();
    let mut memories = Memories::default();
    let mut traffic = Traffic::new(&run, &network, &mut memories, 1).unwrap();
    let mut burst = Burst::new();
    let (number, side) = traffic.make(&pool, &mut burst, PACKETS).unwrap();
    assert_eq!((number, side), (0, Side::Client));
    traffic.sent(0, PACKETS, 0);
    let mut frames: Vec<Vec<u8>> =
        burst.iter().enumerate().map(|(place, mbuf)| forwarded(mbuf.data(), method, real_of(place))).collect();
    burst.clear();
    spoil(&mut frames);
    for frame in frames {
        let mut mbuf = pool.alloc().unwrap();
        mbuf.append(frame.len()).unwrap().copy_from_slice(&frame);
        burst.push(mbuf).unwrap();
    }
    traffic.received(&burst);
    let (outcome, sequence) = traffic.finish(&mut memories);
    assert_eq!(sequence, 1 + PACKETS as u64);
    outcome
}

fn faults(outcome: &Outcome) -> Vec<(Fault, u64)> {
    outcome.faults.iter().map(|(fault, count)| (*fault, *count)).collect()
}

fn nat() -> Stream {
    stream(Method::Nat, Kind::Udp, Size::Fixed(60))
}

#[test]
fn what_a_director_forwards_right_is_right() {
    for (method, kind, size) in [
        (Method::Nat, Kind::Udp, Size::Imix),
        (Method::Nat, Kind::Tcp, Size::Fixed(60)),
        (Method::Nat, Kind::Syn, Size::Fixed(60)),
        (Method::Tunnel, Kind::Udp, Size::Imix),
        (Method::Tunnel, Kind::Tcp, Size::Fixed(600)),
        (Method::Direct, Kind::Udp, Size::Fixed(60)),
        (Method::Macswap, Kind::Udp, Size::Fixed(1514)),
    ] {
        // DPDK starts once in a process.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "generator::checker_tests::one_method", "--ignored"])
            .env("CASE", serde_json::to_string(&stream(method, kind, size)).unwrap())
            .output()
            .unwrap();
        assert!(child.status.success(), "{method:?}: {}", String::from_utf8_lossy(&child.stdout));
    }
}

#[test]
#[ignore = "a part of what_a_director_forwards_right_is_right, in a process of its own"]
fn one_method() {
    let stream: Stream = serde_json::from_str(&std::env::var("CASE").unwrap()).unwrap();
    let outcome = check(stream, |_| ());
    assert_eq!((outcome.complaint(true), outcome.checked), (None, PACKETS as u64));
}

#[test]
fn a_lost_frame_is_missed() {
    let outcome = check(nat(), |frames| drop(frames.remove(7)));
    assert_eq!((outcome.total().lost(), faults(&outcome)), (1, vec![]));
}

#[test]
fn frames_that_overtake_others_of_their_flow_are_noticed() {
    // Flow 3 is in the places 3, 11, 19 and 27.
    let outcome = check(nat(), |frames| frames.swap(11, 19));
    assert_eq!((outcome.total().lost(), faults(&outcome)), (0, vec![(Fault::Reordered, 1)]));
}

#[test]
fn frames_that_overtake_those_of_another_flow_are_in_order() {
    let outcome = check(nat(), |frames| frames.swap(11, 12));
    assert_eq!((outcome.total().lost(), faults(&outcome)), (0, vec![]));
}

#[test]
fn a_frame_that_comes_twice_is_noticed() {
    let outcome = check(nat(), |frames| frames[19] = frames[11].clone());
    assert_eq!(faults(&outcome), [(Fault::Duplicated, 1)]);
}

#[test]
fn a_flow_that_changes_its_real_is_noticed() {
    let outcome = check(nat(), |frames| {
        // Rewritten, checksums right, to the other real.
        let mut packet = Ipv4::parse(frames[11][14..].to_vec()).unwrap();
        let to = network(2).reals[usize::from(1 - real_of(11))];
        packet.set_destination(*to.address.ip());
        packet.fill_checksum();
        let (source, destination) = (packet.source(), packet.destination());
        let segment = packet.payload_mut();
        segment[6..8].fill(0);
        let sum = checksum::transport(source, destination, 17, segment);
        segment[6..8].copy_from_slice(&sum.to_be_bytes());
        let bytes = packet.into_inner();
        frames[11][14..].copy_from_slice(&bytes);
        frames[11][..6].copy_from_slice(&to.mac);
    });
    // It goes there, and the next packet of the flow comes back.
    assert_eq!(faults(&outcome), [(Fault::OtherReal, 2)]);
}

#[test]
fn a_frame_to_what_is_no_real_is_noticed() {
    let outcome = check(stream(Method::Direct, Kind::Udp, Size::Fixed(60)), |frames| frames[4][5] = 0x77);
    assert_eq!(faults(&outcome), [(Fault::WrongReal, 1)]);
}

#[test]
fn a_real_with_the_mac_address_of_another_is_noticed() {
    let outcome = check(nat(), |frames| frames[4][5] ^= 1);
    assert_eq!(faults(&outcome), [(Fault::WrongMac, 1)]);
}

#[test]
fn wrong_checksums_are_noticed() {
    let outcome = check(nat(), |frames| {
        frames[4][24] ^= 1;
        frames[5][40] ^= 1;
        // The byte that is wrong is under the checksum.
        frames[6][59] ^= 1;
    });
    assert_eq!(faults(&outcome), [(Fault::IpChecksum, 1), (Fault::TransportChecksum, 2)]);
}

#[test]
fn an_altered_byte_is_noticed_though_the_checksum_is_right() {
    let outcome = check(stream(Method::Direct, Kind::Udp, Size::Fixed(60)), |frames| {
        // The last two bytes of the payload, differently, with the same sum.
        frames[4][58] += 1;
        let sum = u16::from_be_bytes([frames[4][40], frames[4][41]]);
        frames[4][40..42].copy_from_slice(&checksum::Delta::new().replace_u16(0, 0x0100).apply(sum).to_be_bytes());
        // The type of service, with the header's checksum right.
        let mut packet = Ipv4::parse(frames[9][14..].to_vec()).unwrap();
        packet.set_tos(8);
        packet.fill_checksum();
        let bytes = packet.into_inner();
        frames[9][14..].copy_from_slice(&bytes);
    });
    assert_eq!(faults(&outcome), [(Fault::Altered, 2)]);
}

#[test]
fn what_is_not_ours_is_noticed() {
    let outcome = check(nat(), |frames| {
        frames[4][12..14].copy_from_slice(&[8, 6]);
        frames[5].truncate(20);
    });
    assert_eq!(faults(&outcome), [(Fault::Foreign, 2)]);
    assert_eq!(outcome.total().lost(), 1, "the identification still says which stream the first is of");
}

/// The director's reset of the client's flow with this number, as the clients' router gets it.
fn reset(flow: u64) -> Vec<u8> {
    let network = network(2);
    let (address, port) = super::flows::client(flow);
    let mut segment = wire::tcp::Header {
        source_port: 53,
        destination_port: port,
        sequence: 1,
        acknowledgment: 0,
        flags: wire::tcp::Flags::RST,
        window: 0,
    }
    .emit()
    .to_vec();
    let client = std::net::Ipv4Addr::from_bits(address);
    let sum = checksum::transport(VIP, client, wire::ipv4::protocol::TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    let header = wire::ipv4::Header {
        tos: 0,
        total_len: 40,
        identification: 0,
        flags_and_offset: wire::ipv4::DONT_FRAGMENT,
        ttl: 64,
        protocol: wire::ipv4::protocol::TCP,
        source: VIP,
        destination: client,
    };
    [&network.router_mac[..], &network.director_wan_mac, &[8, 0], &header.emit(), &segment].concat()
}

#[test]
fn resets_of_a_life_whose_syn_was_lost_answer_a_loss() {
    // The first flow is in the places 0, 8, 16 and 24: none of them comes, and three are answered.
    let outcome = check(stream(Method::Direct, Kind::Life, Size::Fixed(60)), |frames| {
        for place in [24, 16, 8, 0] {
            frames.remove(place);
        }
        frames.extend(std::iter::repeat_n(reset(5000), 3));
    });
    assert_eq!((outcome.total().lost(), outcome.reset, faults(&outcome)), (4, 3, vec![]));
}

#[test]
fn a_reset_of_a_life_that_was_forwarded_is_a_fault() {
    let outcome = check(stream(Method::Direct, Kind::Life, Size::Fixed(60)), |frames| {
        frames.remove(8);
        frames.push(reset(5000));
    });
    assert_eq!((outcome.total().lost(), outcome.reset, faults(&outcome)), (1, 0, vec![(Fault::Foreign, 1)]));
}

#[test]
fn a_reset_of_another_flow_or_kind_is_a_fault() {
    let lives = || stream(Method::Direct, Kind::Life, Size::Fixed(60));
    for (stream, flow) in [(lives(), 4999), (lives(), 5000 + lives().flows), (nat(), 5000)] {
        let case = serde_json::to_string(&(stream, flow)).unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "generator::checker_tests::one_reset", "--ignored"])
            .env("CASE", case)
            .output()
            .unwrap();
        assert!(child.status.success(), "{flow}: {}", String::from_utf8_lossy(&child.stdout));
    }
}

#[test]
#[ignore = "a part of a_reset_of_another_flow_or_kind_is_a_fault, in a process of its own"]
fn one_reset() {
    let (stream, flow): (Stream, u64) = serde_json::from_str(&std::env::var("CASE").unwrap()).unwrap();
    let outcome = check(stream, |frames| {
        frames.clear();
        frames.push(reset(flow));
    });
    assert_eq!((outcome.reset, faults(&outcome)), (0, vec![(Fault::Foreign, 1)]));
}

#[test]
fn the_example_says_what_was_wrong_with_which_packet() {
    let outcome = check(nat(), |frames| frames[4][5] ^= 1);
    let example = outcome.example.unwrap();
    assert!(example.starts_with("WrongMac: ") && example.contains("172.16.0."), "{example}");
}

#[test]
fn a_frame_of_an_earlier_run_is_not_one_of_this() {
    // Another run's number in the identification, checksum right: it neither counts nor is it a fault.
    let outcome = check(nat(), |frames| {
        let mut packet = Ipv4::parse(frames[4][14..].to_vec()).unwrap();
        packet.set_identification(packet.identification() ^ 1 << 7);
        packet.fill_checksum();
        let bytes = packet.into_inner();
        frames[4][14..].copy_from_slice(&bytes);
    });
    assert_eq!((outcome.total().lost(), faults(&outcome), outcome.checked), (1, vec![], PACKETS as u64 - 1));
}
