//! The 16-byte key of the connection table: a packet's own tuple, as the bytes stand in the packet.
//!
//! ```text
//! 0..4 source address  4..8 destination address  8..10 source port  10..12 destination port  12 protocol  13..16 zero
//! ```
//! A NAT connection has two keys, one for each direction as packets arrive: client to service, real to client.

use super::identity::{Endpoint, Identity};
use link::model::{ForwardMethod, Protocol};
use rte_rs::HashKey;

/// The key of packets from `source` to `destination`.
pub fn key(protocol: Protocol, source: Endpoint, destination: Endpoint) -> HashKey {
    let mut bytes = [0u8; 16];
    bytes[0..4].copy_from_slice(&source.address.to_be_bytes());
    bytes[4..8].copy_from_slice(&destination.address.to_be_bytes());
    bytes[8..10].copy_from_slice(&source.port.to_be_bytes());
    bytes[10..12].copy_from_slice(&destination.port.to_be_bytes());
    bytes[12] = protocol.number();
    HashKey(bytes)
}

/// The key from the eight address bytes of an IPv4 header and the four port bytes behind it.
#[inline]
pub fn from_packet(addresses: [u8; 8], ports: [u8; 4], protocol: Protocol) -> HashKey {
    let addresses = u128::from(u64::from_le_bytes(addresses));
    let ports = u128::from(u32::from_le_bytes(ports));
    HashKey((addresses | ports << 64 | u128::from(protocol.number()) << 96).to_le_bytes())
}

/// Source and destination of packets with this key.
#[inline]
pub fn endpoints(key: &HashKey) -> (Endpoint, Endpoint) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = key.0;
    let end = |address, port| Endpoint { address: u32::from_be_bytes(address), port: u16::from_be_bytes(port) };
    (end([a, b, c, d], [i, j]), end([e, f, g, h], [k, l]))
}

/// The protocol's number of packets with this key.
#[inline]
pub const fn protocol(key: &HashKey) -> u8 {
    key.0[12]
}

impl Identity {
    /// The key of packets from client to service.
    pub fn inbound_key(&self) -> HashKey {
        key(self.protocol, self.client, self.service)
    }

    /// The key of packets from real to client; NAT only, since no other method sees them.
    pub fn outbound_key(&self) -> Option<HashKey> {
        (self.method == ForwardMethod::Nat).then(|| key(self.protocol, self.real, self.client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_packet_is_the_key_of_its_endpoints() {
        let source = Endpoint { address: 0x0102_0304, port: 0x0a0b };
        let destination = Endpoint { address: 0x0506_0708, port: 0x0c0d };
        let from_bytes = from_packet([1, 2, 3, 4, 5, 6, 7, 8], [0x0a, 0x0b, 0x0c, 0x0d], Protocol::Udp);
        assert_eq!(from_bytes.0, key(Protocol::Udp, source, destination).0);
        assert_eq!(from_bytes.0[12..], [17, 0, 0, 0]);
        assert_eq!(endpoints(&from_bytes), (source, destination));
    }
}
