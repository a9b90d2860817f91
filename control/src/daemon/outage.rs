//! A dataplane that ends takes the kernel's interfaces with it: until the next one has them again, checks that go by them
//! fail, and that says nothing about the reals.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// From a dataplane's end until the next one is well.
#[derive(Debug, Default)]
pub struct Outage {
    began: Cell<Option<Instant>>,
    ended: Cell<Option<Instant>>,
}

impl Outage {
    /// After the next dataplane has its tables: addresses and routes are put back, and neighbours answer.
    const SETTLING: Duration = Duration::from_secs(1);
    /// An outage as long as this is no restart; whoever looks then is to see what checks find.
    const LONGEST: Duration = Duration::from_secs(30);

    /// The dataplane has ended.
    pub fn begin(&self, now: Instant) {
        self.began.set(Some(now));
        self.ended.set(None);
    }

    /// A dataplane has its tables.
    pub fn end(&self, now: Instant) {
        self.ended.set(Some(now));
    }

    /// Whether it may be the reason for what a check that began at `check` failed of.
    pub fn explains(&self, check: Instant, now: Instant) -> bool {
        let Some(began) = self.began.get() else { return false };
        match self.ended.get() {
            Some(ended) => check < ended + Self::SETTLING,
            None => now < began + Self::LONGEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_a_restart_are_explained() {
        let outage = Outage::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!outage.explains(at(0), at(1)), "there was none");
        outage.begin(at(100));
        assert!(outage.explains(at(99), at(101)), "it was under way");
        assert!(outage.explains(at(129), at(129)));
        assert!(!outage.explains(at(129), at(130)), "no restart takes so long");
        outage.end(at(140));
        assert!(outage.explains(at(139), at(142)), "it began before the next dataplane");
        assert!(outage.explains(at(140), at(142)), "nor had all come back then");
        assert!(!outage.explains(at(141), at(142)), "all was well");
        outage.begin(at(200));
        assert!(outage.explains(at(199), at(201)), "another one");
    }
}
