//! What is printed for each kind of answer.

use super::{connection_row, done, endpoint, ran, row, sample, worker};
use crate::client::DONE;
use crate::client::table::{bytes, duration};
use crate::protocol::{
    ConnectionRow, Count, DataplaneStatus, DropRow, Drops, Explained, ExplainedConnection, ExplainedHop, ExplainedReal,
    ExplainedService, Outcome, PortOfWorker, PortRow, SettingRow, Status, Totals, Traffic,
};
use link::message::ConnectionState;
use link::model::{ForwardMethod, MacAddress, Protocol, SchedulerKind, Timeouts};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

#[test]
fn connections_are_a_table_or_a_json_array() {
    let lines = || {
        let rows = [connection_row("202.100.1.2:3456"), connection_row("202.100.100.200:65535")];
        rows.iter().map(row).chain([done(Count { count: 2 })]).collect()
    };
    let table = ran(lines(), &["connection", "list"]);
    let want = "\
PROTO  CLIENT                 VIRTUAL                REAL                   METHOD  STATE         EXPIRES  WORKER
tcp    202.100.1.2:3456       202.103.106.5:80       172.16.0.3:8000        nat     ESTABLISHED     14:59       0
tcp    202.100.100.200:65535  202.103.106.5:80       172.16.0.3:8000        nat     ESTABLISHED     14:59       0
";
    assert_eq!((table.code, table.out.as_str()), (DONE, want));
    let json = ran(lines(), &["connection", "list", "--format", "json"]);
    let parsed: Vec<ConnectionRow> = serde_json::from_str(&json.out).expect("a JSON array");
    assert_eq!(parsed, [connection_row("202.100.1.2:3456"), connection_row("202.100.100.200:65535")]);
    let empty = ran(vec![done(Count { count: 0 })], &["connection", "list", "--format", "json"]);
    assert_eq!(empty.out, "[\n]\n");
    assert_eq!(ran(vec![done(Count { count: 0 })], &["connection", "list"]).out, "No connections.\n");
}

#[test]
fn services_show_what_they_have_and_a_dash_for_what_nobody_counted() {
    let traffic = Traffic { connections: 7, in_packets: 70, in_bytes: 71_234, out_packets: 1, out_bytes: 999 };
    let rows = vec![row(&sample("web", Some(traffic))), row(&sample("other", None)), done(Count { count: 2 })];
    let list = ran(rows, &["service", "list"]);
    let want = "\
NAME   PROTOCOL  ADDRESS           SCHEDULER  METHOD  REALS  ACTIVE  INACTIVE
web    tcp       202.103.106.5:80  wrr        nat         1       3         4
other  tcp       202.103.106.5:80  wrr        nat         1       -         -
";
    assert_eq!(list.out, want);
    let show = ran(vec![done(sample("web", Some(traffic)))], &["service", "show", "web"]);
    let want = "\
service     web, tcp 202.103.106.5:80, scheduler wrr, method nat
traffic     7 connections
  in        70 packets, 71.2kB
  out       1 packet, 999B

REAL             METHOD  WEIGHT  ACTIVE  INACTIVE  CONNECTIONS  STATE
172.16.0.2:8080  nat          1       3         4            7  serving
";
    assert_eq!(show.out, want);
    assert_eq!(ran(vec![done(Count { count: 0 })], &["service", "list"]).out, "No services.\n");
}

#[test]
fn stats_show_services_reals_and_workers() {
    let traffic = Traffic { connections: 7, in_packets: 70, in_bytes: 71_234, out_packets: 1, out_bytes: 999 };
    let totals = Totals { at_milliseconds: 1, workers: vec![worker(5)] };
    let lines = vec![row(&sample("web", Some(traffic))), done(&totals)];
    let want = "\
SERVICE / REAL            CONNECTIONS  IN PACKETS  IN BYTES  OUT PACKETS  OUT BYTES
web tcp 202.103.106.5:80            7          70    71.2kB            1       999B
  172.16.0.2:8080                   7          70    71.2kB            1       999B

WORKER  RECEIVED  TRANSMITTED  TO KERNEL  DROPPED  CONNECTIONS  CREATED  EXPIRED  HANDED OFF
     0         5            5          0        0            0        5        0           0
";
    assert_eq!(ran(lines.clone(), &["stats"]).out, want);
    let json: serde_json::Value = serde_json::from_str(&ran(lines, &["stats", "--format", "json"]).out).expect("JSON");
    assert_eq!(json["services"][0]["traffic"]["in_bytes"], 71_234);
    assert_eq!(json["totals"]["workers"][0]["received"], 5);
}

