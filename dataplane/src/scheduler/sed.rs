//! Shortest expected delay: the fewest active connections by weight, the new one counted in.

use super::{Choice, Load, least};

pub(super) fn pick(choice: &Choice<'_, impl Load>) -> Option<usize> {
    least(choice.usable(), |candidate| u64::from(choice.load.active(candidate.slot)) + 1).map(|(index, _)| index)
}
