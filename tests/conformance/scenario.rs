//! A file of scenarios: what happens to a director, in a form that both are given.
//!
//! ```toml
//! [[scenario]]
//! name = "nat_syn"                     # unique
//! about = "what it asks"
//! vips = ["10.9.0.1"]                  # optional; these are the director's own addresses
//! marks = { 1 = ["tcp 10.9.0.1:80"] }  # optional; the packets of each group, port 0 for all ports
//! lan_mtu = 1000                       # optional
//! events = """
//! ipvsadm -A -t 10.9.0.1:80 -s rr
//! set conn_reuse_mode=0
//! wan tcp 192.168.1.1:1000 > 10.9.0.1:80 syn
//! wan x3 tcp 192.168.1.1:2000+ > 10.9.0.1:80 syn
//! sleep 10
//! dump
//! """
//! ```
//! A line with `wan` or `lan` is a frame that comes in on that side, in the grammar of tests/frame/mod.rs; `xN` stands
//! for N of them, in which a number with a `+` behind it counts up. `sleep` has seconds, `set` a setting by the
//! reference's name of it, `dump` compares connections, counts and statistics. Each event has its moment, the same for
//! both: a frame takes 10 ms, a command 100 ms, a dump 4 s. `kernel:`, `malformed:` or `helper:` before an event says
//! what Sluice does where that is not what the reference does, see [`Tolerance`].

use crate::frame::{self, Ends};
use config::Machine;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

/// The names of the sides; their places are the ports' indices.
pub(crate) const SIDES: [&str; 2] = ["wan", "lan"];
/// When the first event is, in milliseconds: before it the director is made.
pub(crate) const FIRST: u64 = 1000;
/// What a dump takes: statistics are only up to date after a round of the reference's estimator.
pub(crate) const DUMP: u64 = 4000;
const COMMAND: u64 = 100;
const FRAME: u64 = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    about: String,
    vips: Option<Vec<Ipv4Addr>>,
    #[serde(default)]
    marks: BTreeMap<String, Vec<String>>,
    lan_mtu: Option<u16>,
    events: String,
}

/// A scenario, with the moment of each event.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) vips: Vec<Ipv4Addr>,
    pub(crate) marks: BTreeMap<String, Vec<String>>,
    pub(crate) lan_mtu: Option<u16>,
    pub(crate) events: Vec<Event>,
}

/// Something that happens to a director.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Milliseconds.
    pub(crate) at: u64,
    /// Its line.
    pub(crate) text: String,
    pub(crate) what: What,
    /// What Sluice does instead.
    pub(crate) tolerance: Option<Tolerance>,
}

/// Why Sluice may do something else than the reference: the written list of what differs on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// `kernel:` Sluice gives the packet to Linux, which then does what the reference's Linux did.
    Kernel,
    /// `malformed:` Sluice drops packets whose TCP or UDP header cannot be right; the reference reads only the ports.
    Malformed,
    /// `helper:` a helper of Sluice has read what the reference's has not, and the packet goes on accordingly.
    Helper,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A frame comes in on a side.
    Frame { side: usize, bytes: Vec<u8> },
    /// A command line of ipvsadm, without its name.
    Ipvsadm(String),
    /// A setting gets a value.
    Set(String, String),
    /// The director is asked what it has.
    Dump,
}

/// The machine of all scenarios.
pub(crate) fn machine() -> Result<Machine, String> {
    Machine::parse(include_str!("director.toml"), "director.toml").map_err(|error| error.to_string())
}

/// The scenarios of a file.
pub(crate) fn load(path: &Path, machine: &Machine) -> Result<Vec<Scenario>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: File = toml::from_str(&text).map_err(|error| error.to_string())?;
    file.scenario.into_iter().map(|entry| scenario(entry, machine)).collect()
}

fn scenario(entry: Entry, machine: &Machine) -> Result<Scenario, String> {
    let Entry { name, about, vips, marks, lan_mtu, events } = entry;
    if about.trim().is_empty() {
        return Err(format!("{name}: about is empty: say what it asks"));
    }
    let events = self::events(&events, machine).map_err(|error| format!("{name}: {error}"))?;
    let vips = vips.unwrap_or_else(|| vec![Ipv4Addr::new(10, 9, 0, 1)]);
    Ok(Scenario { name, vips, marks, lan_mtu, events })
}

/// The events of a text, each at its moment.
pub(crate) fn events(text: &str, machine: &Machine) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    let mut at = FIRST;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        if word == "sleep" {
            at += rest.parse::<u64>().map_err(|_| format!("{rest:?} is no number of seconds"))? * 1000;
            continue;
        }
        for text in copies(line) {
            let (tolerance, text) = tolerated(&text);
            let what = event(text, machine).map_err(|error| format!("{error}, in: {line}"))?;
            let takes = match what {
                What::Frame { .. } => FRAME,
                What::Ipvsadm(_) | What::Set(..) => COMMAND,
                What::Dump => DUMP,
            };
            events.push(Event { at, text: text.to_owned(), what, tolerance });
            at += takes;
        }
    }
    Ok(events)
}

impl Tolerance {
    /// The written list.
    pub(crate) const ALL: [Self; 3] = [Self::Kernel, Self::Malformed, Self::Helper];

    /// What stands before an event, with a colon.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Malformed => "malformed",
            Self::Helper => "helper",
        }
    }
}

fn tolerated(line: &str) -> (Option<Tolerance>, &str) {
    let (word, rest) = line.split_once(": ").unwrap_or_default();
    match Tolerance::ALL.into_iter().find(|tolerance| tolerance.word() == word) {
        Some(tolerance) => (Some(tolerance), rest),
        None => (None, line),
    }
}

fn event(line: &str, machine: &Machine) -> Result<What, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Some(side) = SIDES.iter().position(|side| *side == word) {
        let bytes = frame::parse(rest, &Ends::inward(machine, side as u16))?;
        return Ok(What::Frame { side, bytes });
    }
    match word {
        "ipvsadm" => Ok(What::Ipvsadm(rest.to_owned())),
        "set" => match rest.split_once('=') {
            Some((name, value)) => Ok(What::Set(name.to_owned(), value.to_owned())),
            None => Err("expected set NAME=VALUE".to_owned()),
        },
        "dump" => Ok(What::Dump),
        other => Err(format!("{other:?} is no event, allowed: wan, lan, ipvsadm, set, sleep, dump")),
    }
}

/// The lines that a line with `xN` stands for.
fn copies(line: &str) -> Vec<String> {
    let mut words: Vec<&str> = line.split(' ').collect();
    let copies = |word: &&str| word.strip_prefix('x')?.parse::<u64>().ok();
    let found = words.iter().take(3).enumerate().find_map(|(at, word)| Some((at, copies(word)?)));
    let Some((at, count)) = found else { return vec![line.to_owned()] };
    words.remove(at);
    let line = words.join(" ");
    (0..count).map(|copy| counted_up(&line, copy)).collect()
}

/// The line with `copy` added to each number that has a `+` behind it.
fn counted_up(line: &str, copy: u64) -> String {
    let mut parts = line.split('+').peekable();
    let mut result = String::new();
    while let Some(part) = parts.next() {
        let digits = part.len() - part.trim_end_matches(|char: char| char.is_ascii_digit()).len();
        let (before, number) = part.split_at(part.len() - digits);
        match number.parse::<u64>() {
            Ok(number) if parts.peek().is_some() => result += &format!("{before}{}", number + copy),
            _ => result += part,
        }
    }
    result
}
