//! The packet path of Sluice: everything that `sluice-dataplane` does between a receive and a transmit queue, and the
//! housekeeping around it.

pub mod arp;
pub mod connection;
pub mod forward;
pub mod fragment;
pub mod icmp;
pub mod nexthop;
pub mod reject;
pub mod scheduler;
pub mod service;
