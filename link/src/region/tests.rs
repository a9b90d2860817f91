use super::{AttachError, ControlLink, CreateError, DataplaneLink, Garbage, Received, Viewer};
use crate::layout::{ABI_VERSION, Header, Layout};
use crate::message::{ConnectionFilter, Reply, Request};
use crate::model::MacAddress;
use crate::port::PortDescription;
use crate::record::{Address, Record};
use crate::ring::{RingFull, SLOTS};
use std::fs::{self, OpenOptions};
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

mod published;
mod writers;

const LAYOUT: Layout = Layout { workers: 2, ports: 1, services: 4, reals: 8 };
const HELLO: Request = Request::Hello { pid: 1 };

fn wan() -> PortDescription {
    PortDescription {
        name: "wan".into(),
        device: "net_tap0,iface=wan0".into(),
        driver: "net_tap".into(),
        mac: MacAddress([2, 0, 0, 0, 1, 1]),
        mtu: 1500,
        kernel_interface: Some("sluice-wan".into()),
        addresses: vec![(Ipv4Addr::new(10, 0, 1, 1), 24)],
        queues: Default::default(),
    }
}

/// A directory that goes with the test, and a path in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("sluice.link")
    }

    fn files(&self) -> usize {
        fs::read_dir(self.0.path()).unwrap().count()
    }
}

fn create(path: &Path) -> Result<DataplaneLink, CreateError> {
    DataplaneLink::create(path, &LAYOUT, &[wan()])
}

fn pair(place: &Place) -> (DataplaneLink, ControlLink) {
    (create(&place.path()).unwrap(), ControlLink::attach(&place.path()).unwrap())
}

fn next(link: &mut DataplaneLink) -> Received {
    link.receive().unwrap().unwrap()
}

#[test]
fn requests_and_replies_reach_the_other_end() {
    let place = Place::new();
    let (mut dataplane, mut control) = pair(&place);
    assert_eq!(dataplane.unasked(), None);
    assert_eq!(control.send(&HELLO), Ok(1));
    let count = Request::Count(ConnectionFilter::default());
    assert_eq!(control.send(&count), Ok(2));
    let (hello, question) = (next(&mut dataplane), next(&mut dataplane));
    assert_eq!((hello.request, question.request), (HELLO, count));
    assert!(dataplane.receive().is_none());
    assert!(dataplane.reply(question.from, &Reply::End { count: 3 }));
    let wanted = Reply::NeighborWanted { port: 0, address: Ipv4Addr::LOCALHOST };
    assert!(dataplane.reply(dataplane.unasked().unwrap(), &wanted));
    assert_eq!(control.receive(), Some(Ok((2, Reply::End { count: 3 }))));
    assert_eq!(control.receive(), Some(Ok((0, wanted))));
    assert_eq!(control.receive(), None);
    let status = control.view().status();
    assert_eq!((status.requests, status.replies, status.garbage), (2, 2, 0));
}

#[test]
fn both_ends_and_what_they_give_out_can_move_to_other_threads() {
    fn can_move<T: Send>() {}
    can_move::<DataplaneLink>();
    can_move::<ControlLink>();
    can_move::<Viewer>();
    can_move::<crate::directory::Directory>();
    can_move::<crate::Handle<[crate::counters::RealCounters]>>();
}

#[test]
fn a_full_ring_says_so_on_both_sides() {
    let place = Place::new();
    let (mut dataplane, mut control) = pair(&place);
    for _ in 0..SLOTS {
        control.send(&HELLO).unwrap();
    }
    assert_eq!(control.send(&HELLO), Err(RingFull));
    let from = next(&mut dataplane).from;
    assert!(control.send(&HELLO).is_ok());
    for count in 0..u64::from(SLOTS) {
        assert!(dataplane.reply(from, &Reply::End { count }));
    }
    assert!(!dataplane.reply(from, &Reply::End { count: 0 }));
    assert!(control.receive().is_some());
    assert!(dataplane.reply(from, &Reply::End { count: 0 }));
}

#[test]
fn the_file_is_private_to_its_user_and_goes_with_the_link() {
    let place = Place::new();
    let dataplane = create(&place.path()).unwrap();
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(place.files(), 1);
    let counters = dataplane.worker_counters(0).unwrap();
    drop(dataplane);
    assert_eq!(place.files(), 0);
    counters.received.add(1);
    assert_eq!(counters.received.value(), 1);
}

#[test]
fn a_second_dataplane_is_refused_with_the_pid_of_the_first() {
    let place = Place::new();
    let first = create(&place.path()).unwrap();
    let refused = create(&place.path()).unwrap_err().to_string();
    let pid = std::process::id();
    assert!(refused.contains(&format!("a sluice-dataplane already runs with this link (pid {pid})")), "{refused}");
    assert_eq!(place.files(), 1);
    assert!(ControlLink::attach(&place.path()).is_ok());
    drop(first);
    assert!(create(&place.path()).is_ok());
}

