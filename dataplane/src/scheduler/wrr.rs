//! Weighted round robin: walks round the list, choosing those whose weight reaches a threshold that sinks by the
//! greatest common divisor of the weights with each round, and starts again from the largest. Weights 4:2 give A A B.

use super::{Candidate, Choice, Cursor, Load};

/// What the weights say about the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The greatest common divisor of the weights: how far the threshold sinks; 0 = no weights.
    divisor: u32,
    /// The largest weight.
    largest: u32,
}

impl Steps {
    pub(super) fn of(candidates: &[Candidate]) -> Self {
        candidates.iter().fold(Self::default(), |steps, candidate| steps.with(candidate.weight))
    }

    /// As it is with one more candidate of this weight.
    fn with(self, weight: u32) -> Self {
        let (mut divisor, mut rest) = (self.divisor, weight);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self { divisor, largest: self.largest.max(weight) }
    }

    /// The threshold of a cycle's first round: of those it can take (1, 1 + divisor ...), the largest that someone
    /// reaches; 0 if nobody has a weight.
    fn top(&self) -> u32 {
        self.largest.saturating_add(1).saturating_sub(self.divisor.max(1))
    }

    /// The threshold of the first round after one with `threshold` that a weight of `heaviest` reaches.
    fn next_up_to(&self, threshold: u32, heaviest: u32) -> u32 {
        let divisor = self.divisor.max(1);
        let sink = |threshold: u32| {
            let excess = threshold.saturating_sub(heaviest);
            threshold.checked_sub(excess.div_ceil(divisor) * divisor).filter(|threshold| *threshold > 0)
        };
        threshold.checked_sub(divisor).filter(|next| *next > 0).and_then(sink).or_else(|| sink(self.top())).unwrap_or(1)
    }

    /// What becomes of a threshold when the weights change to these.
    fn adjust(&self, threshold: u32) -> u32 {
        if threshold == 0 || threshold > self.top() {
            self.top()
        } else if self.divisor > 1 {
            threshold / self.divisor * self.divisor + 1
        } else {
            threshold
        }
    }
}

/// The threshold after adding all candidates, oldest (last) first, to an empty service.
pub(super) fn first_threshold(candidates: &[Candidate]) -> u32 {
    adjust_one_by_one(Steps::default(), 0, candidates.iter().rev())
}

/// The threshold of a service that has just got this scheduler, with the candidates that it had.
pub(super) fn threshold_of_change(steps: &Steps) -> u32 {
    steps.top()
}

pub(super) fn pick(steps: &Steps, cursor: &mut Cursor, choice: &Choice<'_, impl Load>) -> Option<usize> {
    if steps.top() == 0 {
        return None;
    }
    let threshold = cursor.threshold.clamp(1, steps.top());
    let rest_of_round = choice.usable().skip_while(|(index, _)| *index < cursor.next as usize);
    let here =
        rest_of_round.map(|found| (found, threshold)).find(|((_, candidate), needed)| candidate.weight >= *needed);
    let ((index, _), reached) = match here {
        Some(found) => found,
        None => {
            // Rounds that nobody's weight reaches are passed over.
            let heaviest = choice.usable().map(|(_, candidate)| candidate.weight).max()?;
            let reached = steps.next_up_to(threshold, heaviest);
            (choice.usable().find(|(_, candidate)| candidate.weight >= reached)?, reached)
        }
    };
    (cursor.next, cursor.threshold) = (index as u32 + 1, reached);
    Some(index)
}

/// The same reals, with the weights that `steps` was made of.
pub(super) fn reweigh(steps: &Steps, cursor: &mut Cursor) {
    cursor.threshold = steps.adjust(cursor.threshold);
    cursor.next = 0;
}

/// Any change sends the cursor to the head of the list and fits the threshold to the new weights: once for all that
/// was deleted or edited, then once for each real that was added, oldest first.
pub(super) fn carry_over(cursor: &mut Cursor, new: &[Candidate], was_there: impl Fn(u32) -> bool) {
    let kept = new.iter().filter(|candidate| was_there(candidate.slot));
    let added = new.iter().rev().filter(|candidate| !was_there(candidate.slot));
    let steps = kept.fold(Steps::default(), |steps, candidate| steps.with(candidate.weight));
    cursor.threshold = adjust_one_by_one(steps, steps.adjust(cursor.threshold), added);
    cursor.next = 0;
}

fn adjust_one_by_one<'a>(steps: Steps, threshold: u32, added: impl Iterator<Item = &'a Candidate>) -> u32 {
    let add = |(steps, threshold): (Steps, u32), candidate: &Candidate| {
        let steps = steps.with(candidate.weight);
        (steps, steps.adjust(threshold))
    };
    added.fold((steps, threshold), add).1
}
