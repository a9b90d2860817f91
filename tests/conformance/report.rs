//! The report: what is compared, and how much of it is tolerated. docs/conformance.md has it between its marks.

use crate::dump::Dump;
use crate::lists;
use crate::scenario::{Tolerance, What};
use crate::suite;
use std::path::{Path, PathBuf};

/// The first argument of the process that puts the report into the document.
pub(crate) const WRITE: &str = "--report";

const BEGIN: &str = "<!-- report -->\n";
const END: &str = "<!-- end of report -->";

#[derive(Default)]
struct Counts {
    scenarios: usize,
    events: usize,
    frames_in: usize,
    frames_out: usize,
    dumps: usize,
    rows: usize,
    /// By [`Tolerance::ALL`].
    tolerated: [usize; Tolerance::ALL.len()],
}

/// The report, as it stands in the document.
pub(crate) fn text() -> Result<String, String> {
    let mut text =
        String::from("\n| scenarios of | scenarios | events | frames in | frames out | dumps | rows in them |\n");
    text += "|---|---|---|---|---|---|---|\n";
    let (mut total, mut reference) = (Counts::default(), String::new());
    for file in suite::files()? {
        let (counts, answered_by) = count(&file)?;
        text += &row(&suite::name(&file), &counts);
        total.add(&counts);
        reference = answered_by;
    }
    text += &row("**all**", &total);
    text += &format!("\nThe reference: {reference}. Tolerated by a word in the scenario:");
    for (tolerance, count) in Tolerance::ALL.iter().zip(total.tolerated) {
        text += &format!(" `{}:` {count},", tolerance.word());
    }
    text = text.trim_end_matches(',').to_owned() + ". No scenario is skipped.\n\n";
    let (commands, otherwise) = lists::count()?;
    text +=
        &format!("Beside them: {commands} command lines of ipvsadm, of which Sluice answers {otherwise} otherwise,\n");
    Ok(text + "each for a reason that stands there ([ipvsadm.md](ipvsadm.md)).\n\n")
}

/// Compares the report with the document.
pub(crate) fn check() -> Result<(), String> {
    let (document, report) = (document()?, text()?);
    if stands(&document) == Some(report.as_str()) {
        return Ok(());
    }
    Err(format!("docs/conformance.md has another report, `make conformance-report` writes this one:\n{report}"))
}

/// Puts the report into the document.
pub(crate) fn write() -> Result<(), String> {
    let document = document()?;
    let old = stands(&document).ok_or("docs/conformance.md has no place for the report")?;
    let new = document.replace(&format!("{BEGIN}{old}{END}"), &format!("{BEGIN}{}{END}", text()?));
    std::fs::write(path(), new).map_err(|error| error.to_string())
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md")
}

fn document() -> Result<String, String> {
    std::fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))
}

fn stands(document: &str) -> Option<&str> {
    Some(document.split_once(BEGIN)?.1.split_once(END)?.0)
}

fn row(name: &str, counts: &Counts) -> String {
    let Counts { scenarios, events, frames_in, frames_out, dumps, rows, .. } = counts;
    format!("| {name} | {scenarios} | {events} | {frames_in} | {frames_out} | {dumps} | {rows} |\n")
}

fn count(file: &Path) -> Result<(Counts, String), String> {
    let scenarios = suite::scenarios(file)?;
    let (reference, answers) = suite::recording(file, &scenarios)?;
    let mut counts = Counts { scenarios: scenarios.len(), ..Counts::default() };
    for scenario in &scenarios {
        for (event, answer) in scenario.events.iter().zip(answers.get(&scenario.name).into_iter().flatten()) {
            counts.events += 1;
            counts.frames_in += usize::from(matches!(event.what, What::Frame { .. }));
            counts.frames_out += answer.frames.iter().map(Vec::len).sum::<usize>();
            if matches!(event.what, What::Dump) {
                let dump = Dump::of_lines(&answer.lines);
                counts.dumps += 1;
                counts.rows += dump.rows.len() + dump.connections.len();
            }
            let of = |tolerance: &Tolerance| usize::from(event.tolerance == Some(*tolerance));
            for (count, tolerance) in counts.tolerated.iter_mut().zip(&Tolerance::ALL) {
                *count += of(tolerance);
            }
        }
    }
    Ok((counts, reference))
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.scenarios += other.scenarios;
        self.events += other.events;
        self.frames_in += other.frames_in;
        self.frames_out += other.frames_out;
        self.dumps += other.dumps;
        self.rows += other.rows;
        for (sum, count) in self.tolerated.iter_mut().zip(other.tolerated) {
            *sum += count;
        }
    }
}
