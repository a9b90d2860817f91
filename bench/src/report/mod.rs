//! What was measured: as values and JSON, as a table, as charts, and in docs/performance.md.

pub mod charts;
pub mod compare;
pub mod machine;
pub mod markdown;
mod merge;
pub mod table;

use machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that one run of the bench found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// Cycles a step of the calibration loop, before and after.
    pub calibration: [f64; 2],
    /// How long a cache line takes from one core to the other and back, nanoseconds.
    #[serde(default)]
    pub round_trip: f64,
    /// The scenarios that it is of, by name.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// What was measured.
    pub measurements: Vec<Measurement>,
    /// What was not, and why.
    pub skipped: Vec<Skipped>,
    /// The answer of `bench stages`, as it is.
    #[serde(default)]
    pub stages: serde_json::Value,
}

/// One figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured: scenario and variant, such as `cable nat-in 64k`.
    pub name: String,
    /// What the figure says, with its unit, such as `million packets/s`.
    pub unit: String,
    /// Each run, in the order in which they ran.
    pub runs: Vec<f64>,
    /// What macswap did in the same run of the bench on the same devices, the median.
    pub ceiling: Option<f64>,
    /// The figure that was to be reached.
    pub goal: Option<Goal>,
    /// Further figures of the median run or of all, by name with unit.
    pub details: BTreeMap<String, f64>,
    /// What a reader should know; empty if nothing.
    pub note: String,
    /// When, and at which commit.
    #[serde(default)]
    pub measured: String,
    /// Somebody else used the core in all its runs, see [`crate::neighbours`].
    #[serde(default)]
    pub disturbed: bool,
}

/// What was to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// In words, such as `at most 110`.
    pub words: String,
    /// What the median says.
    pub verdict: Verdict,
}

/// Whether a goal was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was.
    Reached,
    /// It was not.
    Missed,
    /// As much came back as from macswap: the generator makes no more, and what is measured could.
    AtTheLimit,
    /// Far more came back than from macswap, so macswap was held up and says nothing.
    NotJudged,
}

/// More than this times what macswap reached is not by chance.
const BY_CHANCE: f64 = 1.1;

impl Verdict {
    fn of(reached: bool) -> Self {
        if reached { Self::Reached } else { Self::Missed }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::Missed => "missed",
            Self::AtTheLimit => "at the generator's limit",
            Self::NotJudged => "not judged, macswap was held up",
        })
    }
}

/// A scenario that was not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: String,
}

impl Measurement {
    /// A figure of these runs.
    pub fn new(name: impl Into<String>, unit: &str, runs: Vec<f64>) -> Self {
        Self { name: name.into(), unit: unit.into(), runs, ..Self::default() }
    }

    /// With a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Somebody else used the core in so many of its runs, of so many.
    #[must_use]
    pub fn disturbed(mut self, disturbed: usize, runs: usize) -> Self {
        if disturbed > 0 {
            self.note = format!("{disturbed} of {runs} runs while another machine used this core");
        }
        self.disturbed = disturbed > 0 && disturbed >= runs;
        self
    }

    /// With a further figure.
    #[must_use]
    pub fn detail(mut self, name: &str, value: f64) -> Self {
        self.details.insert(name.into(), value);
        self
    }

    /// With what macswap reached.
    #[must_use]
    pub fn ceiling(mut self, ceiling: Option<f64>) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// To be at most this.
    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Self {
        self.goal = Some(Goal { words: format!("at most {limit}"), verdict: Verdict::of(self.median() <= limit) });
        self
    }

    /// To be at least this.
    #[must_use]
    pub fn at_least(mut self, limit: f64) -> Self {
        self.goal = Some(Goal { words: format!("at least {limit}"), verdict: Verdict::of(self.median() >= limit) });
        self
    }

    /// To be at least so many percent of what macswap reaches.
    #[must_use]
    pub fn at_least_of_ceiling(mut self, percent: f64) -> Self {
        let verdict = match self.ratio() {
            Some(ratio) if ratio > BY_CHANCE => Verdict::NotJudged,
            Some(ratio) if ratio > 1.0 => Verdict::AtTheLimit,
            ratio => Verdict::of(ratio.is_some_and(|ratio| ratio * 100.0 >= percent)),
        };
        self.goal = Some(Goal { words: format!("at least {percent} % of macswap"), verdict });
        self
    }

    /// The median of the runs; 0 without any.
    pub fn median(&self) -> f64 {
        median(&self.runs)
    }

    /// The median as a share of what macswap reached; of cycles, how many times as many.
    pub fn ratio(&self) -> Option<f64> {
        self.ceiling.filter(|ceiling| *ceiling > 0.0).map(|ceiling| self.median() / ceiling)
    }

    /// The lowest and the highest run.
    pub fn spread(&self) -> (f64, f64) {
        let low = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        (if low.is_finite() { low } else { 0.0 }, self.runs.iter().copied().fold(0.0, f64::max))
    }
}

/// The middle one of some numbers, or the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!((median(&[]), median(&[3.0]), median(&[9.0, 1.0, 3.0]), median(&[4.0, 1.0])), (0.0, 3.0, 3.0, 2.5));
    }

    #[test]
    fn goals_are_judged_by_the_median() {
        let of = |runs: &[f64]| Measurement::new("x", "cycles", runs.to_vec());
        let verdict = |measurement: Measurement| measurement.goal.unwrap().verdict;
        assert_eq!(verdict(of(&[100.0, 109.0, 300.0]).at_most(110.0)), Verdict::Reached);
        assert_eq!(verdict(of(&[100.0, 111.0, 300.0]).at_most(110.0)), Verdict::Missed);
        let of_ten = |reached| verdict(of(&[reached]).ceiling(Some(10.0)).at_least_of_ceiling(80.0));
        assert_eq!((of_ten(8.0), of_ten(7.0)), (Verdict::Reached, Verdict::Missed));
        assert_eq!(
            (of_ten(10.3), of_ten(38.0)),
            (Verdict::AtTheLimit, Verdict::NotJudged),
            "no director beats macswap"
        );
        assert_eq!(verdict(of(&[7.0]).at_least_of_ceiling(80.0)), Verdict::Missed, "no ceiling was measured");
    }
}
