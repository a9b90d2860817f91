//! Next hops: routes and neighbours.

use super::UnknownName;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

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
