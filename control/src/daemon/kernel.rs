//! Linux as the control plane for addresses: keeps the [`Mirror`] true to the kernel, has the kernel resolve the
//! neighbours that forwarding needs, and puts VIPs and the ports' own addresses on the kernel interfaces.
//!
//! A VIP goes on the kernel interface of the first port: a Linux host answers ARP for any of its addresses on any of its
//! interfaces. Addresses that somebody else put there are left alone; those put there by sluiced carry its mark
//! (`IFA_PROTO`, Linux 5.18), so that a later run removes them when their service goes.

use super::mirror::{Mirror, Target};
use super::netlink::{Dump, Events, Fact, KernelAddress, Requests};
use link::model::NextHopTable;
use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// Changes within this time become one push.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// How often neighbours are resolved again where the kernel does not keep them by itself.
const RESOLVE_AGAIN: Duration = Duration::from_secs(20);
/// Before netlink is opened again after an error.
const REOPEN: Duration = Duration::from_secs(1);

/// What the running services need of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Addresses to answer for.
    pub vips: BTreeSet<Ipv4Addr>,
    /// Addresses to reach.
    pub reals: BTreeSet<Ipv4Addr>,
}

/// The ends that the rest of sluiced holds.
pub struct Handle {
    /// Set when services change; `None` until it is known what runs: then VIPs stay on the interfaces as they are, so that
    /// a restart of sluiced never takes one away from a running dataplane.
    pub needs: watch::Sender<Option<Needs>>,
    /// Neighbours that packets wait for: port and address. A full queue drops the wish; the dataplane repeats it.
    pub wanted: mpsc::Sender<(u16, Ipv4Addr)>,
    /// The table to push; `None` until it has been tried to read the kernel, so that a restart of sluiced never takes
    /// next hops away from a running dataplane.
    pub table: watch::Receiver<Option<NextHops>>,
    /// What is wrong with the kernel interfaces, a sentence each.
    pub warnings: watch::Receiver<Vec<String>>,
}

/// Next hops, and what they were made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHops {
    /// All that is to be known.
    Whole(NextHopTable),
    /// Only the config's: the kernel can't be read. Better than nothing, and worse than what a dataplane has already.
    WithoutKernel(NextHopTable),
}

impl NextHops {
    /// What to push to a dataplane whose next hops are of this generation (0: it has none).
    pub fn for_generation(&self, in_force: u64) -> Option<&NextHopTable> {
        match self {
            Self::Whole(table) => Some(table),
            Self::WithoutKernel(table) => (in_force == 0).then_some(table),
        }
    }
}

/// Starts the task on the current `LocalSet`. Without a kernel interface in `mirror` there is nothing to watch, and the
/// table is the config's.
pub fn spawn(mirror: Mirror) -> Handle {
    let (needs, needs_seen) = watch::channel(None);
    let (wanted, wanted_seen) = mpsc::channel(256);
    let watched = mirror.ports().iter().any(|port| port.kernel_interface.is_some());
    let (table_out, table) = watch::channel((!watched).then(|| NextHops::Whole(mirror.table())));
    let (warnings_out, warnings) = watch::channel(Vec::new());
    if watched {
        let task = Task { mirror, needs: needs_seen, wanted: wanted_seen, table: table_out, warnings: warnings_out };
        tokio::task::spawn_local(task.run());
    }
    Handle { needs, wanted, table, warnings }
}

