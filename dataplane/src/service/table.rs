//! The table that packets are looked up in.

use super::build::Built;
use super::checks::{self, VipCheck};
use super::entries::{RealEntry, ServiceEntry, real_entries};
use super::index::{AddressSet, KeyIndex};
use super::slots::{Assignment, Slots};
use super::timeouts::TimeoutSets;
use crate::scheduler::{Candidate, Change, Cursor};
use link::message::ConnectionState;
use link::model::{self, Group, Helper, Phase, Protocol, ServiceEndpoint, ServiceKey, Settings, Timeouts};
use std::collections::{HashMap, HashSet};

/// Where FTP's data connections may go to, besides unprivileged ports.
const FTP_DATA: u16 = 20;
/// The first port that a process without privileges may listen on.
const UNPRIVILEGED: u16 = 1024;

/// A version of the table.
#[derive(Debug)]
pub struct ServiceTable {
    generation: u64,
    timeouts: TimeoutSets,
    settings: Settings,
    /// The generation that last took a real away.
    removed_at: u64,
    /// By service slot.
    services: Vec<Option<ServiceEntry>>,
    /// Some service is on all ports of an address.
    has_all_port: bool,
    /// Some service is on FTP's control port.
    has_ftp: bool,
    by_key: KeyIndex,
    vips: AddressSet,
    /// By real slot.
    reals: Vec<RealEntry>,
    /// What checks that go the way of clients speak to.
    vip_checks: HashMap<u32, VipCheck>,
}

/// Never 0, as the protocol is not.
#[inline]
fn index_key(protocol: Protocol, vip: u32, port: u16) -> u64 {
    u64::from(protocol.number()) << 48 | u64::from(vip) << 16 | u64::from(port)
}

impl ServiceTable {
    /// The table before the first one: no services, default timeouts, generation 0.
    pub fn empty() -> Self {
        Self {
            generation: 0,
            timeouts: TimeoutSets::new(Timeouts::default()),
            settings: Settings::default(),
            removed_at: 0,
            services: Vec::new(),
            has_all_port: false,
            has_ftp: false,
            by_key: KeyIndex::new(&[]),
            vips: AddressSet::new(&[]),
            reals: Vec::new(),
            vip_checks: HashMap::new(),
        }
    }

    /// Builds the table `generation` from what control wants (`wanted`) and the slots it was given by
    /// [`Slots::assign`] just now. `previous` is the table that it will replace.
    pub fn build(
        generation: u64,
        wanted: &model::ServiceTable,
        assignment: &Assignment,
        slots: &Slots,
        previous: &Self,
    ) -> Self {
        let mut reals = real_entries(slots);
        let mut timeouts = TimeoutSets::new(wanted.timeouts);
        let edited: HashSet<u32> = assignment.changed_reals.iter().map(|change| change.slot).collect();
        let mut services = Vec::new();
        let mut real_slots = assignment.reals.as_slice();
        for (service, &slot) in wanted.services.iter().zip(&assignment.services) {
            let (own, rest) = real_slots.split_at_checked(service.reals.len()).unwrap_or_default();
            real_slots = rest;
            let candidates = own.iter().zip(&service.reals).rev();
            let candidates = candidates.map(|(&slot, real)| Candidate { slot, weight: real.weight }).collect();
            let change = Built { generation, settings: &wanted.settings, edited: &edited, reals: &reals, previous };
            let entry = change.entry(service, slot, candidates);
            let index = slot as usize;
            if services.len() <= index {
                services.resize(index + 1, None);
            }
            if let Some(place) = services.get_mut(index) {
                *place = Some(entry);
            }
        }
        for real in &mut reals {
            let service = services.get(real.service as usize).and_then(Option::as_ref);
            real.timeouts = service.map_or(0, |entry: &ServiceEntry| timeouts.number_of(&entry.options.timeouts));
        }
        let endpoints = endpoints(&services, &wanted.groups);
        let keys: Vec<_> = endpoints.iter().map(|(endpoint, slot)| (endpoint_key(endpoint), *slot)).collect();
        let vips: Vec<_> = endpoints.iter().map(|(endpoint, _)| endpoint.address.ip().to_bits()).collect();
        Self {
            generation,
            timeouts,
            settings: wanted.settings,
            removed_at: if previous.loses_a_real(&reals) { generation } else { previous.removed_at },
            services,
            has_ftp: endpoints.iter().any(|(endpoint, _)| Helper::by_port(&ServiceKey::Endpoint(*endpoint)).is_some()),
            has_all_port: endpoints.iter().any(|(endpoint, _)| endpoint.address.port() == 0),
            by_key: KeyIndex::new(&keys),
            vips: AddressSet::new(&vips),
            vip_checks: checks::of(slots, &endpoints),
            reals,
        }
    }

    /// Its version.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Milliseconds for which a connection in `state` is kept without a packet, of a real with these
    /// [`RealEntry::timeouts`]; 0 for those of no service's own.
    #[inline]
    pub fn timeout_ms(&self, timeouts: u32, state: ConnectionState) -> u32 {
        self.timeouts.of(timeouts, state)
    }

    /// The generation of the last table that took a real away; 0 = none has.
    pub fn removed_at(&self) -> u64 {
        self.removed_at
    }

    /// Whether some real's connections are on their way out, and whether some are to be closed.
    pub fn drains(&self) -> (bool, bool) {
        let any = |wanted: &[Phase]| self.reals.iter().any(|real| real.available && wanted.contains(&real.phase));
        let closing = [Phase::Closing, Phase::Removing];
        (any(&[Phase::Draining, Phase::Closing, Phase::Removing]), any(&closing))
    }

