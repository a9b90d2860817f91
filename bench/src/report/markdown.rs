//! A report in docs/performance.md: what is between two markers is replaced.

use super::table::{goal, number, ratio};
use super::{Report, Verdict};
use std::fmt::Write;

/// Before what is replaced.
pub const BEGIN: &str = "<!-- begin of what make bench measured -->";
/// Behind it.
pub const END: &str = "<!-- end of what make bench measured -->";

/// The page with the report between its markers; `None` if it does not have them.
pub fn put_into(page: &str, report: &Report, charts: &[String]) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", tables(report, charts)))
}

fn tables(report: &Report, charts: &[String]) -> String {
    let mut text = head(report);
    goals(&mut text, report);
    figures(&mut text, report);
    // Writing to a String cannot fail, here and below.
    for chart in charts {
        let _ = writeln!(text, "\n![{0}](performance/{0}.svg) ([PNG](performance/{0}.png))", chart);
    }
    if !report.skipped.is_empty() {
        text += "\nNot measured in this run:\n\n";
        for skipped in &report.skipped {
            let _ = writeln!(text, "- {}: {}", skipped.name, skipped.why);
        }
    }
    text
}

/// Where and when.
fn head(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "Measured on {} UTC, commit `{}`, where a row does not say otherwise: {} x {}, {:.2} GHz time stamp counter, {} MiB, Linux {}, DPDK {}, {}. A step of \
         the calibration loop took {} cycles before and {} after; a cache line takes {} ns from one core to the other and \
         back.\n",
        machine.date,
        machine.commit,
        machine.cores,
        machine.cpu,
        machine.tsc_hz as f64 / 1e9,
        machine.memory,
        machine.kernel,
        machine.dpdk,
        machine.rustc,
        number(report.calibration[0]),
        number(report.calibration[1]),
        number(report.round_trip),
    )
}

fn goals(text: &mut String, report: &Report) {
    let found: Vec<_> =
        report.measurements.iter().filter_map(|found| found.goal.as_ref().map(|goal| (found, goal))).collect();
    if found.is_empty() {
        return;
    }
    *text += "\n### Goals\n\n| what | median | goal | |\n|---|---|---|---|\n";
    for (found, goal) in found {
        let verdict = if goal.verdict == Verdict::Missed { "**missed**".into() } else { goal.verdict.to_string() };
        let against = Some(ratio(found)).filter(|ratio| !ratio.is_empty());
        let _ = writeln!(
            text,
            "| {} | {} {}{} | {} | {verdict} |",
            found.name,
            number(found.median()),
            found.unit,
            against.map(|ratio| format!(" ({ratio} of macswap)")).unwrap_or_default(),
            goal.words
        );
    }
}

fn figures(text: &mut String, report: &Report) {
    *text += "\n### Figures\n\n| what | median | lowest - highest | runs | of macswap | goal | further |\n|---|---|---|---|---|---|---|\n";
    for found in &report.measurements {
        let (low, high) = found.spread();
        let details = found.details.iter().map(|(name, value)| format!("{name}: {}", number(*value)));
        let measured = Some(&found.measured).filter(|at| !at.is_empty() && **at != report.machine.moment());
        let notes = (!found.note.is_empty()).then(|| found.note.clone());
        let further: Vec<String> = details.chain(notes).chain(measured.map(|at| format!("measured {at}"))).collect();
        let _ = writeln!(
            text,
            "| {} | {} {} | {} - {} | {} | {} | {} | {} |",
            found.name,
            number(found.median()),
            found.unit,
            number(low),
            number(high),
            found.runs.len(),
            ratio(found),
            goal(found),
            further.join("; ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Measurement;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let mut report = Report::default();
        report.measurements.push(Measurement::new("cable nat-in 1k", "million packets/s", vec![9.0, 10.0, 12.0]));
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = put_into(&page, &report, &["cable".into()]).unwrap();
        assert!(new.starts_with("before\n") && new.ends_with("\nafter\n") && !new.contains("old"), "{new}");
        assert!(new.contains("| cable nat-in 1k | 10.0 million packets/s | 9.00 - 12.0 | 3 |"), "{new}");
        assert_eq!(put_into(&new, &report, &["cable".into()]).unwrap(), new);
        assert_eq!(put_into("no markers", &report, &[]), None);
    }
}