#[test]
fn settings_are_printed_with_what_they_may_be() {
    let row = SettingRow { name: "drop_entry".to_owned(), value: 2, default: 0, least: 0, most: 3 };
    let out = ran(vec![done(vec![row])], &["settings"]).out;
    assert_eq!(out, "SETTING     VALUE  DEFAULT  ALLOWED\ndrop_entry      2        0  0 to 3\n");
}

#[test]
fn timeouts_are_in_the_order_of_the_file() {
    let timeouts: BTreeMap<_, _> = Timeouts::default().entries().into_iter().collect();
    let out = ran(vec![done(timeouts)], &["timeouts"]).out;
    assert!(out.starts_with("TIMEOUT          SECONDS\ntcp_none               2\ntcp_established      900\n"), "{out}");
    assert!(out.ends_with("udp                  300\n"), "{out}");
}

#[test]
fn drops_hide_the_reasons_at_zero_unless_asked() {
    let reason =
        |reason: &str, dropped, answered| DropRow { reason: reason.into(), help: "Why.".into(), dropped, answered };
    let reasons = vec![reason("no_real", 2, 1), reason("table_full", 0, 0)];
    let drops = Drops { received: 10, transmitted: 7, to_kernel: 1, answers_suppressed: 0, reasons };
    let want = "\
REASON   DROPPED  ANSWERED  WHAT HAPPENED
no_real        2         1  Why.

10 received: 7 transmitted, 1 to the kernel, 2 dropped.
";
    assert_eq!(ran(vec![done(&drops)], &["drops"]).out, want);
    assert!(ran(vec![done(&drops)], &["drops", "--all"]).out.contains("table_full        0         0  Why."));
}

#[test]
fn ports_show_their_identity_and_their_counters() {
    let port = PortRow {
        name: "wan".into(),
        device: "net_tap0".into(),
        driver: "net_tap".into(),
        mac: MacAddress([2, 0, 0, 0, 1, 1]),
        mtu: 1500,
        kernel_interface: None,
        addresses: vec!["10.0.1.1/24".into()],
        rx_packets: 1,
        rx_bytes: 1_500_000_000,
        tx_packets: 2,
        tx_bytes: 64,
        tx_unsent: 0,
        to_kernel: 3,
        from_kernel: 4,
        rx_missed: 5,
        rx_errors: 6,
        tx_errors: 7,
        rx_queues: 2,
        tx_queues: 2,
        steering: "rss, hand-off".into(),
        handed_off: 1,
        workers: vec![
            PortOfWorker { worker: 0, rx_packets: 4, handed_off: 1 },
            PortOfWorker { worker: 1, rx_packets: 0, handed_off: 0 },
        ],
    };
    let want = "\
PORT  DEVICE    DRIVER   MAC                 MTU  KERNEL INTERFACE  ADDRESSES
wan   net_tap0  net_tap  02:00:00:00:01:01  1500  -                 10.0.1.1/24

PORT  RX PACKETS  RX BYTES  RX MISSED  RX ERRORS  TX PACKETS  TX BYTES  TX UNSENT  TX ERRORS  TO KERNEL  FROM KERNEL
wan            1    1.50GB          5          6           2       64B          0          7          3            4

PORT  RX QUEUES  TX QUEUES  STEERING       WORKER  RX PACKETS  HANDED OFF  SHARE
wan           2          2  rss, hand-off       0           4           1  25.0%
wan           2          2  rss, hand-off       1           0           0      -
";
    assert_eq!(ran(vec![done([port])], &["ports"]).out, want);
}

fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 12,
        uptime_seconds: 3725,
        machine_file: "/etc/sluice/sluice.toml".into(),
        services_file: "/etc/sluice/services.toml".into(),
        services: 2,
        reals: 1,
        dataplane: None,
        gone_seconds: None,
        differences: vec![],
        services_file_error: None,
        warnings: vec![],
    }
}

