//! What a service's table is to be, with what is known of its reals. Pure.

use config::NamedService;
use config::health::OnFailure;
use link::model::{Phase, RealServer, SchedulerKind};

/// Steps of a slow start: a weight of 1 must be divisible too.
const STEPS: u32 = 100;

/// How one real stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its check, if it has one, says that it serves.
    pub is_up: bool,
    /// Whether it is being drained, or has been, or its connections are to be closed.
    pub phase: Phase,
    /// The weight that its check gave it in the place of the operator's.
    pub weight: Option<u32>,
    /// Its slow start has come so far, of [`u32::MAX`]; `None`: none, or over.
    pub started: Option<u32>,
}

impl Standing {
    /// A real that nothing is known of but that it serves.
    pub const SERVING: Self = Self { is_up: true, phase: Phase::Serving, weight: None, started: None };

    /// The weight that it has in the pool; 0: it is not in it.
    pub fn weight_of(&self, real: &RealServer) -> u32 {
        if self.is_up && self.phase == Phase::Serving { self.weight.unwrap_or(real.weight) } else { 0 }
    }
}

/// The weights in the pool together.
pub fn total(reals: &[RealServer], standings: &[Standing]) -> u64 {
    reals.iter().zip(standings).map(|(real, standing)| u64::from(standing.weight_of(real))).sum()
}

/// Whether a service with this much in its pool has its quorum; `had`: whether it had it before, if that is known.
pub fn has_quorum(total: u64, named: &NamedService, had: Option<bool>) -> bool {
    let (quorum, hysteresis) = (u64::from(named.health.quorum), u64::from(named.health.quorum_hysteresis));
    match had {
        None => total >= quorum,
        Some(true) => total >= quorum - hysteresis.min(quorum - 1),
        Some(false) => total >= quorum + hysteresis,
    }
}

/// Makes of the operator's service the one that the dataplane is to have.
pub fn apply(named: &mut NamedService, standings: &[Standing], quorum: bool) {
    let sorry = named.health.sorry;
    let serves = quorum || sorry.is_none();
    let slow = serves && standings.iter().any(|standing| standing.started.is_some());
    let reals = &mut named.service.reals;
    let largest = reals.iter().zip(standings).map(|(real, standing)| standing.weight_of(real)).max().unwrap_or(0);
    let steps = if slow { (RealServer::MAX_WEIGHT / largest.max(1)).clamp(1, STEPS) } else { 1 };
    for (real, standing) in reals.iter_mut().zip(standings) {
        let weight = if serves { standing.weight_of(real) } else { 0 };
        real.phase = standing.phase;
        real.weight = match standing.started {
            Some(part) if weight != 0 => share(weight * steps, part),
            _ => weight * steps,
        };
    }
    if named.health.on_failure == OnFailure::Remove {
        let mut standings = standings.iter();
        reals.retain(|_| standings.next().is_none_or(|standing| standing.is_up || standing.phase != Phase::Serving));
    }
    if let Some(sorry) = sorry {
        // Without work it stays at weight 0, so that what it began can end.
        reals.push(RealServer { weight: u32::from(!serves), ..sorry });
    }
    if slow {
        even_out(named);
    }
}

/// So much of a weight, but never nothing.
fn share(weight: u32, part: u32) -> u32 {
    let share = u64::from(weight) * u64::from(part) / u64::from(u32::MAX);
    u32::try_from(share).unwrap_or(weight).max(1)
}

/// A scheduler that looks at no weights lets its cousin that does stand in while a share grows, with equal weights: then
/// both choose the same.
fn even_out(named: &mut NamedService) {
    let options = &mut named.service.options;
    options.scheduler = match options.scheduler {
        SchedulerKind::RoundRobin => SchedulerKind::WeightedRoundRobin,
        SchedulerKind::LeastConnection => SchedulerKind::WeightedLeastConnection,
        _ => return,
    };
}
