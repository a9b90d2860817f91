//! Weighted least connection: the candidate with the least overhead by weight.

use super::{Choice, Load, least};

pub(super) fn pick(choice: &Choice<'_, impl Load>) -> Option<usize> {
    least(choice.usable(), |candidate| choice.overhead(candidate)).map(|(index, _)| index)
}
