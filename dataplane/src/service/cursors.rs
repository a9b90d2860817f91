//! What one worker's schedulers remember, by service slot and altogether.

use super::ServiceTable;
use crate::scheduler::{Cursor, Memory};

/// The cursors of one worker: allocated once, for as many services as there can be.
#[derive(Debug)]
pub struct Cursors {
    cursors: Box<[Cursor]>,
    memory: Memory,
}

impl Cursors {
    /// Cursors that have not started, for the worker with this number (0 = the first), which sets how far into the
    /// list each one starts.
    pub fn new(worker: u16, max_services: u32) -> Self {
        let cursors = vec![Cursor::default(); max_services as usize].into_boxed_slice();
        Self { cursors, memory: Memory::new(worker) }
    }

    /// Carries all cursors over from the table that the worker has used so far to the one it will use. A service from
    /// which this worker never scheduled costs next to nothing, one that did not change a comparison, others a walk over
    /// their reals.
    pub fn carry_over(&mut self, old: &ServiceTable, new: &ServiceTable) {
        for entry in new.services() {
            if let Some(cursor) = self.cursors.get_mut(entry.slot as usize).filter(|cursor| cursor.has_started()) {
                new.carry_over(entry, cursor, old);
            }
        }
    }

    /// The worker's cursor for a service slot, and what all services have together.
    #[inline]
    pub(super) fn of_mut(&mut self, service: u32) -> Option<(&mut Cursor, &mut Memory)> {
        Some((self.cursors.get_mut(service as usize)?, &mut self.memory))
    }

    pub(super) fn of(&self, service: u32) -> Option<(&Cursor, &Memory)> {
        Some((self.cursors.get(service as usize)?, &self.memory))
    }
}
