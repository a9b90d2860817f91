//! `sluice-dataplane replay` as a command: its files, its refusals, its exit codes.

use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;
use wire::build::{Frame, describe, eth};

const MACHINE: &str = r#"
[dataplane]
workers = [1]
connections = 100

[[port]]
name = "wan"
device = "net_null0"
addresses = ["10.0.1.1/24"]

[[port]]
name = "lan"
device = "net_null1"
addresses = ["172.16.0.1/24"]

[[neighbor]]
address = "172.16.0.3"
port = "lan"
mac = "02:00:00:00:02:03"
"#;

const SERVICES: &str = r#"
[[service]]
name = "web"
protocol = "tcp"
address = "202.103.106.5:80"

[[service.real]]
address = "172.16.0.3:8000"
"#;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sluice.toml"), MACHINE).unwrap();
    fs::write(folder.path().join("services.toml"), SERVICES).unwrap();
    capture(&folder.path().join("client.pcap"), DataLink::ETHERNET, &[(10.0, syn(1)), (11.0, syn(2))]);
    folder
}

fn syn(client_port: u16) -> Frame {
    eth().to("02:00:00:00:00:01").ipv4("10.0.1.9", "202.103.106.5").tcp(client_port, 80).syn()
}

fn capture(path: &Path, datalink: DataLink, frames: &[(f64, Frame)]) {
    let header = PcapHeader { datalink, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(File::create(path).unwrap(), header).unwrap();
    for (seconds, frame) in frames {
        let bytes = frame.bytes();
        let packet = PcapPacket::new(Duration::from_secs_f64(*seconds), bytes.len() as u32, &bytes);
        writer.write_packet(&packet).unwrap();
    }
}

/// Runs a replay in the folder.
fn replay(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-dataplane"));
    command.current_dir(folder.path()).args(["replay", "--config", "sluice.toml", "--services", "services.toml"]);
    command.args(arguments).output().unwrap()
}

/// The exit code and the last line on stderr.
fn refusal(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let output = replay(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn frames_verdicts_and_connections_are_written() {
    let folder = folder();
    let output = replay(
        &folder,
        &[
            "--in=wan=client.pcap",
            "--out=lan=server.pcap",
            "--verdicts=verdicts.jsonl",
            "--connections=connections.json",
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((&output.stdout[..], &*String::from_utf8_lossy(&output.stderr)), (&[][..], ""), "nothing to say");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let mut reader = PcapReader::new(File::open(folder.path().join("server.pcap")).unwrap()).unwrap();
    let packet = reader.next_packet().unwrap().unwrap();
    assert_eq!(packet.timestamp, Duration::from_secs(10), "the time stamp of its cause");
    assert_eq!(
        describe(&packet.data),
        "02:00:00:00:00:02 > 02:00:00:00:02:03 10.0.1.9:1 > 172.16.0.3:8000 tcp SYN seq 0 win 65535 len 0 ttl 63"
    );
    assert_eq!(
        read("verdicts.jsonl").lines().next(),
        Some(r#"{"input":"wan","index":0,"verdict":"forwarded","reason":null,"port":"lan"}"#)
    );
    let connections = read("connections.json");
    for text in ["\"client\": \"10.0.1.9:2\"", "\"state\": \"SYN_RECV\"", "\"expires_in\": 59.0"] {
        assert!(connections.contains(text), "{text} in {connections}");
    }
}

#[test]
fn port_that_is_not_in_the_config_is_refused_with_those_that_are() {
    let (code, line) = refusal(&folder(), &["--in=dmz=client.pcap"]);
    assert_eq!(code, Some(1));
    assert_eq!(line, "sluice-dataplane: --in dmz: no such port, allowed: wan, lan (the [[port]] names of sluice.toml)");
}

#[test]
fn two_files_for_one_port_are_refused_and_one_for_each_is_fine() {
    let folder = folder();
    let (code, line) = refusal(&folder, &["--in=wan=client.pcap", "--out=lan=a.pcap", "--out=lan=b.pcap"]);
    assert_eq!(code, Some(1));
    assert_eq!(line, "sluice-dataplane: --out lan: given twice; the frames of a port go to one file");
    assert!(replay(&folder, &["--in=wan=client.pcap", "--out=lan=a.pcap", "--out=wan=b.pcap"]).status.success());
}

#[test]
fn capture_that_is_missing_or_not_of_ethernet_is_refused() {
    let folder = folder();
    let (code, line) = refusal(&folder, &["--in=wan=missing.pcap"]);
    assert_eq!(code, Some(1));
    assert!(line.starts_with("sluice-dataplane: cannot read missing.pcap: "), "{line}");
    capture(&folder.path().join("raw.pcap"), DataLink::RAW, &[]);
    let (code, line) = refusal(&folder, &["--in=wan=raw.pcap"]);
    assert_eq!((code, &*line), (Some(1), "sluice-dataplane: cannot read raw.pcap: link type RAW, allowed: Ethernet"));
}

#[test]
fn mistake_in_services_that_would_come_into_force_later_is_found_before_the_first_frame() {
    let folder = folder();
    fs::write(folder.path().join("later.toml"), SERVICES.replace("tcp", "sctp")).unwrap();
    let arguments = ["--in=wan=client.pcap", "--out=lan=server.pcap", "--apply=1000=later.toml"];
    let (code, line) = refusal(&folder, &arguments);
    assert_eq!(code, Some(1));
    assert!(line.contains("later.toml:4") && line.contains("\"sctp\""), "{line}");
}

#[test]
fn change_of_services_takes_effect_at_its_millisecond() {
    let folder = folder();
    fs::write(folder.path().join("empty.toml"), "").unwrap();
    let verdicts = |apply: &str| {
        let output = replay(&folder, &["--in=wan=client.pcap", "--verdicts=verdicts.jsonl", apply]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(folder.path().join("verdicts.jsonl")).unwrap();
        text.lines().map(|line| line.contains("forwarded")).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("--apply=1=empty.toml"), [true, false]);
    assert_eq!(verdicts("--apply=1.001=empty.toml"), [true, true]);
}

#[test]
fn states_are_those_of_their_moments_also_after_the_last_frame() {
    let folder = folder();
    let states = ["--in=wan=client.pcap", "--state=0.5=half.json", "--state=62=later.json"];
    let output = replay(&folder, &states);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(folder.path().join(name)).unwrap()).unwrap()
    };
    let (half, later) = (read("half.json"), read("later.json"));
    assert_eq!((&half["seconds"], &later["seconds"]), (&0.5.into(), &62.0.into()));
    assert_eq!(half["connections"][0]["client"], "10.0.1.9:1");
    assert_eq!(half["connections"][0]["expires_in"], 59.5);
    let real = &half["services"][0]["reals"][0];
    assert_eq!((&real["active"], &real["in_packets"], &real["in_bytes"]), (&1.into(), &1.into(), &40.into()));
    assert_eq!(later["connections"].as_array().map(Vec::len), Some(0), "both have expired");
    let real = &later["services"][0]["reals"][0];
    assert_eq!((&real["active"], &real["connections"]), (&0.into(), &2.into()));
}

#[test]
fn usage_mistakes_have_their_exit_code() {
    let folder = folder();
    for arguments in [&["--in=client.pcap"][..], &["--in=wan=client.pcap", "--apply=soon=services.toml"], &[]] {
        let output = replay(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn frame_that_no_mbuf_holds_is_refused() {
    let folder = folder();
    capture(&folder.path().join("long.pcap"), DataLink::ETHERNET, &[(0.0, eth().raw(0x86dd, &[0; 16_000]))]);
    let (code, line) = refusal(&folder, &["--in=wan=long.pcap"]);
    assert_eq!(code, Some(1));
    assert!(line.contains("frame 0 into port 0 has 16014 bytes, allowed: up to 16000"), "{line}");
}
