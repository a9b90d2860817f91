//! Round robin: each candidate in turn, from the one after the last chosen; weights only count as zero or not.

use super::{Candidate, Choice, Cursor, Load};

pub(super) fn pick(cursor: &mut Cursor, choice: &Choice<'_, impl Load>) -> Option<usize> {
    let after = choice.candidates.iter().enumerate().skip(cursor.next as usize);
    let (index, _) =
        after.chain(choice.candidates.iter().enumerate()).find(|(_, candidate)| choice.is_usable(candidate))?;
    cursor.next = index as u32 + 1;
    Some(index)
}

/// The cursor stays on its real; if that has gone, it goes back to the nearest one before it that has not.
pub(super) fn carry_over(cursor: &mut Cursor, old: &[Candidate], new: &[Candidate], kept: impl Fn(u32) -> bool) {
    let before = old.get(..cursor.next as usize).unwrap_or(old);
    let at = before.iter().rev().find(|candidate| kept(candidate.slot));
    let index = at.and_then(|at| new.iter().position(|candidate| candidate.slot == at.slot));
    cursor.next = index.map_or(0, |index| index as u32 + 1);
}
