//! Compares what the two did. What may differ is written here, and in docs/conformance.md.

use crate::answer::{Answer, hex};
use crate::dump::Dump;
use crate::ours::Ours;
use crate::scenario::{Event, SIDES, Scenario, Tolerance, What};
use std::fmt::Write;
use std::net::Ipv4Addr;
use wire::build::describe;
use wire::ipv4::{Ipv4, protocol};

const ETHERNET: usize = 14;
/// Stands for an identification that the director chose.
const CHOSEN: [u8; 2] = [0xff, 0xfe];
/// The MAC addresses of the way to clients.
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 1, 0xfe];
const WAN: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The director's own addresses.
const OWN: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 1, 1), Ipv4Addr::new(10, 0, 2, 1)];

/// Compares two runs of the reference: frames, and every line that was printed.
pub(crate) fn recordings(scenario: &Scenario, was: &[Answer], is: &[Answer]) -> String {
    let mut wrong = String::new();
    for (index, event) in scenario.events.iter().enumerate() {
        let (was, is) = (was.get(index).cloned().unwrap_or_default(), is.get(index).cloned().unwrap_or_default());
        let same_frames = normal(&was, &event.what) == normal(&is, &event.what);
        let same_lines = match event.what {
            What::Dump => dumps(&Dump::of_lines(&was.lines), &Dump::of_lines(&is.lines), (-1.0, 1.0)).is_empty(),
            _ => was.lines == is.lines,
        };
        if !same_frames || !same_lines {
            let _ = writeln!(wrong, "@{} {}", event.at, event.text);
            show("recorded", &was, &mut wrong);
            show("now", &is, &mut wrong);
        }
    }
    wrong
}

/// Compares what the reference said with ours; gives what differs, empty if nothing does.
pub(crate) fn with_ours(scenario: &Scenario, theirs: &[Answer], ours: &Ours) -> String {
    let mut wrong = String::new();
    let (none, nothing) = (Vec::new(), Answer::default());
    let own = ours.answers.get(&scenario.name).unwrap_or(&none);
    for (index, event) in scenario.events.iter().enumerate() {
        let (theirs, own) = (theirs.get(index).unwrap_or(&nothing), own.get(index).unwrap_or(&nothing));
        let differences = match &event.what {
            What::Frame { .. } => frames(event, theirs, own),
            What::Ipvsadm(_) | What::Set(..) if theirs.lines == own.lines => String::new(),
            What::Ipvsadm(_) | What::Set(..) => {
                let mut wrong = String::new();
                show("reference", theirs, &mut wrong);
                show("sluice", own, &mut wrong);
                wrong
            }
            What::Dump => match ours.dumps.get(&(scenario.name.clone(), index)) {
                // The reference prints whole seconds, some milliseconds after the moment.
                Some(own) => dumps(&Dump::of_lines(&theirs.lines), own, (-0.1, 1.1)),
                None => "  no dump of sluice\n".to_owned(),
            },
        };
        if !differences.is_empty() {
            let _ = write!(wrong, "@{} {}\n{differences}", event.at, event.text);
        }
    }
    wrong
}

fn frames(event: &Event, theirs: &Answer, own: &Answer) -> String {
    let mut wrong = String::new();
    if let Some(tolerance) = event.tolerance {
        if !tolerance.allows(own) {
            let _ = writeln!(wrong, "  {tolerance:?} is not so: {:?}", own.lines);
        }
        return wrong;
    }
    let routed = Tolerance::Kernel.allows(own) && is_routed(theirs, &event.what);
    if !routed && normal(theirs, &event.what) != normal(own, &event.what) {
        show("reference", theirs, &mut wrong);
        show("sluice", own, &mut wrong);
    }
    wrong
}

/// The rows that only one has. Ours may have `slack` seconds less or more left than theirs.
fn dumps(theirs: &Dump, ours: &Dump, slack: (f64, f64)) -> String {
    let mut wrong = String::new();
    for (row, seconds) in &theirs.connections {
        match ours.connections.get(row) {
            None => drop(writeln!(wrong, "  only reference: {row}, expires in {seconds}")),
            Some(own) if !(slack.0..=slack.1).contains(&(own - seconds)) => {
                let _ = writeln!(wrong, "  expires in {seconds} in the reference, {own} in sluice: {row}");
            }
            Some(_) => {}
        }
    }
    for (row, seconds) in ours.connections.iter().filter(|(row, _)| !theirs.connections.contains_key(*row)) {
        let _ = writeln!(wrong, "  only sluice:    {row}, expires in {seconds}");
    }
    for row in theirs.rows.iter().filter(|row| !ours.rows.contains(row)) {
        let _ = writeln!(wrong, "  only reference: {row}");
    }
    for row in ours.rows.iter().filter(|row| !theirs.rows.contains(row)) {
        let _ = writeln!(wrong, "  only sluice:    {row}");
    }
    wrong
}

