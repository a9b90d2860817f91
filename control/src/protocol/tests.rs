//! The lines themselves: what is read, what is refused, and that docs/control-protocol.md tells the truth.

use super::{
    CaptureRequest, Code, ConnectionFilter, Count, DrainRequest, Failure, Line, LvsChange, OptionChanges, RealChange,
    Request, ServiceAdd, Then, decode_line, decode_request, encode_end, encode_request, encode_row, payload,
};
use link::model::{ForwardMethod, Protocol, SchedulerKind, ServiceKey};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

const DOCUMENTATION: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/control-protocol.md"));

fn service() -> String {
    "web".to_owned()
}

fn address() -> SocketAddrV4 {
    "172.16.0.3:8000".parse().expect("an endpoint")
}

/// What concerns services and reals, in the order of the enum.
fn of_services() -> Vec<Request> {
    let method = Some(ForwardMethod::Nat);
    let add = ServiceAdd {
        name: service(),
        protocol: Some(Protocol::Tcp),
        address: Some(address()),
        group: None,
        scheduler: SchedulerKind::LeastConnection,
        method: ForwardMethod::Tunnel,
        options: OptionChanges { persistence: Some(360), ..OptionChanges::default() },
    };
    let real = |weight| RealChange { weight: Some(weight), method, ..RealChange::new(service(), address()) };
    vec![
        Request::Status,
        Request::ServiceList,
        Request::ServiceShow { service: service() },
        Request::ServiceAdd(add),
        Request::ServiceSet { service: service(), scheduler: None, method, options: OptionChanges::default() },
        Request::ServiceRemove { service: service() },
        Request::RealAdd(real(5)),
        Request::RealSet(real(0)),
        Request::RealRemove { service: service(), address: address() },
        Request::RealDrain(DrainRequest {
            service: service(),
            address: address(),
            deadline_seconds: Some(600),
            now: false,
            then: Then::Remove,
        }),
        Request::RealEnable { service: service(), address: address() },
    ]
}

/// The others, in the order of the enum.
fn of_the_rest() -> Vec<Request> {
    let address = address();
    let filter = ConnectionFilter { protocol: Some(Protocol::Tcp), service: Some(service()), ..Default::default() };
    let key = ServiceKey::new(Protocol::Tcp, address);
    let capture = CaptureRequest {
        filter: vec![(0x06, 0, 0, 65_535)],
        snaplen: 128,
        incoming: true,
        outgoing: true,
        drops_only: false,
        hand_offs: false,
        worker: Some(0),
        packets: 1000,
        seconds: 60,
    };
    vec![
        Request::Events { follow: true },
        Request::GroupList,
        Request::GroupSet { number: 7, endpoints: vec!["tcp 10.0.0.1:80".to_owned()] },
        Request::GroupRemove { number: 7 },
        Request::ConnectionList(filter.clone()),
        Request::ConnectionCount(filter.clone()),
        Request::ConnectionFlush(filter),
        Request::Stats { service: None },
        Request::Drops,
        Request::Ports,
        Request::History { services: vec!["web".to_owned()], since: 17 },
        Request::Perf,
        Request::Explain { protocol: Protocol::Udp, source: address, destination: address },
        Request::Capture(capture),
        Request::Apply { text: "[timeouts]\n".to_owned(), file: "a \"file\"".to_owned(), dry_run: true },
        Request::Reload { dry_run: false },
        Request::Settings,
        Request::SettingsSet { settings: BTreeMap::from([("drop_entry".to_owned(), 3)]) },
        Request::Timeouts,
        Request::TimeoutsSet { timeouts: BTreeMap::from([("udp".to_owned(), 30)]) },
        Request::LvsChange { changes: vec![LvsChange::Clear, LvsChange::Zero { service: Some(key) }] },
        Request::LvsServices,
        Request::LvsTimeouts,
    ]
}

/// One of each, in the order of the enum.
fn one_of_each() -> Vec<Request> {
    [of_services(), of_the_rest()].concat()
}

fn command(line: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
    value["command"].as_str().expect("a command").to_owned()
}

#[test]
fn each_request_is_one_line_that_reads_back() {
    for request in one_of_each() {
        let line = encode_request(&request).expect("serializes");
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "{request:?}");
        assert_eq!(decode_request(&line), Ok(request));
    }
}

