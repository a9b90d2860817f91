//! The dataplane's side of transactions: rows in, whole tables out.

use crate::message::{Refusal, Reply, Request, Table};
use crate::model::{
    ForwardMethod, Group, Neighbor, NextHopTable, RealServer, Route, Service, ServiceEndpoint, ServiceKey,
    ServiceTable, Settings, TimeoutOverrides, Timeouts,
};
use crate::record::Checksum;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};

/// What a dataplane accepts in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of any transaction.
    pub rows: u32,
    /// Services of a table.
    pub services: u32,
    /// Reals of a table.
    pub reals: u32,
    /// Ports; routes and neighbours name one below this.
    pub ports: u16,
}

/// A committed table: apply it, then tell [`Assembler::applied`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// The service table.
    Services {
        /// Its version.
        generation: u64,
        /// Its contents.
        table: ServiceTable,
    },
    /// The next-hop table.
    NextHops {
        /// Its version.
        generation: u64,
        /// Its contents.
        table: NextHopTable,
    },
}

/// A refused transaction; the running table stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which table, as far as it is known.
    pub table: Table,
    /// The version that was refused; 0 if none was announced.
    pub generation: u64,
    /// Why.
    pub reason: Refusal,
    /// Which row, from 0, where one is to blame; else the number of rows seen.
    pub row: u32,
}

impl From<Refused> for Reply {
    fn from(Refused { table, generation, reason, row }: Refused) -> Self {
        Self::Refused { table, generation, reason, row }
    }
}

/// Assembles tables from requests. A refusal is said once, at the first row that is wrong; what is left of that
/// transaction is then swallowed up to its commit, the next begin or a hello.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    services_applied: u64,
    next_hops_applied: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between transactions.
    Idle,
    /// In one.
    Open(Box<Open>),
    /// In one that was refused.
    Refused,
}

#[derive(Debug)]
struct Open {
    table: Table,
    generation: u64,
    /// Rows announced.
    rows: u32,
    /// Rows taken.
    seen: u32,
    checksum: Checksum,
    services: Services,
    next_hops: NextHopTable,
}

/// A service table in the making.
#[derive(Debug, Default)]
struct Services {
    timeouts: Option<Timeouts>,
    settings: Option<Settings>,
    groups: Vec<Group>,
    group_numbers: HashSet<u32>,
    endpoints: HashSet<ServiceEndpoint>,
    done: Vec<Service>,
    /// Reals that the last service of `done` still lacks.
    missing: u32,
    reals: u32,
    keys: HashSet<ServiceKey>,
    /// Index of the service, address of the real.
    addresses: HashSet<(usize, SocketAddrV4)>,
    /// Check addresses of the reals so far.
    check_addresses: HashSet<Ipv4Addr>,
}

impl Assembler {
    /// Between transactions, with nothing applied.
    pub fn new(limits: Limits) -> Self {
        Self { limits, services_applied: 0, next_hops_applied: 0, state: State::Idle }
    }

    /// The table of this version is in force: later ones must be newer.
    pub fn applied(&mut self, table: Table, generation: u64) {
        *self.applied_mut(table) = generation;
    }

    fn applied_mut(&mut self, table: Table) -> &mut u64 {
        match table {
            Table::Services => &mut self.services_applied,
            Table::NextHops => &mut self.next_hops_applied,
        }
    }

    /// Takes the next request; those that are no part of a transaction are left alone (a hello ends what is open).
    /// `None`: nothing to do yet.
    pub fn feed(&mut self, request: &Request) -> Option<Result<Assembled, Refused>> {
        match *request {
            Request::Hello { .. } => {
                self.state = State::Idle;
                None
            }
            Request::Begin { table, generation, rows } => self.begin(table, generation, rows).err().map(Err),
            Request::Timeouts(_)
            | Request::Settings(_)
            | Request::GroupEndpoint { .. }
            | Request::Service { .. }
            | Request::ServiceTimeouts(_)
            | Request::Real(_) => self.row(Table::Services, request),
            Request::Route(_) | Request::Neighbor(_) => self.row(Table::NextHops, request),
            Request::Commit { generation, checksum } => self.commit(generation, checksum),
            Request::Connections(_)
            | Request::Count(_)
            | Request::Flush(_)
            | Request::Explain(_)
            | Request::CaptureFilter(_)
            | Request::CaptureStart(_)
            | Request::CaptureStop => None,
        }
    }