#[test]
fn a_second_control_is_refused_with_the_pid_of_the_first() {
    let place = Place::new();
    let (_dataplane, control) = pair(&place);
    let refused = ControlLink::attach(&place.path()).unwrap_err().to_string();
    assert!(refused.contains(&format!("another sluiced is attached (pid {})", std::process::id())), "{refused}");
    drop(control);
    assert!(ControlLink::attach(&place.path()).is_ok());
}

/// A copy has the contents of the original, but nobody holds its lock: as after the death of its dataplane.
fn leave_a_stale_file(path: &Path) {
    let place = Place::new();
    let _dataplane = create(&place.path()).unwrap();
    fs::copy(place.path(), path).unwrap();
}

#[test]
fn the_file_of_a_dead_dataplane_can_be_looked_at_not_attached_to_and_is_replaced() {
    let place = Place::new();
    leave_a_stale_file(&place.path());
    let refused = ControlLink::attach(&place.path()).unwrap_err();
    assert!(matches!(refused, AttachError::NotRunning { pid, .. } if pid == std::process::id()), "{refused}");
    let old = Viewer::open(&place.path()).unwrap();
    assert!(!old.dataplane_is_alive());
    let _dataplane = create(&place.path()).unwrap();
    let new = Viewer::open(&place.path()).unwrap();
    assert!(new.dataplane_is_alive() && !old.dataplane_is_alive());
    assert_ne!(old.view().identity().instance, new.view().identity().instance);
    assert_eq!(place.files(), 1);
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let place = Place::new();
    for contents in [&b"precious"[..], b"", &[7; 4096]] {
        fs::write(place.path(), contents).unwrap();
        let refused = create(&place.path()).unwrap_err();
        assert!(refused.to_string().contains("exists and is not a Sluice link"), "{refused}");
        assert_eq!(fs::read(place.path()).unwrap(), contents);
        assert!(matches!(ControlLink::attach(&place.path()), Err(AttachError::NotARegion { .. })));
    }
    fs::remove_file(place.path()).unwrap();
    fs::create_dir(place.path()).unwrap();
    assert!(matches!(create(&place.path()), Err(CreateError::NotARegion { .. })));
    fs::remove_dir(place.path()).unwrap();
    std::os::unix::fs::symlink("/dev/null", place.path()).unwrap();
    assert!(matches!(create(&place.path()), Err(CreateError::NotARegion { .. })));
}

#[test]
fn what_cannot_be_created_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let refused = |layout, ports: &[PortDescription]| {
        DataplaneLink::create(&place.path(), &layout, ports).unwrap_err().to_string()
    };
    assert_eq!(refused(Layout { workers: 0, ..LAYOUT }, &[wan()]), "link region: 0 workers, allowed: 1 to 1024");
    let most = "link region: 4194305 reals, allowed: 1 to 4194304";
    assert_eq!(refused(Layout { reals: Layout::MAX_REALS + 1, ..LAYOUT }, &[wan()]), most);
    assert_eq!(refused(LAYOUT, &[]), "link region: 0 ports described, allowed: 1, the number in the layout");
    let nameless = PortDescription { name: String::new(), ..wan() };
    assert!(refused(LAYOUT, &[nameless]).starts_with("link region: port 0: name \"\""));
    assert_eq!(place.files(), 0);
    let missing = place.path().join("no").join("such");
    let refused = DataplaneLink::create(&missing, &LAYOUT, &[wan()]).unwrap_err().to_string();
    assert!(refused.contains("its directory must exist"), "{refused}");
}

#[test]
fn a_header_that_is_not_true_is_refused() {
    let place = Place::new();
    let _dataplane = create(&place.path()).unwrap();
    let refused = |offset: usize, bytes: &[u8]| {
        let file = OpenOptions::new().read(true).write(true).open(place.path()).unwrap();
        let mut before = vec![0; bytes.len()];
        file.read_exact_at(&mut before, offset as u64).unwrap();
        file.write_all_at(bytes, offset as u64).unwrap();
        let refused = ControlLink::attach(&place.path()).unwrap_err().to_string();
        file.write_all_at(&before, offset as u64).unwrap();
        refused
    };
    let newer = (ABI_VERSION + 1).to_ne_bytes();
    let versions = refused(std::mem::offset_of!(Header, abi), &newer);
    assert!(versions.contains("the dataplane has link version 2, this program 1; install both from one release"));
    assert!(refused(0, b"X").contains("does not begin with SLUICELK"));
    assert!(refused(std::mem::offset_of!(Header, workers), &[0, 0]).contains("0 workers, allowed: 1 to 1024"));
    let sections = "its sections are not where its counts put them";
    assert!(refused(std::mem::offset_of!(Header, reals), &65_536u32.to_ne_bytes()).contains(sections));
    assert!(refused(std::mem::offset_of!(Header, sections) + 16, &[9]).contains(sections));
    assert!(refused(65_536, &[0]).contains("port 0: name"));
    assert!(ControlLink::attach(&place.path()).is_ok());
    fs::OpenOptions::new().write(true).open(place.path()).unwrap().set_len(65_536 * 2).unwrap();
    assert!(
        ControlLink::attach(&place.path()).unwrap_err().to_string().contains("it has 131072 bytes, its header says")
    );
}

