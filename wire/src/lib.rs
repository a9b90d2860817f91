//! Packet views over bytes: [`ethernet`], [`vlan`], [`arp`], [`ipv4`], [`icmp`], [`tcp`], [`udp`], and the internet
//! [`checksum`], full and incremental. No allocation, no unsafe code, no panic on any input.
//!
//! A view borrows or owns its bytes (`B: AsRef<[u8]>`; setters need `B: AsMut<[u8]>`). `parse` proves the lengths
//! once; after that no accessor can fail and none checks again. No setter can break what `parse` proved: lengths and
//! header lengths have no setters. Values are in host byte order, addresses are [`core::net::Ipv4Addr`], MAC addresses
//! are six bytes as sent.
//!
//! ```
//! use wire::ipv4::{Ipv4, protocol};
//!
//! let bytes = [
//!     0x45, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 192, 168, 1, 1, 10, 200, 1, 1, // IPv4
//!     0x7a, 0x69, 0x00, 0x35, 0x00, 0x08, 0x00, 0x00, // UDP
//! ];
//! let packet = Ipv4::parse(&bytes[..])?;
//! assert_eq!(packet.protocol(), protocol::UDP);
//! assert_eq!(packet.payload().len(), 8);
//! # Ok::<(), wire::Malformed>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

#[cfg(feature = "build")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arp;
#[cfg(feature = "build")]
pub mod build;
mod bytes;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
mod malformed;
pub mod tcp;
pub mod udp;
pub mod vlan;

pub use malformed::{Layer, Malformed};
