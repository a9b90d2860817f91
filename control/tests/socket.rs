//! The control socket: whose it is, who may use it, and that one client's trouble is not another's.

mod support;

use control::protocol::{Code, MAX_REQUEST};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Client, FakeDataplane, SERVICES, Site, Sluiced, eventually};

const STATUS: &str = r#"{"command":"status"}"#;

fn first_pid(sluiced: &Sluiced) -> String {
    sluiced.pid().to_string()
}

#[test]
fn the_socket_has_mode_0660_in_a_directory_of_0755() {
    let site = Site::new();
    let _sluiced = site.start();
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(site.socket()), 0o660);
    assert_eq!(mode(site.path("run")), 0o755);
}

#[test]
fn a_second_sluiced_is_refused_by_the_pid_of_the_first() {
    let site = Site::new();
    let first = site.start();
    let second = site
        .command(env!("CARGO_BIN_EXE_sluiced"))
        .args(["--config"])
        .arg(site.path("sluice.toml"))
        .args(["--services"])
        .arg(site.path("services.toml"))
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    let want = format!("sluiced with pid {} serves it already; end that one first", first_pid(&first));
    assert!(said.contains(&want), "{said}");
    site.ask(STATUS);
}

#[test]
fn a_lock_that_a_stranger_holds_is_not_blamed_on_a_process_that_is_gone() {
    let site = Site::new();
    std::fs::create_dir(site.path("run")).expect("made");
    let lock = std::fs::File::create(site.path("run/control.sock.lock")).expect("made");
    lock.lock().expect("locked");
    let said_of = |pid: u32| {
        std::fs::write(site.path("run/control.sock.lock"), format!("{pid}\n")).expect("written");
        let mut refused = site.spawn();
        assert_eq!(refused.wait().code(), Some(1));
        refused.log()
    };
    let gone = said_of(99_999_999);
    assert!(gone.contains("names pid 99999999, but that process is gone; see `fuser "), "{gone}");
    let alive = said_of(std::process::id());
    assert!(alive.contains(&format!("sluiced with pid {} serves it already", std::process::id())), "{alive}");
}

#[test]
fn only_its_owner_can_hold_the_lock() {
    let site = Site::new();
    let lock = site.path("run/control.sock.lock");
    let mode = || std::fs::metadata(&lock).expect("it exists").permissions().mode() & 0o777;
    site.start().kill();
    assert_eq!(mode(), 0o600);
    // As an earlier version made it.
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let _sluiced = site.start();
    assert_eq!(mode(), 0o600);
}

#[test]
fn the_socket_of_a_dead_sluiced_is_replaced_and_a_file_is_not() {
    let site = Site::new();
    site.start().kill();
    assert!(site.socket().exists(), "kill -9 leaves it");
    let replaced = site.spawn();
    eventually("the socket is served again", || UnixStream::connect(site.socket()).ok());
    site.ask(STATUS);
    replaced.kill();

    std::fs::remove_file(site.socket()).expect("removed");
    std::fs::write(site.socket(), "precious").expect("written");
    let mut refused = site.spawn();
    assert_eq!(refused.wait().code(), Some(1));
    assert!(refused.log().contains("a file that is not a socket has this name"), "{}", refused.log());
    assert_eq!(std::fs::read_to_string(site.socket()).expect("it is left"), "precious");
}

