use super::{Address, Checksum, PAYLOAD_BYTES, Record, RecordError, reply, request};
use crate::message::{ConnectionFilter, Refusal, Reply, Request, Table};
use crate::model::{
    ForwardMethod, MacAddress, Neighbor, Persistence, Prefix, Protocol, RealServer, Route, SchedulerKind, ServiceKey,
    ServiceOptions, Settings, TimeoutOverrides, Timeouts,
};
use crate::strategies;
use proptest::prelude::*;
use std::net::{Ipv4Addr, SocketAddrV4};

const FROM: Address = Address { session: 7, sequence: 9 };
const PORT_80: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(202, 103, 106, 5), 80);

proptest! {
    #[test]
    fn a_request_comes_back_as_it_was(request in strategies::request()) {
        let record = Record::from_request(FROM, &request);
        prop_assert_eq!(Request::try_from(&record), Ok(request));
        prop_assert_eq!(record.address(), FROM);
        prop_assert_eq!(Reply::try_from(&record), Err(RecordError::UnknownKind(record.kind)));
    }

    #[test]
    fn a_reply_comes_back_as_it_was(reply in strategies::reply()) {
        let record = Record::from_reply(FROM, &reply);
        prop_assert_eq!(Reply::try_from(&record), Ok(reply));
        prop_assert_eq!(Request::try_from(&record), Err(RecordError::UnknownKind(record.kind)));
    }

    /// So the checksum of a decoded row is that of the record it came in.
    #[test]
    fn one_changed_byte_is_refused_or_is_another_message(
        request in strategies::request(),
        reply in strategies::reply(),
        place in 0..PAYLOAD_BYTES,
        flip in 1..=u8::MAX,
    ) {
        let mut record = Record::from_request(FROM, &request);
        record.payload[place] ^= flip;
        if let Ok(other) = Request::try_from(&record) {
            prop_assert_ne!(other, request);
            prop_assert_eq!(Record::from_request(FROM, &other), record);
        }
        let mut record = Record::from_reply(FROM, &reply);
        record.payload[place] ^= flip;
        if let Ok(other) = Reply::try_from(&record) {
            prop_assert_ne!(other, reply);
            prop_assert_eq!(Record::from_reply(FROM, &other), record);
        }
    }

    /// Short payloads, the rest zero: those that are close to valid.
    #[test]
    fn any_bytes_are_refused_or_have_one_encoding(
        kind in 0u16..0x28,
        bytes in proptest::collection::vec(prop_oneof![Just(0u8), 0u8..20, any::<u8>()], 0..=PAYLOAD_BYTES),
    ) {
        let payload = std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0));
        let record = Record { kind, reserved: 0, session: 1, sequence: 1, payload };
        if let Ok(request) = Request::try_from(&record) {
            prop_assert_eq!(Record::from_request(record.address(), &request), record);
        }
        let record = Record { kind: kind | 0x100, ..record };
        if let Ok(reply) = Reply::try_from(&record) {
            prop_assert_eq!(Record::from_reply(record.address(), &reply), record);
        }
    }

    #[test]
    fn the_checksum_tells_changed_and_reordered_rows_apart(
        first in strategies::request(),
        second in strategies::request(),
    ) {
        prop_assume!(first != second);
        prop_assert_ne!(sum(&[first]), sum(&[second]));
        prop_assert_ne!(sum(&[first, second]), sum(&[second, first]));
        prop_assert_ne!(sum(&[first, second]), sum(&[first]));
        prop_assert_eq!(sum(&[first, second]), sum(&[first, second]));
    }
}

fn sum(rows: &[Request]) -> u64 {
    let mut sum = Checksum::new();
    rows.iter().for_each(|row| sum.add(row));
    sum.value()
}

fn service() -> Request {
    let key = ServiceKey::new(Protocol::Tcp, PORT_80);
    let persistence = Some(Persistence { timeout: 360, netmask: Ipv4Addr::new(255, 255, 255, 0) });
    let options = ServiceOptions { persistence, ..ServiceOptions::new(SchedulerKind::WeightedRoundRobin) };
    Request::Service { key, options, reals: 2 }
}

