//! Thresholds of reals: at the upper one a real gets no new connections, below the lower one it gets them again.
//!
//! What counts are its connections, active and inactive; templates do not, nor does it matter how they came to it: a
//! connection that a template sends to an overloaded real is made. The rule is that of Linux 6.1.192 and 6.12:
//!
//! - a connection that brings the count to the upper threshold makes it overloaded, one that leaves it below the lower
//!   threshold ends that;
//! - a change of the configuration does both at once, and leaves it as it was between the two;
//! - without an upper threshold it is not overloaded.
//!
//! Workers and the main lcore may do this at the same time. Whoever changes the count or a threshold looks at the flag
//! after that, and whoever sets the flag looks at the count once more, all in one order (SeqCst). So no real stays
//! overloaded without a connection that would end it.

use link::directory::RealSlot;
use link::model::RealServer;
use std::sync::atomic::Ordering::SeqCst;

/// Main lcore: puts a real's thresholds into its slot, new or changed.
pub fn set(slot: &RealSlot, server: &RealServer) {
    slot.lower_threshold.store(server.effective_lower_threshold(), SeqCst);
    slot.upper_threshold.store(server.upper_threshold, SeqCst);
    after_opening(slot);
    after_closing(slot);
}

/// After a connection to the real was counted.
#[inline]
pub(super) fn after_opening(slot: &RealSlot) {
    let upper = slot.upper_threshold.load(SeqCst);
    if upper != 0 && connections(slot) >= u64::from(upper) {
        slot.overloaded.store(1, SeqCst);
        after_closing(slot);
    }
}

/// After a connection to the real was taken from the count.
#[inline]
pub(super) fn after_closing(slot: &RealSlot) {
    if slot.overloaded.load(SeqCst) == 0 {
        return;
    }
    let is_limited = slot.upper_threshold.load(SeqCst) != 0;
    if !is_limited || connections(slot) < u64::from(slot.lower_threshold.load(SeqCst)) {
        slot.overloaded.store(0, SeqCst);
    }
}

fn connections(slot: &RealSlot) -> u64 {
    u64::from(slot.active.load(SeqCst)) + u64::from(slot.inactive.load(SeqCst))
}
