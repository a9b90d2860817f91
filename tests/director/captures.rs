//! `sluice capture` and `sluice trace` on a running director: real HTTP is captured, and read by Wireshark's tshark.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lab::{CLIENT, Lab, NAT_VIP, PAPER_SERVICES, Process, Result, Signal, wait_until};

use crate::support::{LIMIT, ask, assert_served, drops, url};

/// The paper's laboratory, where a packet for no service is dropped.
fn silent() -> Result<Lab> {
    let mut lab = Lab::paper_example()?;
    let machine = lab.machine().to_string().replacen("[dataplane]\n", "[dataplane]\nunmatched = \"drop\"\n", 1);
    lab.start_director(&machine, PAPER_SERVICES)?;
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    Ok(lab)
}

/// `sluice capture` in the background.
fn capture(lab: &Lab, label: &str, words: &[&str]) -> Result<Process> {
    let (sluice, socket) = (lab::program("sluice")?, lab.folder().join("control.sock"));
    let socket = socket.to_string_lossy();
    let arguments = ["--socket", &socket].into_iter().chain(words.iter().copied());
    lab.director().spawn(label, &sluice.to_string_lossy(), arguments.map(str::to_owned).collect::<Vec<_>>())
}

/// Into a file; it has begun.
fn capture_to(lab: &Lab, file: &Path, words: &[&str]) -> Result<Process> {
    let path = file.to_string_lossy().into_owned();
    let words: Vec<&str> = ["capture", "--write", &path].into_iter().chain(words.iter().copied()).collect();
    let mut capture = capture(lab, "capture", &words)?;
    wait_until("the begin of a capture file", LIMIT, || {
        capture.check_running()?;
        Ok(std::fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0).then_some(()))
    })?;
    Ok(capture)
}

/// A frame as tshark tells it.
#[derive(Debug)]
struct Row {
    comment: String,
    interface: String,
    source: String,
    destination: String,
    source_port: String,
    port: String,
}

