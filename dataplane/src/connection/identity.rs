//! What a connection is: its ends, and how it was made.

use link::model::{ForwardMethod, Protocol};
use std::net::{Ipv4Addr, SocketAddrV4};

/// An address and port in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// IPv4 address.
    pub address: u32,
    /// TCP or UDP port.
    pub port: u16,
}

impl From<SocketAddrV4> for Endpoint {
    fn from(address: SocketAddrV4) -> Self {
        Self { address: address.ip().to_bits(), port: address.port() }
    }
}

impl From<Endpoint> for SocketAddrV4 {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(Ipv4Addr::from_bits(endpoint.address), endpoint.port)
    }
}

/// What is fixed for a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach the real.
    pub method: ForwardMethod,
    /// The client's end.
    pub client: Endpoint,
    /// The service's end.
    pub service: Endpoint,
    /// The real's end.
    pub real: Endpoint,
    /// The real's slot.
    pub real_slot: u32,
    /// The slot's generation when the connection was made: tells a reused slot from the real that was meant.
    pub real_generation: u32,
}