#[test]
fn status_says_what_runs_and_what_differs() {
    let want = "\
sluiced     running, version 0.1.0, pid 12, up 1h 2m
dataplane   not running; it gets the table when it starts
machine     /etc/sluice/sluice.toml
running     2 services, 1 real
services    /etc/sluice/services.toml: the same as the running table
";
    assert_eq!(ran(vec![done(status())], &["status"]).out, want);
    let dataplane = DataplaneStatus {
        pid: 11,
        instance: "1f".into(),
        uptime_seconds: 59,
        connected: true,
        services_generation: 7,
        next_hops_generation: 3,
        last_refusal: Some("services generation 8: there are more services than the dataplane has slots".into()),
        workers: 1,
        connections: 5,
    };
    let warnings = vec!["The kernel interface sluice-wan does not exist.".into()];
    let differences = vec!["- real 10.0.0.3:80 of web".into()];
    let status = Status { dataplane: Some(dataplane), warnings, differences, ..status() };
    let want = "\
sluiced     running, version 0.1.0, pid 12, up 1h 2m
dataplane   running, pid 11, up 59s, 1 worker, 5 connections
in force    services generation 7, next hops generation 3
refused     services generation 8: there are more services than the dataplane has slots
machine     /etc/sluice/sluice.toml
running     2 services, 1 real
services    /etc/sluice/services.toml: 1 difference from the running table: `sluice reload --dry-run` prints them, \
`sluice reload` applies the file
warning     The kernel interface sluice-wan does not exist.
";
    assert_eq!(ran(vec![done(&status)], &["status"]).out, want);
    let json: Status =
        serde_json::from_str(&ran(vec![done(&status)], &["--format", "json", "status"]).out).expect("JSON");
    assert_eq!(json, status);
}

/// A packet that would open a connection.
fn explained() -> Explained {
    Explained {
        protocol: Protocol::Tcp,
        source: endpoint("202.100.1.2:3456"),
        destination: endpoint("202.103.106.5:80"),
        outcome: Outcome::Forwarded,
        reason: None,
        reason_help: None,
        worker: 0,
        service: Some(ExplainedService {
            name: Some("web".into()),
            address: Some(endpoint("202.103.106.5:80")),
            group: None,
            scheduler: Some(SchedulerKind::WeightedRoundRobin),
        }),
        connection: None,
        template: false,
        outbound: false,
        real: Some(ExplainedReal { address: endpoint("172.16.0.3:8000"), method: ForwardMethod::Nat, weight: Some(2) }),
        next_hop: Some(ExplainedHop {
            port: "lan".into(),
            address: Ipv4Addr::new(172, 16, 0, 3),
            mac: MacAddress([2, 0, 0, 0, 2, 3]),
        }),
        generation: 7,
    }
}

#[test]
fn an_explanation_is_a_sentence_and_its_grounds() {
    let explained = explained();
    let command = &["explain", "tcp", "202.100.1.2:3456", "202.103.106.5:80"];
    let new = ran(vec![done(&explained)], command);
    let sent = r#"{"command":"explain","protocol":"tcp","source":"202.100.1.2:3456","destination":"202.103.106.5:80"}"#;
    assert_eq!(new.sent, sent);
    let want = "\
A TCP packet from 202.100.1.2:3456 to 202.103.106.5:80 would be forwarded to real 172.16.0.3:8000, which becomes its \
destination.

  service     web (tcp 202.103.106.5:80), scheduler wrr
  connection  none yet: a new one would be made
  real        172.16.0.3:8000, nat, weight 2: the scheduler's next choice
  next hop    172.16.0.3 at 02:00:00:00:02:03 on port lan
  worker      0
  table       services generation 7
";
    assert_eq!(new.out, want);

    let connection =
        Some(ExplainedConnection { state: ConnectionState::Established, expires_in_milliseconds: 899_999 });
    let existing = ran(vec![done(Explained { connection, ..explained.clone() })], command);
    assert!(existing.out.contains("  connection  exists, ESTABLISHED, removed after 899s without a packet\n"));
    assert!(existing.out.contains("weight 2: has the connection\n"));

    let refused = Explained {
        outcome: Outcome::Answered,
        reason: Some("no_service".into()),
        reason_help: Some("The virtual address has no service on that protocol and port.".into()),
        service: None,
        real: None,
        next_hop: None,
        ..explained
    };
    let want = "\
A TCP packet from 202.100.1.2:3456 to 202.103.106.5:80 would be answered with a TCP reset: no_service.
The virtual address has no service on that protocol and port.

  worker      0
  table       services generation 7
";
    assert_eq!(ran(vec![done(refused)], command).out, want);
}

#[test]
fn sizes_and_times_are_short() {
    let sizes = [0, 999, 1000, 1_005, 9_994, 9_995, 99_949, 99_950, 999_499, 999_500, 71_234, u64::MAX];
    let want = [
        "0B", "999B", "1.00kB", "1.01kB", "9.99kB", "10.0kB", "99.9kB", "100kB", "999kB", "1.00MB", "71.2kB", "18.4EB",
    ];
    assert_eq!(sizes.map(bytes), want);
    assert_eq!(
        [59, 60, 3599, 3600, 86_400, 90_000].map(duration),
        ["59s", "1m 0s", "59m 59s", "1h 0m", "1d 0h", "1d 1h"]
    );
}