/// The frames, with the identifications that the director chose replaced.
fn normal(answer: &Answer, what: &What) -> [Vec<Vec<u8>>; 2] {
    let input = match what {
        What::Frame { bytes, .. } => packet(bytes),
        _ => None,
    };
    answer.frames.clone().map(|frames| frames.into_iter().map(|frame| without_choice(frame, input.as_ref())).collect())
}

/// The director chooses that of what it makes itself: errors, answers, outer headers. A packet that it sends on keeps
/// its own, and so does a reset, which has none.
fn without_choice(mut frame: Vec<u8>, input: Option<&Ipv4<&[u8]>>) -> Vec<u8> {
    let Some(input) = input else { return frame };
    let Some(output) = packet(&frame).filter(Ipv4::checksum_is_valid) else { return frame };
    let for_director = input.protocol() == protocol::ICMP && OWN.contains(&input.destination());
    if output.protocol() == input.protocol() && output.identification() == input.identification() && !for_director {
        return frame;
    }
    frame[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&CHOSEN);
    if let Ok(mut packet) = Ipv4::parse(&mut frame[ETHERNET..]) {
        packet.fill_checksum();
    }
    frame
}

/// Whether the reference only routed a frame from the side of the reals, as Linux does where Sluice gives it to Linux:
/// one hop less to live, nothing else changed. Fragments leave it with the last of them.
fn is_routed(answer: &Answer, what: &What) -> bool {
    let What::Frame { side: 1, bytes } = what else { return false };
    let Some(input) = packet(bytes) else { return false };
    if input.is_fragment() {
        let same = |frame: &Vec<u8>| {
            let sent = packet(frame).filter(|sent| frame[..12] == [GATEWAY, WAN].concat() && sent.checksum_is_valid());
            let ends = |of: &Ipv4<&[u8]>| (of.source(), of.destination(), of.protocol(), of.identification());
            sent.is_some_and(|sent| ends(&sent) == ends(&input) && sent.ttl() == input.ttl().saturating_sub(1))
        };
        return answer.frames[1].is_empty() && !answer.frames[0].is_empty() && answer.frames[0].iter().all(same);
    }
    let ttl = input.ttl().saturating_sub(1);
    let mut routed = bytes.clone();
    routed.truncate(ETHERNET + input.total_len());
    routed[..12].copy_from_slice(&[GATEWAY, WAN].concat());
    if let Ok(mut packet) = Ipv4::parse(&mut routed[ETHERNET..]) {
        packet.set_ttl(ttl);
        packet.fill_checksum();
    }
    answer.frames == [vec![routed], Vec::new()]
}

fn packet(frame: &[u8]) -> Option<Ipv4<&[u8]>> {
    let is_ip = frame.get(12..ETHERNET) == Some(&[0x08, 0x00]);
    Ipv4::parse(frame.get(ETHERNET..)?).ok().filter(|_| is_ip)
}

fn show(who: &str, answer: &Answer, text: &mut String) {
    let _ = writeln!(text, "  {who}:");
    for (side, frames) in SIDES.iter().zip(&answer.frames) {
        for frame in frames {
            let _ = writeln!(text, "    => {side} {}", describe(frame));
            let _ = writeln!(text, "       {}", hex(&frame[..frame.len().min(120)]));
        }
    }
    for line in &answer.lines {
        let _ = writeln!(text, "    | {line}");
    }
}

impl Tolerance {
    /// Whether this is what became of a frame, by its line of `--verdicts`.
    fn allows(self, answer: &Answer) -> bool {
        let verdict = match self {
            Self::Kernel => "\"verdict\":\"kernel\"",
            Self::Malformed => "\"reason\":\"transport_malformed\"",
            Self::Helper => "\"verdict\":\"forwarded\"",
        };
        answer.lines.iter().any(|line| line.contains(verdict))
    }
}
