//! `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore`: `sluice` under these names, with a sluiced and a dataplane.

mod support;

use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use support::{FakeDataplane, Site};

/// Runs `sluice` under a name; what it printed on both outputs, and its exit code.
fn run(site: &Site, name: &str, arguments: &str, input: &str) -> (String, String, Option<i32>) {
    let program = site.path(name);
    if !program.exists() {
        symlink(env!("CARGO_BIN_EXE_sluice"), &program).expect("linked");
    }
    let mut command = site.command(program.to_str().expect("UTF-8"));
    command.args(arguments.split_whitespace()).env("SLUICE_SOCKET", site.socket());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    // Who does not read its input may be gone already.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn done(site: &Site, arguments: &str) -> String {
    let (out, errors, code) = run(site, "ipvsadm", arguments, "");
    assert_eq!((errors.as_str(), code), ("", Some(0)), "ipvsadm {arguments}");
    out
}

const LIST: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  202.103.106.5:80 wrr
  -> 172.16.0.2:80                Masq    1      0          0         \n  -> 172.16.0.3:8000              Masq    5      0          0         \nTCP  202.103.106.7:443 sh (sh-port) persistent 60
  -> 172.16.0.4:443               Route   1      0          0         \nUDP  202.103.106.6:53 wlc
";

#[test]
fn changes_are_in_force_in_the_dataplane_and_shown_by_the_list() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    done(&site, "-A -t 202.103.106.7:443 -s sh -b sh-port -p 60");
    done(&site, "-a -t 202.103.106.7:443 -r 172.16.0.4");
    done(&site, "-e -t 202.103.106.5:80 -r 172.16.0.3:8000 -m -w 5");
    done(&site, "-Z");
    assert_eq!(done(&site, "-L -n"), LIST);
    assert_eq!(run(&site, "sluice", "ipvsadm -Ln", "").0, LIST);
    let status = site.connected();
    let generation = status["dataplane"]["services_generation"].as_u64().expect("a number");
    let (_, table) = dataplane.table(generation);
    assert_eq!(table.services.len(), 3, "the dataplane has it too");
    let names: Vec<_> = site.ask(r#"{"command":"service_show","service":"tcp-202.103.106.7-443"}"#)["reals"]
        .as_array()
        .expect("reals")
        .iter()
        .map(|real| real["address"].to_string())
        .collect();
    assert_eq!(names, ["\"172.16.0.4:443\""]);
    assert_eq!(done(&site, "-L --timeout"), "Timeout (tcp tcpfin udp): 900 60 300\n");
    assert_eq!(done(&site, "-L --daemon"), "");
}