/// All frames of a file that have an IPv4 header.
fn read(lab: &Lab, file: &Path) -> Result<Vec<Row>> {
    let fields = ["frame.comment", "frame.interface_name", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport"];
    let path = file.to_string_lossy();
    let mut arguments = vec!["-n", "-r", &path, "-Y", "ip", "-T", "fields", "-E", "separator=|"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", *field]));
    let out = lab.director().run("tshark", arguments)?.stdout;
    Ok(out
        .lines()
        .map(|line| {
            let mut values = line.split('|').map(str::to_owned);
            let mut next = || values.next().unwrap_or_else(|| panic!("six fields: {line}"));
            Row {
                comment: next(),
                interface: next(),
                source: next(),
                destination: next(),
                source_port: next(),
                port: next(),
            }
        })
        .collect())
}

/// What follows the comment's last semicolon: `packet 1 of worker 0`.
fn packet(row: &Row) -> &str {
    row.comment.rsplit("; ").next().unwrap_or_default()
}

fn file_in(lab: &Lab) -> PathBuf {
    lab.folder().join("capture.pcapng")
}

#[test]
fn http_through_nat_is_captured_before_and_after_and_tshark_reads_why() -> Result<()> {
    let lab = silent()?;
    let file = file_in(&lab);
    let mut capture = capture_to(&lab, &file, &["--filter", "tcp port 80 or tcp port 81", "--count", "0"])?;
    assert_served(&lab.client().get(&url(NAT_VIP), 3)?);
    let refused = lab.client().capture("curl", ["-sS", "-m", "3", &format!("http://{NAT_VIP}:81/")])?;
    assert_ne!(refused.code, Some(0), "nothing is served there");
    let dropped = wait_until("the drop to be counted", LIMIT, || {
        let (dropped, _) = drops(&lab, "no_service")?;
        Ok((dropped > 0).then_some(dropped))
    })?;
    capture.signal(Signal::INT)?;
    assert_eq!(capture.wait(LIMIT)?, Some(0), "{}", capture.log());
    assert!(capture.log().contains("looked at, until it was ended."), "{}", capture.log());

    let rows = read(&lab, &file)?;
    let find = |what: &str, wanted: &dyn Fn(&&Row) -> bool| {
        rows.iter().find(wanted).unwrap_or_else(|| panic!("no {what} in {rows:#?}"))
    };
    let vip = NAT_VIP.to_string();
    let syn = find("first packet", &|row| row.interface == "wan in" && row.destination == vip && row.port == "80");
    let out = find("the same, forwarded", &|row| row.interface == "lan out" && packet(row) == packet(syn));
    assert!(out.destination.starts_with("172.16.0.") && out.source == syn.source, "{out:?}");
    assert_eq!(syn.comment, out.comment, "both frames of a packet say the same");
    let want = format!(
        "forwarded to real {}:{}, which becomes its destination; service web; connection new, SYN_RECV",
        out.destination, out.port
    );
    assert!(syn.comment.starts_with(&want), "{}", syn.comment);
    assert!(syn.comment.contains("its real chosen by scheduler wrr"), "{}", syn.comment);
    let reply = find("reply", &|row| row.interface == "wan out" && row.source == vip);
    let words = "sent on to the client as the reply of real 172.16.0.";
    assert!(reply.comment.starts_with(words) && reply.destination == syn.source, "{}", reply.comment);
    find("end of the handshake", &|row| row.comment.contains("connection SYN_RECV -> ESTABLISHED"));

    // The word of `sluice drops`.
    let lost: Vec<&Row> = rows.iter().filter(|row| row.port == "81").collect();
    assert_eq!(lost.len() as u64, dropped, "each of them, once: {lost:#?}");
    assert!(lost.iter().all(|row| row.comment.starts_with("dropped: no_service; ") && row.interface == "wan in"));
    Ok(())
}

#[test]
fn a_capture_can_be_piped_limited_and_ends_when_its_reader_goes() -> Result<()> {
    let mut lab = silent()?;
    let (sluice, socket) = (lab::program("sluice")?, lab.folder().join("control.sock"));
    let sluice = format!("{} --socket {}", sluice.display(), socket.display());
    // A limit of packets, into a pipe, while requests come.
    let _load = lab.client().load(&url(NAT_VIP), 20)?;
    let said = lab.folder().join("said");
    let line = format!(
        "{sluice} capture -w - --count 4 --where in 2> {0} | tshark -n -r - -T fields -e frame.interface_name; cat {0}",
        said.display()
    );
    let said = lab.director().shell(&line)?.stdout;
    let frames: Vec<&str> = said.lines().filter(|line| line.ends_with(" in")).collect();
    assert_eq!(frames.len(), 4, "{said}");
    assert!(said.contains("4 packets of") && said.contains("--count is reached"), "{said}");

    // One at a time; the other goes, and there is room again.
    let file = file_in(&lab);
    let mut first = capture_to(&lab, &file, &["--count", "0", "--filter", "udp port 9"])?;
    let second = lab.sluice(["capture", "--count", "1"])?;
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""), "{}", second.stderr);
    assert!(second.stderr.contains("is running already"), "{}", second.stderr);
    first.kill()?;
    let captured = wait_until("room for the next capture", LIMIT, || {
        let next = lab.sluice(["--format", "json", "capture", "--count", "1", "--filter", "tcp"])?;
        Ok((next.code == Some(0)).then_some(next.stdout))
    })?;
    let packet: serde_json::Value =
        serde_json::from_str(captured.trim()).unwrap_or_else(|error| panic!("{error}: {captured}"));
    assert_eq!((&packet["frames"][0]["place"], &packet["worker"]), (&"in".into(), &0.into()), "{packet}");

    // sluiced dies: the dataplane shows nothing more, and goes on.
    let _third = capture_to(&lab, &lab.folder().join("third.pcapng"), &["--count", "0"])?;
    lab.control().expect("it runs").kill()?;
    wait_until("the dataplane to end the capture", LIMIT, || {
        let log = lab.dataplane().expect("it runs").log();
        let ends = log.matches("the capture has ended").count();
        Ok((ends == log.matches(" begins, for ").count()).then_some(()))
    })?;
    lab.start_control()?;
    assert_served(&lab.client().get(&url(NAT_VIP), 3)?);
    Ok(())
}

#[test]
fn what_can_t_be_captured_is_refused_with_what_is_allowed() -> Result<()> {
    let lab = silent()?;
    for (words, code, want) in [
        (&["--filter", "tcp prot 80"][..], 2, "is not understood: "),
        (&["--seconds", "0"], 2, "1..=3600"),
        (&["--seconds", "3601"], 2, "1..=3600"),
        (&["--snaplen", "65536"], 2, "1..=65535"),
        (&["--worker", "7"], 3, "worker 7 does not exist, allowed: 0 to 0."),
        (&["--where", "within"], 2, "possible values: in, out, both"),
        (&["--write", "/no/such/folder/file", "--count", "1"], 1, "/no/such/folder/file"),
    ] {
        let said = lab.sluice(["capture"].iter().chain(words))?;
        assert_eq!(said.code, Some(code), "{words:?}: {}", said.stderr);
        assert!(said.stderr.contains(want), "{words:?}: {}", said.stderr);
    }
    let served = ask(&lab, "drops")?;
    assert!(served["received"].is_u64(), "it goes on: {served}");
    Ok(())
}

