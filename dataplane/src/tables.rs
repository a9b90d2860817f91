//! What the workers read: services and next hops of one version, joined. Immutable; published whole.

use crate::forward::tunnel::OuterHeader;
use crate::nexthop::{Hop, NextHops, Unreachable};
use crate::service::index::{AddressSet, KeyIndex};
use crate::service::{RealEntry, ServiceTable};
use link::message::ConnectionState;
use link::model::{ForwardMethod, Protocol};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// One version of everything that control decides.
#[derive(Debug)]
pub struct Tables {
    /// Services and reals.
    pub services: Arc<ServiceTable>,
    /// Routes and neighbours.
    pub next_hops: Arc<NextHops>,
    ways: Vec<Way>,
    /// Addresses of reals that are reached by NAT.
    behind_nat: AddressSet,
    /// Protocol, address and port of each.
    nat_endpoints: KeyIndex,
}

/// The way to a real: everything that a packet needs to leave for it. A cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Way {
    /// Where frames go, or why they can't.
    pub hop: Result<Hop, Unreachable>,
    /// The outer header of a tunnel to it.
    pub outer: OuterHeader,
    /// The generation of the real's slot.
    generation: u32,
    /// Milliseconds that its established TCP connections, and those of UDP, may idle.
    established_timeout: u32,
    udp_timeout: u32,
    /// The real is in the service table.
    is_open: bool,
}

const _: () = assert!(size_of::<Way>() == 64);

impl Way {
    /// Whether it leads to the real that had this generation of the slot, and still is in the service table.
    #[inline]
    pub fn is_of(&self, generation: u32) -> bool {
        self.is_open && self.generation == generation
    }

    /// The state in which connections of a protocol are nearly always, and how long they may idle in it, in milliseconds.
    #[inline]
    pub fn usual_state(&self, protocol: Protocol) -> (ConnectionState, u32) {
        match protocol {
            Protocol::Tcp => (ConnectionState::Established, self.established_timeout),
            Protocol::Udp => (ConnectionState::Udp, self.udp_timeout),
        }
    }
}

impl Tables {
    /// Joins services and next hops: the way to each real is found here, not for each packet.
    pub fn join(services: Arc<ServiceTable>, next_hops: Arc<NextHops>) -> Self {
        let ways = services.reals().iter().map(|real| way_to(real, &next_hops, &services)).collect();
        let nat = services.reals().iter().filter(|real| real.available && real.method == ForwardMethod::Nat);
        let nat: Vec<&RealEntry> = nat.collect();
        let behind_nat = AddressSet::new(&nat.iter().map(|real| real.address).collect::<Vec<_>>());
        let endpoints: Vec<_> = nat
            .iter()
            .filter_map(|real| Some((endpoint_key(protocol_of(real, &services)?, real.address, real.port), 0)))
            .collect();
        Self { services, next_hops, ways, behind_nat, nat_endpoints: KeyIndex::new(&endpoints) }
    }

    /// Whether a real of a NAT service has this address (host byte order).
    pub fn is_behind_nat(&self, address: u32) -> bool {
        self.behind_nat.contains(address)
    }

    /// Whether a NAT service of this protocol has a real at this address and port (host byte order).
    pub fn is_nat_endpoint(&self, protocol: Protocol, address: u32, port: u16) -> bool {
        self.nat_endpoints.find(endpoint_key(protocol, address, port)).is_some()
    }

    /// The ways to the reals, by slot.
    #[inline]
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// The way to the real in a slot.
    #[inline]
    pub fn way(&self, real_slot: u32) -> Option<&Way> {
        self.ways.get(real_slot as usize)
    }
}

/// Never 0, as the protocol is not.
fn endpoint_key(protocol: Protocol, address: u32, port: u16) -> u64 {
    u64::from(protocol.number()) << 48 | u64::from(address) << 16 | u64::from(port)
}

/// A group has no protocol: its reals are not known by their ports alone.
fn protocol_of(real: &RealEntry, services: &ServiceTable) -> Option<Protocol> {
    Some(services.service(real.service)?.key.endpoint()?.protocol)
}

fn way_to(real: &RealEntry, next_hops: &NextHops, services: &ServiceTable) -> Way {
    let hop = next_hops.route(real.address);
    let source = hop.as_ref().map_or(0, |hop| hop.source);
    let outer = OuterHeader::new(Ipv4Addr::from_bits(source), Ipv4Addr::from_bits(real.address));
    Way {
        hop,
        outer: if services.settings().pmtu_disc == 0 { outer.always_fragmentable() } else { outer },
        generation: real.generation,
        established_timeout: services.timeout_ms(real.timeouts, ConnectionState::Established),
        udp_timeout: services.timeout_ms(real.timeouts, ConnectionState::Udp),
        is_open: real.available,
    }
}
