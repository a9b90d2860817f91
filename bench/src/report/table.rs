//! A report for people.

use super::{Measurement, Report};
use std::fmt::Write;

/// A number with as many digits as mean something.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// How the figure stands to macswap's: `64 % of macswap`, or, of cycles, `3.1 x macswap`. Empty without a ceiling.
pub fn ratio(measurement: &Measurement) -> String {
    match measurement.ratio() {
        Some(ratio) if measurement.unit.starts_with("cycles") => format!("{} x", number(ratio)),
        Some(ratio) => format!("{:.0} %", ratio * 100.0),
        None => String::new(),
    }
}

/// The goal and whether it was reached. Empty without one.
pub fn goal(measurement: &Measurement) -> String {
    measurement.goal.as_ref().map_or_else(String::new, |goal| format!("{}: {}", goal.words, goal.verdict))
}

/// One line of the table.
pub fn line(measurement: &Measurement) -> String {
    let (low, high) = measurement.spread();
    let spread = format!("{} - {}", number(low), number(high));
    format!(
        "{:<34} {:>9} {:<20} {:>17} {:>7}  {}",
        measurement.name,
        number(measurement.median()),
        measurement.unit,
        spread,
        ratio(measurement),
        goal(measurement)
    )
    .trim_end()
    .to_owned()
}

/// The whole report.
pub fn show(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{} x {}, {} MiB, Linux {}, DPDK {}, commit {}, {} UTC\n\n{:<34} {:>9} {:<20} {:>17} {:>7}  GOAL\n",
        machine.cores,
        machine.cpu,
        machine.memory,
        machine.kernel,
        machine.dpdk,
        machine.commit,
        machine.date,
        "WHAT",
        "MEDIAN",
        "UNIT",
        "LOWEST - HIGHEST",
        "MACSWAP"
    );
    for measurement in &report.measurements {
        text += &line(measurement);
        text.push('\n');
        if !measurement.note.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    {}", measurement.note);
        }
    }
    for skipped in &report.skipped {
        let _ = writeln!(text, "skipped: {}: {}", skipped.name, skipped.why);
    }
    text
}
