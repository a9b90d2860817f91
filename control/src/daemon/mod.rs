//! The control process `sluiced`: one thread that sleeps until something happens.
//!
//! ```text
//!  clients --- server -- handlers -- state (the running services) -- session === dataplane
//!                           |          |                               ^
//!                         report     saved (...running.toml)       supervise
//!                                      |                               |
//!                                    kernel (mirror over netlink) -- next hops
//! ```
//!
//! The dataplane never needs sluiced: it forwards with its last table whatever happens here.

mod announce;
mod capture;
pub mod differences;
mod handlers;
pub mod health;
pub mod history;
pub mod kernel;
mod lvs;
pub mod mirror;
pub mod netlink;
mod observe;
mod options;
pub mod outage;
pub mod program;
pub mod rates;
mod refusal;
mod report;
pub mod rows;
pub mod running;
pub mod saved;
pub mod server;
pub mod session;
pub mod state;
mod supervise;
mod vitals;
