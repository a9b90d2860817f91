//! Two reports compared: is something slower than it was? Cycles are compared as multiples of the calibration loop's
//! step of the same run, so that another machine, or the same on another day, can be compared at all.

use super::table::number;
use super::{Measurement, Report};
use std::collections::BTreeMap;

/// Figures that can be compared, by name: cycles, and whether somebody else used the core in all runs.
pub type Figures = BTreeMap<String, (f64, bool)>;

/// What became of one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Steps of the calibration loop that it took when it was recorded, and now.
    pub steps: [f64; 2],
    /// Somebody else used the core in all runs of now: that it is slower says nothing.
    pub disturbed: bool,
}

impl Change {
    /// How many times as long it takes now.
    pub fn factor(&self) -> f64 {
        self.steps[1] / self.steps[0].max(1e-9)
    }
}

/// Figures that both have, each in steps of its own run's calibration loop.
pub fn changes(recorded: (&Figures, f64), now: (&Figures, f64)) -> Vec<Change> {
    let both = recorded.0.iter().filter_map(|(name, then)| Some((name, then.0, *now.0.get(name)?)));
    both.map(|(name, then, (at_present, disturbed))| Change {
        name: name.clone(),
        steps: [then / recorded.1.max(1e-9), at_present / now.1.max(1e-9)],
        disturbed,
    })
    .collect()
}

/// A table of the changes.
pub fn show(changes: &[Change]) -> String {
    let mut text =
        format!("{:<34} {:>10} {:>10} {:>8}\n", "STEPS OF THE CALIBRATION LOOP", "RECORDED", "NOW", "CHANGE");
    for change in changes {
        text += &format!(
            "{:<34} {:>10} {:>10} {:>+7.0}%\n",
            change.name,
            number(change.steps[0]),
            number(change.steps[1]),
            (change.factor() - 1.0) * 100.0
        );
    }
    text
}

/// What of a report can be compared: the cycles that packets take without a generator in the fastest run, by name, with the
/// cycles of a step of its calibration loop, the fastest as well: what disturbs a run only makes it slower.
pub fn figures(report: &Report) -> (Figures, f64) {
    let comparable = |found: &&Measurement| {
        found.unit == "cycles/packet" && ["stages ", "capture nat"].iter().any(|start| found.name.starts_with(start))
    };
    let figures = report
        .measurements
        .iter()
        .filter(comparable)
        .map(|found| (found.name.clone(), (found.spread().0, found.disturbed)));
    (figures.collect(), report.calibration[0].min(report.calibration[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_machine_changes_nothing_a_slower_program_does() {
        let then = Figures::from([("nat-in".into(), (100.0, true)), ("gone".into(), (5.0, false))]);
        let mut now = Figures::from([("nat-in".into(), (200.0, false)), ("new".into(), (7.0, false))]);
        let same = changes((&then, 4.0), (&now, 8.0));
        assert_eq!(same, [Change { name: "nat-in".into(), steps: [25.0, 25.0], disturbed: false }]);
        assert_eq!(changes((&then, 4.0), (&now, 4.0))[0].factor(), 2.0);
        now.insert("nat-in".into(), (200.0, true));
        assert!(changes((&then, 4.0), (&now, 4.0))[0].disturbed, "as it is now, not as it was");
    }

    #[test]
    fn cycles_without_a_generator_are_compared() {
        let of = |name: &str, unit: &str| Measurement::new(name, unit, vec![120.5]);
        let report = Report {
            calibration: [7.0, 6.9],
            measurements: vec![
                of("stages nat-in 64k", "cycles/packet"),
                of("capture nat-in 64k", "cycles/packet"),
                of("capture macswap 64k", "cycles/packet"),
                of("cable nat-in 64k", "million packets/s"),
            ],
            ..Report::default()
        };
        let expected = ["capture nat-in 64k", "stages nat-in 64k"].map(|name| (name.to_owned(), (120.5, false)));
        assert_eq!(figures(&report), (Figures::from(expected), 6.9));
    }
}