struct Task {
    mirror: Mirror,
    needs: watch::Receiver<Option<Needs>>,
    wanted: mpsc::Receiver<(u16, Ipv4Addr)>,
    table: watch::Sender<Option<NextHops>>,
    warnings: watch::Sender<Vec<String>>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let outcome = match Watch::open() {
                Ok(watch) => self.follow(watch).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => return,
                Err(error) => {
                    log::warn!("the kernel's routes and neighbours can't be read: {error}; trying again");
                    let text = format!("The kernel's routes and neighbours can't be read: {error}.");
                    self.warnings.send_replace(vec![text]);
                    if self.table.borrow().is_none() {
                        self.table.send_replace(Some(NextHops::WithoutKernel(self.mirror.table())));
                    }
                }
            }
            tokio::time::sleep(REOPEN).await;
        }
    }

    /// Follows the kernel until sluiced ends (`Ok`) or netlink fails.
    async fn follow(&mut self, mut watch: Watch) -> io::Result<()> {
        let mut again = tokio::time::interval(RESOLVE_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = pin!(tokio::time::sleep(Duration::ZERO));
        let mut pending = Some(Change::Everything);
        loop {
            tokio::select! {
                facts = watch.events.next() => {
                    let change = match facts? {
                        Some(facts) => facts.into_iter().map(|fact| self.take(fact, &mut watch.addresses)).max(),
                        None => Some(Change::Everything),
                    };
                    let change = change.filter(|change| *change > Change::Nothing);
                    if pending.is_none() && change.is_some() {
                        due.as_mut().reset(Instant::now() + DEBOUNCE);
                    }
                    pending = pending.max(change);
                }
                () = &mut due, if pending.is_some() => {
                    if pending.take() == Some(Change::Everything) {
                        self.dump(&mut watch).await?;
                    }
                    self.publish(&mut watch).await;
                }
                changed = self.needs.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    if pending.is_none() {
                        due.as_mut().reset(Instant::now() + DEBOUNCE);
                    }
                    pending = pending.max(Some(Change::Table));
                }
                wish = self.wanted.recv() => {
                    if let Some(target) = wish.and_then(|(port, address)| Some((self.mirror.interface_of(port)?, address))) {
                        // A wish must not undo that the kernel keeps it.
                        watch.resolve(target, watch.targets.contains(&target), &self.mirror).await;
                    }
                }
                _ = again.tick() => watch.resolve_again(&self.mirror).await,
            }
        }
    }

    /// Takes one fact over, and says what it means for the table.
    fn take(&mut self, fact: Fact, addresses: &mut BTreeSet<KernelAddress>) -> Change {
        match fact {
            // The kernel drops routes silently with a link or an address: read all again.
            Fact::Interface(index, name) => {
                if self.mirror.interface_seen(index, &name) {
                    Change::Everything
                } else {
                    Change::Nothing
                }
            }
            Fact::InterfaceGone(index) if self.mirror.knows_interface(index) => Change::Everything,
            Fact::AddressGone(address) => {
                addresses.remove(&address);
                if self.mirror.knows_interface(address.interface) { Change::Everything } else { Change::Nothing }
            }
            Fact::Address(address) => {
                addresses.insert(address);
                Change::Nothing
            }
            Fact::Route(route, replace) => {
                self.mirror.route_added(route, replace);
                Change::Table
            }
            Fact::RouteGone(route) => {
                self.mirror.route_removed(&route);
                Change::Table
            }
            Fact::Neighbor(target, mac, upkeep) => {
                self.mirror.neighbor_seen(target, mac, upkeep);
                if self.mirror.knows_interface(target.0) { Change::Table } else { Change::Nothing }
            }
            Fact::NeighborGone(target) => {
                self.mirror.neighbor_removed(target);
                Change::Table
            }
            Fact::InterfaceGone(_) => Change::Nothing,
        }
    }

    async fn dump(&mut self, watch: &mut Watch) -> io::Result<()> {
        self.mirror.forget_kernel();
        watch.addresses.clear();
        // The kernel forgets neighbours with their link: ask for all again.
        watch.targets.clear();
        for what in [Dump::Interfaces, Dump::Addresses, Dump::Routes, Dump::Neighbors] {
            for fact in watch.requests.dump(what).await? {
                self.take(fact, &mut watch.addresses);
            }
        }
        Ok(())
    }

    async fn publish(&mut self, watch: &mut Watch) {
        let table = self.mirror.table();
        let needs = self.needs.borrow_and_update().clone();
        let mut warnings = missing_interfaces(&self.mirror);
        warnings.extend(watch.set_addresses(&self.mirror, needs.as_ref().map(|needs| &needs.vips)).await);
        self.warnings.send_if_modified(|known| {
            let changed = *known != warnings;
            warnings.iter().filter(|text| !known.contains(text)).for_each(|text| log::warn!("{text}"));
            *known = warnings;
            changed
        });
        let targets = self.mirror.targets(&table, &needs.map(|needs| needs.reals).unwrap_or_default());
        let table = Some(NextHops::Whole(table));
        self.table.send_if_modified(|known| {
            let changed = *known != table;
            *known = table;
            changed
        });
        watch.set_targets(targets, &self.mirror).await;
    }
}

/// What a fact means for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Nothing,
    Table,
    Everything,
}

fn missing_interfaces(mirror: &Mirror) -> Vec<String> {
    let ports = mirror.ports().iter().zip(0u16..);
    let missing = ports.filter(|(_, index)| mirror.interface_of(*index).is_none());
    let names = missing.filter_map(|(port, _)| port.kernel_interface.as_ref());
    names
        .map(|name| format!("Kernel interface {name} does not exist; the dataplane makes it when it starts."))
        .collect()
}

/// The sockets, and what the kernel was asked for.
struct Watch {
    events: Events,
    requests: Requests,
    addresses: BTreeSet<KernelAddress>,
    /// Put there in this run: for kernels that do not keep the mark.
    added: BTreeSet<(u32, Ipv4Addr)>,
    targets: BTreeSet<Target>,
}

impl Watch {
    fn open() -> io::Result<Self> {
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
    async fn set_addresses(&mut self, mirror: &Mirror, vips: Option<&BTreeSet<Ipv4Addr>>) -> Vec<String> {
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
    async fn set_targets(&mut self, targets: BTreeSet<Target>, mirror: &Mirror) {
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

    async fn resolve_again(&mut self, mirror: &Mirror) {
        let targets: Vec<_> = self.targets.iter().copied().filter(|target| !mirror.is_kept(*target)).collect();
        for target in targets {
            self.resolve(target, true, mirror).await;
        }
    }

    /// Asks for a neighbour, unless somebody has set it by hand.
    async fn resolve(&mut self, target: Target, keep: bool, mirror: &Mirror) {
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

#[cfg(test)]
mod tests {
    use super::{NextHopTable, NextHops};

    #[test]
    fn without_the_kernel_next_hops_are_for_a_dataplane_that_has_none() {
        let table = NextHopTable::default();
        let poor = NextHops::WithoutKernel(table.clone());
        assert_eq!(poor.for_generation(0), Some(&table));
        assert_eq!(poor.for_generation(1), None, "what runs stays");
        assert_eq!(NextHops::Whole(table.clone()).for_generation(1), Some(&table), "the ordinary case");
    }
}