    /// A record could not be read: refuses the transaction that is open, if one is.
    pub fn garbage(&mut self) -> Option<Refused> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open(open) => {
                self.state = State::Refused;
                Some(open.refused(Refusal::RecordInvalid))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    fn begin(&mut self, table: Table, generation: u64, rows: u32) -> Result<(), Refused> {
        let inside = matches!(self.state, State::Open(_));
        self.state = State::Refused;
        let refused = |reason| Err(Refused { table, generation, reason, row: 0 });
        if inside {
            return refused(Refusal::OutOfOrder);
        }
        if generation <= *self.applied_mut(table) {
            return refused(Refusal::Generation);
        }
        if rows > self.limits.rows {
            return refused(Refusal::TooLarge);
        }
        self.state = State::Open(Box::new(Open {
            table,
            generation,
            rows,
            seen: 0,
            checksum: Checksum::new(),
            services: Services::default(),
            next_hops: NextHopTable::default(),
        }));
        Ok(())
    }

    fn row(&mut self, table: Table, request: &Request) -> Option<Result<Assembled, Refused>> {
        let result = match &mut self.state {
            State::Refused => return None,
            State::Idle => Err(Refused { table, generation: 0, reason: Refusal::OutOfOrder, row: 0 }),
            State::Open(open) => open.row(table, request, &self.limits).map_err(|reason| open.refused(reason)),
        };
        if result.is_err() {
            self.state = State::Refused;
        }
        result.err().map(Err)
    }

    fn commit(&mut self, generation: u64, checksum: u64) -> Option<Result<Assembled, Refused>> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Refused => None,
            State::Idle => {
                Some(Err(Refused { table: Table::Services, generation, reason: Refusal::OutOfOrder, row: 0 }))
            }
            State::Open(open) => Some(open.commit(generation, checksum)),
        }
    }
}

impl Open {
    fn refused(&self, reason: Refusal) -> Refused {
        Refused { table: self.table, generation: self.generation, reason, row: self.seen }
    }

    fn row(&mut self, table: Table, request: &Request, limits: &Limits) -> Result<(), Refusal> {
        if table != self.table {
            return Err(Refusal::OutOfOrder);
        }
        if self.seen == self.rows {
            return Err(Refusal::RowCount);
        }
        match *request {
            Request::Timeouts(timeouts) if self.seen == 0 => self.services.timeouts = Some(timeouts),
            Request::Settings(settings) if self.seen == 1 => self.services.settings = Some(settings),
            Request::GroupEndpoint { group, endpoint } => self.services.group_endpoint(group, endpoint)?,
            Request::Service { key, options, reals } => {
                let room = self.rows - self.seen;
                self.services.service(Service { key, options, reals: Vec::new() }, reals, room, limits)?;
            }
            Request::ServiceTimeouts(timeouts) => self.services.service_timeouts(timeouts)?,
            Request::Real(real) => self.services.real(real)?,
            // Routes come before neighbours.
            Request::Route(_) if !self.next_hops.neighbors.is_empty() => return Err(Refusal::OutOfOrder),
            Request::Route(Route { port, .. }) | Request::Neighbor(Neighbor { port, .. }) if port >= limits.ports => {
                return Err(Refusal::UnknownPort);
            }
            Request::Route(route) => self.next_hops.routes.push(route),
            Request::Neighbor(neighbor) => self.next_hops.neighbors.push(neighbor),
            _ => return Err(Refusal::OutOfOrder),
        }
        self.checksum.add(request);
        self.seen += 1;
        Ok(())
    }

