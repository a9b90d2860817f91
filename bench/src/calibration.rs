//! A loop whose cost depends on the machine alone, to compare figures of runs on different machines and days.

use rte_rs::cycles::tsc;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps of one run of the loop.
const STEPS: u64 = 2_000_000;

/// Cycles of the time stamp counter that one step of the loop takes: the fastest of `runs` runs, so that what
/// interrupted the others does not count. A step is a multiplication and two shifts that wait for each other, some 7
/// cycles at the speed at which the core runs now.
pub fn cycles_a_step(runs: usize) -> f64 {
    let fastest = (0..runs.max(1)).map(|_| one_run()).min().unwrap_or_default();
    fastest as f64 / STEPS as f64
}

/// Steps that this thread gets done in so long.
pub fn steps_in(time: Duration) -> u64 {
    const AT_ONCE: u64 = 5_000;
    let (begin, mut steps) = (Instant::now(), 0);
    while begin.elapsed() < time {
        take(AT_ONCE);
        steps += AT_ONCE;
    }
    steps
}

fn one_run() -> u64 {
    let begin = tsc();
    take(STEPS);
    tsc().wrapping_sub(begin)
}

fn take(steps: u64) {
    let mut value = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..steps {
        value = (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    black_box(value);
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_step_takes_some_cycles() {
        let cycles = super::cycles_a_step(3);
        assert!((1.0..1000.0).contains(&cycles), "{cycles}");
    }
}