/// The fake dataplane has counted 1 connection of the first real and 2 of the second.
#[test]
fn what_zero_did_outlives_sluiced() {
    let site = Site::new();
    let _dataplane = FakeDataplane::start(&site.link());
    let counted = |site: &Site, key: &str| -> Vec<String> {
        let list = done(site, "-L -n --stats");
        let rows = list.lines().filter_map(|line| line.trim_start().strip_prefix(key));
        rows.map(|row| row.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let reals = |site: &Site| counted(site, "-> 172");
    let sluiced = site.start();
    site.connected();
    assert_eq!(reals(&site), [".16.0.2:80 1", ".16.0.3:8000 2"]);
    done(&site, "-Z -t 202.103.106.5:80");
    assert_eq!(reals(&site), [".16.0.2:80 0", ".16.0.3:8000 0"]);
    assert_eq!(counted(&site, "TCP"), ["202.103.106.5:80 0"]);
    sluiced.kill();
    let _sluiced = site.start();
    site.connected();
    assert_eq!(reals(&site), [".16.0.2:80 0", ".16.0.3:8000 0"], "also after the next start");
    assert_eq!(counted(&site, "TCP"), ["202.103.106.5:80 0"]);
    let own = site.ask(r#"{"command":"service_show","service":"web"}"#);
    assert_eq!(own["traffic"]["connections"], 3, "our own counters are not zeroed: {own}");
}

#[test]
fn refusals_have_the_words_and_the_exit_codes_of_ipvsadm() {
    let site = Site::new();
    let _sluiced = site.start();
    for (arguments, want, code) in [
        ("-A -t 202.103.106.5:80", "Service already exists\n", 255),
        ("-D -u 202.103.106.5:80", "No such service\n", 255),
        ("-L -n -t 10.0.0.1:80", "No such service\n", 1),
        ("-A -t 202.103.106.5", "Zero port specified for non-persistent service\n", 2),
        ("-A --stats", "You need to supply the 'service-address' option for the 'add-service' command\n", 2),
        ("--nonsense", "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n", 255),
    ] {
        assert_eq!(run(&site, "ipvsadm", arguments, ""), (String::new(), want.to_owned(), Some(code)), "{arguments}");
    }
}

#[test]
fn words_and_lines_of_ten_thousand_characters_are_refused_and_leave_nothing_behind() {
    let site = Site::new();
    let _sluiced = site.start();
    let before = run(&site, "ipvsadm-save", "-n", "").0;
    let long = "1".repeat(10_000);
    for arguments in [
        format!("-A -t {long}:80"),
        format!("-A -t 10.9.0.1:{long}"),
        format!("-A -t 10.9.0.1:80 -p {long}"),
        format!("-A -f {long}"),
        format!("-{long}"),
    ] {
        let (out, errors, code) = run(&site, "ipvsadm", &arguments, "");
        assert!(out.is_empty() && !errors.is_empty() && [Some(2), Some(255)].contains(&code), "{code:?}: {errors}");
    }
    let (_, errors, code) = run(&site, "ipvsadm", &format!("-A -t 10.9.0.1:80 -s {long}"), "");
    assert_eq!((errors.as_str(), code), ("Scheduler or persistence engine not found\n", Some(255)));
    let padding = " ".repeat(10_000);
    for program in [("ipvsadm", "-R"), ("ipvsadm-restore", "")] {
        let input = format!("-a -t 202.103.106.5:80 -r 172.16.0.2:80{padding}\n-C\n");
        let (_, errors, code) = run(&site, program.0, program.1, &input);
        assert_eq!((errors.as_str(), code), ("line 1 is longer than the 8192 characters allowed\n", Some(2)));
    }
    assert_eq!(run(&site, "ipvsadm-save", "-n", "").0, "", "ipvsadm-restore begins with an empty table");
    done(&site, "-A -t 202.103.106.5:80 -s wrr");
    assert!(before.starts_with(&run(&site, "ipvsadm-save", "-n", "").0), "the ordinary line is done");
}

#[test]
fn what_is_saved_restores_the_table_in_one_version() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    let (saved, _, code) = run(&site, "ipvsadm-save", "-n", "");
    assert_eq!(
        (saved.as_str(), code),
        (
            "-A -t 202.103.106.5:80 -s wrr\n\
             -a -t 202.103.106.5:80 -r 172.16.0.2:80 -m -w 1\n\
             -a -t 202.103.106.5:80 -r 172.16.0.3:8000 -m -w 2\n\
             -A -u 202.103.106.6:53 -s wlc\n",
            Some(0)
        )
    );
    done(&site, "-C");
    assert_eq!(run(&site, "ipvsadm-save", "-n", "").0, "");
    let before = dataplane.applied();
    let input = format!("# a comment\n{saved}-A -t 202.103.106.5:80\n");
    let (_, errors, code) = run(&site, "ipvsadm-restore", "", &input);
    assert_eq!((errors.as_str(), code), ("Service already exists\n", Some(255)), "the last line is refused by itself");
    assert_eq!(run(&site, "ipvsadm-save", "-n", "").0, saved);
    assert_eq!(dataplane.applied(), before + 1);
}

#[test]
fn of_a_restore_that_has_no_room_the_lines_that_fit_are_done_and_each_other_one_is_told() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    // Two are there.
    dataplane.shared().most_services = Some(5);
    let input: String = (1..=6).map(|port| format!("-A -t 10.9.0.1:{port} -s rr\n")).collect();
    let (_, errors, code) = run(&site, "ipvsadm", "-R", &(input + "-A -t 10.9.0.1:1 -s rr\n"));
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!((lines.len(), code), (4, Some(255)), "{errors}");
    assert!(lines[..3].iter().all(|line| line.contains("more services than the dataplane has slots")), "{errors}");
    assert_eq!(lines[3], "Service already exists");
    let saved = run(&site, "ipvsadm-save", "-n", "").0;
    let there: Vec<_> = (1..=6).filter(|port| saved.contains(&format!("-A -t 10.9.0.1:{port} "))).collect();
    assert_eq!(there, [1, 2, 3], "{saved}");
}

#[test]
fn what_is_wrong_with_a_command_line_is_said_without_a_sluiced_and_the_rest_is_not() {
    let site = Site::new();
    let (out, errors, code) = run(&site, "ipvsadm", "-A", "");
    assert!(out.is_empty() && errors.starts_with("You need to supply"), "{errors}");
    assert_eq!(code, Some(2));
    let (_, errors, code) = run(&site, "ipvsadm", "-L -n", "");
    assert!(errors.starts_with("Can't initialize ipvs: sluiced at "), "{errors}");
    assert_eq!(code, Some(2));
    assert_eq!(run(&site, "ipvsadm", "-v", "").2, Some(0));
}
