//! services.toml: what is balanced.

mod health;
mod parse;
mod write;

use crate::error::ConfigError;
use crate::health::Health;
use crate::reader::{Document, Section, read};
use crate::rules;
use link::model::{ForwardMethod, Group, RealServer, Service, ServiceKey, ServiceTable, Settings, Timeouts};
use std::net::Ipv4Addr;
use std::path::Path;

/// What services.toml says. Every rule of [`crate::rules`] holds; no two services share a name or a key; no two reals
/// of a service share an address; no endpoint is in two groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// Seconds that idle connections are kept.
    pub timeouts: Timeouts,
    /// What holds for all services.
    pub settings: Settings,
    /// The groups, in the order of the file.
    pub groups: Vec<Group>,
    /// The services, in the order of the file.
    pub services: Vec<NamedService>,
}

/// A service, and what of it only control knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedService {
    /// Its name, unique.
    pub name: String,
    /// The method of reals that give none.
    pub method: ForwardMethod,
    /// What the dataplane gets.
    pub service: Service,
    /// What is said of the health of its reals.
    pub health: Health,
}

impl Services {
    /// Loads the file.
    ///
    /// # Errors
    /// Where it can't be read, is not TOML, or breaks a rule; with the line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(path)?, &path.display().to_string())
    }

    /// Parses `text`; `file` is its name in refusals.
    ///
    /// # Errors
    /// Where the text is not TOML or breaks a rule; with the line.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let document = Document::new(file, text);
        let table = document.parse()?;
        parse::services(&Section::root(&document, &table, &parse::SECTIONS)?)
    }

    /// What the dataplane gets.
    pub fn table(&self) -> ServiceTable {
        let services = self.services.iter().map(|named| named.service.clone()).collect();
        ServiceTable { timeouts: self.timeouts, settings: self.settings, groups: self.groups.clone(), services }
    }

    /// The service of this name.
    pub fn find(&self, name: &str) -> Option<&NamedService> {
        self.services.iter().find(|named| named.name == name)
    }

    /// Every virtual address: of services, and of the groups that have a service. Some come more than once.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.services.iter().flat_map(|named| self.addresses_of(&named.service.key))
    }

    /// The virtual addresses of a service, or of the group that it is over; some come more than once.
    pub fn addresses_of(&self, key: &ServiceKey) -> impl Iterator<Item = Ipv4Addr> {
        let members = match *key {
            ServiceKey::Endpoint(_) => &[][..],
            ServiceKey::Group(number) => self.group(number).map_or(&[][..], |group| &group.endpoints),
        };
        key.address().into_iter().chain(members.iter().map(|endpoint| endpoint.address)).map(|address| *address.ip())
    }

    /// The group with this number.
    pub fn group(&self, number: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.number == number)
    }

    /// A real of the service with `key`, with the group it is over, if it is over one.
    ///
    /// # Errors
    /// See [`rules::check_real`] and [`rules::check_group_real`].
    pub fn check_real(&self, key: &ServiceKey, real: &RealServer) -> Result<(), rules::Broken> {
        rules::check_real(key, real)?;
        let endpoints = key.group().and_then(|number| self.group(number)).map_or(&[][..], |group| &group.endpoints);
        rules::check_group_real(endpoints, real)
    }

    /// The text of a services.toml that parses to the same.
    pub fn to_toml(&self) -> String {
        write::services(self)
    }
}

pub(crate) fn keys() -> Vec<String> {
    parse::keys()
}
