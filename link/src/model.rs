//! The model: services, real servers, timeouts, next hops. Plain values, host byte order, no I/O.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// A transport protocol that can be balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, IP protocol 6.
    Tcp,
    /// UDP, IP protocol 17.
    Udp,
}

impl Protocol {
    /// The number in the IPv4 header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The protocol with this number in the IPv4 header, if it can be balanced.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    /// `tcp` or `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// How a packet reaches its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardMethod {
    /// VS/NAT: destination rewritten on the way in, source on the way out.
    Nat,
    /// VS/TUN: wrapped in an IPv4 header (RFC 2003); the real answers the client itself.
    Tunnel,
    /// VS/DR: only the frame's MAC address changes; the real answers the client itself.
    Direct,
}

impl ForwardMethod {
    /// Every method, in the order of its wire number.
    pub const ALL: [Self; 3] = [Self::Nat, Self::Tunnel, Self::Direct];

    /// `nat`, `tunnel` or `direct`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Tunnel => "tunnel",
            Self::Direct => "direct",
        }
    }
}

/// How a service chooses the real server of a new connection. Names as in LVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchedulerKind {
    /// `rr`: each real in turn.
    RoundRobin,
    /// `wrr`: in turn, as often as the weight says.
    WeightedRoundRobin,
    /// `lc`: the real with the fewest connections.
    LeastConnection,
    /// `wlc`: the fewest connections by weight.
    WeightedLeastConnection,
}

impl SchedulerKind {
    /// Every scheduler, in the order of its wire number.
    pub const ALL: [Self; 4] =
        [Self::RoundRobin, Self::WeightedRoundRobin, Self::LeastConnection, Self::WeightedLeastConnection];

    /// The name that LVS gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "rr",
            Self::WeightedRoundRobin => "wrr",
            Self::LeastConnection => "lc",
            Self::WeightedLeastConnection => "wlc",
        }
    }
}

/// A name that is none of those a word can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What was given.
    pub given: String,
    /// What is allowed, comma-separated.
    pub allowed: &'static str,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, allowed: {}", self.given, self.allowed)
    }
}

impl std::error::Error for UnknownName {}

macro_rules! named {
    ($type:ty, [$($variant:expr),+], $allowed:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                [$($variant),+]
                    .into_iter()
                    .find(|candidate| candidate.name() == text)
                    .ok_or_else(|| UnknownName { given: text.to_owned(), allowed: $allowed })
            }
        }
    };
}

named!(Protocol, [Protocol::Tcp, Protocol::Udp], "tcp, udp");
named!(ForwardMethod, [ForwardMethod::Nat, ForwardMethod::Tunnel, ForwardMethod::Direct], "nat, tunnel, direct");
named!(
    SchedulerKind,
    [
        SchedulerKind::RoundRobin,
        SchedulerKind::WeightedRoundRobin,
        SchedulerKind::LeastConnection,
        SchedulerKind::WeightedLeastConnection
    ],
    "rr, wrr, lc, wlc"
);

/// What identifies a service: protocol, virtual address and port. Shown as `tcp 10.0.0.1:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The virtual address (VIP) and port.
    pub address: SocketAddrV4,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.address)
    }
}

/// A virtual service and its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Protocol, VIP and port.
    pub key: ServiceKey,
    /// How new connections choose a real.
    pub scheduler: SchedulerKind,
    /// Its reals, in the order in which they were added (oldest first). The dataplane's list is newest-first, as the
    /// reference's is.
    pub reals: Vec<RealServer>,
}

/// A real server of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Address and port. Tunnel and direct keep the packet's port, so there it equals the service's.
    pub address: SocketAddrV4,
    /// How packets reach it.
    pub method: ForwardMethod,
    /// 0 to [`RealServer::MAX_WEIGHT`]; 0 = quiesced: no new connections, existing ones go on.
    pub weight: u32,
}

impl RealServer {
    /// The largest weight, as in ipvsadm.
    pub const MAX_WEIGHT: u32 = 65_535;
}

/// Seconds that an idle connection is kept, by state. Existing connections follow a change with their next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, no packet classified yet.
    pub tcp_none: u32,
    /// TCP ESTABLISHED.
    pub tcp_established: u32,
    /// TCP SYN_SENT.
    pub tcp_syn_sent: u32,
    /// TCP SYN_RECV.
    pub tcp_syn_recv: u32,
    /// TCP FIN_WAIT.
    pub tcp_fin_wait: u32,
    /// TCP TIME_WAIT.
    pub tcp_time_wait: u32,
    /// TCP CLOSE.
    pub tcp_close: u32,
    /// TCP CLOSE_WAIT.
    pub tcp_close_wait: u32,
    /// TCP LAST_ACK.
    pub tcp_last_ack: u32,
    /// TCP LISTEN.
    pub tcp_listen: u32,
    /// TCP SYNACK.
    pub tcp_synack: u32,
    /// UDP.
    pub udp: u32,
}

