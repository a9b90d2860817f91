//! What follows from the results of one real's checks. Pure: the time is given.

use config::health::{Check, Start};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a real is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No result yet: not in the pool.
    Unknown,
    /// It serves.
    Up,
    /// It does not.
    Down,
}

/// The judge of one real.
#[derive(Clone, Debug)]
pub struct Judge {
    verdict: Verdict,
    /// Results in a row that contradict the verdict.
    against: u32,
    /// When it went down, the oldest first; no more than matter.
    downs: VecDeque<Instant>,
    /// It went down too often: out until then at least.
    held_until: Option<Instant>,
}

impl Judge {
    /// Of a real that has not been checked yet.
    pub fn new(start: Start) -> Self {
        let verdict = match start {
            Start::Down => Verdict::Unknown,
            Start::Up => Verdict::Up,
        };
        Self::known(verdict)
    }

    /// Of a real of which this is known from before.
    pub fn known(verdict: Verdict) -> Self {
        Self { verdict, against: 0, downs: VecDeque::new(), held_until: None }
    }

    /// What the real is taken for now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Until when it stays out although it may be well, if it does.
    pub fn held(&self, now: Instant) -> Option<Duration> {
        let until = self.held_until.filter(|_| self.verdict == Verdict::Down)?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Takes a result; says whether the verdict is another now.
    pub fn take(&mut self, check: &Check, is_well: bool, now: Instant) -> bool {
        let agrees = match self.verdict {
            Verdict::Unknown => {
                self.verdict = if is_well { Verdict::Up } else { Verdict::Down };
                return true;
            }
            Verdict::Up => is_well,
            Verdict::Down => !is_well,
        };
        if agrees {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        if is_well {
            if self.against < check.rise || self.held(now).is_some() {
                return false;
            }
            self.verdict = Verdict::Up;
        } else {
            if self.against < check.fall {
                return false;
            }
            self.verdict = Verdict::Down;
            self.count_down(check, now);
        }
        self.against = 0;
        true
    }

    fn count_down(&mut self, check: &Check, now: Instant) {
        self.held_until = None;
        if check.flap_limit == 0 {
            self.downs.clear();
            return;
        }
        self.downs.push_back(now);
        while self.downs.front().is_some_and(|first| now.duration_since(*first) > check.flap_window) {
            self.downs.pop_front();
        }
        if self.downs.len() >= check.flap_limit as usize {
            self.held_until = Some(now + check.flap_hold);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::health::{CheckKind, Via};

    const SECOND: Duration = Duration::from_secs(1);

    fn check() -> Check {
        Check {
            kind: CheckKind::Tcp,
            interval: SECOND,
            jitter: 0,
            timeout: SECOND,
            rise: 2,
            fall: 3,
            start: Start::Down,
            port: 80,
            via: Via::Real,
            flap_limit: 0,
            flap_window: 60 * SECOND,
            flap_hold: 30 * SECOND,
        }
    }

    fn taken(judge: &mut Judge, check: &Check, results: &[bool], now: Instant) -> Vec<Verdict> {
        let take = |well: &bool| {
            judge.take(check, *well, now);
            judge.verdict()
        };
        results.iter().map(take).collect()
    }

    #[test]
    fn the_first_result_decides_alone_and_later_ones_in_a_row() {
        use Verdict::{Down, Up};
        let (check, now) = (check(), Instant::now());
        let mut judge = Judge::new(Start::Down);
        assert_eq!(judge.verdict(), Verdict::Unknown);
        let got = taken(&mut judge, &check, &[true, false, false, true, false, false, false, false], now);
        assert_eq!(got, [Up, Up, Up, Up, Up, Up, Down, Down], "three failures in a row take it out");
        let got = taken(&mut judge, &check, &[true, false, true, true], now);
        assert_eq!(got, [Down, Down, Down, Up], "two successes in a row bring it back");
        assert_eq!(taken(&mut Judge::new(Start::Down), &check, &[false, true, true], now), [Down, Down, Up]);
        let mut optimist = Judge::new(Start::Up);
        assert_eq!(taken(&mut optimist, &check, &[false, false, false], now), [Up, Up, Down]);
    }

    #[test]
    fn a_real_that_flaps_is_held_out_although_it_is_well() {
        let check = Check { rise: 1, fall: 1, flap_limit: 2, ..check() };
        let start = Instant::now();
        let mut judge = Judge::known(Verdict::Up);
        let at = |seconds: u32| start + seconds * SECOND;
        assert!(judge.take(&check, false, at(0)));
        assert!(judge.take(&check, true, at(1)), "once is not often");
        assert!(judge.take(&check, false, at(2)));
        assert!(!judge.take(&check, true, at(3)), "held");
        assert_eq!(judge.held(at(3)), Some(29 * SECOND));
        assert!(judge.take(&check, true, at(33)), "after its time one success is enough");
        // Much later the earlier ones do not count any more.
        assert!(judge.take(&check, false, at(100)));
        assert!(judge.take(&check, true, at(101)));
    }
}