/// The bytes on the link are pinned here: if this test has to change, so has `ABI_VERSION`.
#[test]
fn the_layout_of_a_service_row() {
    let record = Record::from_request(FROM, &service());
    assert_eq!(record.kind, request::kind::SERVICE);
    assert_eq!((record.session, record.sequence), (7, 9));
    let (start, rest) = record.payload.split_at(24);
    assert_eq!(start[..12], [202, 103, 106, 5, 0, 80, 6, 0, 2, 0, 1, 0]);
    assert_eq!(start[12..16], 2u32.to_ne_bytes());
    assert_eq!(start[16..20], 360u32.to_ne_bytes());
    assert_eq!(start[20..], [255, 255, 255, 0]);
    assert!(rest.iter().all(|byte| *byte == 0));
}

#[test]
fn every_kind_has_its_own_number_and_requests_are_below_0x100() {
    let requests = [
        request::kind::HELLO,
        request::kind::BEGIN,
        request::kind::TIMEOUTS,
        request::kind::SERVICE,
        request::kind::REAL,
        request::kind::ROUTE,
        request::kind::NEIGHBOR,
        request::kind::COMMIT,
        request::kind::CONNECTIONS,
        request::kind::COUNT,
        request::kind::FLUSH,
        request::kind::EXPLAIN,
        request::kind::SETTINGS,
        request::kind::GROUP_ENDPOINT,
        request::kind::SERVICE_TIMEOUTS,
        request::kind::CAPTURE_FILTER,
        request::kind::CAPTURE_START,
        request::kind::CAPTURE_STOP,
    ];
    let replies = [
        reply::kind::WELCOME,
        reply::kind::APPLIED,
        reply::kind::REFUSED,
        reply::kind::CONNECTION,
        reply::kind::END,
        reply::kind::EXPLANATION,
        reply::kind::NEIGHBOR_WANTED,
        reply::kind::CAPTURING,
    ];
    assert!(requests.is_sorted_by(|a, b| a < b) && requests.iter().all(|kind| (1..0x100).contains(kind)));
    assert!(replies.is_sorted_by(|a, b| a < b) && replies.iter().all(|kind| *kind > 0x100));
}

/// The refusal of `good` with the payload byte at `place` replaced; `good` itself must pass.
fn refused(good: Request, place: usize, byte: u8) -> String {
    let mut record = Record::from_request(FROM, &good);
    assert_eq!(Request::try_from(&record), Ok(good));
    record.payload[place] = byte;
    Request::try_from(&record).unwrap_err().to_string()
}

#[test]
fn a_field_of_a_service_or_real_out_of_its_range_is_refused_by_name() {
    let real = Request::Real(RealServer::new(PORT_80, ForwardMethod::Nat, 65_535));

    assert_eq!(refused(service(), 6, 1), "service record: protocol 1, allowed: 6 (tcp), 17 (udp)");
    assert_eq!(refused(service(), 7, 1), "service record: reserved 1, allowed: 0");
    let scheduler = refused(service(), 8, 0);
    assert!(
        scheduler.starts_with("service record: scheduler 0, allowed: 1 (rr), 2 (wrr), 3 (lc), 4 (wlc)"),
        "{scheduler}"
    );
    assert_eq!(refused(service(), 9, 8), "service record: scheduler flags 8, allowed: 0 to 7");
    assert_eq!(
        refused(service(), 10, 3),
        "service record: flags 3, allowed: one-packet scheduling for UDP and groups only"
    );
    assert_eq!(refused(service(), 10, 0), "service record: persistence timeout 104, allowed: 0");
    assert_eq!(refused(service(), 11, 2), "service record: helper 2, allowed: 1 (ftp)");
    let group = Request::Service {
        key: ServiceKey::Group(7),
        options: ServiceOptions::new(SchedulerKind::RoundRobin),
        reals: 0,
    };
    assert_eq!(refused(group, 3, 0), "service record: group 0, allowed: 1 or more");
    assert_eq!(refused(group, 5, 80), "service record: port 80, allowed: 0");
    assert_eq!(refused(service(), 0, 224), "service record: address 3764873733, allowed: a unicast IPv4 address");
    assert_eq!(refused(service(), 51, 1), "service record: reserved 1, allowed: 0");
    assert_eq!(refused(real, 16, 1), "real record: lower threshold 1, allowed: 0 to the upper threshold");
    assert_eq!(refused(real, 6, 4), "real record: method 4, allowed: 1 (nat), 2 (tunnel), 3 (direct)");
    assert_eq!(refused(real, 10, 1), "real record: weight 131071, allowed: 0 to 65535");
    assert_eq!(
        refused(real, 7, 4),
        "real record: phase 4, allowed: 0 (serving), 1 (draining), 2 (closing), 3 (removing)"
    );
    assert_eq!(refused(real, 7, 1), "real record: weight 65535, allowed: 0 unless the real is serving");
    assert_eq!(refused(real, 20, 224), "real record: check address 3758096384, allowed: a unicast IPv4 address");
    assert_eq!(refused(real, 63 - 16, 1), "real record: reserved 1, allowed: 0");
}

