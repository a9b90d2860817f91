//! The control side of Sluice: the process `sluiced` ([`daemon`]), the command line `sluice` ([`client`]) and what the
//! two say to each other over a Unix socket ([`protocol`]); and what sluiced shows over HTTP ([`web`]). Neither links
//! DPDK.

#![forbid(unsafe_code)]

pub mod client;
pub mod daemon;
pub mod doctor;
pub mod health;
pub mod ipvsadm;
pub mod protocol;
pub mod web;
