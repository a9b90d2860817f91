//! The command line against a socket that answers with fixed lines: what is sent, what is printed, the exit code.

mod printed;

use super::{CLOSED_PIPE, DONE, NOT_FOUND, REFUSED, UNREACHABLE, USAGE, run};
use crate::protocol::{
    Changed, ConnectionRow, Count, Failure, RealRow, ServiceRow, Traffic, WorkerRow, encode_end, encode_row,
};
use link::model::{ForwardMethod, Protocol, SchedulerKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddrV4;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// What a command sent, printed and returned.
struct Ran {
    code: u8,
    sent: String,
    out: String,
    errors: String,
}

/// A socket path of its own, removed when dropped.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sluice-client-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn arguments(socket: &SocketPath, command: &[&str]) -> Vec<OsString> {
    let fixed = ["sluice".into(), "--socket".into(), socket.0.clone().into_os_string()];
    fixed.into_iter().chain(command.iter().map(OsString::from)).collect()
}

/// Runs a command against a server that reads one request and answers with `lines`.
fn against(lines: Vec<Vec<u8>>, command: &[&str], out: &mut dyn Write) -> (u8, String, String) {
    let socket = SocketPath::new();
    let listener = UnixListener::bind(&socket.0).expect("a socket in the temporary directory");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut sent = String::new();
        BufReader::new(stream.try_clone().expect("a second handle")).read_line(&mut sent).expect("a request");
        // A client that has gone away is what one of the tests is about.
        let _ = lines.iter().try_for_each(|line| stream.write_all(line));
        sent.trim_end().to_owned()
    });
    let mut errors = Vec::new();
    let code = run(arguments(&socket, command), out, &mut errors);
    (code, server.join().expect("the server"), String::from_utf8(errors).expect("text"))
}

fn ran(lines: Vec<Vec<u8>>, command: &[&str]) -> Ran {
    let mut out = Vec::new();
    let (code, sent, errors) = against(lines, command, &mut out);
    Ran { code, sent, out: String::from_utf8(out).expect("text"), errors }
}

/// Runs a command that must not get as far as the socket.
fn offline(command: &[&str]) -> Ran {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let code = run(arguments(&SocketPath::new(), command), &mut out, &mut errors);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code, sent: String::new(), out: text(out), errors: text(errors) }
}

fn row<T: Serialize>(value: &T) -> Vec<u8> {
    encode_row(value).expect("serializes")
}

fn done<T: Serialize>(value: T) -> Vec<u8> {
    encode_end(&Ok(value)).expect("serializes")
}

fn failed(failure: Failure) -> Vec<u8> {
    encode_end::<()>(&Err(failure)).expect("serializes")
}

fn endpoint(text: &str) -> SocketAddrV4 {
    text.parse().expect("an endpoint")
}

fn changed(message: &str) -> Changed {
    let changes = vec!["+ real 10.0.0.3:80 of web, nat, weight 1".to_owned()];
    Changed { message: message.to_owned(), changes, in_force: true, generation: 7 }
}

/// A service with one real that has its traffic.
pub(super) fn sample(name: &str, traffic: Option<Traffic>) -> ServiceRow {
    let real = RealRow {
        address: endpoint("172.16.0.2:8080"),
        method: ForwardMethod::Nat,
        weight: 1,
        removed: false,
        active: traffic.map(|_| 3),
        inactive: traffic.map(|_| 4),
        upper_threshold: None,
        lower_threshold: None,
        overloaded: false,
        persistent: None,
        traffic,
        rates: None,
        health: None,
        sorry: false,
    };
    ServiceRow {
        name: name.to_owned(),
        protocol: Some(Protocol::Tcp),
        address: Some(endpoint("202.103.106.5:80")),
        group: None,
        scheduler: SchedulerKind::WeightedRoundRobin,
        method: ForwardMethod::Nat,
        scheduler_flags: vec![],
        persistence: None,
        persistence_netmask: None,
        one_packet: false,
        clamp_mss: false,
        helper: None,
        timeouts: BTreeMap::new(),
        traffic,
        rates: None,
        health: None,
        reals: vec![real],
    }
}

