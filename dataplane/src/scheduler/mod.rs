//! Schedulers: which real gets a new connection.
//!
//! Each is a pure function of the service's candidates, their load, the newcomer and, for some, of what the worker
//! remembers: a [`Cursor`] by service, and a [`Memory`]. The [`Scheduler`] and the candidates are immutable and shared
//! by all workers; cursors and memory belong to one. Results are the reference's, pick for pick, on the worker with
//! number 0: the candidates are in its list order (newest first), comparisons are strict, ties keep the earlier one,
//! and a real with weight 0 or at its upper threshold is not chosen. `twos` draws lots; there only the odds are the same.

mod dh;
mod fo;
mod lblc;
mod lblcr;
mod lc;
mod locality;
mod mh;
mod nq;
mod ovf;
mod places;
mod random;
mod rr;
mod sed;
mod sh;
mod siphash;
mod twos;
mod wlc;
mod wrr;

use crate::clock::Milliseconds;
use crate::connection::Endpoint;
use link::model::{SchedulerFlags, SchedulerKind, ServiceOptions, Settings};
use locality::Localities;
use places::Places;
use random::Random;

/// A real as the schedulers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its real slot.
    pub slot: u32,
    /// Its weight; 0 = never chosen.
    pub weight: u32,
}

/// What the hash tables are made of: a real's address, and its weight in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// IPv4 address and port; port 0 = the packet's.
    pub endpoint: Endpoint,
    /// Its weight, or the last one before it was quiesced; 0 = it never had one.
    pub lasting_weight: u32,
}

/// How many connections each real has, over all workers.
pub trait Load {
    /// Connections of the real in this slot that count as active.
    fn active(&self, slot: u32) -> u32;
    /// Its other connections.
    fn inactive(&self, slot: u32) -> u32;
    /// Whether it is at its upper threshold, or was and is not yet below the lower one.
    fn is_overloaded(&self, slot: u32) -> bool;
}

/// A connection that wants a real.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    /// The client.
    pub source: Endpoint,
    /// The virtual end.
    pub destination: Endpoint,
    /// The worker's clock.
    pub now: Milliseconds,
}

/// What there is to choose from, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a, L> {
    /// The service's slot.
    pub service: u32,
    /// Where its round robin begins.
    pub start: Start,
    /// Its reals, newest first.
    pub candidates: &'a [Candidate],
    /// How loaded they are.
    pub load: &'a L,
    /// The connection.
    pub newcomer: Newcomer,
}

impl<'a, L: Load> Choice<'a, L> {
    /// Whether a candidate takes new connections.
    #[inline]
    fn is_usable(&self, candidate: &Candidate) -> bool {
        candidate.weight > 0 && !self.load.is_overloaded(candidate.slot)
    }

    /// Those that take new connections, with their indices.
    #[inline]
    fn usable(&self) -> impl Iterator<Item = (usize, &'a Candidate)> + use<'a, '_, L> {
        self.candidates.iter().enumerate().filter(|(_, candidate)| self.is_usable(candidate))
    }

    /// The load that least-connection schedulers compare: 256 times the active connections, plus all of them.
    #[inline]
    fn overhead(&self, candidate: &Candidate) -> u64 {
        let active = u64::from(self.load.active(candidate.slot));
        active * 257 + u64::from(self.load.inactive(candidate.slot))
    }
}

/// A number by weight, compared without dividing. The load is below 2^41 and weights below 2^17, so products fit.
#[derive(Clone, Copy, Debug)]
struct PerWeight {
    load: u64,
    weight: u32,
}

impl PerWeight {
    #[inline]
    fn is_less_than(self, other: Self) -> bool {
        self.load * u64::from(other.weight) < other.load * u64::from(self.weight)
    }
}

