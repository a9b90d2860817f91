use super::*;
use crate::connection::accounts::tests::accounts;
use link::region::DataplaneLink;

const CLIENT: u32 = 0xca64_0102;
const SERVICE: Endpoint = Endpoint { address: 0xca67_6a05, port: 51_210 };

struct Bench {
    expected: Expected,
    link: DataplaneLink,
}

impl Bench {
    fn new(controls: u32) -> Self {
        let (accounts, link) = accounts();
        Self { expected: Expected::reproducible(controls, accounts), link }
    }

    fn control(&self, index: u32) -> Control {
        self.expected.open(index).expect("a free place")
    }

    /// Connections of the real in slot 2.
    fn inactive(&self) -> u32 {
        self.link.directory().reals[2].inactive.load(Ordering::Relaxed)
    }
}

fn expectation(opener: Opener, control: Control) -> Expectation {
    let port = if opener == Opener::Real { 40_016 } else { 0 };
    Expectation {
        opener,
        protocol: Protocol::Tcp,
        client: Endpoint { address: CLIENT, port },
        service: SERVICE,
        real: Endpoint { address: 0xac10_0002, port: 51_210 },
        real_slot: 2,
        real_generation: 9,
        control,
    }
}

fn from(port: u16) -> Endpoint {
    Endpoint { address: CLIENT, port }
}

#[test]
fn the_client_that_was_announced_meets_its_expectation_once_from_any_port() {
    let bench = Bench::new(8);
    let announced = expectation(Opener::Client, bench.control(3));
    assert_eq!(bench.expected.announce(&announced, 0), Ok(true));
    let meet = |client, service| bench.expected.take_from_client(Protocol::Tcp, client, service, 10);
    assert_eq!(meet(Endpoint { address: CLIENT + 1, port: 1 }, SERVICE), None, "another client");
    assert_eq!(meet(from(1), Endpoint { port: 51_211, ..SERVICE }), None, "another port");
    assert_eq!((bench.inactive(), bench.expected.holds(3)), (1, 1));
    assert_eq!(meet(from(40_050), SERVICE), Some(announced));
    assert_eq!(announced.identity(from(40_050)).client, from(40_050));
    assert_eq!(meet(from(40_051), SERVICE), None, "it was met");
    assert_eq!((bench.inactive(), bench.expected.holds(3)), (0, 1), "its connection holds the control connection");
    bench.expected.release(3);
    assert_eq!(bench.expected.holds(3), 0);
}

#[test]
fn a_real_meets_its_expectation_only_with_both_ends() {
    let bench = Bench::new(8);
    let announced = expectation(Opener::Real, bench.control(3));
    assert_eq!(bench.expected.announce(&announced, 0), Ok(true));
    let meet = |real, client| bench.expected.take_from_real(Protocol::Tcp, real, client, 10);
    assert_eq!(meet(Endpoint { port: 1, ..announced.real }, from(40_016)), None);
    assert_eq!(meet(announced.real, from(40_017)), None);
    assert_eq!(bench.expected.take_from_client(Protocol::Tcp, from(40_016), SERVICE, 10), None);
    assert_eq!(meet(announced.real, from(40_016)), Some(announced));
}

#[test]
fn an_expectation_ends_after_two_minutes_and_said_again_begins_anew() {
    let bench = Bench::new(8);
    let announced = expectation(Opener::Client, bench.control(0));
    for now in [0, 60_000] {
        assert_eq!(bench.expected.announce(&announced, now), Ok(true));
        assert_eq!((bench.expected.len(), bench.inactive(), bench.expected.holds(0)), (1, 1, 1));
    }
    let end = 60_000 + LIFETIME;
    bench.expected.sweep(0, usize::MAX, end - 1);
    let rows: Vec<_> = (0..bench.expected.positions()).filter_map(|place| bench.expected.row(place, end - 1)).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].client.to_string(), rows[0].state.name()), ("202.100.1.2:0".to_owned(), "LISTEN"));
    assert_eq!(bench.expected.take_from_client(Protocol::Tcp, from(1), SERVICE, end), None);
    bench.expected.sweep(0, usize::MAX, end);
    assert_eq!((bench.expected.len(), bench.inactive(), bench.expected.holds(0)), (0, 0, 0));
}

