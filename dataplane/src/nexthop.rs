//! The next-hop table: which port, MAC addresses, MTU and source address a packet to an IPv4 address takes. Immutable,
//! built on the main lcore from what control mirrors (or the static configuration) and the ports themselves.
//!
//! Routes are flattened into disjoint ranges of addresses, each with its longest prefix, and searched by bisection. A
//! large table (a full feed of Internet routes) has a first level by the address's upper half, so that the bisection
//! covers a /16 only.

use crate::service::index::{AddressSet, KeyIndex};
use link::message::Refusal;
use link::model::{NextHopTable, Prefix};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use wire::ethernet::{HEADER_LEN, ether_type};

/// What the table needs to know of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInterface {
    /// Its own MAC address: the source of frames.
    pub mac: [u8; 6],
    /// Bytes of an IPv4 packet that it can send.
    pub mtu: u16,
    /// The director's own addresses on it, with the length of the connected prefix (at most 32; else none is
    /// connected).
    pub addresses: Vec<(Ipv4Addr, u8)>,
}

/// Where a packet goes. Addresses in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The neighbour: a gateway, or the destination itself.
    pub address: u32,
    /// The director's own address to send from; 0 = it has none there.
    pub source: u32,
    /// Index of the port.
    pub port: u16,
    /// Bytes of an IPv4 packet that fit.
    pub mtu: u16,
    /// The Ethernet header of an IPv4 packet that goes there: the neighbour's MAC address, the port's, the ethertype.
    pub ethernet: [u8; HEADER_LEN],
}

impl Hop {
    /// The neighbour's MAC address.
    #[inline]
    pub fn destination_mac(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.ethernet;
        [a, b, c, d, e, f]
    }

    #[inline]
    fn set_destination_mac(&mut self, mac: [u8; 6]) {
        if let Some(place) = self.ethernet.first_chunk_mut() {
            *place = mac;
        }
    }
}

/// Why a packet can't go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// No route has the address.
    NoRoute,
    /// The neighbour's MAC address is not known.
    NoNeighbor {
        /// On which port it is asked for.
        port: u16,
        /// The neighbour, host byte order.
        address: u32,
    },
}

/// Where some routes lead; its MAC address is filled in once the neighbour is known.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Its `address` is 0 for the destination itself, the neighbour's MAC address counts if `resolved`.
    hop: Hop,
    resolved: bool,
}

/// Port, gateway and source of a route.
type WayKey = (u16, Option<Ipv4Addr>, Option<Ipv4Addr>);

/// A version of the table.
#[derive(Debug)]
pub struct NextHops {
    generation: u64,
    ranges: Ranges,
    ways: Vec<Way>,
    neighbor_index: KeyIndex,
    neighbor_macs: Vec<[u8; 6]>,
    own: AddressSet,
}

impl NextHops {
    /// Builds the table `generation`. The prefixes of the ports' own addresses are connected routes; a route of the
    /// table with an equal prefix goes before them.
    ///
    /// Refuses a port that does not exist, with the row: routes count from 0, neighbours on from there.
    pub fn build(generation: u64, table: &NextHopTable, ports: &[PortInterface]) -> Result<Self, (Refusal, u32)> {
        let row_ports = table.routes.iter().map(|route| route.port);
        let row_ports = row_ports.chain(table.neighbors.iter().map(|neighbor| neighbor.port));
        if let Some((row, _)) = (0..).zip(row_ports).find(|(_, port)| ports.get(usize::from(*port)).is_none()) {
            return Err((Refusal::UnknownPort, row));
        }
        let neighbors = || (0..).zip(&table.neighbors);
        let keys: Vec<_> =
            neighbors().map(|(index, it)| (neighbor_key(it.port, it.address.to_bits()), index)).collect();
        let mut next_hops = Self {
            generation,
            ranges: Ranges::default(),
            ways: Vec::new(),
            neighbor_index: KeyIndex::new(&keys),
            neighbor_macs: table.neighbors.iter().map(|neighbor| neighbor.mac.0).collect(),
            own: AddressSet::new(&own_addresses(ports)),
        };
        let mut routes = Vec::new();
        let mut known = HashMap::new();
        for route in &table.routes {
            let way = next_hops.way(&mut known, ports, (route.port, route.via, route.source));
            routes.push((route.prefix, way));
        }
        for (port, interface) in (0..).zip(ports) {
            for &(address, length) in &interface.addresses {
                if let Some(prefix) = Prefix::of(address, length) {
                    routes.push((prefix, next_hops.way(&mut known, ports, (port, None, Some(address)))));
                }
            }
        }
        next_hops.ranges = Ranges::flatten(&routes);
        Ok(next_hops)
    }