/// A worker that has seen so many packets and connections.
pub(super) fn worker(count: u64) -> WorkerRow {
    WorkerRow {
        worker: Some(0),
        received: count,
        transmitted: count,
        connections_created: count,
        ..WorkerRow::default()
    }
}

fn connection_row(client: &str) -> ConnectionRow {
    ConnectionRow {
        protocol: Some(Protocol::Tcp),
        client: endpoint(client),
        service: endpoint("202.103.106.5:80"),
        real: endpoint("172.16.0.3:8000"),
        method: ForwardMethod::Nat,
        state: "ESTABLISHED".to_owned(),
        template: false,
        expires_in_milliseconds: 899_500,
        worker: 0,
    }
}

#[test]
fn a_change_sends_its_request_and_prints_the_result_first() {
    let message = "Added real 10.0.0.3:80 to web: nat, weight 5.";
    let ran = ran(vec![done(changed(message))], &["real", "add", "web", "10.0.0.3:80", "--weight", "5"]);
    assert_eq!(ran.sent, r#"{"command":"real_add","service":"web","address":"10.0.0.3:80","weight":5}"#);
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (DONE, &*format!("{message}\n"), ""));
}

#[test]
fn each_kind_of_failure_has_its_exit_code_and_its_message_on_standard_error() {
    for (failure, code) in [
        (Failure::refused("No."), REFUSED),
        (Failure::usage("What?"), USAGE),
        (Failure::not_found("Where?"), NOT_FOUND),
        (Failure::unavailable("Not now."), UNREACHABLE),
    ] {
        let want = format!("{failure}\n");
        let ran = ran(vec![failed(failure)], &["service", "show", "web"]);
        assert_eq!((ran.code, ran.out.as_str(), ran.errors), (code, "", want));
    }
}

#[test]
fn no_sluiced_is_exit_code_4_and_says_what_to_do() {
    let ran = offline(&["status"]);
    assert_eq!((ran.code, ran.out.as_str()), (UNREACHABLE, ""));
    assert!(ran.errors.contains("is not reachable: No such file or directory"), "{}", ran.errors);
    assert!(ran.errors.ends_with("Start sluiced, or name its socket with --socket.\n"), "{}", ran.errors);
}

#[test]
fn a_server_that_goes_away_or_talks_nonsense_is_exit_code_4() {
    let gone = ran(vec![], &["status"]);
    assert_eq!(gone.code, UNREACHABLE);
    assert!(gone.errors.contains("it closed the connection before it had answered"), "{}", gone.errors);
    let nonsense = ran(vec![b"{\"hello\":1}\n".to_vec()], &["status"]);
    assert_eq!(nonsense.code, UNREACHABLE);
    assert!(nonsense.errors.contains("Are sluice and sluiced of the same version?"), "{}", nonsense.errors);
}

#[test]
fn wrong_usage_is_exit_code_2_and_names_what_is_allowed() {
    for (command, want) in [
        (&["real", "add", "web", "10.0.0.3"][..], "allowed an IPv4 address and a port, as 10.0.0.1:80"),
        (&["service", "add", "web", "sctp", "10.0.0.1:80"], "allowed: tcp, udp"),
        (&["service", "add", "web", "tcp", "10.0.0.1:80", "--scheduler", "x"], "allowed: rr, wrr, lc, wlc"),
        (&["service", "set", "web"], "required"),
        (&["service", "add", "web"], "required"),
        (&["service", "add", "web", "tcp", "10.0.0.1:80", "--group", "7"], "cannot be used with"),
        (&["group", "set", "7"], "required"),
        (&["real", "set", "web", "10.0.0.3:80"], "required"),
        (&["timeouts", "set", "udp"], "allowed a key and whole seconds, as tcp_established=600"),
        (&["settings", "set", "drop_entry"], "allowed a key and a whole number, as drop_entry=1"),
        (&["connection", "flush"], "Nothing was removed: give --protocol"),
        (&["connection", "flush", "--all", "--protocol", "udp"], "cannot be used with"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&[], "Usage"),
    ] {
        let ran = offline(command);
        assert_eq!(ran.code, USAGE, "{command:?}");
        assert!(ran.errors.contains(want), "{command:?}: {}", ran.errors);
    }
}

