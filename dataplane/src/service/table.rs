//! The table that packets are looked up in.

use super::Cursors;
use super::index::{AddressSet, KeyIndex};
use super::slots::{Assignment, RealState, Slots};
use super::timeouts::TimeoutSets;
use crate::connection::Endpoint;
use crate::scheduler::{Candidate, Change, Choice, Cursor, Load, Member, Newcomer, Scheduler, Start};
use link::message::ConnectionState;
use link::model::{
    self, ForwardMethod, Group, Helper, Phase, Protocol, ServiceEndpoint, ServiceKey, ServiceOptions, Settings,
    Timeouts,
};
use std::collections::{HashMap, HashSet};

/// Where FTP's data connections may go to, besides unprivileged ports.
const FTP_DATA: u16 = 20;
/// The first port that a process without privileges may listen on.
const UNPRIVILEGED: u16 = 1024;

/// A real, as the path of a packet needs it. Half a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub struct RealEntry {
    /// Its address, host byte order.
    pub address: u32,
    /// 0 = quiesced.
    pub weight: u32,
    /// Its weight, or the last one before it was quiesced.
    pub lasting_weight: u32,
    /// Which owner of the slot it is.
    pub generation: u32,
    /// The slot of its service.
    pub service: u32,
    /// The timeouts of its service, see [`ServiceTable::timeout_ms`].
    pub timeouts: u32,
    /// Its port, host byte order.
    pub port: u16,
    /// How packets reach it.
    pub method: ForwardMethod,
    /// In the table. If not, packets of its connections are not forwarded.
    pub available: bool,
    /// Whether its connections are on their way out.
    pub phase: Phase,
}

const _: () = assert!(size_of::<RealEntry>() == 32);

impl RealEntry {
    const FREE: Self = Self {
        address: 0,
        weight: 0,
        lasting_weight: 0,
        generation: 0,
        service: u32::MAX,
        timeouts: 0,
        port: 0,
        method: ForwardMethod::Direct,
        available: false,
        phase: Phase::Serving,
    };
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Protocol, VIP and port; or a group.
    pub key: ServiceKey,
    /// What it does.
    pub options: ServiceOptions,
    /// Its slot.
    pub slot: u32,
    /// The generation of the table in which its scheduler or its reals last changed.
    pub revision: u64,
    /// Where its round robin begins.
    pub start: Start,
    /// Chooses among the candidates.
    pub scheduler: Scheduler,
    /// Its live reals, newest first.
    pub candidates: Box<[Candidate]>,
}

impl ServiceEntry {
    /// Whether it is the service of a group.
    #[inline]
    pub const fn is_of_group(&self) -> bool {
        matches!(self.key, ServiceKey::Group(_))
    }

    /// The slot of the real that a new connection gets now; `None` if there is none for it.
    #[inline]
    pub fn pick(&self, cursors: &mut Cursors, newcomer: &Newcomer, load: &impl Load) -> Option<u32> {
        let (cursor, memory) = cursors.of_mut(self.slot)?;
        let index = self.scheduler.pick(cursor, memory, &self.choice(newcomer, load))?;
        self.candidates.get(index).map(|candidate| candidate.slot)
    }

    /// What [`ServiceEntry::pick`] would give, changing nothing.
    pub fn peek(&self, cursors: &Cursors, newcomer: &Newcomer, load: &impl Load) -> Option<u32> {
        let (cursor, memory) = cursors.of(self.slot)?;
        let index = self.scheduler.peek(cursor, memory, &self.choice(newcomer, load))?;
        self.candidates.get(index).map(|candidate| candidate.slot)
    }

    fn choice<'a, L: Load>(&'a self, newcomer: &Newcomer, load: &'a L) -> Choice<'a, L> {
        Choice { service: self.slot, start: self.start, candidates: &self.candidates, load, newcomer: *newcomer }
    }
}

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
    fn has(&self, service: u32, real: u32) -> bool {
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

/// What the entries of a new table are made from.
struct Built<'a> {
    generation: u64,
    settings: &'a Settings,
    /// Slots of reals that are new or changed.
    edited: &'a HashSet<u32>,
    reals: &'a [RealEntry],
    previous: &'a ServiceTable,
}

impl Built<'_> {
    /// The entry of a service; what has not changed since the previous table is taken over.
    fn entry(&self, service: &model::Service, slot: u32, candidates: Box<[Candidate]>) -> ServiceEntry {
        let (key, options) = (service.key, service.options);
        let is_same = |before: &&ServiceEntry| {
            let is_edited = |candidate: &Candidate| self.edited.contains(&candidate.slot);
            before.key == key && before.candidates == candidates && !candidates.iter().any(is_edited)
        };
        let same = self.previous.service(slot).filter(is_same);
        let members = || candidates.iter().filter_map(|candidate| self.reals.get(candidate.slot as usize)).map(member);
        let before = same.map(|before| &before.scheduler);
        let scheduler = Scheduler::new(&options, self.settings, &candidates, members, before);
        let same = same.filter(|before| before.scheduler.kind() == scheduler.kind());
        let revision = same.map_or(self.generation, |before| before.revision);
        let mut entry = ServiceEntry { key, options, slot, revision, start: Start::default(), scheduler, candidates };
        entry.start = start_of(&entry, self.previous, self.reals);
        entry
    }
}

/// Where the round robin of a service in a new table begins, after that of the `previous` one; `reals` are the new ones.
fn start_of(entry: &ServiceEntry, previous: &ServiceTable, reals: &[RealEntry]) -> Start {
    let Some(before) = previous.service(entry.slot).filter(|before| before.key == entry.key) else {
        return entry.scheduler.first_start(&entry.candidates);
    };
    if before.scheduler.kind() != entry.scheduler.kind() {
        return entry.scheduler.start_after_another();
    }
    if before.revision == entry.revision {
        return before.start;
    }
    let is_there =
        |real: u32| reals.get(real as usize).is_some_and(|real| real.available && real.service == entry.slot);
    let (old, new) = (&before.candidates[..], &entry.candidates[..]);
    let change = Change { old, new, was_there: |real| previous.has(entry.slot, real), is_there };
    entry.scheduler.carry_start_over(before.start, &change)
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

fn member(real: &RealEntry) -> Member {
    Member { endpoint: Endpoint { address: real.address, port: real.port }, lasting_weight: real.lasting_weight }
}

fn real_entries(slots: &Slots) -> Vec<RealEntry> {
    let mut entries = Vec::new();
    for (slot, real) in slots.reals() {
        entries.resize(slot as usize, RealEntry::FREE);
        entries.push(RealEntry {
            address: real.server.address.ip().to_bits(),
            weight: real.server.weight,
            lasting_weight: real.lasting_weight,
            generation: real.generation,
            service: real.service,
            timeouts: 0,
            port: real.server.address.port(),
            method: real.server.method,
            available: real.state == RealState::Live,
            phase: real.server.phase,
        });
    }
    entries
}