    /// The table before the first one: connected routes, no neighbours, generation 0.
    pub fn initial(ports: &[PortInterface]) -> Self {
        // Without rows there is none to refuse.
        Self::build(0, &NextHopTable::default(), ports).unwrap_or_else(|_| Self {
            generation: 0,
            ranges: Ranges::default(),
            ways: Vec::new(),
            neighbor_index: KeyIndex::new(&[]),
            neighbor_macs: Vec::new(),
            own: AddressSet::new(&[]),
        })
    }

    /// Its version.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells this table from others for as long as anyone remembers one; never 0.
    #[inline]
    pub fn version(&self) -> u32 {
        (self.generation as u32).wrapping_add(1).max(1)
    }

    /// Where a packet to `destination` (host byte order) goes.
    #[inline]
    pub fn route(&self, destination: u32) -> Result<Hop, Unreachable> {
        self.hop(self.way_to(destination)?, destination)
    }

    /// The first half of [`NextHops::route`]: the way to `destination` (host byte order), which may be remembered for as
    /// long as [`NextHops::version`] stays.
    #[inline]
    pub fn way_to(&self, destination: u32) -> Result<u32, Unreachable> {
        self.ranges.find(destination).ok_or(Unreachable::NoRoute)
    }

    /// The second half: the hop of a way towards `destination` (host byte order).
    #[inline]
    pub fn hop(&self, way: u32, destination: u32) -> Result<Hop, Unreachable> {
        let Way { mut hop, resolved } = *self.ways.get(way as usize).ok_or(Unreachable::NoRoute)?;
        if resolved {
            return Ok(hop);
        }
        if hop.address == 0 {
            hop.address = destination;
        }
        let missing = Unreachable::NoNeighbor { port: hop.port, address: hop.address };
        hop.set_destination_mac(self.neighbor(hop.port, hop.address).ok_or(missing)?);
        Ok(hop)
    }

    /// The hop of a way through a gateway whose MAC address is known: that of all destinations.
    #[inline]
    pub fn gateway(&self, way: u32) -> Option<&Hop> {
        self.ways.get(way as usize).filter(|way| way.resolved).map(|way| &way.hop)
    }

    /// The MAC address of a neighbour (host byte order) on a port.
    #[inline]
    pub fn neighbor(&self, port: u16, address: u32) -> Option<[u8; 6]> {
        let index = self.neighbor_index.find(neighbor_key(port, address))?;
        self.neighbor_macs.get(index as usize).copied()
    }

    /// Whether `address` (host byte order) is one of the director's own, on any port.
    #[inline]
    pub fn is_own(&self, address: u32) -> bool {
        self.own.contains(address)
    }

    /// The index of the way that a route leads; routes with one port, gateway and source share it.
    fn way(&mut self, known: &mut HashMap<WayKey, u32>, ports: &[PortInterface], key: WayKey) -> u32 {
        let next = self.ways.len() as u32;
        let index = *known.entry(key).or_insert(next);
        if index == next {
            let (port, via, source) = key;
            let interface = ports.get(usize::from(port));
            let first = interface.and_then(|port| port.addresses.first()).map(|(address, _)| *address);
            let mac = via.and_then(|via| self.neighbor(port, via.to_bits()));
            let hop = Hop {
                address: via.map_or(0, Ipv4Addr::to_bits),
                source: source.or(first).map_or(0, Ipv4Addr::to_bits),
                port,
                mtu: interface.map_or(0, |port| port.mtu),
                ethernet: header(mac.unwrap_or_default(), interface.map_or([0; 6], |port| port.mac)),
            };
            self.ways.push(Way { hop, resolved: mac.is_some() });
        }
        index
    }
}

