//! One worker's round-robin state, by service slot.

use super::ServiceTable;
use crate::scheduler::Cursor;

/// The cursors of one worker: allocated once, for as many services as there can be.
#[derive(Debug)]
pub struct Cursors {
    worker: u16,
    cursors: Box<[Cursor]>,
}

impl Cursors {
    /// Cursors that have not started, for the worker with this number (0 = the first), which sets how far into the
    /// list each one starts.
    pub fn new(worker: u16, max_services: u32) -> Self {
        Self { worker, cursors: vec![Cursor::default(); max_services as usize].into_boxed_slice() }
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

    /// The worker's number and its cursor for a service slot.
    #[inline]
    pub(super) fn of(&mut self, service: u32) -> Option<(u16, &mut Cursor)> {
        self.cursors.get_mut(service as usize).map(|cursor| (self.worker, cursor))
    }

    pub(super) fn copy_of(&self, service: u32) -> Option<(u16, Cursor)> {
        self.cursors.get(service as usize).map(|cursor| (self.worker, *cursor))
    }
}