#[test]
fn trace_tells_each_decision_about_a_connection_and_a_packet_for_nobody() -> Result<()> {
    let lab = silent()?;
    let vip = format!("{NAT_VIP}:80");
    let flow = format!("tcp {CLIENT}:4567 > {vip}");
    let mut trace = capture(&lab, "trace", &["trace", &flow, "--count", "4"])?;
    let begun = format!("Waiting for packets of {flow}.");
    wait_until("the trace to begin", LIMIT, || Ok(trace.log().contains(&begun).then_some(())))?;
    let page = url(NAT_VIP);
    let curl = ["-sS", "-m", "10", "--local-port", "4567", &page];
    assert_eq!(lab.client().capture("curl", curl)?.code, Some(0));
    assert_eq!(trace.wait(LIMIT)?, Some(0), "{}", trace.log());
    let said = trace.log();
    for wanted in [
        "packet 1, 0.000000 s: forwarded to real 172.16.0.",
        &format!("came in     port wan: {CLIENT}:4567 > {vip} tcp SYN, "),
        "owner       worker 0: this one",
        "service     web, scheduler wrr",
        "connection  none: a new one was made, SYN_RECV, removed after ",
        ", nat: chosen by scheduler wrr",
        &format!("changed     destination {vip} -> 172.16.0."),
        "next hop    ",
        "packet 2, ",
        "tcp SYN,ACK, ",
        ": has the connection",
        "connection  SYN_RECV -> ESTABLISHED, removed after ",
        "4 packets of",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in {said}");
    }

    let mut trace = capture(
        &lab,
        "lost",
        &["--format", "json", "trace", "tcp", &format!("{CLIENT}:4568"), &format!("{NAT_VIP}:81"), "--count", "1"],
    )?;
    wait_until("the trace to begin", LIMIT, || Ok(trace.log().contains("Waiting for packets").then_some(())))?;
    lab.client().capture("curl", ["-sS", "-m", "2", "--local-port", "4568", &format!("http://{NAT_VIP}:81/")])?;
    assert_eq!(trace.wait(LIMIT)?, Some(0), "{}", trace.log());
    let said = trace.log();
    let row = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no packet in {said}"));
    let packet: serde_json::Value = serde_json::from_str(row).unwrap_or_else(|error| panic!("{error}: {row}"));
    assert_eq!((&packet["outcome"], &packet["reason"]), (&"dropped".into(), &"no_service".into()), "{packet}");
    assert!(drops(&lab, "no_service")?.0 > 0, "the same word");
    let explained = ask(&lab, &format!("explain tcp {CLIENT}:4568 {NAT_VIP}:81"))?;
    assert_eq!(explained["reason"], packet["reason"]);

    let none = lab.sluice(["trace", "tcp", "nobody"])?;
    assert!(none.code == Some(2) && none.stderr.contains("is no flow; as 'tcp "), "{none:?}");
    Ok(())
}

/// The laboratory with two workers, whose ports have no RSS by the client's end.
fn two_workers() -> Result<Lab> {
    let mut lab = Lab::paper_example()?;
    let mut machine = lab.machine();
    machine.workers = vec![1, 2];
    // Three lcores on the two CPUs of a small machine.
    machine.eal = vec!["--lcores=0@0,1@1,2@0".into()];
    lab.start_director(&machine.to_string(), PAPER_SERVICES)?;
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    Ok(lab)
}

