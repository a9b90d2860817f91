//! Never queue: the first candidate without active connections, however small its weight; else as `sed`.

use super::{Choice, Load, sed};

pub(super) fn pick(choice: &Choice<'_, impl Load>) -> Option<usize> {
    let idle = choice.usable().find(|(_, candidate)| choice.load.active(candidate.slot) == 0);
    idle.map(|(index, _)| index).or_else(|| sed::pick(choice))
}