#[test]
fn a_field_of_any_other_record_out_of_its_range_is_refused_by_name() {
    let network = Prefix { network: Ipv4Addr::new(10, 0, 0, 0), length: 8 };
    let route = Request::Route(Route { prefix: network, port: 0, via: None, source: None });
    let neighbor = Neighbor { address: *PORT_80.ip(), port: 0, mac: MacAddress([2, 0, 0, 0, 0, 1]) };
    let long = Timeouts { tcp_none: Timeouts::MAX_SECONDS, ..Timeouts::default() };
    let begin = Request::Begin { table: Table::Services, generation: 1, rows: 0 };
    let least = u32::from(cfg!(target_endian = "big")) as usize * 3;

    let settings = Request::Settings(Settings::default());
    assert_eq!(refused(settings, 0, 2), "settings record: sloppy_tcp 2, allowed: a value in its range");
    assert_eq!(refused(settings, 7, 1), "settings record: am_droprate 1, allowed: 0 among the small values");
    let own = Request::ServiceTimeouts(TimeoutOverrides([1; 12]));
    let high = 3 - least;
    assert_eq!(refused(own, high, 0x81), "service timeouts record: seconds 2164260865, allowed: 0 to 2678400 seconds");
    assert_eq!(refused(route, 14, 33), "route record: length 33, allowed: 0 to 32");
    assert_eq!(refused(route, 14, 6), "route record: network 167772160, allowed: no bits set beyond the prefix length");
    assert_eq!(refused(route, 15, 4), "route record: flags 4, allowed: only the flags of this kind");
    assert_eq!(refused(route, 15, 1), "route record: via 0, allowed: a unicast IPv4 address");
    assert_eq!(refused(route, 4, 10), "route record: via 10, allowed: 0");
    let mac = "neighbor record: mac 3, allowed: a unicast MAC address other than 00:00:00:00:00:00";
    assert_eq!(refused(Request::Neighbor(neighbor), 4, 3), mac);
    let timeouts = "timeouts record: tcp_none 2678401, allowed: 1 to 2678400 seconds";
    assert_eq!(refused(Request::Timeouts(long), least, 0x81), timeouts);
    assert_eq!(refused(begin, 12, 3), "begin record: table 3, allowed: 1 (services), 2 (next hops)");
    assert_eq!(refused(begin, least.wrapping_mul(7) / 3, 0), "begin record: generation 0, allowed: 1 or more");
    assert_eq!(refused(Request::Hello { pid: 1 }, least, 0), "hello record: pid 0, allowed: 1 or more");
    let filter = Request::Count(ConnectionFilter::default());
    assert_eq!(refused(filter, 16, 6), "count record: protocol 6, allowed: 0");
    assert_eq!(refused(filter, 17, 16), "count record: flags 16, allowed: only the flags of this kind");
}

#[test]
fn a_head_that_is_not_one_is_refused_and_counts_as_an_invalid_record() {
    let good = Record::from_request(FROM, &service());
    assert!(Request::try_from(&good).is_ok());
    assert!(Request::try_from(&Record { reserved: 1, ..good }).is_err());
    assert!(Request::try_from(&Record { session: 0, ..good }).is_err());
    let unknown = Request::try_from(&Record { kind: 0x10, ..good }).unwrap_err();
    assert_eq!(unknown.to_string(), "record of unknown kind 0x0010");
    assert_eq!(Refusal::from(unknown), Refusal::RecordInvalid);
}