#[test]
fn fields_left_out_have_their_defaults() {
    let read = |line: &str| decode_request(line.as_bytes()).expect(line);
    let real = read(r#"{"command":"real_add","service":"web","address":"10.0.0.3:80"}"#);
    assert!(matches!(real, Request::RealAdd(RealChange { weight: None, method: None, .. })));
    assert_eq!(read(r#"{"command":"connection_list"}"#), Request::ConnectionList(ConnectionFilter::default()));
    assert_eq!(read(r#"{"command":"reload"}"#), Request::Reload { dry_run: false });
    let Request::ServiceAdd(add) =
        read(r#"{"command":"service_add","name":"a","protocol":"udp","address":"10.0.0.3:80"}"#)
    else {
        panic!("another command")
    };
    assert_eq!((add.scheduler, add.method), (SchedulerKind::WeightedLeastConnection, ForwardMethod::Nat));
}

#[test]
fn requests_that_are_not_understood_name_what_is_wrong() {
    for (line, want) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[1]", "invalid"),
        (r#"{"command":"frobnicate"}"#, "unknown variant `frobnicate`"),
        (r#"{"command":"service_show"}"#, "missing field `service`"),
        (r#"{"command":"service_show","service":"a","colour":"red"}"#, "unknown field `colour`"),
        (r#"{"command":"status","colour":"red"}"#, "unknown field `colour`"),
        (r#"{"command":"connection_list","colour":"red"}"#, "unknown field `colour`"),
        (r#"{"command":"real_drain","service":"a","address":"10.0.0.3"}"#, "invalid IPv4 socket address"),
        (r#"{"command":"service_set","service":"a","method":"gre"}"#, "\"gre\", allowed: nat, tunnel, direct"),
        (r#"{"command":"real_add","service":"a","address":"10.0.0.3:80","weight":-1}"#, "invalid value"),
    ] {
        let failure = decode_request(line.as_bytes()).expect_err(line);
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.message.contains(want), "{line}: {}", failure.message);
    }
}

#[test]
fn a_line_is_a_row_a_result_or_a_failure() {
    let count = Count { count: 3 };
    let row = encode_row(&count).expect("serializes");
    assert_eq!(row, b"{\"row\":{\"count\":3}}\n");
    assert!(matches!(decode_line(&row), Ok(Line::Row(raw)) if payload::<Count>(raw).is_ok_and(|row| row == count)));
    let result = encode_end(&Ok(count)).expect("serializes");
    assert_eq!(result, b"{\"ok\":true,\"result\":{\"count\":3}}\n");
    assert!(matches!(decode_line(&result), Ok(Line::Done(raw)) if payload::<Count>(raw).is_ok_and(|row| row == count)));
    let failure = Failure::not_found("service \"a\" does not exist; there are none.");
    let line = encode_end::<()>(&Err(failure.clone())).expect("serializes");
    let want = br#"{"ok":false,"code":"not_found","message":"service \"a\" does not exist; there are none."}"#;
    assert_eq!(line.strip_suffix(b"\n"), Some(&want[..]));
    assert!(matches!(decode_line(&line), Ok(Line::Failed(read)) if read == failure));
    for nonsense in
        ["{}", "1", r#"{"ok":true}"#, r#"{"ok":false,"code":"odd","message":"m"}"#, r#"{"row":1,"ok":true}"#]
    {
        assert!(decode_line(nonsense.as_bytes()).is_err(), "{nonsense}");
    }
}

#[test]
fn every_line_in_the_documentation_is_one_that_is_understood() {
    let mut shown = Vec::new();
    for line in DOCUMENTATION.lines() {
        if line.starts_with("{\"command\"") {
            decode_request(line.as_bytes()).expect(line);
            shown.push(command(line.as_bytes()));
        } else if line.starts_with('{') {
            decode_line(line.as_bytes()).expect(line);
        }
    }
    for request in one_of_each() {
        let name = command(&encode_request(&request).expect("serializes"));
        assert!(shown.contains(&name), "docs/control-protocol.md has no example of {name}");
    }
}

#[test]
fn every_field_of_a_request_is_in_the_documentation() {
    for request in one_of_each() {
        let value = serde_json::to_value(&request).expect("serializes");
        for field in value.as_object().expect("an object").keys() {
            assert!(
                DOCUMENTATION.contains(&format!("`{field}`")),
                "docs/control-protocol.md does not describe {field}"
            );
        }
    }
}
