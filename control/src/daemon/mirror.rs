//! The next-hop table, put together from what the config says and what the kernel knows. Pure: facts in, table out.
//!
//! Order of precedence for one prefix: static `[[route]]`, then the connected route of a port's own address, then the
//! kernel's route with the lowest metric. For one neighbour: static `[[neighbor]]`, then the kernel's entry.

use link::model::{MacAddress, Neighbor, NextHopTable, Prefix, Route};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

/// What the mirror needs to know of a port; its place in the list is the port's index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorPort {
    /// The interface in the kernel that stands for the port.
    pub kernel_interface: Option<String>,
    /// The director's own addresses on it, with prefix lengths.
    pub addresses: Vec<(Ipv4Addr, u8)>,
}

/// One way out of a kernel route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelHop {
    /// Interface index.
    pub interface: u32,
    /// The gateway; `None`: the destination is on that link.
    pub via: Option<Ipv4Addr>,
}

/// An IPv4 unicast route of the kernel's main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Destination.
    pub prefix: Prefix,
    /// The kernel prefers the lowest.
    pub metric: u32,
    /// The preferred source address.
    pub source: Option<Ipv4Addr>,
    /// The ways out that are alive; several for a multipath route.
    pub hops: Vec<KernelHop>,
}

/// A neighbour that the kernel should resolve: interface index and address.
pub type Target = (u32, Ipv4Addr);

/// Who sees to it that the kernel's entry of a neighbour stays resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Nobody: it has to be asked for again.
    Asked,
    /// The kernel, because it was told to (`NTF_EXT_MANAGED`).
    Managed,
    /// Whoever set it by hand (`NUD_PERMANENT`). It must not be asked for: the kernel would make it an ordinary entry.
    Permanent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KernelNeighbor {
    mac: Option<MacAddress>,
    upkeep: Upkeep,
}

/// Network, prefix length, metric: what tells the routes of one table apart.
type RouteKey = (u32, u8, u32);

/// The kernel's routes and neighbours on the ports' interfaces, and the config's.
#[derive(Debug)]
pub struct Mirror {
    ports: Vec<MirrorPort>,
    statics: NextHopTable,
    interfaces: BTreeMap<u32, u16>,
    routes: BTreeMap<RouteKey, Vec<KernelRoute>>,
    neighbors: BTreeMap<Target, KernelNeighbor>,
}

impl Mirror {
    /// A mirror that knows the config only; `statics` holds its `[[route]]` and `[[neighbor]]` entries.
    pub fn new(ports: Vec<MirrorPort>, statics: NextHopTable) -> Self {
        Self { ports, statics, interfaces: BTreeMap::new(), routes: BTreeMap::new(), neighbors: BTreeMap::new() }
    }

    /// Forgets everything that came from the kernel: a full dump follows.
    pub fn forget_kernel(&mut self) {
        self.interfaces.clear();
        self.routes.clear();
        self.neighbors.clear();
    }

    /// The ports it was made with.
    pub fn ports(&self) -> &[MirrorPort] {
        &self.ports
    }

    /// An interface exists. Whether it is one of the ports'.
    pub fn interface_seen(&mut self, index: u32, name: &str) -> bool {
        let port = self.ports.iter().position(|port| port.kernel_interface.as_deref() == Some(name));
        match port.and_then(|position| u16::try_from(position).ok()) {
            Some(port) => {
                self.interfaces.insert(index, port);
                true
            }
            None => self.interfaces.remove(&index).is_some(),
        }
    }

    /// Whether this is the interface of a port.
    pub fn knows_interface(&self, index: u32) -> bool {
        self.interfaces.contains_key(&index)
    }

    /// The interface index of a port, if the interface exists.
    pub fn interface_of(&self, port: u16) -> Option<u32> {
        self.interfaces.iter().find(|(_, owner)| **owner == port).map(|(index, _)| *index)
    }

    /// The first port (in the config's order) whose kernel interface exists: port and interface index.
    pub fn first_interface(&self) -> Option<(u16, u32)> {
        self.interfaces.iter().map(|(index, port)| (*port, *index)).min()
    }

    /// The kernel has a route. `replace`: it took the place of the route with the same prefix and metric.
    pub fn route_added(&mut self, mut route: KernelRoute, replace: bool) {
        let key = (route.prefix.network.to_bits(), route.prefix.length, route.metric);
        route.hops.retain(|hop| self.interfaces.contains_key(&hop.interface));
        let same = self.routes.entry(key).or_default();
        if replace {
            same.clear();
        }
        if !route.hops.is_empty() && !same.contains(&route) {
            same.push(route);
        }
        if same.is_empty() {
            self.routes.remove(&key);
        }
    }