#[test]
fn help_is_done_and_lists_the_exit_codes() {
    let ran = offline(&["--help"]);
    assert_eq!((ran.code, ran.errors.as_str()), (DONE, ""));
    assert!(ran.out.contains("Exit codes: 0 done, 1 refused"), "{}", ran.out);
}

/// A command, and the request that it sends.
const MEANINGS: &[(&[&str], &str)] = &[
    (&["reload"], r#"{"command":"reload","dry_run":false}"#),
    (&["service", "remove", "web"], r#"{"command":"service_remove","service":"web"}"#),
    (
        &["service", "add", "dns", "udp", "10.0.0.1:53", "--method", "direct"],
        r#"{"command":"service_add","name":"dns","protocol":"udp","address":"10.0.0.1:53","scheduler":"wlc","method":"direct"}"#,
    ),
    (&["service", "set", "web", "--scheduler", "lc"], r#"{"command":"service_set","service":"web","scheduler":"lc"}"#),
    (
        &["real", "set", "web", "10.0.0.3:80", "--method", "tunnel"],
        r#"{"command":"real_set","service":"web","address":"10.0.0.3:80","method":"tunnel"}"#,
    ),
    (&["real", "drain", "web", "10.0.0.3:80"], r#"{"command":"real_drain","service":"web","address":"10.0.0.3:80"}"#),
    (
        &["real", "drain", "web", "10.0.0.3:80", "--deadline", "10m", "--then", "remove"],
        r#"{"command":"real_drain","service":"web","address":"10.0.0.3:80","deadline_seconds":600,"then":"remove"}"#,
    ),
    (
        &["real", "drain", "web", "10.0.0.3:80", "--now"],
        r#"{"command":"real_drain","service":"web","address":"10.0.0.3:80","now":true}"#,
    ),
    (
        &["real", "undrain", "web", "10.0.0.3:80"],
        r#"{"command":"real_enable","service":"web","address":"10.0.0.3:80"}"#,
    ),
    (&["events", "--follow"], r#"{"command":"events","follow":true}"#),
    (
        &["service", "add", "shop", "--group", "7", "--scheduler", "sh", "--scheduler-flags", "sh-port,sh-fallback"],
        r#"{"command":"service_add","name":"shop","group":7,"scheduler":"sh","method":"nat","options":{"scheduler_flags":["sh-port","sh-fallback"]}}"#,
    ),
    (
        &["service", "set", "web", "--persistence", "0"],
        r#"{"command":"service_set","service":"web","options":{"persistence":0}}"#,
    ),
    (
        &[
            "service",
            "add",
            "all",
            "tcp",
            "10.0.0.1:0",
            "--persistence",
            "60",
            "--persistence-netmask",
            "255.255.255.0",
        ],
        r#"{"command":"service_add","name":"all","protocol":"tcp","address":"10.0.0.1:0","scheduler":"wlc","method":"nat","options":{"persistence":60,"persistence_netmask":"255.255.255.0"}}"#,
    ),
    (
        &["real", "add", "web", "10.0.0.3:80", "--upper-threshold", "100", "--lower-threshold", "50"],
        r#"{"command":"real_add","service":"web","address":"10.0.0.3:80","upper_threshold":100,"lower_threshold":50}"#,
    ),
    (
        &["real", "set", "web", "10.0.0.3:80", "--upper-threshold", "100"],
        r#"{"command":"real_set","service":"web","address":"10.0.0.3:80","upper_threshold":100}"#,
    ),
    (
        &["group", "set", "7", "tcp 10.0.0.1:80", "udp 10.0.0.1:0"],
        r#"{"command":"group_set","number":7,"endpoints":["tcp 10.0.0.1:80","udp 10.0.0.1:0"]}"#,
    ),
    (&["group", "remove", "7"], r#"{"command":"group_remove","number":7}"#),
    (&["settings"], r#"{"command":"settings"}"#),
    (
        &["settings", "set", "drop_entry=1", "secure_tcp=3"],
        r#"{"command":"settings_set","settings":{"drop_entry":1,"secure_tcp":3}}"#,
    ),
    (
        &["service", "set", "web", "--timeout", "udp=30", "--timeout", "tcp_close=0"],
        r#"{"command":"service_set","service":"web","options":{"timeouts":{"tcp_close":0,"udp":30}}}"#,
    ),
    (&["timeouts", "set", "udp=30"], r#"{"command":"timeouts_set","timeouts":{"udp":30}}"#),
];

#[test]
fn commands_mean_their_requests() {
    for (command, want) in MEANINGS {
        assert_eq!(ran(vec![done(changed("Done."))], command).sent, *want);
    }
    let ran = ran(vec![done(Count { count: 2 })], &["connection", "count", "--service", "web", "--client", "10.0.0.9"]);
    assert_eq!(ran.sent, r#"{"command":"connection_count","client":"10.0.0.9","service":"web","limit":0}"#);
    assert_eq!(ran.out, "2\n");
}

#[test]
fn a_flush_says_how_many_it_removed() {
    let all = ran(vec![done(Count { count: 1 })], &["connection", "flush", "--all"]);
    assert_eq!(
        (all.sent.as_str(), all.out.as_str()),
        (r#"{"command":"connection_flush","limit":0}"#, "Removed 1 connection.\n")
    );
    let some = ran(vec![done(Count { count: 0 })], &["connection", "flush", "--real", "10.0.0.3:80"]);
    assert_eq!(some.out, "Removed 0 connections.\n");
}

#[test]
fn an_apply_sends_the_text_and_a_dry_run_prints_the_difference() {
    let file = SocketPath::new();
    std::fs::write(&file.0, "[timeouts]\nudp = 30\n").expect("a file in the temporary directory");
    let name = file.0.to_str().expect("text");
    let dry = Changed { in_force: false, ..changed("Would apply 1 change.") };
    let ran = ran(vec![done(dry)], &["apply", name, "--dry-run"]);
    let want = format!(r#"{{"command":"apply","text":"[timeouts]\nudp = 30\n","file":"{name}","dry_run":true}}"#);
    assert_eq!(ran.sent, want);
    assert_eq!(ran.out, "Would apply 1 change.\n+ real 10.0.0.3:80 of web, nat, weight 1\n");
    let missing = offline(&["apply", "/nonexistent/services.toml"]);
    assert_eq!(missing.code, NOT_FOUND);
    let want =
        "Nothing was applied: /nonexistent/services.toml cannot be read: No such file or directory (os error 2).\n";
    assert_eq!(missing.errors, want);
}

/// A writer whose reader has gone.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_closed_pipe_ends_a_list_quietly() {
    let rows = (0..10_000).map(|_| row(&connection_row("202.100.1.2:3456"))).chain([done(Count { count: 10_000 })]);
    let (code, _, errors) = against(rows.collect(), &["connection", "list"], &mut ClosedPipe);
    assert_eq!((code, errors.as_str()), (CLOSED_PIPE, ""));
}

#[test]
fn a_failure_in_the_middle_of_a_list_prints_the_rows_before_it() {
    let lines = vec![row(&connection_row("10.0.0.1:1")), failed(Failure::unavailable("The dataplane went away."))];
    let ran = ran(lines, &["connection", "list"]);
    assert_eq!((ran.code, ran.errors.as_str()), (UNREACHABLE, "The dataplane went away.\n"));
    assert_eq!(ran.out.lines().count(), 2);
}

#[test]
fn a_list_that_fails_at_once_prints_nothing() {
    for command in [&["connection", "list"][..], &["connection", "list", "--format", "json"]] {
        let ran = ran(vec![failed(Failure::unavailable("The dataplane is not running."))], command);
        assert_eq!((ran.code, ran.out.as_str()), (UNREACHABLE, ""));
    }
}
