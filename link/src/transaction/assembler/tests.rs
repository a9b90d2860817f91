use super::{Assembled, Assembler, Limits, Refused};
use crate::message::{Refusal, Request, Table};
use crate::model::{
    ForwardMethod, Group, MacAddress, Neighbor, NextHopTable, Persistence, Prefix, Protocol, RealServer, Route,
    SchedulerKind, Service, ServiceEndpoint, ServiceKey, ServiceOptions, ServiceTable, TimeoutOverrides,
};
use crate::strategies;
use crate::transaction::{next_hops, services};
use proptest::prelude::*;
use std::net::{Ipv4Addr, SocketAddrV4};

const LIMITS: Limits = Limits { rows: 1000, services: 3, reals: 4, ports: 2 };
const WIDE: Limits = Limits { rows: 1000, services: 100, reals: 100, ports: 2 };

fn server(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port)
}

fn nat(host: u8, port: u16) -> RealServer {
    RealServer::new(server(host, port), ForwardMethod::Nat, 1)
}

fn service(host: u8, reals: Vec<RealServer>) -> Service {
    let key = ServiceKey::new(Protocol::Tcp, server(host, 80));
    Service { key, options: ServiceOptions::new(SchedulerKind::RoundRobin), reals }
}

fn table(services: Vec<Service>) -> ServiceTable {
    ServiceTable { services, ..ServiceTable::default() }
}

fn two_services() -> ServiceTable {
    table(vec![service(1, vec![nat(11, 80), nat(12, 8000)]), service(2, vec![nat(11, 80)])])
}

fn next_hop_table() -> NextHopTable {
    let prefix = Prefix::of(Ipv4Addr::UNSPECIFIED, 0).unwrap();
    let (address, mac) = (Ipv4Addr::new(10, 0, 1, 254), MacAddress([2, 0, 0, 0, 1, 254]));
    NextHopTable {
        routes: vec![Route { prefix, port: 1, via: Some(address), source: None }],
        neighbors: vec![Neighbor { address, port: 1, mac }],
    }
}

/// All that the assembler says to these requests.
fn feed(assembler: &mut Assembler, requests: impl IntoIterator<Item = Request>) -> Vec<Result<Assembled, Refused>> {
    requests.into_iter().filter_map(|request| assembler.feed(&request)).collect()
}

fn refusal(requests: impl IntoIterator<Item = Request>) -> (Refusal, u32) {
    let said = feed(&mut Assembler::new(LIMITS), requests);
    assert_eq!(said.len(), 1, "{said:?}");
    let refused = said[0].clone().unwrap_err();
    (refused.reason, refused.row)
}

fn refused_table(services_of: Vec<Service>) -> (Refusal, u32) {
    refusal(services(1, &table(services_of)))
}

proptest! {
    #[test]
    fn any_tables_come_out_as_they_went_in(
        table in strategies::service_table(),
        hops in strategies::next_hop_table(2),
        generation in 1..=u64::MAX,
    ) {
        let mut assembler = Assembler::new(WIDE);
        let said = feed(&mut assembler, services(generation, &table).chain(next_hops(generation, &hops)));
        let expected = [Assembled::Services { generation, table }, Assembled::NextHops { generation, table: hops }];
        prop_assert_eq!(said, expected.map(Ok).to_vec());
    }

    /// Whatever comes, a hello puts it right.
    #[test]
    fn random_requests_do_no_harm(requests in proptest::collection::vec(strategies::request(), 0..40)) {
        let mut assembler = Assembler::new(LIMITS);
        let said = feed(&mut assembler, requests);
        prop_assert!(said.iter().all(Result::is_err));
        assembler.feed(&Request::Hello { pid: 1 });
        let said = feed(&mut assembler, services(1, &two_services()));
        prop_assert_eq!(said, vec![Ok(Assembled::Services { generation: 1, table: two_services() })]);
    }

    /// The checksum, the counts or the order give it away.
    #[test]
    fn a_transaction_with_a_row_lost_doubled_or_swapped_is_refused_once(place in 1usize..6, damage in 0..3) {
        let mut requests: Vec<_> = services(1, &two_services()).collect();
        match damage {
            0 => drop(requests.remove(place)),
            1 => requests.insert(place, requests[place]),
            _ => requests.swap(place, place + 1),
        }
        prop_assume!(requests != services(1, &two_services()).collect::<Vec<_>>());
        let said = feed(&mut Assembler::new(LIMITS), requests);
        prop_assert!(said.first().is_some_and(Result::is_err), "{:?}", said);
        prop_assert!(said.iter().all(Result::is_err), "{:?}", said);
    }
}