    /// What checks that go the way of clients speak to, by their addresses (host byte order).
    pub fn vip_checks(&self) -> &HashMap<u32, VipCheck> {
        &self.vip_checks
    }

    /// What holds for all services.
    #[inline]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The service on this protocol, address and port (host byte order). A group comes before a service of its own; one
    /// on that port before one on all ports. Before that one comes FTP for the ports of its data connections: those of a
    /// persistent FTP service are its own; where it is not persistent they belong to no service, as in the reference.
    #[inline]
    pub fn lookup(&self, protocol: Protocol, vip: u32, port: u16) -> Option<&ServiceEntry> {
        let exact = self.at(protocol, vip, port);
        if !(self.has_all_port || self.has_ftp) || exact.is_some_and(ServiceEntry::is_of_group) {
            return exact;
        }
        let all_ports = self.at(protocol, vip, 0).filter(|_| self.has_all_port);
        if all_ports.is_some_and(ServiceEntry::is_of_group) {
            return all_ports;
        }
        if exact.is_some() {
            return exact;
        }
        match self.ftp(protocol, vip, port) {
            Some(ftp) => Some(ftp).filter(|ftp| ftp.options.persistence.is_some()),
            None => all_ports,
        }
    }

    /// The FTP service that a data connection to this port may belong to.
    fn ftp(&self, protocol: Protocol, vip: u32, port: u16) -> Option<&ServiceEntry> {
        let is_data = protocol == Protocol::Tcp && (port == FTP_DATA || port >= UNPRIVILEGED);
        self.at(protocol, vip, Helper::FTP_PORT).filter(|ftp| is_data && !ftp.is_of_group())
    }

    #[inline]
    fn at(&self, protocol: Protocol, vip: u32, port: u16) -> Option<&ServiceEntry> {
        self.service(self.by_key.find(index_key(protocol, vip, port))?)
    }

    /// Whether some service has this address (host byte order).
    #[inline]
    pub fn is_virtual(&self, address: u32) -> bool {
        self.vips.contains(address)
    }

    /// The service in a slot.
    #[inline]
    pub fn service(&self, slot: u32) -> Option<&ServiceEntry> {
        self.services.get(slot as usize)?.as_ref()
    }

    /// The real in a slot, if it is still the owner with this generation. It may have left the table, see
    /// [`RealEntry::available`].
    #[inline]
    pub fn real(&self, slot: u32, generation: u32) -> Option<&RealEntry> {
        self.reals.get(slot as usize).filter(|real| real.generation == generation)
    }

    /// The real in a slot, whichever it is, for a slot that [`ServiceEntry::pick`] gave.
    #[inline]
    pub fn real_at(&self, slot: u32) -> Option<&RealEntry> {
        self.reals.get(slot as usize)
    }

    /// The reals by slot; free slots are not available.
    pub fn reals(&self) -> &[RealEntry] {
        &self.reals
    }

    /// Its services, in the order of slots.
    pub fn services(&self) -> impl Iterator<Item = &ServiceEntry> {
        self.services.iter().flatten()
    }

    /// Its virtual addresses (host byte order), each once, in no order.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = u32> + '_ {
        self.vips.iter()
    }

    /// The real in a slot is in the table, as one of this service.
    pub(super) fn has(&self, service: u32, real: u32) -> bool {
        self.reals.get(real as usize).is_some_and(|real| real.available && real.service == service)
    }

    /// Carries a worker's cursor of a service over from `old` to this table.
    pub(super) fn carry_over(&self, entry: &ServiceEntry, cursor: &mut Cursor, old: &Self) {
        let Some(before) = old.service(entry.slot).filter(|before| before.key == entry.key) else {
            *cursor = Cursor::default();
            return;
        };
        if before.scheduler.kind() != entry.scheduler.kind() {
            *cursor = Cursor::default();
        } else if before.revision != entry.revision {
            let change = Change {
                old: &before.candidates,
                new: &entry.candidates,
                was_there: |real| old.has(entry.slot, real),
                is_there: |real| self.has(entry.slot, real),
            };
            entry.scheduler.carry_over(cursor, &change);
        }
    }

    /// Whether a real of this table is no longer available in a newer one with these `reals`.
    fn loses_a_real(&self, reals: &[RealEntry]) -> bool {
        let is_there = |(slot, real): (usize, &RealEntry)| {
            reals.get(slot).is_some_and(|now| now.available && now.generation == real.generation)
        };
        let mut mine = self.reals.iter().enumerate().filter(|(_, real)| real.available);
        !mine.all(is_there)
    }
}

fn endpoint_key(endpoint: &ServiceEndpoint) -> u64 {
    index_key(endpoint.protocol, endpoint.address.ip().to_bits(), endpoint.address.port())
}

/// Where services are found, with their slots: the groups first, since of equal endpoints the first counts.
fn endpoints(services: &[Option<ServiceEntry>], groups: &[Group]) -> Vec<(ServiceEndpoint, u32)> {
    let groups: HashMap<u32, &Group> = groups.iter().map(|group| (group.number, group)).collect();
    let live = || services.iter().flatten();
    let of_group = |entry: &ServiceEntry| match entry.key {
        ServiceKey::Group(number) => groups.get(&number).map_or(&[][..], |group| &group.endpoints),
        ServiceKey::Endpoint(_) => &[],
    };
    let members = live().flat_map(|entry| of_group(entry).iter().map(|endpoint| (*endpoint, entry.slot)));
    let own = live().filter_map(|entry| Some((entry.key.endpoint()?, entry.slot)));
    members.chain(own).collect()
}
