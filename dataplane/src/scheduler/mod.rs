//! Schedulers: which real gets a new connection.
//!
//! Each is a pure function of the service's candidates, their load and, for the round-robin ones, a [`Cursor`]. The
//! [`Scheduler`] and the candidates are immutable and shared by all workers; a cursor belongs to one worker. Results
//! are the reference's, pick for pick, on the worker with number 0: the candidates are in its list order
//! (newest first), comparisons are strict, ties keep the earlier one, and weight 0 is never chosen.

mod lc;
mod rr;
mod wlc;
mod wrr;

use link::model::SchedulerKind;

/// A real as the schedulers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its real slot.
    pub slot: u32,
    /// Its weight; 0 = never chosen.
    pub weight: u32,
}

/// How many connections each real has, over all workers.
pub trait Load {
    /// Connections of the real in this slot that count as active.
    fn active(&self, slot: u32) -> u32;
    /// Its other connections.
    fn inactive(&self, slot: u32) -> u32;
}

/// The load that least-connection schedulers compare: 256 times the active connections, plus all of them.
#[inline]
fn overhead(load: &impl Load, slot: u32) -> u64 {
    let active = u64::from(load.active(slot));
    active * 257 + u64::from(load.inactive(slot))
}

/// A scheduler, ready for one list of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// In turn.
    RoundRobin,
    /// In turn, as often as the weight says.
    WeightedRoundRobin(wrr::Steps),
    /// The fewest connections.
    LeastConnection,
    /// The fewest connections by weight.
    WeightedLeastConnection,
}

/// Where one worker's round robin stands in one service. The default one has not started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The index after that of the candidate chosen last; 0 = the head of the list.
    next: u32,
    /// `wrr`: the weight that a candidate needs now.
    threshold: u32,
    started: bool,
}

impl Cursor {
    /// Whether a connection has been scheduled with it. If not, it holds nothing.
    pub fn has_started(&self) -> bool {
        self.started
    }
}

/// A change of a service's candidates.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a, Was, Is> {
    /// Before.
    pub old: &'a [Candidate],
    /// After.
    pub new: &'a [Candidate],
    /// Whether the real in a slot was a candidate before.
    pub was_there: Was,
    /// Whether the real in a slot is a candidate now.
    pub is_there: Is,
}

impl Scheduler {
    /// The scheduler of this kind for `candidates`.
    pub fn new(kind: SchedulerKind, candidates: &[Candidate]) -> Self {
        match kind {
            SchedulerKind::RoundRobin => Self::RoundRobin,
            SchedulerKind::WeightedRoundRobin => Self::WeightedRoundRobin(wrr::Steps::of(candidates)),
            SchedulerKind::LeastConnection => Self::LeastConnection,
            _ => Self::WeightedLeastConnection,
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> SchedulerKind {
        match self {
            Self::RoundRobin => SchedulerKind::RoundRobin,
            Self::WeightedRoundRobin(_) => SchedulerKind::WeightedRoundRobin,
            Self::LeastConnection => SchedulerKind::LeastConnection,
            Self::WeightedLeastConnection => SchedulerKind::WeightedLeastConnection,
        }
    }

    /// The index of the candidate that the next new connection gets; `None` if none has a weight.
    ///
    /// A cursor that has not started does so first: where the reference would if the candidates had been added one by
    /// one, and `worker` picks on from there, so that workers begin with different reals. Apart from that, the work is
    /// at most two walks over the candidates.
    pub fn pick(&self, cursor: &mut Cursor, worker: u16, candidates: &[Candidate], load: &impl Load) -> Option<usize> {
        match self {
            Self::LeastConnection => return lc::pick(candidates, load),
            Self::WeightedLeastConnection => return wlc::pick(candidates, load),
            Self::RoundRobin | Self::WeightedRoundRobin(_) if cursor.started => (),
            Self::RoundRobin | Self::WeightedRoundRobin(_) => self.start(cursor, worker, candidates),
        }
        self.next(cursor, candidates)
    }

    /// Carries a cursor over a change of the service, as the reference does when reals are added, edited or deleted.
    /// Cheap if the reals stay and only their weights change.
    pub fn carry_over(&self, cursor: &mut Cursor, change: &Change<impl Fn(u32) -> bool, impl Fn(u32) -> bool>) {
        let same_reals = || {
            let mut pairs = change.old.iter().zip(change.new);
            change.old.len() == change.new.len() && pairs.all(|(old, new)| old.slot == new.slot)
        };
        match self {
            _ if !cursor.started => (),
            Self::RoundRobin if same_reals() => (),
            Self::RoundRobin => rr::carry_over(cursor, change.old, change.new, &change.is_there),
            Self::WeightedRoundRobin(steps) if same_reals() => wrr::reweigh(steps, cursor),
            Self::WeightedRoundRobin(_) => wrr::carry_over(cursor, change.new, &change.was_there),
            Self::LeastConnection | Self::WeightedLeastConnection => (),
        }
    }

    fn start(&self, cursor: &mut Cursor, worker: u16, candidates: &[Candidate]) {
        *cursor = Cursor { next: 0, threshold: wrr::first_threshold(candidates), started: true };
        for _ in 0..worker {
            self.next(cursor, candidates);
        }
    }

    fn next(&self, cursor: &mut Cursor, candidates: &[Candidate]) -> Option<usize> {
        match self {
            Self::RoundRobin => rr::pick(cursor, candidates),
            Self::WeightedRoundRobin(steps) => wrr::pick(steps, cursor, candidates),
            Self::LeastConnection | Self::WeightedLeastConnection => None,
        }
    }
}

#[cfg(test)]
mod tests;
