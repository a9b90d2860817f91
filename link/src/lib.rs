//! What control and dataplane agree on, and nothing else: the model of what is balanced ([`model`]), the messages that
//! carry it ([`message`]), the fixed-layout records they travel in ([`record`]), the single-producer single-consumer
//! rings over shared memory ([`ring`]), and the region both processes map ([`region`]), with its counters
//! ([`counters`]) and the directory of slots ([`directory`]).
//!
//! Neither side trusts the other: every record, index and length that comes out of shared memory is validated by the
//! reader, once, and refused with a reason.

pub mod counters;
pub mod directory;
pub mod drop_reason;
pub mod layout;
pub mod message;
pub mod model;
pub mod record;
pub mod region;
pub mod ring;
pub mod transaction;

mod file;

mod memory;
mod port;
mod seqlock;
mod status;
#[cfg(test)]
mod strategies;
mod wire_number;

pub use drop_reason::DropReason;
pub use layout::{ABI_VERSION, Layout};
pub use memory::{Handle, Shared};
pub use port::{PortDescription, PortError};
pub use region::{
    AttachError, ControlLink, CreateError, DataplaneLink, Garbage, Identity, RealReport, Received, ServiceReport, View,
    Viewer,
};
pub use ring::RingFull;
pub use status::{RefusalReport, Status, StatusReport};
