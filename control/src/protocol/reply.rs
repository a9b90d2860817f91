//! What `sluiced` answers. A counter that nobody has counted (the dataplane is not running) is absent, never 0.

mod connections;
mod director;
mod health;
mod perf;
mod services;

pub use connections::*;
pub use director::*;
pub use health::*;
pub use perf::*;
pub use services::*;

use link::model::Protocol;
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// The end of a list, or the answer to a count or a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Rows listed, counted or removed.
    pub count: u64,
}

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The result for people: `Added real 10.0.0.3:80 to web.` Says so where the dataplane is not running.
    pub message: String,
    /// The changes, one a line: `+ real 10.0.0.3:80 of web, nat, weight 1`. Empty: nothing had to change.
    pub changes: Vec<String>,
    /// Whether the dataplane has it. False for a dry run, and where the dataplane is not running (it gets the table as
    /// soon as it is).
    pub in_force: bool,
    /// The version of the service table that has it; 0 where `in_force` is false.
    pub generation: u64,
}

/// What identifies a service, in words.
fn key(protocol: Option<Protocol>, address: Option<SocketAddrV4>, group: Option<u32>) -> String {
    match (protocol, address, group) {
        (Some(protocol), Some(address), _) => format!("{protocol} {address}"),
        (None, Some(address), _) => address.to_string(),
        (_, None, number) => format!("group {}", number.unwrap_or(0)),
    }
}
