//! The packet path of Sluice: everything that `sluice-dataplane` does between a receive and a transmit queue, and the
//! housekeeping around it. docs/architecture.md has the map.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::indexing_slicing)
)]

pub mod arp;
pub mod capture;
pub mod clock;
pub mod connection;
pub mod control_link;
pub mod counters;
pub mod director;
pub mod explain;
pub mod forward;
pub mod fragment;
pub mod helper;
pub mod icmp;
pub mod kernel;
pub mod limiter;
pub mod nexthop;
pub mod options;
pub mod path_mtu;
pub mod pipeline;
pub mod probe;
pub mod publisher;
pub mod reject;
pub mod replay;
pub mod scheduler;
pub mod service;
pub mod setup;
pub mod steer;
pub mod stopwatch;
pub mod sweeper;
pub mod tables;
#[cfg(test)]
mod test_link;
pub mod vip_checks;
pub mod worker;
