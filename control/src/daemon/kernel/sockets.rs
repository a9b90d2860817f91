//! What the kernel is asked for over netlink, and kept from: addresses that are ours, neighbours to resolve.

use crate::daemon::mirror::{Mirror, Target};
use crate::daemon::netlink::{Events, KernelAddress, Requests};
use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

/// The sockets, and what the kernel was asked for.
pub(super) struct Watch {
    pub(super) events: Events,
    pub(super) requests: Requests,
    pub(super) addresses: BTreeSet<KernelAddress>,
    /// Put there in this run: for kernels that do not keep the mark.
    added: BTreeSet<(u32, Ipv4Addr)>,
    pub(super) targets: BTreeSet<Target>,
}

impl Watch {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            // Subscribed before the dump, so that no change falls between the two.
            events: Events::open()?,
            requests: Requests::open()?,
            addresses: BTreeSet::new(),
            added: BTreeSet::new(),
            targets: BTreeSet::new(),
        })
    }

    /// Adds the addresses that should be there and are not, removes those of ours that should not. While the VIPs are
    /// not known only the ports' own are added. What could not be done, a sentence each.
    pub(super) async fn set_addresses(&mut self, mirror: &Mirror, vips: Option<&BTreeSet<Ipv4Addr>>) -> Vec<String> {
        let wanted = wanted_addresses(mirror, vips.unwrap_or(&BTreeSet::new()), &self.addresses, &self.added);
        let mut problems = self.add_addresses(&wanted).await;
        if vips.is_some() {
            problems.extend(self.remove_addresses_but(&wanted, mirror).await);
        }
        problems
    }

    async fn add_addresses(&mut self, wanted: &[(u32, Ipv4Addr, u8)]) -> Vec<String> {
        let mut problems = Vec::new();
        for (interface, address, length) in wanted {
            if self.addresses.iter().any(|known| known.interface == *interface && known.address == *address) {
                continue;
            }
            match self.requests.add_address(*interface, *address, *length).await {
                Ok(added) => {
                    log::info!("address {address}/{length} put on interface {interface}");
                    if added {
                        self.added.insert((*interface, *address));
                    }
                    let known =
                        KernelAddress { interface: *interface, address: *address, length: *length, ours: added };
                    self.addresses.insert(known);
                }
                Err(error) => problems.push(format!("Address {address}/{length} could not be added: {error}; sluiced needs CAP_NET_ADMIN, and the address must be free.")),
            }
        }
        problems
    }

    /// Removes those of ours that are not wanted.
    async fn remove_addresses_but(&mut self, wanted: &[(u32, Ipv4Addr, u8)], mirror: &Mirror) -> Vec<String> {
        let mut problems = Vec::new();
        let stale: Vec<_> = self
            .addresses
            .iter()
            .filter(|known| mirror.knows_interface(known.interface) && self.is_ours(known))
            .filter(|known| !wanted.contains(&(known.interface, known.address, known.length)))
            .copied()
            .collect();
        for known in stale {
            match self.requests.remove_address(known.interface, known.address, known.length).await {
                Ok(()) => log::info!("address {} removed from interface {}", known.address, known.interface),
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => {
                    problems.push(format!(
                        "Address {} could not be removed: {error}; `ip addr del` does so by hand.",
                        known.address
                    ));
                    continue;
                }
            }
            self.addresses.remove(&known);
            self.added.remove(&(known.interface, known.address));
        }
        problems
    }

    fn is_ours(&self, known: &KernelAddress) -> bool {
        known.ours || self.added.contains(&(known.interface, known.address))
    }

    /// Has the kernel keep `targets` resolved, and no longer keep those that left.
    pub(super) async fn set_targets(&mut self, targets: BTreeSet<Target>, mirror: &Mirror) {
        let left: Vec<_> = self.targets.difference(&targets).copied().collect();
        for target in left.into_iter().filter(|target| mirror.is_kept(*target)) {
            self.resolve(target, false, mirror).await;
        }
        let new: Vec<_> = targets.difference(&self.targets).copied().collect();
        self.targets = targets;
        for target in new {
            self.resolve(target, true, mirror).await;
        }
    }

    pub(super) async fn resolve_again(&mut self, mirror: &Mirror) {
        let targets: Vec<_> = self.targets.iter().copied().filter(|target| !mirror.is_kept(*target)).collect();
        for target in targets {
            self.resolve(target, true, mirror).await;
        }
    }

    /// Asks for a neighbour, unless somebody has set it by hand.
    pub(super) async fn resolve(&mut self, target: Target, keep: bool, mirror: &Mirror) {
        if mirror.is_permanent(target) {
            return;
        }
        if let Err(error) = self.requests.resolve(target, keep).await {
            log::debug!("neighbour {} on interface {}: {error}", target.1, target.0);
        }
    }
}

/// Interface, address, prefix length of each address that should be there: the ports' own, first, and the VIPs. A VIP
/// that somebody else has put on any interface of the host is answered for already.
fn wanted_addresses(
    mirror: &Mirror,
    vips: &BTreeSet<Ipv4Addr>,
    present: &BTreeSet<KernelAddress>,
    added: &BTreeSet<(u32, Ipv4Addr)>,
) -> Vec<(u32, Ipv4Addr, u8)> {
    let own = mirror.ports().iter().zip(0u16..).flat_map(|(port, index)| {
        let interface = mirror.interface_of(index);
        port.addresses.iter().filter_map(move |(address, length)| Some((interface?, *address, *length)))
    });
    let mut wanted: Vec<_> = own.collect();
    let owned = |known: &KernelAddress| known.ours || added.contains(&(known.interface, known.address));
    let foreign: BTreeSet<_> = present.iter().filter(|known| !owned(known)).map(|known| known.address).collect();
    let own: BTreeSet<_> = wanted.iter().map(|(_, address, _)| *address).collect();
    if let Some((_, interface)) = mirror.first_interface() {
        let vips = vips.iter().filter(|vip| !foreign.contains(vip) && !own.contains(vip));
        wanted.extend(vips.map(|vip| (interface, *vip, 32)));
    }
    wanted
}
