//! How many connections each real has, over all workers: what least-connection schedulers and removed reals ask.

use link::counters::Handle;
use link::directory::RealSlot;
use link::message::ConnectionState;
use std::sync::atomic::Ordering;

/// The connection counts by real slot. Every worker has a clone; changes are atomic adds, made when a connection comes,
/// goes or changes between active and inactive, never for other packets.
#[derive(Clone, Debug)]
pub struct Accounts {
    reals: Handle<[RealSlot]>,
}

impl Accounts {
    /// Over the directory's real slots.
    pub fn new(reals: Handle<[RealSlot]>) -> Self {
        Self { reals }
    }

    pub(super) fn opened(&self, slot: u32, state: ConnectionState) {
        if let Some(real) = self.reals.get(slot as usize) {
            let count = if state.is_active() { &real.active } else { &real.inactive };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn closed(&self, slot: u32, state: ConnectionState) {
        if let Some(real) = self.reals.get(slot as usize) {
            let count = if state.is_active() { &real.active } else { &real.inactive };
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn moved(&self, slot: u32, from: ConnectionState, to: ConnectionState) {
        if from.is_active() != to.is_active() {
            self.closed(slot, from);
            self.opened(slot, to);
        }
    }
}
