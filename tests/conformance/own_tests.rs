//! Tests of the comparison itself: that it finds what differs, and tolerates what is written down, not more.

use crate::answer::Answer;
use crate::compare;
use crate::dump::Dump;
use crate::ours::Ours;
use crate::scenario::{self, Scenario};
use std::collections::BTreeMap;
use wire::build::{Frame, eth};

/// Runs all of them.
pub(crate) fn run() -> Result<(), String> {
    a_forwarded_packet_is_compared_to_the_byte()?;
    only_what_the_director_makes_has_an_identification_of_its_choice()?;
    a_word_allows_its_verdict_and_no_other()?;
    rows_and_seconds_of_a_dump_are_compared()
}

fn one_event(line: &str) -> Result<Scenario, String> {
    let events = scenario::events(line, &scenario::machine()?)?;
    Ok(Scenario { name: "own".to_owned(), vips: Vec::new(), marks: BTreeMap::new(), lan_mtu: None, events })
}

fn forwarded(id: u16, ttl: u8) -> Frame {
    eth().from("02:00:00:00:00:02").to("02:00:00:00:02:02").ipv4("192.168.1.1", "10.0.2.2").id(id).ttl(ttl).tcp(9, 80)
}

fn error(id: u16) -> Frame {
    eth().from("02:00:00:00:00:01").to("02:00:00:00:01:fe").ipv4("10.9.0.1", "192.168.1.1").id(id).icmp(3, 3)
}

fn answer(side: usize, frame: Frame, verdict: &str) -> Answer {
    let mut answer = Answer { lines: vec![verdict.to_owned()], ..Answer::default() };
    answer.frames[side].push(frame.bytes());
    answer
}

fn differ(line: &str, theirs: Answer, own: Answer) -> Result<bool, String> {
    let answers = [("own".to_owned(), vec![own])].into();
    let ours = Ours { answers, dumps: BTreeMap::new() };
    Ok(!compare::with_ours(&one_event(line)?, &[theirs], &ours).is_empty())
}

fn expect(right: bool, what: &str) -> Result<(), String> {
    if right { Ok(()) } else { Err(what.to_owned()) }
}

const SYN: &str = "wan tcp 192.168.1.1:9 > 10.9.0.1:80 syn id=7";

fn a_forwarded_packet_is_compared_to_the_byte() -> Result<(), String> {
    let theirs = || answer(1, forwarded(7, 63), "");
    expect(!differ(SYN, theirs(), theirs())?, "equal frames differ")?;
    expect(differ(SYN, theirs(), answer(1, forwarded(7, 62), ""))?, "another time to live is not found")?;
    expect(differ(SYN, theirs(), answer(0, forwarded(7, 63), ""))?, "another side is not found")?;
    expect(differ(SYN, theirs(), Answer::default())?, "a missing frame is not found")
}

fn only_what_the_director_makes_has_an_identification_of_its_choice() -> Result<(), String> {
    expect(!differ(SYN, answer(0, error(99), ""), answer(0, error(1), ""))?, "that of an error is compared")?;
    let forwarded = |id| answer(1, forwarded(id, 63), "");
    expect(differ(SYN, forwarded(7), forwarded(8))?, "that of a forwarded packet is not compared")
}

fn a_word_allows_its_verdict_and_no_other() -> Result<(), String> {
    let line = format!("kernel: {SYN}");
    let own = |verdict: &str| Answer { lines: vec![format!("{{\"verdict\":\"{verdict}\"}}")], ..Answer::default() };
    expect(!differ(&line, answer(0, error(1), ""), own("kernel"))?, "what is allowed is refused")?;
    expect(differ(&line, answer(0, error(1), ""), own("dropped"))?, "another verdict is allowed")?;
    expect(differ(SYN, answer(0, error(1), ""), own("kernel"))?, "it is allowed without the word")
}

fn rows_and_seconds_of_a_dump_are_compared() -> Result<(), String> {
    let lines = ["TCP 00:59  SYN_RECV    192.168.1.1:9  10.9.0.1:80  10.0.2.2:80", "TCP  10.9.0.1:80 rr"];
    let theirs = Answer { lines: lines.map(str::to_owned).into(), ..Answer::default() };
    let own = |state: &str, seconds: f64, scheduler: &str| Dump {
        connections: [(format!("tcp 192.168.1.1:9 10.9.0.1:80 10.0.2.2:80 {state}"), seconds)].into(),
        rows: vec![format!("tcp 10.9.0.1:80 {scheduler}")],
    };
    let differ = |own: Dump| -> Result<bool, String> {
        let dumps = [(("own".to_owned(), 0), own)].into();
        let ours = Ours { answers: BTreeMap::new(), dumps };
        Ok(!compare::with_ours(&one_event("dump")?, std::slice::from_ref(&theirs), &ours).is_empty())
    };
    expect(!differ(own("SYN_RECV", 59.9, "rr"))?, "equal dumps differ")?;
    expect(differ(own("SYN_RECV", 58.0, "rr"))?, "another time is not found")?;
    expect(differ(own("ESTABLISHED", 59.9, "rr"))?, "another state is not found")?;
    expect(differ(own("SYN_RECV", 59.9, "wrr"))?, "another row is not found")
}