#[test]
fn a_table_that_is_just_within_the_limits_is_taken_and_one_beyond_is_not() {
    let most =
        || vec![service(1, vec![nat(1, 1), nat(1, 2), nat(1, 3)]), service(2, vec![nat(1, 1)]), service(3, vec![])];
    let said = feed(&mut Assembler::new(LIMITS), services(1, &table(most())));
    assert_eq!(said, [Ok(Assembled::Services { generation: 1, table: table(most()) })]);
    let mut more = most();
    more.push(service(4, vec![]));
    assert_eq!(refused_table(more), (Refusal::TooManyServices, 9));
    let mut more = most();
    more[2].reals.push(nat(9, 9));
    assert_eq!(refused_table(more), (Refusal::TooManyReals, 8));
    let begin = |rows| Request::Begin { table: Table::NextHops, generation: 1, rows };
    assert_eq!(refusal([begin(1001)]), (Refusal::TooLarge, 0));
    assert!(feed(&mut Assembler::new(LIMITS), [begin(1000)]).is_empty());
}

#[test]
fn duplicates_are_refused_at_their_row_and_what_only_looks_like_one_is_not() {
    assert_eq!(refused_table(vec![service(1, vec![]), service(1, vec![])]), (Refusal::DuplicateService, 3));
    assert_eq!(refused_table(vec![service(1, vec![nat(1, 1), nat(1, 1)])]), (Refusal::DuplicateReal, 4));
    let checked = |host, last| {
        let check_address = Some(Ipv4Addr::new(198, 18, 0, last));
        service(host, vec![RealServer { check_address, ..nat(1, 1) }])
    };
    assert_eq!(refused_table(vec![checked(1, 1), checked(2, 1)]), (Refusal::DuplicateCheckAddress, 5));
    assert!(feed(&mut Assembler::new(LIMITS), services(1, &table(vec![checked(1, 1), checked(2, 2)])))[0].is_ok());
    let udp = |mut service: Service| {
        service.key = ServiceKey::new(Protocol::Udp, server(1, 80));
        service
    };
    let alike = table(vec![service(1, vec![nat(1, 1)]), udp(service(1, vec![nat(1, 1)]))]);
    assert!(feed(&mut Assembler::new(LIMITS), services(1, &alike))[0].is_ok());
}

#[test]
fn a_tunnel_or_direct_real_has_its_services_port() {
    for method in [ForwardMethod::Tunnel, ForwardMethod::Direct] {
        let real = |port| RealServer { method, ..nat(1, port) };
        assert_eq!(refused_table(vec![service(1, vec![real(81)])]), (Refusal::PortDiffers, 3));
        assert!(feed(&mut Assembler::new(LIMITS), services(1, &table(vec![service(1, vec![real(80)])])))[0].is_ok());
    }
}

#[test]
fn a_generation_is_newer_than_the_one_applied_to_the_same_table() {
    let mut assembler = Assembler::new(LIMITS);
    assembler.applied(Table::Services, 5);
    let mut first = |generation| feed(&mut assembler, services(generation, &two_services()))[0].clone();
    let refused = Refused { table: Table::Services, generation: 5, reason: Refusal::Generation, row: 0 };
    assert_eq!(first(5), Err(refused));
    assert_eq!(first(6), Ok(Assembled::Services { generation: 6, table: two_services() }));
    assert!(feed(&mut assembler, next_hops(1, &next_hop_table()))[0].is_ok());
}

#[test]
fn the_commit_has_generation_checksum_and_count_of_what_it_commits() {
    let with_commit = |change: fn(&mut u64, &mut u64)| {
        let mut requests: Vec<_> = services(1, &two_services()).collect();
        if let Some(Request::Commit { generation, checksum }) = requests.last_mut() {
            change(generation, checksum);
        }
        requests
    };
    assert_eq!(refusal(with_commit(|generation, _| *generation = 2)), (Refusal::Generation, 7));
    assert_eq!(refusal(with_commit(|_, checksum| *checksum ^= 1)), (Refusal::Checksum, 7));
    let whole = two_services();
    let short = services(1, &whole).filter(|request| !matches!(request, Request::Real(real) if *real == nat(12, 8000)));
    assert_eq!(refusal(short), (Refusal::OutOfOrder, 4));
    let mut long: Vec<_> = next_hops(1, &next_hop_table()).collect();
    long.insert(3, long[2]);
    assert_eq!(refusal(long), (Refusal::RowCount, 2));
    assert!(feed(&mut Assembler::new(LIMITS), with_commit(|_, _| ()))[0].is_ok());
}

#[test]
fn rows_out_of_place_are_refused_once() {
    let rows: Vec<_> = services(1, &two_services()).collect();
    assert_eq!(refusal(rows[1..rows.len() - 1].to_vec()), (Refusal::OutOfOrder, 0));
    assert_eq!(refusal([rows[rows.len() - 1]]), (Refusal::OutOfOrder, 0));
    let begin_inside = rows[..2].iter().chain(&rows).copied();
    assert_eq!(refusal(begin_inside), (Refusal::OutOfOrder, 0));
    let hops: Vec<_> = next_hops(1, &next_hop_table()).collect();
    assert_eq!(refusal([rows[0], hops[1]]), (Refusal::OutOfOrder, 0));
    assert_eq!(refusal([hops[0], hops[2], hops[1]]), (Refusal::OutOfOrder, 1));
    assert_eq!(refusal([rows[0], rows[2]]), (Refusal::OutOfOrder, 0));
    assert_eq!(refusal([rows[0], rows[1], rows[1]]), (Refusal::OutOfOrder, 1));
}

