//! The link between processes, one of which is killed in the middle of its work. A test starts this test binary again
//! with `ROLE` and `LINK` in the environment to get the other process; it kills itself with SIGKILL.

use link::message::{Reply, Request, Table};
use link::model::{
    ForwardMethod, MacAddress, NextHopTable, Protocol, RealServer, SchedulerKind, Service, ServiceKey, ServiceOptions,
    ServiceTable,
};
use link::transaction::{Assembled, Assembler, Limits};
use link::{AttachError, ControlLink, CreateError, DataplaneLink, Layout, PortDescription, Viewer, transaction};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIMITS: Limits = Limits { rows: 200_000, services: 10_000, reals: 100_000, ports: 1 };

fn create(path: &Path) -> Result<DataplaneLink, CreateError> {
    let port = PortDescription {
        name: "wan".into(),
        device: "net_tap0".into(),
        driver: "net_tap".into(),
        mac: MacAddress([2, 0, 0, 0, 1, 1]),
        mtu: 1500,
        kernel_interface: None,
        addresses: vec![],
        queues: Default::default(),
    };
    DataplaneLink::create(path, &Layout { workers: 1, ports: 1, services: 16, reals: 16 }, &[port])
}

fn table(services: u32, reals: u8) -> ServiceTable {
    let real = |host| RealServer::new(SocketAddrV4::new(Ipv4Addr::new(172, 16, 0, host), 8000), ForwardMethod::Nat, 1);
    let service = |index| Service {
        key: ServiceKey::new(Protocol::Tcp, SocketAddrV4::new(Ipv4Addr::from_bits(0x0a00_0000 + index), 80)),
        options: ServiceOptions::new(SchedulerKind::RoundRobin),
        reals: (1..=reals).map(real).collect(),
    };
    ServiceTable { services: (1..=services).map(service).collect(), ..ServiceTable::default() }
}