#[test]
fn a_name_that_another_real_has_is_refused_while_it_lasts() {
    let bench = Bench::new(8);
    let first = expectation(Opener::Client, bench.control(0));
    let second = Expectation { real: Endpoint { address: 0xac10_0003, port: 51_210 }, ..first };
    let second = Expectation { control: bench.control(1), ..second };
    assert_eq!(bench.expected.announce(&first, 0), Ok(true));
    assert_eq!(bench.expected.announce(&second, LIFETIME - 1), Ok(false));
    assert_eq!((bench.expected.holds(0), bench.expected.holds(1), bench.inactive()), (1, 0, 1));
    assert_eq!(bench.expected.announce(&second, LIFETIME), Ok(true));
    assert_eq!((bench.expected.holds(0), bench.expected.holds(1), bench.inactive()), (0, 1, 1));
}

#[test]
fn a_full_bucket_refuses_and_leaves_nothing_behind() {
    let bench = Bench::new(1);
    let announced = expectation(Opener::Client, bench.control(0));
    let on = |port| Expectation { service: Endpoint { port, ..SERVICE }, ..announced };
    let done: Vec<_> = (1..=100).map(|port| bench.expected.announce(&on(port), 0)).collect();
    let made = done.iter().filter(|done| **done == Ok(true)).count();
    assert!((1..100).contains(&made) && done.contains(&Err(Refused::Full)));
    assert_eq!((bench.expected.len(), bench.inactive(), bench.expected.holds(0)), (made, made as u32, made as u32));
    // Those that are over make room.
    assert_eq!(bench.expected.announce(&on(200), LIFETIME), Ok(true));
    assert_eq!((bench.inactive(), bench.expected.holds(0)), (made as u32, made as u32));
}

#[test]
fn only_who_announced_withdraws() {
    let bench = Bench::new(8);
    let announced = expectation(Opener::Client, bench.control(0));
    assert_eq!(bench.expected.announce(&announced, 0), Ok(true));
    bench.expected.withdraw(&Expectation { control: bench.control(1), ..announced });
    assert_eq!(bench.expected.len(), 1);
    bench.expected.withdraw(&announced);
    assert_eq!((bench.expected.len(), bench.inactive(), bench.expected.holds(0)), (0, 0, 0));
}

#[test]
fn a_place_is_free_again_when_its_connection_and_all_that_hold_it_are_gone() {
    let bench = Bench::new(8);
    let control = bench.control(0);
    assert_eq!(bench.expected.open(0), None, "it is taken");
    assert_eq!(bench.expected.announce(&expectation(Opener::Client, control), 0), Ok(true));
    bench.expected.close(control);
    assert_eq!(bench.expected.open(0), None, "it is held");
    assert_eq!(bench.expected.announce(&expectation(Opener::Real, control), 0), Ok(false), "its connection is gone");
    bench.expected.release(0);
    bench.expected.release(0);
    let next = bench.expected.open(0).expect("free");
    assert_ne!(next.generation, control.generation);
    bench.expected.close(control);
    assert_eq!(bench.expected.open(0), None, "an earlier owner closes nothing");
}

#[test]
fn nobody_outside_knows_which_expectations_share_a_bucket() {
    let order = |expected: Expected| -> Vec<u16> {
        for index in 0..40 {
            let control = expected.open(index).expect("a free place");
            let service = Endpoint { port: 50_000 + index as u16, ..SERVICE };
            let announced = Expectation { service, ..expectation(Opener::Client, control) };
            assert_eq!(expected.announce(&announced, 0), Ok(true));
        }
        (0..expected.positions()).filter_map(|at| expected.row(at, 0)).map(|row| row.service.port()).collect()
    };
    let made = |make: fn(u32, Accounts) -> Expected| {
        let (accounts, _link) = accounts();
        order(make(256, accounts))
    };
    assert_ne!(made(Expected::new), made(Expected::new));
    assert_eq!(made(Expected::reproducible), made(Expected::reproducible));
}
