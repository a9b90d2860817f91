//! Connections: who talks to which real, in which state, until when.

pub(crate) mod accounts;
mod entry;
mod eviction;
pub mod expected;
mod identity;
mod index;
pub mod key;
mod positions;
pub mod shared;
mod store;
mod table;
pub mod tcp;
pub mod template;
pub mod thresholds;
pub mod timer;

pub use accounts::Accounts;
pub use entry::Connection;
pub(crate) use entry::Kind;
pub use expected::Expected;
pub use identity::{Endpoint, Identity};
pub use positions::{Close, Lapsed, Progress};
pub use table::{ConnectionReader, ConnectionTable, Found, Slab, TableFull};
pub use template::Templates;