fn send(control: &mut ControlLink, request: &Request) -> u32 {
    loop {
        match control.send(request) {
            Ok(sequence) => return sequence,
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// Runs this binary in another role and returns when that process has killed itself.
fn run_until_killed(role: &str, link: &Path) -> u32 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_process", "--nocapture"])
        .env("ROLE", role)
        .env("LINK", link)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{role}: {status}");
    child.id()
}

fn kill_myself() {
    let pid = std::process::id().to_string();
    let _ = Command::new("kill").args(["-KILL", &pid]).status();
}

/// No test by itself: what [`run_until_killed`] runs.
#[test]
fn other_process() {
    let (Ok(role), Some(link)) = (std::env::var("ROLE"), std::env::var_os("LINK").map(PathBuf::from)) else { return };
    match role.as_str() {
        "control that dies half-way" => {
            let mut control = ControlLink::attach(&link).unwrap();
            send(&mut control, &Request::Hello { pid: std::process::id() });
            for request in transaction::services(1, &table(20, 3)).take(40) {
                send(&mut control, &request);
            }
            kill_myself();
        }
        "dataplane that dies" => {
            let mut dataplane = create(&link).unwrap();
            dataplane.status().set_services_generation(42);
            assert!(dataplane.receive().is_none());
            kill_myself();
        }
        _ => panic!("unknown role {role:?}"),
    }
}

/// Feeds the assembler with what is in the ring.
fn serve(dataplane: &mut DataplaneLink, assembler: &mut Assembler) -> Vec<Assembled> {
    let mut assembled = Vec::new();
    while let Some(received) = dataplane.receive() {
        let received = received.unwrap();
        if let Request::Hello { .. } = received.request {
            let welcome = Reply::Welcome { services_generation: 0, next_hops_generation: 0 };
            assert!(dataplane.reply(received.from, &welcome));
        }
        match assembler.feed(&received.request) {
            Some(Ok(table)) => assembled.push(table),
            Some(Err(refused)) => panic!("{refused:?}"),
            None => {}
        }
    }
    assembled
}

#[test]
fn a_control_that_is_killed_in_a_transaction_leaves_a_link_that_the_next_one_can_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.link");
    let mut dataplane = create(&path).unwrap();
    let mut assembler = Assembler::new(LIMITS);
    run_until_killed("control that dies half-way", &path);
    assert_eq!(serve(&mut dataplane, &mut assembler), []);

    let mut control = ControlLink::attach(&path).unwrap();
    let hello = send(&mut control, &Request::Hello { pid: std::process::id() });
    for request in transaction::services(1, &table(2, 2)) {
        send(&mut control, &request);
    }
    let assembled = serve(&mut dataplane, &mut assembler);
    assert_eq!(assembled, [Assembled::Services { generation: 1, table: table(2, 2) }]);
    let welcome = Reply::Welcome { services_generation: 0, next_hops_generation: 0 };
    assert_eq!(control.receive(), Some(Ok((hello, welcome))));
    assert_eq!(control.receive(), None);
}

#[test]
fn a_dataplane_that_is_killed_is_seen_to_be_dead_and_makes_room_for_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.link");
    let dead = run_until_killed("dataplane that dies", &path);
    let viewer = Viewer::open(&path).unwrap();
    assert!(!viewer.dataplane_is_alive());
    assert_eq!(viewer.view().identity().pid, dead);
    assert_eq!(viewer.view().status().services_generation, 42);
    match ControlLink::attach(&path) {
        Err(AttachError::NotRunning { pid, .. }) => assert_eq!(pid, dead),
        other => panic!("{other:?}"),
    }

    let _dataplane = create(&path).unwrap();
    let control = ControlLink::attach(&path).unwrap();
    assert!(control.dataplane_is_alive());
    assert_ne!(control.view().identity().instance, viewer.view().identity().instance);
    assert_eq!(control.view().status().services_generation, 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn ten_thousand_services_with_ten_reals_each_pass_through_the_ring_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.link");
    let mut dataplane = create(&path).unwrap();
    let big = table(10_000, 10);
    let assembled = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut control = ControlLink::attach(&path).unwrap();
            send(&mut control, &Request::Hello { pid: 1 });
            for request in transaction::services(1, &big) {
                send(&mut control, &request);
            }
            let empty = NextHopTable::default();
            transaction::next_hops(1, &empty).for_each(|request| {
                send(&mut control, &request);
            });
        });
        let mut assembler = Assembler::new(LIMITS);
        let mut assembled = Vec::new();
        while assembled.len() < 2 {
            assembled.extend(serve(&mut dataplane, &mut assembler));
            std::thread::yield_now();
        }
        assembled
    });
    assert_eq!(assembled[0], Assembled::Services { generation: 1, table: big });
    assert_eq!(assembled[1], Assembled::NextHops { generation: 1, table: NextHopTable::default() });
    assert_eq!(dataplane.status().report().garbage, 0);
    assert_eq!(dataplane.status().report().requests, 1 + (1 + 2 + 110_000 + 1) + 2);
}

#[test]
fn of_many_dataplanes_that_start_at_once_over_a_stale_file_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.link");
    run_until_killed("dataplane that dies", &path);
    for _ in 0..20 {
        let barrier = std::sync::Barrier::new(4);
        let results: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                create(&path)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let refused = results.iter().filter(|result| matches!(result, Err(CreateError::Running { .. }))).count();
        assert_eq!((results.iter().filter(|result| result.is_ok()).count(), refused), (1, 3), "{results:?}");
        assert!(Viewer::open(&path).unwrap().dataplane_is_alive());
    }
    assert!(!path.exists());
}

#[test]
fn a_refusal_reaches_control_with_its_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.link");
    let (mut dataplane, mut control) = (create(&path).unwrap(), ControlLink::attach(&path).unwrap());
    send(&mut control, &Request::Hello { pid: 1 });
    let mut bad = table(2, 1);
    bad.services[1].key = bad.services[0].key;
    let sequences: Vec<_> = transaction::services(1, &bad).map(|request| send(&mut control, &request)).collect();
    let mut assembler = Assembler::new(LIMITS);
    while let Some(received) = dataplane.receive() {
        let received = received.unwrap();
        if let Some(Err(refused)) = assembler.feed(&received.request) {
            assert_eq!(received.from.sequence, sequences[5]);
            dataplane.status().set_refusal(refused.table, refused.generation, refused.reason, refused.row);
            assert!(dataplane.reply(received.from, &refused.into()));
        }
    }
    let reason = link::message::Refusal::DuplicateService;
    let expected = Reply::Refused { table: Table::Services, generation: 1, reason, row: 4 };
    assert_eq!(control.receive(), Some(Ok((sequences[5], expected))));
    assert_eq!(control.view().status().services_refusal.unwrap().reason, reason);
}
