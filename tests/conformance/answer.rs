//! What a director did, event by event, and the text in which the reference's answers are kept.
//!
//! ```text
//! == nat_syn
//! @1000 wan tcp 192.168.1.1:1000 > 10.9.0.1:80 syn
//!   => lan 020000000202...
//!      02:00:00:00:00:02 > 02:00:00:00:02:02 192.168.1.1:1000 > 10.0.2.2:8080 tcp SYN ...
//! @1010 dump
//!   | IPVS connection entries
//! ```
//! `=>` has a frame that left, with what it is below; `|` a line that was printed.

use crate::scenario::{SIDES, Scenario};
use std::collections::BTreeMap;
use std::fmt::Write;
use wire::build::describe;

/// What came of one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// The frames that left, by side and, on a side, in their order.
    pub(crate) frames: [Vec<Vec<u8>>; 2],
    /// What was printed.
    pub(crate) lines: Vec<String>,
}

/// The answers to each scenario, by its name.
pub(crate) type Answers = BTreeMap<String, Vec<Answer>>;

/// The text of a recording.
pub(crate) fn to_text(reference: &str, scenarios: &[Scenario], answers: &Answers) -> Result<String, String> {
    let mut text = format!("# {reference}\n# What the reference answered. Written by `make conformance RECORD=1`.\n");
    for scenario in scenarios {
        let given = answers.get(&scenario.name).ok_or_else(|| format!("{}: no answers", scenario.name))?;
        let _ = writeln!(text, "\n== {}", scenario.name);
        for (event, answer) in scenario.events.iter().zip(given) {
            let _ = writeln!(text, "@{} {}", event.at, event.text);
            for (side, frames) in SIDES.iter().zip(&answer.frames) {
                for frame in frames {
                    let _ = writeln!(text, "  => {side} {}\n     {}", hex(frame), describe(frame));
                }
            }
            for line in &answer.lines {
                let _ = writeln!(text, "  | {line}");
            }
        }
    }
    Ok(text)
}

/// The answers of a recording, and its first line. Each must be to the events that the scenario has now.
pub(crate) fn from_text(text: &str, scenarios: &[Scenario]) -> Result<(String, Answers), String> {
    let reference = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
    let mut events: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut answers = Answers::new();
    let mut name = "";
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("== ") {
            name = of;
            answers.insert(name.to_owned(), Vec::new());
        } else if let Some(event) = line.strip_prefix('@') {
            events.entry(name).or_default().push(event.to_owned());
            answers.entry(name.to_owned()).or_default().push(Answer::default());
        } else if let Some(answer) = answers.get_mut(name).and_then(|answers| answers.last_mut()) {
            if let Some(frame) = line.strip_prefix("  => ") {
                answer.add_frame(frame)?;
            } else if let Some(printed) = line.strip_prefix("  | ") {
                answer.lines.push(printed.to_owned());
            }
        }
    }
    for scenario in scenarios {
        let now = scenario.events.iter().map(|event| format!("{} {}", event.at, event.text));
        if !now.eq(events.get(scenario.name.as_str()).cloned().unwrap_or_default()) {
            return Err(format!("{}: recorded from other events: run make conformance RECORD=1", scenario.name));
        }
    }
    Ok((reference, answers))
}

impl Answer {
    /// Adds a frame: side and bytes in hex.
    pub(crate) fn add_frame(&mut self, text: &str) -> Result<(), String> {
        let (name, digits) = text.split_once(' ').ok_or_else(|| format!("no side and frame: {text}"))?;
        let side = SIDES.iter().position(|side| *side == name).ok_or_else(|| format!("no side: {text}"))?;
        self.frames[side].push(bytes(digits).ok_or_else(|| format!("no frame: {text}"))?);
        Ok(())
    }
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}