impl Timeouts {
    /// The largest timeout, in seconds: 31 days, as in ipvsadm. The smallest is 1.
    pub const MAX_SECONDS: u32 = 31 * 24 * 3600;

    /// Config key and value of each, in wire order.
    pub const fn entries(&self) -> [(&'static str, u32); 12] {
        [
            ("tcp_none", self.tcp_none),
            ("tcp_established", self.tcp_established),
            ("tcp_syn_sent", self.tcp_syn_sent),
            ("tcp_syn_recv", self.tcp_syn_recv),
            ("tcp_fin_wait", self.tcp_fin_wait),
            ("tcp_time_wait", self.tcp_time_wait),
            ("tcp_close", self.tcp_close),
            ("tcp_close_wait", self.tcp_close_wait),
            ("tcp_last_ack", self.tcp_last_ack),
            ("tcp_listen", self.tcp_listen),
            ("tcp_synack", self.tcp_synack),
            ("udp", self.udp),
        ]
    }

    /// The inverse of [`Timeouts::entries`], by position; not validated.
    pub const fn from_seconds(seconds: [u32; 12]) -> Self {
        let [
            tcp_none,
            tcp_established,
            tcp_syn_sent,
            tcp_syn_recv,
            tcp_fin_wait,
            tcp_time_wait,
            tcp_close,
            tcp_close_wait,
            tcp_last_ack,
            tcp_listen,
            tcp_synack,
            udp,
        ] = seconds;
        Self {
            tcp_none,
            tcp_established,
            tcp_syn_sent,
            tcp_syn_recv,
            tcp_fin_wait,
            tcp_time_wait,
            tcp_close,
            tcp_close_wait,
            tcp_last_ack,
            tcp_listen,
            tcp_synack,
            udp,
        }
    }
}

impl Default for Timeouts {
    /// The LVS papers' values where they give one (SYN 1 min, ESTABLISHED 15 min, FIN 1 min, UDP 5 min), Linux's else.
    fn default() -> Self {
        Self::from_seconds([2, 900, 120, 60, 60, 120, 10, 60, 30, 120, 120, 300])
    }
}

/// The service table as control wants it: what one transaction carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTable {
    /// Timeouts of all services.
    pub timeouts: Timeouts,
    /// The services; no two with one key.
    pub services: Vec<Service>,
}

/// A link-layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let refused = || UnknownName { given: text.to_owned(), allowed: "six bytes in hex, as 02:00:00:00:01:01" };
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(refused)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| refused())?;
        }
        if parts.next().is_some() { Err(refused()) } else { Ok(Self(bytes)) }
    }
}

/// An IPv4 prefix; host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The network address.
    pub network: Ipv4Addr,
    /// 0 to 32.
    pub length: u8,
}

impl Prefix {
    /// The prefix that holds `address`; `None` if `length` is over 32.
    pub fn of(address: Ipv4Addr, length: u8) -> Option<Self> {
        (length <= 32).then(|| Self { network: Ipv4Addr::from_bits(address.to_bits() & mask(length)), length })
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.length) == self.network.to_bits()
    }
}

const fn mask(length: u8) -> u32 {
    if length == 0 { 0 } else { u32::MAX << (32 - length as u32) }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

/// Where packets to a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub prefix: Prefix,
    /// Index of the port in sluice.toml, from 0.
    pub port: u16,
    /// The gateway; `None`: the destination itself is on that link.
    pub via: Option<Ipv4Addr>,
    /// The director's own address to use as source (tunnel outer header, ICMP errors) on this route, if the kernel
    /// names one; else the port's first address.
    pub source: Option<Ipv4Addr>,
}

/// The link-layer address of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// Index of the port in sluice.toml, from 0.
    pub port: u16,
    /// Its MAC address.
    pub mac: MacAddress,
}

/// The next-hop table as control wants it: what one transaction carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHopTable {
    /// Routes, longest prefix wins; of equal ones the first.
    pub routes: Vec<Route>,
    /// Neighbours.
    pub neighbors: Vec<Neighbor>,
}