#[test]
fn a_packet_that_another_worker_owns_is_captured_once_by_its_owner() -> Result<()> {
    const REQUESTS: usize = 40;
    let lab = two_workers()?;
    let file = file_in(&lab);
    let handed_off = || -> Result<u64> {
        let stats = ask(&lab, "stats")?;
        let workers = stats["totals"]["workers"].as_array().expect("a list").iter();
        Ok(workers.map(|worker| worker["handed_off"].as_u64().unwrap_or(0)).sum())
    };
    let before = handed_off()?;
    let mut capture = capture_to(&lab, &file, &["--filter", &format!("host {CLIENT} and tcp"), "--count", "0"])?;
    assert_served(&lab.client().get(&url(NAT_VIP), REQUESTS)?);
    assert!(handed_off()? > before + REQUESTS as u64, "half of the packets are another worker's");
    capture.signal(Signal::INT)?;
    assert_eq!(capture.wait(LIMIT)?, Some(0), "{}", capture.log());

    let rows = read(&lab, &file)?;
    let vip = NAT_VIP.to_string();
    let of = |interface: &str| rows.iter().filter(|row| row.interface == interface).collect::<Vec<_>>();
    let (came, left) = (of("wan in"), of("lan out"));
    assert!(came.len() > 4 * REQUESTS, "each packet of {REQUESTS} connections: {}", came.len());
    // Once as it came and once as it left, nothing of the hand-over between.
    let packets = |rows: &[&Row]| rows.iter().map(|row| packet(row).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!((came.len(), left.len()), (packets(&came).len(), packets(&left).len()));
    assert_eq!(packets(&came), packets(&left));
    assert!(came.iter().all(|row| row.destination == vip && row.comment.starts_with("forwarded to real ")));
    // All packets of a connection, in both directions, are of one worker; and both have some.
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let replies = of("wan out").into_iter().map(|row| (row, &row.port));
    for (row, client) in came.iter().map(|row| (*row, &row.source_port)).chain(replies) {
        owners.entry(client).or_default().insert(packet(row).rsplit(" of ").next().unwrap_or_default());
    }
    assert_eq!(owners.len(), REQUESTS, "{owners:?}");
    assert!(owners.values().all(|workers| workers.len() == 1), "{owners:?}");
    let all: BTreeSet<&str> = owners.into_values().flatten().collect();
    assert_eq!(all, ["worker 0", "worker 1"].into());
    Ok(())
}

#[test]
fn a_trace_shows_the_hand_over_and_what_the_owner_did() -> Result<()> {
    let lab = two_workers()?;
    // Which ports a worker gets from the device is the device's to say: one of a dozen is handed over, and one is not.
    let (mut handed, mut kept) = (false, false);
    for port in 4570..4590 {
        let flow = format!("tcp {CLIENT}:{port} > {NAT_VIP}:80");
        let mut trace = capture(&lab, &format!("trace{port}"), &["trace", &flow, "--count", "3"])?;
        wait_until("the trace to begin", LIMIT, || Ok(trace.log().contains("Waiting for").then_some(())))?;
        let (page, port) = (url(NAT_VIP), port.to_string());
        assert_eq!(lab.client().capture("curl", ["-sS", "-m", "10", "--local-port", &port, &page])?.code, Some(0));
        assert_eq!(trace.wait(LIMIT)?, Some(0), "{}", trace.log());
        let said = trace.log();
        let owner = ask(&lab, &format!("explain tcp {CLIENT}:{port} {NAT_VIP}:80"))?["worker"].as_u64().expect("one");
        assert!(said.contains(&format!("worker {owner}: this one")), "{said}");
        if said.contains(&format!("handed off to worker {owner}, which owns its connection")) {
            assert!(said.contains(&format!("on worker {}", 1 - owner)), "{said}");
            assert!(said.contains(&format!("worker {owner}: handed off to it")), "{said}");
            handed = true;
        } else {
            assert!(!said.contains("handed off"), "to no other: {said}");
            kept = true;
        }
        if handed && kept {
            return Ok(());
        }
    }
    panic!("of twenty flows some are handed over ({handed}) and some are not ({kept})")
}

#[test]
fn without_a_dataplane_nothing_is_captured_and_no_file_is_made() -> Result<()> {
    let mut lab = silent()?;
    let file = file_in(&lab);
    let path = file.to_string_lossy();
    let words = ["capture", "--filter=tcp", "--count=1", "--seconds=5", "--write", &path].map(str::to_owned);
    let trace = ["trace".to_owned(), format!("tcp {CLIENT}:1 > {NAT_VIP}:80"), "--seconds=1".to_owned()];
    lab.dataplane().expect("it runs").kill()?;
    // Until sluiced has noticed, it asks and hears nothing; then it knows that there is nobody to ask.
    let (noticing, noticed) =
        ("The dataplane ended before it answered;", "The dataplane is not running; start sluice-dataplane.");
    for words in [words.to_vec(), trace.to_vec()] {
        wait_until("the refusal", LIMIT, || {
            let said = lab.sluice(words.clone())?;
            assert_eq!((said.code, said.stdout.as_str()), (Some(4), ""), "{}", said.stderr);
            assert!(!file.exists(), "nothing was captured");
            assert!(said.stderr.contains(noticing) || said.stderr.contains(noticed), "{}", said.stderr);
            Ok(said.stderr.contains(noticed).then_some(()))
        })?;
    }
    // The ordinary case: with one, there is.
    lab.start_dataplane()?;
    let flow = lab.client().load(&url(NAT_VIP), 20)?;
    wait_until("a captured packet", LIMIT, || {
        let is_done = lab.sluice(words.clone())?.code == Some(0);
        Ok((is_done && !read(&lab, &file)?.is_empty()).then_some(()))
    })?;
    drop(flow);
    Ok(())
}