#[test]
fn a_next_hop_is_on_a_port_that_exists() {
    let mut table = next_hop_table();
    table.neighbors[0].port = 2;
    assert_eq!(refusal(next_hops(1, &table)), (Refusal::UnknownPort, 1));
    table.routes[0].port = 2;
    assert_eq!(refusal(next_hops(1, &table)), (Refusal::UnknownPort, 0));
    assert!(feed(&mut Assembler::new(LIMITS), next_hops(1, &next_hop_table()))[0].is_ok());
}

#[test]
fn a_hello_ends_a_transaction_without_a_word() {
    let rows: Vec<_> = services(1, &two_services()).collect();
    let half = rows[..4].iter().copied().chain([Request::Hello { pid: 1 }]).chain(rows.iter().copied());
    let said = feed(&mut Assembler::new(LIMITS), half);
    assert_eq!(said, [Ok(Assembled::Services { generation: 1, table: two_services() })]);
}

#[test]
fn garbage_refuses_the_open_transaction_and_nothing_else() {
    let rows: Vec<_> = services(1, &two_services()).collect();
    let mut assembler = Assembler::new(LIMITS);
    assert_eq!(assembler.garbage(), None);
    assert!(feed(&mut assembler, rows[..3].iter().copied()).is_empty());
    let refused = Refused { table: Table::Services, generation: 1, reason: Refusal::RecordInvalid, row: 2 };
    assert_eq!(assembler.garbage(), Some(refused));
    assert_eq!(assembler.garbage(), None);
    assert!(feed(&mut assembler, rows[3..].iter().copied()).is_empty());
    assert!(feed(&mut assembler, rows)[0].is_ok());
}

#[test]
fn requests_that_are_no_rows_pass_by_an_open_transaction() {
    let mut rows: Vec<_> = services(1, &two_services()).collect();
    rows.insert(3, Request::Count(crate::message::ConnectionFilter::default()));
    assert!(feed(&mut Assembler::new(LIMITS), rows)[0].is_ok());
}

fn endpoint(host: u8, port: u16) -> ServiceEndpoint {
    ServiceEndpoint { protocol: Protocol::Tcp, address: server(host, port) }
}

fn persistent(service: Service) -> Service {
    let persistence = Some(Persistence { timeout: 360, netmask: Ipv4Addr::BROADCAST });
    Service { options: ServiceOptions { persistence, ..service.options }, ..service }
}

#[test]
fn an_endpoint_is_in_one_group_once() {
    let groups = |endpoints: Vec<ServiceEndpoint>| ServiceTable {
        groups: endpoints.into_iter().zip(1..).map(|(end, number)| Group { number, endpoints: vec![end] }).collect(),
        ..two_services()
    };
    let good = groups(vec![endpoint(1, 80), endpoint(1, 0)]);
    let applied = feed(&mut Assembler::new(LIMITS), services(1, &good));
    assert_eq!(applied, [Ok(Assembled::Services { generation: 1, table: good })]);
    let twice = groups(vec![endpoint(1, 80), endpoint(1, 80)]);
    assert_eq!(refusal(services(1, &twice)), (Refusal::DuplicateEndpoint, 3));
    let mut apart: Vec<_> = services(1, &groups(vec![endpoint(1, 80), endpoint(1, 81), endpoint(1, 82)])).collect();
    apart[5] = Request::GroupEndpoint { group: 1, endpoint: endpoint(1, 82) };
    assert_eq!(refusal(apart), (Refusal::OutOfOrder, 4));
}

#[test]
fn a_service_on_all_ports_is_persistent_and_its_reals_may_keep_the_port() {
    let on = |port, reals| Service { key: ServiceKey::new(Protocol::Tcp, server(1, port)), ..service(1, reals) };
    assert_eq!(refused_table(vec![on(0, vec![])]), (Refusal::NotPersistent, 2));
    assert_eq!(refused_table(vec![persistent(on(80, vec![nat(2, 0)]))]), (Refusal::PortDiffers, 3));
    let good = table(vec![persistent(on(0, vec![nat(2, 0), nat(3, 80)]))]);
    assert!(feed(&mut Assembler::new(LIMITS), services(1, &good))[0].is_ok());
}

#[test]
fn timeouts_of_a_service_stand_between_it_and_its_reals() {
    let own = TimeoutOverrides([0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut with_own = service(1, vec![nat(11, 80)]);
    with_own.options.timeouts = own;
    let rows: Vec<_> = services(1, &table(vec![with_own])).collect();
    assert!(feed(&mut Assembler::new(LIMITS), rows.iter().copied())[0].is_ok());
    let mut behind = rows.clone();
    behind.swap(4, 5);
    assert_eq!(refusal(behind), (Refusal::OutOfOrder, 4));
    let mut first = rows;
    first.swap(3, 4);
    assert_eq!(refusal(first), (Refusal::OutOfOrder, 2));
}
