//! What each forwarding method does to a packet. Pure functions over the bytes from the IPv4 header on; the pipeline
//! has validated them (one whole IPv4 packet with its transport header) and decided where they go.
//!
//! | method | on the way in | on the way out |
//! |---|---|---|
//! | NAT | [`ttl`], [`nat::rewrite_destination`] | [`ttl`], [`nat::rewrite_source`] |
//! | tunnel | [`ttl`], then [`tunnel::OuterHeader`] before it | not seen |
//! | direct | [`ttl`] | not seen |

pub mod mss;
pub mod nat;
pub mod quick;
pub mod ttl;
pub mod tunnel;
