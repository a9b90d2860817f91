//! What a captured frame says, as far as its begin tells.

use link::model::Protocol;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use wire::ethernet::{Ethernet, ether_type};
use wire::ipv4::{Ipv4, protocol};
use wire::tcp::Flags;

/// An IPv4 packet; of a tunnel's, the one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) time_to_live: u8,
    pub(super) protocol: u8,
    /// Of TCP and UDP.
    pub(super) ports: Option<(u16, u16)>,
    pub(super) flags: Option<Flags>,
    /// Ends of the tunnel it is in.
    pub(super) tunnel: Option<(Ipv4Addr, Ipv4Addr)>,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) to_mac: [u8; 6],
    ether_type: u16,
    pub(super) packet: Option<Packet>,
}

impl Seen {
    /// `None`: it is shorter than its Ethernet header.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let frame = Ethernet::parse(bytes).ok()?;
        let packet = (frame.ether_type() == ether_type::IPV4).then(|| Packet::of(frame.payload())).flatten();
        Some(Self { to_mac: frame.destination(), ether_type: frame.ether_type(), packet })
    }
}

impl Packet {
    fn of(bytes: &[u8]) -> Option<Self> {
        let header = Ipv4::parse_quoted(bytes).ok()?;
        if header.protocol() == protocol::IPIP {
            let inner = Self::of(header.payload())?;
            return Some(Self { tunnel: Some((header.source(), header.destination())), ..inner });
        }
        let payload = header.payload();
        let is_first = header.fragment_offset() == 0;
        let has_ports = is_first && matches!(header.protocol(), protocol::TCP | protocol::UDP);
        let ports = payload.first_chunk().filter(|_| has_ports);
        let flags = payload.get(13).filter(|_| is_first && header.protocol() == protocol::TCP);
        Some(Self {
            source: header.source(),
            destination: header.destination(),
            time_to_live: header.ttl(),
            protocol: header.protocol(),
            ports: ports.map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))),
            flags: flags.map(|flags| Flags(*flags)),
            tunnel: None,
        })
    }

    /// Both ends, of TCP and UDP.
    pub(super) fn ends(&self) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let (source, destination) = self.ports?;
        Some((SocketAddrV4::new(self.source, source), SocketAddrV4::new(self.destination, destination)))
    }

    pub(super) fn transport(&self) -> Option<Protocol> {
        Protocol::from_number(self.protocol)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.packet {
            Some(packet) => packet.fmt(f),
            None if self.ether_type == ether_type::ARP => f.write_str("arp"),
            None => write!(f, "ethertype {:#06x}", self.ether_type),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((from, to)) = self.tunnel {
            write!(f, "{from} > {to} ipip, ")?;
        }
        match self.ends() {
            Some((source, destination)) => write!(f, "{source} > {destination}")?,
            None => write!(f, "{} > {}", self.source, self.destination)?,
        }
        match (self.transport(), self.protocol) {
            (Some(protocol), _) => write!(f, " {protocol}")?,
            (None, protocol::ICMP) => f.write_str(" icmp")?,
            (None, number) => write!(f, " protocol {number}")?,
        }
        match self.flags {
            Some(flags) => write!(f, " {}", flag_names(flags)),
            None => Ok(()),
        }
    }
}

/// As `SYN,ACK`.
pub(super) fn flag_names(flags: Flags) -> String {
    if flags == Flags::default() { "no flags".to_owned() } else { flags.to_string().replace('+', ",") }
}
