//! The table of a hash scheduler: for each hash value a candidate.

use std::sync::Arc;

/// No candidate.
pub(super) const NOBODY: u16 = u16::MAX;

/// Places, each with the index of a candidate. Made on the main lcore, never changed; clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(Arc<[u16]>);

impl Places {
    /// The places of these indices; [`NOBODY`] where there is none.
    pub(super) fn new(indices: Vec<u16>) -> Self {
        Self(indices.into())
    }

    /// Whether it is the other, not only equal.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The index of the candidate at a place; `None` if the place is nobody's, or there is no such place.
    #[inline]
    pub(super) fn at(&self, place: u32) -> Option<usize> {
        self.0.get(place as usize).filter(|index| **index != NOBODY).map(|index| usize::from(*index))
    }
}
