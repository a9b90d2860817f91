//! Tests of the comparison itself: that it finds what differs, and tolerates what is written down, not more.

use crate::answer::{self, Answer};
use crate::compare;
use crate::dump::Dump;
use crate::lists;
use crate::ours::Ours;
use crate::scenario::{self, Scenario};
use std::collections::BTreeMap;
use wire::build::{Frame, eth};

/// Runs all of them.
pub(crate) fn run() -> Result<(), String> {
    a_forwarded_packet_is_compared_to_the_byte()?;
    only_what_the_director_makes_has_an_identification_of_its_choice()?;
    a_word_allows_its_verdict_and_no_other()?;
    rows_and_seconds_of_a_dump_are_compared()?;
    numbers_of_a_dump_are_compared()?;
    a_reference_that_changed_its_mind_is_found()?;
    a_recording_is_of_every_scenario_as_it_is_now()
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
    expect(differ(SYN, theirs(), Answer::default())?, "a missing frame is not found")?;
    let two = |ids: [u16; 2]| {
        let mut answer = Answer::default();
        answer.frames[1] = ids.map(|id| forwarded(id, 63).bytes()).into();
        answer
    };
    expect(!differ(SYN, two([7, 8]), two([7, 8]))?, "two equal frames differ")?;
    expect(differ(SYN, two([7, 8]), two([8, 7]))?, "another order is not found")?;
    expect(differ(SYN, two([7, 7]), theirs())?, "one frame in the place of two is not found")
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
    let rows = ["TCP 00:59  SYN_RECV    192.168.1.1:9  10.9.0.1:80  10.0.2.2:80", "TCP  10.9.0.1:80 rr"];
    let theirs = Answer { lines: lines(&rows), ..Answer::default() };
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

/// What both have: connections, active and inactive ones, and what was counted.
fn numbers_of_a_dump_are_compared() -> Result<(), String> {
    let lists = [
        "IP Virtual Server version 1.2.1 (size=4096)",
        "Prot LocalAddress:Port Scheduler Flags",
        "TCP  10.9.0.1:80 rr",
        "  -> 10.0.2.2:80                  Masq    1      2          3         ",
        "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
        "TCP  10.9.0.1:80                         5       20        7     1000      300",
        "  -> 10.0.2.2:80                         5       20        7     1000      300",
    ];
    let theirs = Answer { lines: lines(&lists), ..Answer::default() };
    let differs = |from: &str, to: &str| -> Result<bool, String> {
        let changed = lists.map(|line| line.replace(from, to));
        let own = Dump::of_lines(&changed);
        let ours = Ours { answers: BTreeMap::new(), dumps: [(("own".to_owned(), 0), own)].into() };
        Ok(!compare::with_ours(&one_event("dump")?, std::slice::from_ref(&theirs), &ours).is_empty())
    };
    expect(!differs("nothing", "")?, "equal numbers differ")?;
    for (from, to) in
        [("Masq    1", "Masq    2"), (" 2  ", " 1  "), (" 3  ", " 4  "), ("Masq", "Route"), ("  1000", "  1001")]
    {
        expect(differs(from, to)?, &format!("{from:?} for {to:?} is not found"))?;
    }
    for (from, to) in [("   20 ", "   21 "), ("   7 ", "   8 "), ("  300", "  301"), ("     5 ", "     6 ")] {
        expect(differs(from, to)?, &format!("{from:?} for {to:?} is not found"))?;
    }
    Ok(())
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// What `make conformance` fails for: a frame, a line or a time of the reference that is not what was recorded.
fn a_reference_that_changed_its_mind_is_found() -> Result<(), String> {
    let changed = |line: &str, was: Answer, is: Answer| -> Result<bool, String> {
        Ok(!compare::recordings(&one_event(line)?, &[was], &[is]).is_empty())
    };
    let frame = |ttl| answer(1, forwarded(7, ttl), "");
    expect(!changed(SYN, frame(63), frame(63))?, "equal recordings differ")?;
    expect(changed(SYN, frame(63), frame(62))?, "another frame is not found")?;
    let says = |line: &str| Answer { lines: lines(&[line]), ..Answer::default() };
    let command = "ipvsadm -A -t 10.9.0.1:80";
    expect(!changed(command, says("No such service"), says("No such service"))?, "equal lines differ")?;
    expect(changed(command, says("No such service"), Answer::default())?, "a missing line is not found")?;
    let row = |time: &str| says(&format!("TCP {time}  SYN_RECV    192.168.1.1:9  10.9.0.1:80  10.0.2.2:80"));
    expect(!changed("dump", row("00:59"), row("00:58"))?, "a second is not tolerated")?;
    expect(changed("dump", row("00:59"), row("00:57"))?, "two seconds are")?;
    let list = "## services\n$ ipvsadm -C\n= 0\n$ ipvsadm -D -t 10.9.0.1:80\n2 No such service\n= 255\n";
    expect(lists::changed(list, list).is_empty(), "equal lists differ")?;
    expect(!lists::changed(list, &list.replace("255", "1")).is_empty(), "another exit code is not found")?;
    expect(!lists::changed(list, &list[..list.len() / 2]).is_empty(), "half a list is not found")
}

/// A scenario without answers, or with those to other events, can't pass for one that agrees.
fn a_recording_is_of_every_scenario_as_it_is_now() -> Result<(), String> {
    let scenario = one_event(SYN)?;
    let answers = [("own".to_owned(), vec![answer(1, forwarded(7, 63), "")])].into();
    let text = answer::to_text("Linux", std::slice::from_ref(&scenario), &answers)?;
    let read = |text: &str| answer::from_text(text, std::slice::from_ref(&scenario));
    expect(read(&text)? == ("Linux".to_owned(), answers), "what was written is not what is read")?;
    expect(read(&text.replace("== own", "== other")).is_err(), "a scenario without answers is not found")?;
    expect(read(&text.replace(" syn", " fin")).is_err(), "answers to another event are not found")?;
    expect(answer::to_text("Linux", &[scenario], &BTreeMap::new()).is_err(), "no answers are written as none")
}
