//! The highest rate without a loss, by bisection (RFC 2544 section 26.1, with the loss verification of RFC 9004).

use super::outcome::Outcome;
use super::plan::{Rate, Run, Until};
use super::run::{Generator, GeneratorError};
use serde::{Deserialize, Serialize};

/// How often a trial with a loss is repeated.
const REPEATS: u32 = 2;

/// How to search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What is sent; its rate and end are the search's.
    pub run: Run,
    /// Where to begin: no higher rate is tried, packets a second.
    pub highest: f64,
    /// How long one trial sends, seconds.
    pub trial: f64,
    /// How many rates are tried.
    pub trials: u32,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The highest rate at which nothing was lost, packets a second; 0 if there was none.
    pub rate: f64,
    /// The lowest at which something was.
    pub lossy: Option<f64>,
    /// Trials that lost something, and nothing when they were repeated.
    pub repeated: u32,
    /// What was wrong with packets that came back; nothing should be.
    pub complaint: Option<String>,
}

impl Generator {
    /// Searches the highest rate without a loss. A trial with a loss is repeated, twice at most, since on a machine with other
    /// work a core may be taken away for longer than the rings last.
    ///
    /// # Errors
    /// As [`Generator::run`].
    pub fn search(&mut self, search: &Search) -> Result<Found, GeneratorError> {
        let (mut low, mut high) = (0.0, search.highest);
        let mut found = Found::default();
        let mut rate = search.highest * 0.95;
        for _ in 0..search.trials.max(1) {
            let mut outcome = self.trial(search, rate)?;
            for _ in 0..REPEATS {
                if outcome.is_clean() || !outcome.faults.is_empty() {
                    break;
                }
                outcome = self.trial(search, rate)?;
                found.repeated += u32::from(outcome.is_clean());
            }
            if let Some(complaint) = outcome.complaint(false) {
                found.complaint = Some(complaint);
                break;
            }
            if outcome.is_clean() {
                // What was really sent counts: a generator that was held up sent less.
                found.rate = outcome.total().sent as f64 / outcome.seconds;
                low = rate;
            } else {
                found.lossy = Some(rate);
                high = rate;
            }
            if high - low < search.highest * 0.02 {
                break;
            }
            rate = f64::midpoint(low, high);
        }
        Ok(found)
    }

    fn trial(&mut self, search: &Search, rate: f64) -> Result<Outcome, GeneratorError> {
        let run = Run { rate: Rate::PerSecond(rate), until: Until::Seconds(search.trial), ..search.run.clone() };
        self.run(&run)
    }
}