/// The first of those with the least load by weight.
#[inline]
fn least<'a>(
    among: impl Iterator<Item = (usize, &'a Candidate)>,
    load: impl Fn(&Candidate) -> u64,
) -> Option<(usize, &'a Candidate)> {
    let weighed = |found: (usize, &'a Candidate)| (found, PerWeight { load: load(found.1), weight: found.1.weight });
    let less = |least: ((usize, &'a Candidate), PerWeight), next: ((usize, &'a Candidate), PerWeight)| {
        if next.1.is_less_than(least.1) { next } else { least }
    };
    among.map(weighed).reduce(less).map(|(found, _)| found)
}

/// A scheduler, ready for one list of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// In turn.
    RoundRobin,
    /// In turn, as often as the weight says.
    WeightedRoundRobin(wrr::Steps),
    /// The fewest connections.
    LeastConnection,
    /// The fewest connections by weight.
    WeightedLeastConnection,
    /// The shortest expected delay.
    ShortestExpectedDelay,
    /// An idle one, else the shortest expected delay.
    NeverQueue,
    /// The destination's last real; after so many seconds without use it is forgotten.
    LocalityLeastConnection(u32),
    /// The least loaded of the destination's reals, of which after so many seconds the most loaded leaves.
    LocalityLeastConnectionReplicated(u32),
    /// By destination address.
    DestinationHash(Places),
    /// By source address.
    SourceHash(Places, SchedulerFlags),
    /// By source address, over a Maglev table.
    MaglevHash(Places, SchedulerFlags),
    /// The highest weight.
    Failover,
    /// The highest weight that is not yet full.
    Overflow,
    /// The better of two drawn by lot.
    PowerOfTwo,
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

/// Where a round robin of a service begins, on a worker that has not scheduled for it: where the reference's would
/// stand by now without a connection. Kept with the service, since it depends on how its reals came to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    threshold: u32,
}

/// What one worker's schedulers remember apart from cursors. Allocated once.
#[derive(Debug)]
pub struct Memory {
    worker: u16,
    random: Random,
    localities: Localities,
}

