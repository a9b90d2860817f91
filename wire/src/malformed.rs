//! Why bytes are not a packet.

use core::fmt;

/// The header that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Ethernet II.
    Ethernet,
    /// 802.1Q tag.
    Vlan,
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// ICMP.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "Ethernet",
            Self::Vlan => "802.1Q",
            Self::Arp => "ARP",
            Self::Ipv4 => "IPv4",
            Self::Icmp => "ICMP",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// Why `parse` refused the bytes. Every length is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the header needs.
    Truncated {
        /// The header.
        layer: Layer,
        /// What it needs.
        needed: usize,
        /// What is there.
        available: usize,
    },
    /// The version field of an IPv4 header is not 4.
    Version(u8),
    /// The header length field is smaller than the fixed header or larger than what is there.
    HeaderLength {
        /// The header.
        layer: Layer,
        /// The length that the field states.
        stated: usize,
        /// What is there.
        available: usize,
    },
    /// The length field (IPv4 total length, UDP length) is smaller than the header or larger than what is there.
    Length {
        /// The header.
        layer: Layer,
        /// The length that the field states.
        stated: usize,
        /// What is there.
        available: usize,
    },
    /// ARP for something other than IPv4 over Ethernet.
    ArpKind,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { layer, needed, available } => {
                write!(f, "{layer} header cut short: {available} bytes, needed {needed}")
            }
            Self::Version(version) => write!(f, "IP version {version}, allowed 4"),
            Self::HeaderLength { layer, stated, available } => {
                write!(f, "{layer} header length {stated}, allowed from the fixed header up to {available}")
            }
            Self::Length { layer, stated, available } => {
                write!(f, "{layer} length field {stated}, allowed from the header up to {available}")
            }
            Self::ArpKind => f.write_str("ARP for something other than IPv4 over Ethernet"),
        }
    }
}

impl core::error::Error for Malformed {}