fn header([a, b, c, d, e, f]: [u8; 6], [g, h, i, j, k, l]: [u8; 6]) -> [u8; HEADER_LEN] {
    let [m, n] = ether_type::IPV4.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

/// Never 0.
#[inline]
fn neighbor_key(port: u16, address: u32) -> u64 {
    1 << 48 | u64::from(port) << 32 | u64::from(address)
}

fn own_addresses(ports: &[PortInterface]) -> Vec<u32> {
    ports.iter().flat_map(|port| &port.addresses).map(|(address, _)| address.to_bits()).collect()
}

/// Disjoint ranges of addresses that cover everything, each with a value.
#[derive(Debug)]
struct Ranges {
    /// The first address of each, ascending; the first is 0.
    starts: Vec<u32>,
    /// The value of each; [`NO_VALUE`] where no prefix is.
    values: Vec<u32>,
    /// For each upper half of an address the range of its first address, then the last range; empty for a small table.
    by_upper_half: Vec<u32>,
}

const NO_VALUE: u32 = u32::MAX;
/// With fewer ranges the bisection stays in the nearest cache by itself.
const FIRST_LEVEL_FROM: usize = 2_048;

impl Default for Ranges {
    fn default() -> Self {
        Self { starts: vec![0], values: vec![NO_VALUE], by_upper_half: Vec::new() }
    }
}

impl Ranges {
    /// Prefixes with their values. Of two that hold an address the longer counts, of equal ones the first.
    fn flatten(prefixes: &[(Prefix, u32)]) -> Self {
        // Outer before inner, and of equal ones the first last, so that it lies on top.
        let mut order: Vec<_> = prefixes.iter().enumerate().collect();
        order.sort_unstable_by_key(|(index, (prefix, _))| (prefix.network.to_bits(), prefix.length, Reverse(*index)));
        let mut ranges = Self::default();
        // Those around the current address, with the first address after each, innermost last.
        let mut open: Vec<(u64, u32)> = Vec::new();
        for (_, &(prefix, value)) in order {
            let start = u64::from(prefix.network.to_bits());
            ranges.close(&mut open, start);
            ranges.begin(start, value);
            open.push((start + (1 << (32 - u32::from(prefix.length.min(32)))), value));
        }
        ranges.close(&mut open, 1 << 32);
        if ranges.starts.len() >= FIRST_LEVEL_FROM {
            ranges.by_upper_half = (0..=u32::from(u16::MAX)).map(|half| ranges.last_from(half << 16)).collect();
            ranges.by_upper_half.push(ranges.starts.len() as u32 - 1);
        }
        ranges
    }

    /// Ends the prefixes that end at or before `until`.
    fn close(&mut self, open: &mut Vec<(u64, u32)>, until: u64) {
        while let Some((end, _)) = open.pop_if(|(end, _)| *end <= until) {
            self.begin(end, open.last().map_or(NO_VALUE, |(_, outer)| *outer));
        }
    }

    /// From `start` on it is this value.
    fn begin(&mut self, start: u64, value: u32) {
        let Ok(start) = u32::try_from(start) else { return };
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The last range that starts at or before `address`.
    fn last_from(&self, address: u32) -> u32 {
        self.starts.partition_point(|start| *start <= address) as u32 - 1
    }

    /// The value of the range with `address`.
    #[inline]
    fn find(&self, address: u32) -> Option<u32> {
        let half = (address >> 16) as usize;
        let ranges = match self.by_upper_half.get(half..half + 2) {
            Some(&[first, last]) => first as usize..last as usize + 1,
            _ => 0..self.starts.len(),
        };
        let before = ranges.start;
        let range = before + self.starts.get(ranges)?.partition_point(|start| *start <= address);
        self.values.get(range.checked_sub(1)?).copied().filter(|value| *value != NO_VALUE)
    }
}

#[cfg(test)]
mod tests;
