//! Whether somebody else uses what belongs to a core: a virtual machine may share its core's execution units with another
//! machine's thread, and its caches with all of them. Nothing else tells it: the time stamp counter goes on, no time is
//! stolen, and a loop whose steps wait for each other takes as long as ever, while code that does four things at a time
//! takes half as long again and each miss of the cache three times as long.

use crate::rig::pin;
use rte_rs::cycles::tsc;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// Cycles of one look at the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    /// Of a loop with as many independent steps as a core has units for.
    steps: u64,
    /// Of loads from all over a memory that no cache close by holds.
    loads: u64,
}

/// So much more than in the best look is by chance: 1 in 10 of the steps, 1 in 3 of the loads.
const STEPS_BY_CHANCE: u64 = 10;
const LOADS_BY_CHANCE: u64 = 3;
/// Looks at the beginning, to know the core when it is left alone, and the time between them.
const FIRST_LOOKS: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(10);
/// Between looks for a moment when the core is left alone.
const PAUSE: Duration = Duration::from_millis(2);
/// Numbers of the memory: 64 MB, more than any cache of a core.
const MEMORY: usize = 8 << 20;

/// Watches a core.
#[derive(Debug)]
pub struct Neighbours {
    memory: Vec<u64>,
    best: Look,
    patience: Duration,
    /// The core, and where the calling thread belongs; `None`: the core that it runs on.
    away: Option<[u32; 2]>,
}

/// What was measured, and how many of the runs were disturbed.
#[derive(Clone, Debug)]
pub struct Runs<T> {
    /// As many as were wanted; disturbed ones, if there are any, at last.
    pub runs: Vec<T>,
    /// How many of them were disturbed, since there was no time to wait for better ones.
    pub disturbed: usize,
}

impl Neighbours {
    /// Looks at the core that the calling thread runs on for half a second; afterwards `patience`, all in all, is spent
    /// on waiting for it to be left alone.
    pub fn new(patience: Duration) -> Self {
        Self::begin(patience, None)
    }

    /// The neighbours of another core, that nobody uses while it is looked at; the calling thread belongs to `home`.
    pub fn of_core(core: u32, home: u32, patience: Duration) -> Self {
        Self::begin(patience, Some([core, home]))
    }

    fn begin(patience: Duration, away: Option<[u32; 2]>) -> Self {
        let memory = (0..MEMORY as u64).collect();
        let mut this = Self { memory, best: Look { steps: u64::MAX, loads: u64::MAX }, patience, away };
        for _ in 0..FIRST_LOOKS {
            this.look();
            thread::sleep(BETWEEN);
        }
        this
    }

    /// Whether nobody disturbs now. Takes a twentieth of a millisecond, and a few percent of the caches.
    pub fn are_quiet(&mut self) -> bool {
        let look = self.look();
        is_quiet(look, self.best)
    }

    /// Runs `measure` until `wanted` runs had nobody disturbing before and after them. At most a part of the patience
    /// that is left is spent; then disturbed runs make up for those that are missing.
    ///
    /// # Errors
    /// Those of `measure`.
    pub fn runs<T, E>(&mut self, wanted: usize, mut measure: impl FnMut() -> Result<T, E>) -> Result<Runs<T>, E> {
        let (begin, limit) = (Instant::now(), self.patience / 8);
        let (mut quiet, mut others) = (Vec::new(), Vec::new());
        while quiet.len() < wanted {
            let is_late = begin.elapsed() > limit;
            if is_late && quiet.len() + others.len() >= wanted {
                break;
            }
            let before = self.are_quiet();
            if !before && !is_late {
                thread::sleep(PAUSE);
                continue;
            }
            let run = measure()?;
            if before && self.are_quiet() { quiet.push(run) } else { others.push(run) }
        }
        self.patience = self.patience.saturating_sub(begin.elapsed());
        let disturbed = wanted.saturating_sub(quiet.len());
        let from = others.len().saturating_sub(disturbed);
        quiet.extend(others.drain(from..));
        Ok(Runs { runs: quiet, disturbed })
    }

    fn look(&mut self) -> Look {
        if let Some([core, _]) = self.away {
            pin(core);
        }
        let look = Look { steps: fastest(steps), loads: fastest(|| loads(&self.memory)) };
        if let Some([_, home]) = self.away {
            pin(home);
        }
        self.best = Look { steps: self.best.steps.min(look.steps), loads: self.best.loads.min(look.loads) };
        look
    }
}

fn is_quiet(look: Look, best: Look) -> bool {
    let within = |cycles: u64, best: u64, part: u64| cycles <= best.saturating_add(best / part);
    within(look.steps, best.steps, STEPS_BY_CHANCE) && within(look.loads, best.loads, LOADS_BY_CHANCE)
}

/// The fastest of three: an interrupt does not count.
fn fastest(work: impl Fn()) -> u64 {
    let once = |_| {
        let begin = tsc();
        work();
        tsc().wrapping_sub(begin)
    };
    (0..3).map(once).min().unwrap_or_default()
}

fn steps() {
    let mut values = black_box([1_u64, 2, 3, 5, 7, 11, 13, 17]);
    for step in 0..5_000_u64 {
        // Eight chains that do not wait for each other.
        for value in &mut values {
            *value = (*value ^ step).rotate_left(9).wrapping_add(step);
        }
    }
    black_box(values);
}

fn loads(memory: &[u64]) {
    let (mut place, mut sum) = (tsc() as u32, 0_u64);
    for _ in 0..1_000 {
        place = place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The places do not depend on what is loaded: as many loads as a core has room for are under way.
        sum = sum.wrapping_add(memory.get(place as usize >> 5 & (MEMORY - 1)).copied().unwrap_or_default());
    }
    black_box(sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_far_from_the_best_one_is_not_quiet() {
        let best = Look { steps: 1_000, loads: 900 };
        assert!(is_quiet(best, best));
        assert!(is_quiet(Look { steps: 1_100, loads: 1_200 }, best));
        assert!(!is_quiet(Look { steps: 1_101, loads: 900 }, best), "somebody uses the units");
        assert!(!is_quiet(Look { steps: 1_000, loads: 1_201 }, best), "somebody uses the caches");
    }

    #[test]
    fn as_many_runs_as_wanted_whoever_disturbs() {
        let mut neighbours = Neighbours::new(Duration::ZERO);
        // A core that nobody has: no look comes near it.
        neighbours.best = Look { steps: 1, loads: 1 };
        let mut number = 0;
        let mut measure = || {
            number += 1;
            Ok::<_, ()>(number)
        };
        let runs = neighbours.runs(3, &mut measure).unwrap();
        assert_eq!((runs.runs, runs.disturbed), (vec![1, 2, 3], 3));
        // And one that is always quiet.
        neighbours.best = Look { steps: u64::MAX / 2, loads: u64::MAX / 2 };
        assert!(neighbours.runs(1, || Err::<(), _>("an error")).is_err());
    }
}
