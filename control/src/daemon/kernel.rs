//! Linux as the control plane for addresses: keeps the [`Mirror`] true to the kernel, has the kernel resolve the
//! neighbours that forwarding needs, and puts VIPs and the ports' own addresses on the kernel interfaces.
//!
//! A VIP goes on the kernel interface of the first port: a Linux host answers ARP for any of its addresses on any of its
//! interfaces. Addresses that somebody else put there are left alone; those put there by sluiced carry its mark
//! (`IFA_PROTO`, Linux 5.18), so that a later run removes them when their service goes.

mod sockets;

use super::mirror::Mirror;
use super::netlink::{Dump, Fact, KernelAddress};
use link::model::NextHopTable;
use sockets::Watch;
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
                    log::warn!(
                        "the kernel's routes and neighbours can't be read: {error}; trying again (it needs CAP_NET_ADMIN)"
                    );
                    let text = format!(
                        "The kernel's routes and neighbours can't be read: {error}; sluiced needs CAP_NET_ADMIN."
                    );
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
