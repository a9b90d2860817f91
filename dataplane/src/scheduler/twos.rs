//! Power of two: two lots, in which each candidate has as many tickets as its weight; of the two drawn the one with the
//! less overhead by weight, the first if they are level.

use super::random::Random;
use super::{Choice, Load, least};

pub(super) fn pick(random: &mut Random, choice: &Choice<'_, impl Load>) -> Option<usize> {
    let total = choice.usable().fold(0_u32, |total, (_, candidate)| total.saturating_add(candidate.weight));
    let mut draw = || {
        let mut ticket = random.below(total);
        let drawn = choice.usable().find(|(_, candidate)| match ticket.checked_sub(candidate.weight) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        });
        // One may have become overloaded since its tickets were counted.
        drawn.or_else(|| choice.usable().next())
    };
    let drawn = [draw(), draw()];
    least(drawn.into_iter().flatten(), |candidate| choice.overhead(candidate)).map(|(index, _)| index)
}
