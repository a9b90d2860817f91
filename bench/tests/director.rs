//! The generator and the real director, over memif in ordinary memory: each packet of each method comes back, and
//! right, in both directions; and what is not right is told. Nothing is measured.

use bench::generator::plan::{Kind, Method, Popularity, Rate, Run, Side, Size, Stream, Until, Verify};
use bench::network::{network, services};
use bench::rig::{Cable, Cores, Director, GeneratorProcess, Memory, Ports, memif_clients};
use std::net::{Ipv4Addr, SocketAddrV4};

struct Rig {
    generator: GeneratorProcess,
    director: Director,
    _folder: tempfile::TempDir,
}

fn rig(services: &str) -> Rig {
    let folder = tempfile::Builder::new().prefix("sluice-bench").tempdir().unwrap();
    let cores = Cores::of_this_machine().expect("two cores");
    let network = network(2);
    let mut generator = GeneratorProcess::start(folder.path(), Memory::Ordinary(256), cores, 2).unwrap();
    let ports = Ports {
        mbufs: Some(16_383),
        ..Ports::one_worker(memif_clients(folder.path(), Cable::Copying), &network, 20_000, cores)
    };
    let director = Director::start(folder.path(), &ports, Memory::Ordinary(256), services).unwrap();
    generator.wait_for_link().unwrap();
    Rig { generator, director, _folder: folder }
}

fn run(method: Method, kind: Kind, side: Side, size: Size) -> Run {
    let port = if kind == Kind::Udp { 53 } else { 80 };
    let stream = Stream {
        kind,
        side,
        to: SocketAddrV4::new(bench::network::vip(method), port),
        first: 0,
        flows: 2000,
        popularity: Popularity::Uniform,
        size,
        share: 1,
        method,
    };
    // No ring overflows, whatever else the machine does.
    Run { rate: Rate::Outstanding(256), verify: Verify::All, burst: 8, ..Run::of(stream, Until::Packets(8000)) }
}

#[test]
fn every_packet_of_every_method_comes_back_right() {
    let mut rig = rig(&services(2));
    for method in [Method::Nat, Method::Tunnel, Method::Direct] {
        for size in [Size::Fixed(60), Size::Imix, Size::Fixed(1400)] {
            let outcome = rig.generator.run(&run(method, Kind::Udp, Side::Client, size)).unwrap();
            assert_eq!((outcome.complaint(true), outcome.checked), (None, 8000), "{method:?} {size:?}");
        }
        let life = rig.generator.run(&run(method, Kind::Life, Side::Client, Size::Fixed(60))).unwrap();
        assert_eq!((life.complaint(true), life.checked), (None, 8000), "{method:?}, whole connections");
    }
    let mut replies = run(Method::Nat, Kind::Udp, Side::Real, Size::Imix);
    replies.latency = true;
    let outcome = rig.generator.run(&replies).unwrap();
    assert_eq!((outcome.complaint(true), outcome.checked), (None, 8000), "replies");
    assert_eq!(outcome.latency.map(|latency| latency.packets), Some(8000));
    let worker = rig.director.snapshot().unwrap().workers[0];
    assert_eq!((worker.received, worker.transmitted), (13 * 8000, 13 * 8000));
}

#[test]
fn a_director_that_has_lost_its_connections_is_found_out() {
    let mut rig = rig(&services(2));
    let run = run(Method::Nat, Kind::Udp, Side::Client, Size::Fixed(60));
    assert_eq!(rig.generator.run(&run).unwrap().complaint(true), None);
    rig.director.flush().unwrap();
    // Its new connections go elsewhere.
    rig.director.sluice(&["real", "set", "nat-udp", "172.16.0.2:53", "--weight", "0"]).unwrap();
    let outcome = rig.generator.run(&run).unwrap();
    let faults: Vec<_> = outcome.faults.keys().map(|fault| format!("{fault:?}")).collect();
    assert_eq!((outcome.total().lost(), faults), (0, vec!["OtherReal".to_owned()]));
    // A new beginning: nobody expects anything of the flows.
    rig.generator.forget().unwrap();
    assert_eq!(rig.generator.run(&run).unwrap().complaint(true), None);
}

#[test]
fn packets_that_are_not_forwarded_are_lost() {
    let mut rig = rig(&services(2));
    let mut run = run(Method::Nat, Kind::Udp, Side::Client, Size::Fixed(60));
    run.streams[0].to = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 53);
    run.rate = Rate::PerSecond(100_000.0);
    let outcome = rig.generator.run(&run).unwrap();
    assert_eq!(outcome.total().lost(), 8000);
}