    fn commit(self, generation: u64, checksum: u64) -> Result<Assembled, Refused> {
        if generation != self.generation {
            return Err(self.refused(Refusal::Generation));
        }
        if self.seen != self.rows || self.services.missing != 0 {
            return Err(self.refused(Refusal::RowCount));
        }
        if checksum != self.checksum.value() {
            return Err(self.refused(Refusal::Checksum));
        }
        match (self.table, self.services.timeouts, self.services.settings) {
            (Table::NextHops, ..) => Ok(Assembled::NextHops { generation, table: self.next_hops }),
            (Table::Services, Some(timeouts), Some(settings)) => {
                let Services { groups, done: services, .. } = self.services;
                Ok(Assembled::Services { generation, table: ServiceTable { timeouts, settings, groups, services } })
            }
            (Table::Services, ..) => Err(self.refused(Refusal::RowCount)),
        }
    }
}

impl Services {
    /// Endpoints of one group stand together.
    fn group_endpoint(&mut self, number: u32, endpoint: ServiceEndpoint) -> Result<(), Refusal> {
        if self.settings.is_none() || !self.done.is_empty() {
            return Err(Refusal::OutOfOrder);
        }
        if !self.endpoints.insert(endpoint) {
            return Err(Refusal::DuplicateEndpoint);
        }
        let is_begun = self.groups.last().is_some_and(|group| group.number == number);
        if !is_begun {
            if !self.group_numbers.insert(number) {
                return Err(Refusal::OutOfOrder);
            }
            self.groups.push(Group { number, endpoints: Vec::new() });
        }
        if let Some(group) = self.groups.last_mut() {
            group.endpoints.push(endpoint);
        }
        Ok(())
    }

    /// Stands between a service and its reals.
    fn service_timeouts(&mut self, timeouts: TimeoutOverrides) -> Result<(), Refusal> {
        match self.done.last_mut() {
            Some(service) if service.reals.is_empty() && service.options.timeouts.is_empty() => {
                service.options.timeouts = timeouts;
                Ok(())
            }
            _ => Err(Refusal::OutOfOrder),
        }
    }

    /// Begins a service of which `reals` rows follow; `room` rows are left, this one included.
    fn service(&mut self, service: Service, reals: u32, room: u32, limits: &Limits) -> Result<(), Refusal> {
        if self.settings.is_none() || self.missing != 0 {
            return Err(Refusal::OutOfOrder);
        }
        if service.key.endpoint().is_some() && service.key.port() == 0 && service.options.persistence.is_none() {
            return Err(Refusal::NotPersistent);
        }
        if reals >= room {
            return Err(Refusal::RowCount);
        }
        if self.done.len() >= limits.services as usize {
            return Err(Refusal::TooManyServices);
        }
        self.reals = self.reals.saturating_add(reals);
        if self.reals > limits.reals {
            return Err(Refusal::TooManyReals);
        }
        if !self.keys.insert(service.key) {
            return Err(Refusal::DuplicateService);
        }
        self.missing = reals;
        self.done.push(service);
        Ok(())
    }

    fn real(&mut self, real: RealServer) -> Result<(), Refusal> {
        let index = self.done.len();
        let Some(service) = self.done.last_mut().filter(|_| self.missing != 0) else {
            return Err(Refusal::OutOfOrder);
        };
        let (port, own) = (service.key.port(), real.address.port());
        let keeps_port = real.method != ForwardMethod::Nat && service.key.endpoint().is_some();
        if (keeps_port && own != port) || (own == 0 && port != 0) {
            return Err(Refusal::PortDiffers);
        }
        if !self.addresses.insert((index, real.address)) {
            return Err(Refusal::DuplicateReal);
        }
        if real.check_address.is_some_and(|address| !self.check_addresses.insert(address)) {
            return Err(Refusal::DuplicateCheckAddress);
        }
        service.reals.push(real);
        self.missing -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