impl Memory {
    /// That of the worker with this number, which has seen nothing yet. Its lots are the same each time.
    pub fn new(worker: u16) -> Self {
        Self { worker, random: Random::new(worker), localities: Localities::new() }
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
    /// The scheduler that `options` ask for, over `candidates`. `members` gives what a table is made of; `same` is the
    /// scheduler of the version before, if all of that is as it was: then it is not made again.
    pub fn new<M: Iterator<Item = Member>>(
        options: &ServiceOptions,
        settings: &Settings,
        candidates: &[Candidate],
        members: impl FnOnce() -> M,
        same: Option<&Self>,
    ) -> Self {
        let flags = options.flags;
        match options.scheduler {
            SchedulerKind::RoundRobin => Self::RoundRobin,
            SchedulerKind::WeightedRoundRobin => Self::WeightedRoundRobin(wrr::Steps::of(candidates)),
            SchedulerKind::LeastConnection => Self::LeastConnection,
            SchedulerKind::WeightedLeastConnection => Self::WeightedLeastConnection,
            SchedulerKind::ShortestExpectedDelay => Self::ShortestExpectedDelay,
            SchedulerKind::NeverQueue => Self::NeverQueue,
            SchedulerKind::LocalityLeastConnection => Self::LocalityLeastConnection(settings.lblc_expiration),
            SchedulerKind::LocalityLeastConnectionReplicated => {
                Self::LocalityLeastConnectionReplicated(settings.lblcr_expiration)
            }
            SchedulerKind::DestinationHash => match same {
                Some(Self::DestinationHash(places)) => Self::DestinationHash(places.clone()),
                _ => Self::DestinationHash(dh::places(candidates)),
            },
            SchedulerKind::SourceHash => match same {
                Some(Self::SourceHash(places, _)) => Self::SourceHash(places.clone(), flags),
                _ => Self::SourceHash(sh::places(candidates), flags),
            },
            SchedulerKind::MaglevHash => match same {
                Some(Self::MaglevHash(places, _)) => Self::MaglevHash(places.clone(), flags),
                _ => Self::MaglevHash(mh::places(members()), flags),
            },
            SchedulerKind::Failover => Self::Failover,
            SchedulerKind::Overflow => Self::Overflow,
            SchedulerKind::PowerOfTwo => Self::PowerOfTwo,
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> SchedulerKind {
        match self {
            Self::RoundRobin => SchedulerKind::RoundRobin,
            Self::WeightedRoundRobin(_) => SchedulerKind::WeightedRoundRobin,
            Self::LeastConnection => SchedulerKind::LeastConnection,
            Self::WeightedLeastConnection => SchedulerKind::WeightedLeastConnection,
            Self::ShortestExpectedDelay => SchedulerKind::ShortestExpectedDelay,
            Self::NeverQueue => SchedulerKind::NeverQueue,
            Self::LocalityLeastConnection(_) => SchedulerKind::LocalityLeastConnection,
            Self::LocalityLeastConnectionReplicated(_) => SchedulerKind::LocalityLeastConnectionReplicated,
            Self::DestinationHash(_) => SchedulerKind::DestinationHash,
            Self::SourceHash(..) => SchedulerKind::SourceHash,
            Self::MaglevHash(..) => SchedulerKind::MaglevHash,
            Self::Failover => SchedulerKind::Failover,
            Self::Overflow => SchedulerKind::Overflow,
            Self::PowerOfTwo => SchedulerKind::PowerOfTwo,
        }
    }

    /// The index of the candidate that a new connection gets; `None` if there is none for it.
    ///
    /// A cursor that has not started does so first: where the reference would if the candidates had been added one by
    /// one, and worker N goes N picks on from there, so that workers begin with different reals. Apart from that, the
    /// work is a few walks over the candidates (`lblcr`: and one for each real of the destination), or as many looks
    /// into a hash table as it has places.
    pub fn pick(&self, cursor: &mut Cursor, memory: &mut Memory, choice: &Choice<'_, impl Load>) -> Option<usize> {
        let decision = match self {
            Self::PowerOfTwo => return twos::pick(&mut memory.random, choice),
            Self::LocalityLeastConnection(expiration) => lblc::decide(&memory.localities, choice, *expiration)?,
            Self::LocalityLeastConnectionReplicated(expiration) => {
                lblcr::decide(&memory.localities, choice, *expiration)?
            }
            _ => return self.choose(cursor, memory.worker, choice),
        };
        memory.localities.keep(&decision.locality);
        Some(decision.index)
    }

    /// What [`Scheduler::pick`] would give, changing nothing.
    pub fn peek(&self, cursor: &Cursor, memory: &Memory, choice: &Choice<'_, impl Load>) -> Option<usize> {
        let decision = match self {
            Self::PowerOfTwo => return twos::pick(&mut memory.random.clone(), choice),
            Self::LocalityLeastConnection(expiration) => lblc::decide(&memory.localities, choice, *expiration),
            Self::LocalityLeastConnectionReplicated(expiration) => {
                lblcr::decide(&memory.localities, choice, *expiration)
            }
            _ => return self.choose(&mut cursor.clone(), memory.worker, choice),
        };
        decision.map(|decision| decision.index)
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
            _ => (),
        }
    }

    /// The start of a new service, whose candidates were added one by one.
    pub fn first_start(&self, candidates: &[Candidate]) -> Start {
        match self {
            Self::WeightedRoundRobin(_) => Start { threshold: wrr::first_threshold(candidates) },
            _ => Start::default(),
        }
    }

    /// The start of a service that had another scheduler before, and candidates.
    pub fn start_after_another(&self) -> Start {
        match self {
            Self::WeightedRoundRobin(steps) => Start { threshold: wrr::threshold_of_change(steps) },
            _ => Start::default(),
        }
    }

    /// The start after a change of the candidates.
    pub fn carry_start_over(&self, start: Start, change: &Change<impl Fn(u32) -> bool, impl Fn(u32) -> bool>) -> Start {
        let mut cursor = Cursor { next: 0, threshold: start.threshold, started: true };
        self.carry_over(&mut cursor, change);
        Start { threshold: cursor.threshold }
    }

    /// The choice of those that remember nothing but a cursor.
    fn choose(&self, cursor: &mut Cursor, worker: u16, choice: &Choice<'_, impl Load>) -> Option<usize> {
        match self {
            Self::RoundRobin | Self::WeightedRoundRobin(_) => {
                if !cursor.started {
                    self.start(cursor, worker, choice);
                }
                self.next(cursor, choice)
            }
            Self::LeastConnection => lc::pick(choice),
            Self::WeightedLeastConnection => wlc::pick(choice),
            Self::ShortestExpectedDelay => sed::pick(choice),
            Self::NeverQueue => nq::pick(choice),
            Self::DestinationHash(places) => dh::pick(places, choice),
            Self::SourceHash(places, flags) => sh::pick(places, *flags, choice),
            Self::MaglevHash(places, flags) => mh::pick(places, *flags, choice),
            Self::Failover => fo::pick(choice),
            Self::Overflow => ovf::pick(choice),
            Self::LocalityLeastConnection(_) | Self::LocalityLeastConnectionReplicated(_) | Self::PowerOfTwo => None,
        }
    }

    fn start(&self, cursor: &mut Cursor, worker: u16, choice: &Choice<'_, impl Load>) {
        *cursor = Cursor { next: 0, threshold: choice.start.threshold, started: true };
        for _ in 0..worker {
            self.next(cursor, choice);
        }
    }

    fn next(&self, cursor: &mut Cursor, choice: &Choice<'_, impl Load>) -> Option<usize> {
        match self {
            Self::WeightedRoundRobin(steps) => wrr::pick(steps, cursor, choice),
            _ => rr::pick(cursor, choice),
        }
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod tests;