#[test]
fn a_missing_link_is_said_to_be_missing() {
    let refused = ControlLink::attach(&Place::new().path()).unwrap_err();
    assert!(refused.to_string().contains("no such link; start sluice-dataplane"), "{refused}");
}

#[test]
fn a_session_does_not_see_the_replies_to_the_one_before() {
    let place = Place::new();
    let (mut dataplane, mut control) = pair(&place);
    control.send(&HELLO).unwrap();
    let old = next(&mut dataplane).from;
    assert!(dataplane.reply(old, &Reply::End { count: 1 }));
    drop(control);
    let mut control = ControlLink::attach(&place.path()).unwrap();
    assert!(dataplane.reply(old, &Reply::End { count: 2 }));
    control.send(&HELLO).unwrap();
    let new = next(&mut dataplane).from;
    assert_ne!(old.session, new.session);
    assert!(dataplane.reply(old, &Reply::End { count: 3 }));
    assert!(dataplane.reply(new, &Reply::End { count: 4 }));
    assert_eq!(control.receive(), Some(Ok((1, Reply::End { count: 4 }))));
    assert_eq!(control.receive(), None);
}

#[test]
fn only_fresh_requests_of_the_session_that_said_hello_are_taken() {
    let place = Place::new();
    let (mut dataplane, mut control) = pair(&place);
    let count = Request::Count(ConnectionFilter::default());
    control.send(&count).unwrap();
    let garbage = dataplane.receive().unwrap().unwrap_err();
    let expected = "request 1 of session 1 comes after request 0 of session 0, allowed: a hello, or a later request of that session";
    assert_eq!(garbage.to_string(), expected);
    control.send(&HELLO).unwrap();
    control.send(&count).unwrap();
    assert_eq!((next(&mut dataplane).request, next(&mut dataplane).request), (HELLO, count));
    for (session, sequence) in [(1, 3), (1, 2), (2, 9)] {
        let record = Record::from_request(Address { session, sequence }, &count);
        control.requests.push(&record).unwrap();
        assert!(matches!(dataplane.receive(), Some(Err(Garbage::OutOfSequence { .. }))));
    }
    let record = Record { kind: 99, ..Record::from_request(Address { session: 1, sequence: 4 }, &count) };
    control.requests.push(&record).unwrap();
    assert!(matches!(dataplane.receive(), Some(Err(Garbage::Record { .. }))));
    control.send(&count).unwrap();
    assert_eq!(next(&mut dataplane).request, count);
    assert_eq!(control.view().status().garbage, 5);
}

#[test]
fn a_private_link_is_whole_but_nobody_can_attach() {
    let mut private = DataplaneLink::private(&LAYOUT, &[wan()]).unwrap();
    assert!(private.receive().is_none());
    assert!(private.reply(Address { session: 1, sequence: 1 }, &Reply::End { count: 0 }));
    private.status().set_services_generation(1);
    assert_eq!(private.status().report().services_generation, 1);
    private.real_counters(1).unwrap()[7].in_bytes.add(1);
    assert_eq!(private.directory().slot_totals(7).in_bytes, 1);
}

#[test]
fn random_bytes_over_all_that_control_can_write_do_no_harm() {
    let place = Place::new();
    let mut dataplane = create(&place.path()).unwrap();
    let file = OpenOptions::new().write(true).open(place.path()).unwrap();
    let (sections, _) = crate::layout::Sections::of(&LAYOUT);
    let control = sections.control;
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 11
    };
    let mut garbage = 0;
    for round in 0..400u64 {
        let from = random() % control.length;
        let bytes: Vec<u8> = (0..(random() % 4096).min(control.length - from)).map(|_| random() as u8).collect();
        file.write_all_at(&bytes, control.offset + from).unwrap();
        file.write_all_at(&(random() as u32).to_ne_bytes(), control.offset).unwrap();
        for _ in 0..50 {
            garbage += u64::from(dataplane.receive().is_some_and(|received| received.is_err()));
        }
        dataplane.reply(Address { session: 1, sequence: 1 }, &Reply::End { count: round });
    }
    assert!(garbage >= 400);
    while dataplane.receive().is_some() {}
    let mut control = ControlLink::attach(&place.path()).unwrap();
    control.send(&HELLO).unwrap();
    let hello = next(&mut dataplane);
    assert_eq!(hello.request, HELLO);
    assert!(dataplane.reply(hello.from, &Reply::End { count: 5 }));
    assert_eq!(control.receive(), Some(Ok((1, Reply::End { count: 5 }))));
}
