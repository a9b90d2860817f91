//! The service table: built on the main lcore, immutable, stamped with a generation, read by all workers.
//!
//! [`Slots`] gives each service and each real a slot that stays the same over table changes; [`ServiceTable`] is what
//! a packet is looked up in, by key and by slot; [`Cursors`] is one worker's round-robin state; [`directory`] shows
//! the slots to control.

mod build;
mod checks;
mod cursors;
pub mod directory;
mod entries;
pub(crate) mod index;
mod slots;
mod table;
mod timeouts;

pub use checks::VipCheck;
pub use cursors::Cursors;
pub use entries::{RealEntry, ServiceEntry};
pub use slots::{
    Assignment, RECLAIM_AFTER_MS, RECLAIM_IN_NEED_AFTER_MS, Real, RealChange, RealState, ServiceRow, Slots,
};
pub use table::ServiceTable;

#[cfg(test)]
mod tests;