    /// The kernel has removed a route.
    pub fn route_removed(&mut self, route: &KernelRoute) {
        let key = (route.prefix.network.to_bits(), route.prefix.length, route.metric);
        if let Some(same) = self.routes.get_mut(&key) {
            let gone = |known: &KernelRoute| known.hops.iter().all(|hop| route.hops.contains(hop));
            if let Some(position) = same.iter().position(gone) {
                same.remove(position);
            }
            if same.is_empty() {
                self.routes.remove(&key);
            }
        }
    }

    /// What the kernel knows of a neighbour: its MAC (`None`: not resolved) and how it stays resolved.
    pub fn neighbor_seen(&mut self, target: Target, mac: Option<MacAddress>, upkeep: Upkeep) {
        if self.interfaces.contains_key(&target.0) {
            self.neighbors.insert(target, KernelNeighbor { mac, upkeep });
        }
    }

    /// The kernel has removed a neighbour.
    pub fn neighbor_removed(&mut self, target: Target) {
        self.neighbors.remove(&target);
    }

    /// Whether this neighbour stays resolved without being asked for again.
    pub fn is_kept(&self, target: Target) -> bool {
        self.neighbors.get(&target).is_some_and(|neighbor| neighbor.upkeep != Upkeep::Asked)
    }

    /// Whether somebody has set this neighbour by hand.
    pub fn is_permanent(&self, target: Target) -> bool {
        self.neighbors.get(&target).is_some_and(|neighbor| neighbor.upkeep == Upkeep::Permanent)
    }

    /// The table to push. The same facts give the same table.
    pub fn table(&self) -> NextHopTable {
        let kernel = self.routes.values().flatten().filter_map(|route| self.mirrored(route));
        let candidates = self.statics.routes.iter().copied().chain(self.connected()).chain(kernel);
        let mut prefixes = HashSet::new();
        let routes = candidates.filter(|route| prefixes.insert(route.prefix)).collect();

        let resolved = self.neighbors.iter().filter_map(|((interface, address), neighbor)| {
            let port = *self.interfaces.get(interface)?;
            Some(Neighbor { address: *address, port, mac: neighbor.mac? })
        });
        let mut known = HashSet::new();
        let neighbors = self.statics.neighbors.iter().copied().chain(resolved);
        let neighbors = neighbors.filter(|neighbor| known.insert((neighbor.port, neighbor.address))).collect();
        NextHopTable { routes, neighbors }
    }

    /// Neighbours that forwarding with `table` needs, on ports that have a kernel interface: gateways, and reals on a
    /// link of the director. Those with a static `[[neighbor]]` need no resolving.
    pub fn targets(&self, table: &NextHopTable, reals: &BTreeSet<Ipv4Addr>) -> BTreeSet<Target> {
        let statics: HashSet<_> = self.statics.neighbors.iter().map(|entry| (entry.port, entry.address)).collect();
        let by_prefix: HashMap<_, _> = table.routes.iter().rev().map(|route| (route.prefix, route)).collect();
        let gateways = table.routes.iter().filter_map(|route| Some((route.port, route.via?)));
        let on_link = reals.iter().filter_map(|real| {
            let route = longest(&by_prefix, *real)?;
            route.via.is_none().then_some((route.port, *real))
        });
        gateways
            .chain(on_link)
            .filter(|hop| !statics.contains(hop))
            .filter_map(|(port, address)| Some((self.interface_of(port)?, address)))
            .collect()
    }

    fn mirrored(&self, route: &KernelRoute) -> Option<Route> {
        let hop = route.hops.first()?;
        let port = *self.interfaces.get(&hop.interface)?;
        Some(Route { prefix: route.prefix, port, via: hop.via, source: route.source })
    }

    fn connected(&self) -> impl Iterator<Item = Route> + '_ {
        self.ports.iter().zip(0u16..).flat_map(|(port, index)| {
            port.addresses.iter().filter(|(_, length)| *length < 32).filter_map(move |(address, length)| {
                let prefix = Prefix::of(*address, *length)?;
                Some(Route { prefix, port: index, via: None, source: Some(*address) })
            })
        })
    }
}

fn longest<'a>(routes: &HashMap<Prefix, &'a Route>, address: Ipv4Addr) -> Option<&'a Route> {
    (0..=32).rev().find_map(|length| routes.get(&Prefix::of(address, length)?).copied())
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