#[test]
fn what_is_not_a_request_is_refused_and_the_connection_goes_on() {
    let site = Site::new();
    let _sluiced = site.start();
    let mut client = site.client();
    for (line, part) in [
        ("", "was not understood"),
        ("{", "was not understood"),
        ("\u{0}\u{1}", "was not understood"),
        (r#"{"command":"reboot"}"#, "reboot"),
        (r#"{"command":"real_remove","service":"web"}"#, "address"),
        (r#"{"command":"real_add","service":"web","address":"10.0.0.3:80","wieght":1}"#, "wieght"),
        (r#"{"command":"connection_flush","limit":3}"#, "limit 3, allowed 0"),
    ] {
        let failure = client.ask(line).expect_err(line);
        assert_eq!(failure.code, Code::Usage, "{line}");
        assert!(failure.message.contains(part), "{line}: {failure}");
    }
    client.ask(STATUS).expect("the connection goes on");
}

#[test]
fn a_line_that_is_too_long_is_read_away() {
    let site = Site::new();
    let _sluiced = site.start();
    let mut client = site.client();
    let failure = client.ask(&"x".repeat(MAX_REQUEST)).expect_err("too long");
    assert!(failure.message.contains("longer than the 16777216 bytes allowed"), "{failure}");
    client.ask(STATUS).expect("the connection goes on");
    let long = format!("{{\"command\":\"apply\",\"file\":\"f\",\"text\":\"#{}\"}}", "x".repeat(MAX_REQUEST - 100));
    let changed = client.ask(&long).expect("as long as is allowed");
    assert_eq!(
        changed["message"],
        "Applied f: 0 services, 0 reals. The dataplane is not running; it gets this when it starts."
    );
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    let site = Site::new();
    let _sluiced = site.start();
    let mut client = site.client();
    client.send(STATUS);
    client.send(r#"{"command":"service_show","service":"dns"}"#);
    client.send(r#"{"command":"service_list"}"#);
    assert_eq!(client.receive().1.expect("the status")["services"], 2);
    assert_eq!(client.receive().1.expect("the service")["name"], "dns");
    let (rows, end) = client.receive();
    assert_eq!((rows.len(), end.expect("the end")["count"].as_u64()), (2, Some(2)));
}

#[test]
fn another_user_is_refused_even_where_the_socket_lets_him_in() {
    let site = Site::new();
    let _sluiced = site.start();
    // Opens the way to the socket, as an operator's chmod might.
    for (path, mode) in [(site.path(""), 0o755), (site.socket(), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
    }
    let program = site.path("sluice");
    std::fs::copy(env!("CARGO_BIN_EXE_sluice"), &program).expect("copied to where everybody may run it");
    let ask = |user: u32| {
        let mut command = Command::new(&program);
        command.arg("--socket").arg(site.socket()).arg("status").current_dir("/").uid(user).gid(user);
        command.output().expect("sluice runs")
    };
    assert_eq!(ask(0).status.code(), Some(0), "root is served");
    let refused = ask(65534);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("user 65534 may not control this director"), "{said}");
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    const CONNECTIONS: u32 = 200_000;
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    dataplane.shared().connections = CONNECTIONS;
    let _sluiced = site.start();
    site.connected();
    let mut sleeper = site.client();
    sleeper.send(r#"{"command":"connection_list"}"#);
    let mut hasty = UnixStream::connect(site.socket()).expect("connected");
    hasty.write_all(b"{\"command\":\"connection_list\"}\n").expect("sent");
    hasty.read_exact(&mut [0; 100]).expect("a part");
    drop(hasty);

    for _ in 0..5 {
        assert_eq!(site.ask(r#"{"command":"connection_count"}"#)["count"], CONNECTIONS);
        site.ask(r#"{"command":"real_set","service":"web","address":"172.16.0.2:80","weight":0}"#);
        site.ask(r#"{"command":"reload"}"#);
    }
    let (rows, end) = sleeper.receive();
    assert_eq!(end.expect("the end")["count"], CONNECTIONS);
    assert_eq!(rows.len(), CONNECTIONS as usize, "it lost nothing by sleeping");
}

#[test]
fn a_client_that_reads_slowly_holds_up_nobody() {
    const CONNECTIONS: u32 = 600_000;
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    dataplane.shared().connections = CONNECTIONS;
    let _sluiced = site.start();
    site.connected();
    let stream = UnixStream::connect(site.socket()).expect("connected");
    let hurry = Arc::new(AtomicBool::new(false));
    let hurries = Arc::clone(&hurry);
    let slow = std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        reader.get_mut().write_all(b"{\"command\":\"connection_list\"}\n").expect("sent");
        let (mut rows, mut line) = (0, String::new());
        loop {
            line.clear();
            reader.read_line(&mut line).expect("a line");
            if !line.starts_with("{\"row\"") {
                return (rows, line);
            }
            rows += 1;
            // Some 20,000 rows a second: it never stands still, and takes longer than a change may.
            if rows % 100 == 0 && !hurries.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(4));
            }
        }
    });
    for _ in 0..5 {
        site.ask(r#"{"command":"real_set","service":"web","address":"172.16.0.2:80","weight":0}"#);
        assert_eq!(site.ask(r#"{"command":"connection_count"}"#)["count"], CONNECTIONS);
        site.ask(r#"{"command":"reload"}"#);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!slow.is_finished(), "it was reading all the while");
    hurry.store(true, Ordering::Relaxed);
    let (rows, end) = slow.join().expect("the reader");
    assert_eq!((rows, end.trim_end()), (CONNECTIONS, r#"{"ok":true,"result":{"count":600000}}"#));
}

#[test]
fn every_question_has_its_answer() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    dataplane.table(1);
    let explained = site
        .ask(r#"{"command":"explain","protocol":"tcp","source":"202.100.1.2:3456","destination":"202.103.106.5:80"}"#);
    assert_eq!(explained["service"]["name"], "web");
    assert_eq!((explained["real"]["weight"].as_u64(), explained["next_hop"]["port"].as_str()), (Some(2), Some("lan")));
    let web = eventually("counters", || {
        let row = site.ask(r#"{"command":"service_show","service":"web"}"#);
        row["traffic"].is_object().then_some(row)
    });
    assert_eq!(web["traffic"]["connections"], 3, "1 + 2 of its two reals");
    assert_eq!(web["reals"][1]["traffic"]["connections"], 2);
    let mut client = site.client();
    client.send(r#"{"command":"stats","service":"web"}"#);
    let (rows, end) = client.receive();
    assert_eq!((rows.len(), end.expect("totals")["workers"].as_array().map(Vec::len)), (1, Some(3)));
    assert_eq!(site.ask(r#"{"command":"ports"}"#)[1]["name"], "lan");
    assert_eq!(site.ask(r#"{"command":"drops"}"#)["received"], 0);
    assert_eq!(site.ask(r#"{"command":"timeouts"}"#)["tcp_established"], 900);
    assert_eq!(site.refused(r#"{"command":"stats","service":"wep"}"#).0, Code::NotFound);
    assert_eq!(site.refused(r#"{"command":"connection_list","service":"wep"}"#).0, Code::NotFound);
}

#[test]
fn a_hang_up_reloads_the_file_and_a_refused_file_changes_nothing() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    dataplane.table(1);
    site.write_services(&SERVICES.replace("weight = 2", "weight = 5"));
    sluiced.signal("HUP");
    assert_eq!(dataplane.table(2).1.services[0].reals[1].weight, 5);

    site.write_services(&SERVICES.replace("weight = 2", "weight = 70000"));
    sluiced.signal("HUP");
    let line = "weight 70000, allowed 0 to 65535";
    eventually("the refusal is in the log", || sluiced.log().contains(line).then_some(()));
    let status = site.ask(STATUS);
    assert!(status["services_file_error"].as_str().expect("an error").contains(line));
    let (code, message) = site.refused(r#"{"command":"reload"}"#);
    assert_eq!(code, Code::Refused);
    assert!(message.contains("services.toml:") && message.contains(line), "{message}");
    assert_eq!(dataplane.applied(), 2);
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    dataplane.table(1);
    site.write_services(&SERVICES.replace("weight = 2", "weight = 5"));
    let changed = site.ask(r#"{"command":"reload","dry_run":true}"#);
    assert_eq!(changed["changes"], serde_json::json!(["~ real 172.16.0.3:8000 of web: weight 2 -> 5"]));
    assert_eq!(changed["in_force"], false);
    assert_eq!(dataplane.applied(), 1);
}

#[test]
fn sigterm_ends_it_with_0_and_leaves_the_dataplane_its_table() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let mut sluiced = site.start();
    site.connected();
    dataplane.table(1);
    sluiced.signal("TERM");
    assert_eq!(sluiced.wait().code(), Some(0));
    assert_eq!(dataplane.applied(), 1);
}

#[test]
fn check_reads_both_files_and_does_nothing_else() {
    let site = Site::new();
    let check = || {
        let mut command = site.command(env!("CARGO_BIN_EXE_sluiced"));
        command.arg("--check").arg("--config").arg(site.path("sluice.toml"));
        command.arg("--services").arg(site.path("services.toml")).output().expect("it runs")
    };
    let right = check();
    assert_eq!(right.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&right.stdout).contains("2 services, 2 reals."));
    assert!(!site.path("run").exists());
    site.write_services("[[service]]\nname = \"web\"\nprotcol = \"tcp\"\n");
    let wrong = check();
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.starts_with("sluiced: ") && said.contains("protcol") && said.contains("services.toml:3"), "{said}");
}

#[test]
fn more_clients_than_allowed_are_told_so() {
    let site = Site::new();
    let _sluiced = site.start();
    let held: Vec<_> = (0..256).map(|_| UnixStream::connect(site.socket()).expect("connected")).collect();
    let refused = eventually("one too many", || {
        let mut client = site.client();
        client.ask(STATUS).err()
    });
    assert!(refused.message.contains("256 clients are connected already"), "{refused}");
    drop(held);
    eventually("room again", || Client::new(UnixStream::connect(site.socket()).ok()?).ask(STATUS).ok());
}

#[test]
fn something_else_on_the_links_path_is_waited_out() {
    let site = Site::new();
    std::fs::write(site.link(), "not a link").expect("written");
    let sluiced = site.start();
    eventually("it says so", || sluiced.log().contains("not a Sluice link").then_some(()));
    std::fs::remove_file(site.link()).expect("removed");
    let _dataplane = FakeDataplane::start(&site.link());
    site.connected();
}

#[test]
fn a_foreign_socket_without_a_lock_is_replaced() {
    let site = Site::new();
    std::fs::create_dir(site.path("run")).expect("made");
    drop(UnixListener::bind(site.socket()).expect("bound"));
    let _sluiced = site.spawn();
    eventually("served", || UnixStream::connect(site.socket()).ok());
    site.ask(STATUS);
}
