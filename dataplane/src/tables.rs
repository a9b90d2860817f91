//! What the workers read: services and next hops of one version, joined. Immutable; published whole.

use crate::forward::tunnel::OuterHeader;
use crate::nexthop::{Hop, NextHops, Unreachable};
use crate::service::index::AddressSet;
use crate::service::{RealEntry, ServiceTable};
use link::model::ForwardMethod;
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
}

/// The way to a real: everything that a packet needs to leave for it.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Where frames go, or why they can't.
    pub hop: Result<Hop, Unreachable>,
    /// The outer header of a tunnel to it.
    pub outer: OuterHeader,
}

impl Tables {
    /// Joins services and next hops: the way to each real is found here, not for each packet.
    pub fn join(services: Arc<ServiceTable>, next_hops: Arc<NextHops>) -> Self {
        let ways = services.reals().iter().map(|real| way_to(real, &next_hops)).collect();
        let nat = services.reals().iter().filter(|real| real.available && real.method == ForwardMethod::Nat);
        let behind_nat = AddressSet::new(&nat.map(|real| real.address).collect::<Vec<_>>());
        Self { services, next_hops, ways, behind_nat }
    }

    /// Whether a real of a NAT service has this address (host byte order).
    pub fn is_behind_nat(&self, address: u32) -> bool {
        self.behind_nat.contains(address)
    }

    /// The way to the real in a slot.
    #[inline]
    pub fn way(&self, real_slot: u32) -> Option<&Way> {
        self.ways.get(real_slot as usize)
    }
}

fn way_to(real: &RealEntry, next_hops: &NextHops) -> Way {
    let hop = next_hops.route(real.address);
    let source = hop.as_ref().map_or(0, |hop| hop.source);
    Way { hop, outer: OuterHeader::new(Ipv4Addr::from_bits(source), Ipv4Addr::from_bits(real.address)) }
}
