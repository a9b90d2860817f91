//! A fluent builder of frames, for tests, replay cases and the bench. Not for the packet path: it allocates.
//!
//! ```
//! use wire::build::{describe, eth};
//!
//! let frame = eth().ipv4("192.168.1.1", "10.200.1.1").ttl(63).tcp(31337, 80).syn().payload(b"hello").bytes();
//! assert_eq!(
//!     describe(&frame),
//!     "02:00:00:00:00:01 > 02:00:00:00:00:02 192.168.1.1:31337 > 10.200.1.1:80 tcp SYN seq 0 win 65535 len 5 ttl 63"
//! );
//! ```
//!
//! Methods may come in any order, but for one rule: what carries comes before what is carried (`ipv4` before `tcp`).
//! Lengths and checksums are filled in, or made wrong on request.

mod argument;
mod describe;
mod emit;
mod transport;

pub use argument::{Address, Mac};
pub use describe::describe;

use crate::arp::operation;
use crate::ethernet::BROADCAST;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use transport::Transport;

/// A frame from [`DEFAULT_SOURCE`] to [`DEFAULT_DESTINATION`] that carries nothing yet.
pub fn eth() -> Frame {
    Frame {
        source: DEFAULT_SOURCE,
        destination: None,
        tags: Vec::new(),
        padded: false,
        carried: Carried::Raw(0, Vec::new()),
    }
}

/// Source MAC address if none is given.
pub const DEFAULT_SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Destination MAC address if none is given (an ARP request goes to all).
pub const DEFAULT_DESTINATION: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A frame in the making; see [`eth`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Frame {
    source: [u8; 6],
    destination: Option<[u8; 6]>,
    tags: Vec<(u16, u8)>,
    padded: bool,
    carried: Carried,
}

#[derive(Clone, Debug)]
enum Carried {
    Raw(u16, Vec<u8>),
    Arp { operation: u16, sender: Ipv4Addr, target: Ipv4Addr, target_mac: [u8; 6] },
    Ipv4(Packet),
}

/// How a checksum field is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksum {
    Right,
    Wrong,
    None,
}

#[derive(Clone, Debug)]
struct Packet {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    tos: u8,
    identification: u16,
    flags_and_offset: u16,
    ttl: u8,
    protocol: Option<u8>,
    options: Vec<u8>,
    checksum: Checksum,
    total_len: Option<u16>,
    first_byte: Option<u8>,
    transport: Transport,
}

/// The frame itself.
impl Frame {
    /// Sets the source MAC address.
    #[allow(clippy::should_implement_trait, reason = "reads as from(..).to(..)")]
    pub fn from(mut self, mac: impl Mac) -> Self {
        self.source = mac.mac();
        self
    }

    /// Sets the destination MAC address.
    pub fn to(mut self, mac: impl Mac) -> Self {
        self.destination = Some(mac.mac());
        self
    }

    /// Adds an 802.1Q tag inside those already there.
    pub fn vlan(self, id: u16) -> Self {
        self.vlan_with_priority(id, 0)
    }

    /// Adds an 802.1Q tag with a priority, 0 to 7.
    pub fn vlan_with_priority(mut self, id: u16, priority: u8) -> Self {
        self.tags.push((id, priority));
        self
    }

    /// Carries bytes of any type.
    pub fn raw(mut self, ether_type: u16, bytes: &[u8]) -> Self {
        self.carried = Carried::Raw(ether_type, bytes.to_vec());
        self
    }

    /// Pads with zeros to the 60 bytes that a frame has at least.
    pub fn padded(mut self) -> Self {
        self.padded = true;
        self
    }

    /// Carries an ARP request of the frame's source for `target`; to all unless [`Frame::to`] says otherwise.
    pub fn arp_request(mut self, sender: impl Address, target: impl Address) -> Self {
        self.destination = self.destination.or(Some(BROADCAST));
        self.carried = Carried::Arp {
            operation: operation::REQUEST,
            sender: sender.address(),
            target: target.address(),
            target_mac: [0; 6],
        };
        self
    }

    /// Carries an ARP reply: the frame's source has `sender`, told to `target` at the frame's destination.
    pub fn arp_reply(mut self, sender: impl Address, target: impl Address) -> Self {
        self.carried = Carried::Arp {
            operation: operation::REPLY,
            sender: sender.address(),
            target: target.address(),
            target_mac: self.destination.unwrap_or(DEFAULT_DESTINATION),
        };
        self
    }
}

/// The IPv4 header. After [`Frame::ipv4`]; without effect on other frames.
impl Frame {
    /// Carries an IPv4 packet: TTL 64, identification 0, may be fragmented.
    pub fn ipv4(mut self, source: impl Address, destination: impl Address) -> Self {
        self.carried = Carried::Ipv4(Packet {
            source: source.address(),
            destination: destination.address(),
            tos: 0,
            identification: 0,
            flags_and_offset: 0,
            ttl: 64,
            protocol: None,
            options: Vec::new(),
            checksum: Checksum::Right,
            total_len: None,
            first_byte: None,
            transport: Transport::default(),
        });
        self
    }

    /// Sets the time to live.
    pub fn ttl(self, ttl: u8) -> Self {
        self.with_packet(|packet| packet.ttl = ttl)
    }

    /// Sets the type of service.
    pub fn tos(self, tos: u8) -> Self {
        self.with_packet(|packet| packet.tos = tos)
    }

    /// Sets the identification.
    pub fn id(self, identification: u16) -> Self {
        self.with_packet(|packet| packet.identification = identification)
    }

    /// Forbids fragmentation.
    pub fn df(self) -> Self {
        self.with_packet(|packet| packet.flags_and_offset |= crate::ipv4::DONT_FRAGMENT)
    }

    /// Says that more fragments follow.
    pub fn more_fragments(self) -> Self {
        self.with_packet(|packet| packet.flags_and_offset |= crate::ipv4::MORE_FRAGMENTS)
    }

    /// Sets the fragment offset, in bytes, rounded down to a multiple of 8.
    pub fn fragment_offset(self, bytes: u16) -> Self {
        self.with_packet(|packet| {
            packet.flags_and_offset = (packet.flags_and_offset & !crate::ipv4::OFFSET_MASK) | (bytes / 8);
        })
    }

    /// Sets the header options, padded with zeros to a multiple of 4 bytes; at most 40 are taken.
    pub fn options(self, options: &[u8]) -> Self {
        self.with_packet(|packet| {
            packet.options = options.iter().copied().take(40).collect();
            packet.options.resize(packet.options.len().next_multiple_of(4), 0);
        })
    }

    /// Sets the protocol field, whatever the packet carries.
    pub fn protocol(self, protocol: u8) -> Self {
        self.with_packet(|packet| packet.protocol = Some(protocol))
    }

    /// Makes the header checksum wrong.
    pub fn bad_ip_checksum(self) -> Self {
        self.with_packet(|packet| packet.checksum = Checksum::Wrong)
    }

    /// Sets the total length field, whatever the length is.
    pub fn total_len(self, total_len: u16) -> Self {
        self.with_packet(|packet| packet.total_len = Some(total_len))
    }

    /// Sets the first byte (version and header length), whatever they are.
    pub fn version_and_length(self, first_byte: u8) -> Self {
        self.with_packet(|packet| packet.first_byte = Some(first_byte))
    }

    fn with_packet(mut self, change: impl FnOnce(&mut Packet)) -> Self {
        if let Carried::Ipv4(packet) = &mut self.carried {
            change(packet);
        }
        self
    }
}
