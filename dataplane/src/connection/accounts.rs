//! How many connections each real has, over all workers: what schedulers, thresholds and removed reals ask.

use super::thresholds;
use link::counters::Handle;
use link::directory::RealSlot;
use link::message::ConnectionState;
use std::sync::atomic::{AtomicU32, Ordering};

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

    pub(crate) fn opened(&self, slot: u32, state: ConnectionState) {
        if let Some(real) = self.reals.get(slot as usize) {
            count(real, state).fetch_add(1, Ordering::SeqCst);
            thresholds::after_opening(real);
        }
    }

    pub(crate) fn closed(&self, slot: u32, state: ConnectionState) {
        if let Some(real) = self.reals.get(slot as usize) {
            count(real, state).fetch_sub(1, Ordering::SeqCst);
            thresholds::after_closing(real);
        }
    }

    /// How many there are stays the same, so thresholds are not looked at. In between there is one too few, never one too
    /// many: see [`thresholds`].
    #[inline]
    pub(crate) fn moved(&self, slot: u32, from: ConnectionState, to: ConnectionState) {
        if from.is_active() != to.is_active()
            && let Some(real) = self.reals.get(slot as usize)
        {
            count(real, from).fetch_sub(1, Ordering::SeqCst);
            count(real, to).fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn count(real: &RealSlot, state: ConnectionState) -> &AtomicU32 {
    if state.is_active() { &real.active } else { &real.inactive }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Accounts;
    use crate::test_link::private_link;
    use link::region::DataplaneLink;

    /// Accounts of four reals, and what they are kept in.
    pub(crate) fn accounts() -> (Accounts, DataplaneLink) {
        let link = private_link(1, 1, 4);
        (Accounts::new(link.directory().reals.clone()), link)
    }
}
