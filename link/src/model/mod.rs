//! The model: services, real servers, timeouts, next hops. Plain values, host byte order, no I/O.

mod next_hop;
mod service;
mod settings;
mod timeouts;

pub use next_hop::{MacAddress, Neighbor, NextHopTable, Prefix, Route};
pub use service::{
    Group, Helper, Persistence, Phase, RealServer, Service, ServiceEndpoint, ServiceKey, ServiceOptions, ServiceTable,
};
pub use settings::{Setting, Settings};
pub use timeouts::{TimeoutOverrides, Timeouts};

use std::fmt;
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
    /// `sed`: the shortest expected delay, by active connections and weight.
    ShortestExpectedDelay,
    /// `nq`: a real without active connections, else as `sed`.
    NeverQueue,
    /// `lblc`: by destination address, as long as its real is not overloaded; else as `wlc`.
    LocalityLeastConnection,
    /// `lblcr`: as `lblc`, with a set of reals for each destination.
    LocalityLeastConnectionReplicated,
    /// `dh`: by a hash of the destination address.
    DestinationHash,
    /// `sh`: by a hash of the source address.
    SourceHash,
    /// `mh`: by a hash of the source address over a Maglev table.
    MaglevHash,
    /// `fo`: the real with the highest weight.
    Failover,
    /// `ovf`: the highest weight with fewer active connections than its weight.
    Overflow,
    /// `twos`: the less loaded of two chosen at random by weight.
    PowerOfTwo,
}

impl SchedulerKind {
    /// Every scheduler, in the order of its wire number.
    pub const ALL: [Self; 14] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnection,
        Self::WeightedLeastConnection,
        Self::ShortestExpectedDelay,
        Self::NeverQueue,
        Self::LocalityLeastConnection,
        Self::LocalityLeastConnectionReplicated,
        Self::DestinationHash,
        Self::SourceHash,
        Self::MaglevHash,
        Self::Failover,
        Self::Overflow,
        Self::PowerOfTwo,
    ];

    /// The names, comma-separated.
    pub const NAMES: &'static str = "rr, wrr, lc, wlc, sed, nq, lblc, lblcr, dh, sh, mh, fo, ovf, twos";

    /// The name that LVS gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "rr",
            Self::WeightedRoundRobin => "wrr",
            Self::LeastConnection => "lc",
            Self::WeightedLeastConnection => "wlc",
            Self::ShortestExpectedDelay => "sed",
            Self::NeverQueue => "nq",
            Self::LocalityLeastConnection => "lblc",
            Self::LocalityLeastConnectionReplicated => "lblcr",
            Self::DestinationHash => "dh",
            Self::SourceHash => "sh",
            Self::MaglevHash => "mh",
            Self::Failover => "fo",
            Self::Overflow => "ovf",
            Self::PowerOfTwo => "twos",
        }
    }
}

/// Variants of a scheduler: bits as in the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SchedulerFlags(pub u8);

impl SchedulerFlags {
    /// No variant.
    pub const NONE: Self = Self(0);
    /// `sh-fallback`, `mh-fallback`: a real that can't be used is replaced by another.
    pub const FALLBACK: Self = Self(1);
    /// `sh-port`, `mh-port`: the source port counts too.
    pub const PORT: Self = Self(2);
    /// `flag-3`: no meaning to any scheduler.
    pub const THIRD: Self = Self(4);
    /// All bits.
    pub const MASK: u8 = 7;

    /// Whether all bits of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The names of the set flags for this scheduler, as the reference prints them: `sh-fallback`, or `flag-1`.
    pub fn names(self, scheduler: SchedulerKind) -> impl Iterator<Item = &'static str> {
        let own = match scheduler {
            SchedulerKind::SourceHash => ["sh-fallback", "sh-port", "flag-3"],
            SchedulerKind::MaglevHash => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        own.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }

    /// The flag of this name, with any scheduler.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "sh-fallback" | "mh-fallback" | "flag-1" => Some(Self::FALLBACK),
            "sh-port" | "mh-port" | "flag-2" => Some(Self::PORT),
            "flag-3" => Some(Self::THIRD),
            _ => None,
        }
    }
}

impl std::ops::BitOr for SchedulerFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
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
    ($type:ty, $all:expr, $allowed:expr) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                $all.into_iter()
                    .find(|candidate| candidate.name() == text)
                    .ok_or_else(|| UnknownName { given: text.to_owned(), allowed: $allowed })
            }
        }
    };
}

named!(Protocol, [Protocol::Tcp, Protocol::Udp], "tcp, udp");
named!(ForwardMethod, ForwardMethod::ALL, "nat, tunnel, direct");
named!(SchedulerKind, SchedulerKind::ALL, SchedulerKind::NAMES);
named!(Helper, Helper::ALL, "ftp");
