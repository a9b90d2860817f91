//! What is known of a checked real.

use super::book::Now;
use super::judge::{Judge, Verdict};
use super::kept::KeptReal;
use std::time::{Duration, Instant};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) judge: Judge,
    /// When the verdict began, milliseconds since 1970.
    pub(super) since: u64,
    /// When the last check ended, and what it took.
    pub(super) last: Option<(Instant, Duration)>,
    pub(super) reason: Option<String>,
    pub(super) weight: Option<u32>,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) changes: u64,
}

impl Entry {
    /// Nothing has been found yet.
    pub(super) fn new(judge: Judge, now: Now) -> Self {
        let since = now.unix_milliseconds();
        Self { judge, since, last: None, reason: None, weight: None, passed: 0, failed: 0, changes: 0 }
    }

    /// As an earlier sluiced knew it.
    pub(super) fn remembered(kept: &KeptReal) -> Self {
        let verdict = if kept.up { Verdict::Up } else { Verdict::Down };
        let (reason, weight) = (kept.reason.clone(), kept.weight);
        let judge = Judge::known(verdict);
        Self { judge, since: kept.since, last: None, reason, weight, passed: 0, failed: 0, changes: 0 }
    }
}
