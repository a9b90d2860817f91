//! services.toml: what is balanced.

use crate::error::ConfigError;
use crate::reader::{Document, Section, Unique, read};
use crate::rules;
use link::model::{ForwardMethod, Protocol, RealServer, SchedulerKind, Service, ServiceKey, ServiceTable, Timeouts};
use std::fmt::Write;
use std::net::SocketAddrV4;
use std::path::Path;

const SECTIONS: [&str; 2] = ["timeouts", "service"];
const SERVICE: [&str; 6] = ["name", "protocol", "address", "scheduler", "method", "real"];
const REAL: [&str; 3] = ["address", "weight", "method"];

const PROTOCOLS: &str = "tcp, udp";
const METHODS: &str = "nat, tunnel, direct";
const SCHEDULERS: &str = "rr, wrr, lc, wlc";

/// What services.toml says. Every rule of [`crate::rules`] holds; no two services share a name or a key; no two reals
/// of a service share an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// Seconds that idle connections are kept.
    pub timeouts: Timeouts,
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
        let root = Section::root(&document, &table, &SECTIONS)?;
        Ok(Self { timeouts: timeouts(&root)?, services: services(&root)? })
    }

    /// What the dataplane gets.
    pub fn table(&self) -> ServiceTable {
        let services = self.services.iter().map(|named| named.service.clone()).collect();
        ServiceTable { timeouts: self.timeouts, services }
    }

    /// The service of this name.
    pub fn find(&self, name: &str) -> Option<&NamedService> {
        self.services.iter().find(|named| named.name == name)
    }

    /// The text of a services.toml that parses to the same.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("[timeouts]\n");
        for (key, seconds) in self.timeouts.entries() {
            line(&mut text, format_args!("{key} = {seconds}"));
        }
        for NamedService { name, method, service } in &self.services {
            let Service { key, scheduler, reals } = service;
            text.push_str("\n[[service]]\n");
            line(&mut text, format_args!("name = \"{name}\""));
            line(&mut text, format_args!("protocol = \"{}\"", key.protocol));
            line(&mut text, format_args!("address = \"{}\"", key.address));
            line(&mut text, format_args!("scheduler = \"{scheduler}\""));
            line(&mut text, format_args!("method = \"{method}\""));
            for real in reals {
                text.push_str("\n[[service.real]]\n");
                line(&mut text, format_args!("address = \"{}\"", real.address));
                line(&mut text, format_args!("weight = {}", real.weight));
                if real.method != *method {
                    line(&mut text, format_args!("method = \"{}\"", real.method));
                }
            }
        }
        text
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String never fails.
    let _ = writeln!(text, "{content}");
}

pub(crate) fn keys() -> Vec<String> {
    let timeouts = Timeouts::default().entries();
    let timeouts = timeouts.iter().map(|(key, _)| format!("timeouts.{key}"));
    let service = SERVICE.iter().filter(|key| **key != "real").map(|key| format!("service.{key}"));
    timeouts.chain(service).chain(REAL.iter().map(|key| format!("service.real.{key}"))).collect()
}

fn timeouts(root: &Section<'_>) -> Result<Timeouts, ConfigError> {
    let defaults = Timeouts::default().entries();
    let Some(section) = root.table("timeouts", &defaults.map(|(key, _)| key))? else {
        return Ok(Timeouts::default());
    };
    let mut seconds = defaults.map(|(_, default)| default);
    for (value, (key, _)) in seconds.iter_mut().zip(defaults) {
        *value = section.number(key, 1..=Timeouts::MAX_SECONDS)?.unwrap_or(*value);
    }
    Ok(Timeouts::from_seconds(seconds))
}

fn services(root: &Section<'_>) -> Result<Vec<NamedService>, ConfigError> {
    let mut names = Unique::new();
    let mut keys = Unique::new();
    let mut services = Vec::new();
    for section in root.tables("service", "service", &SERVICE)? {
        let named = service(&section)?;
        let owner = format!("service {:?}", named.name);
        names.claim(&section, "name", named.name.clone(), format_args!("{:?}", named.name), "an earlier service")?;
        let key = named.service.key;
        keys.claim(&section, "address", key, format_args!("\"{}\" ({})", key.address, key.protocol), &owner)?;
        services.push(named);
    }
    Ok(services)
}

fn service(section: &Section<'_>) -> Result<NamedService, ConfigError> {
    let name = section.text("name", rules::NAME, |text| rules::is_name(text).then(|| text.to_owned()))?;
    let name = section.required("name", rules::NAME, name)?;
    let protocol = section.parsed::<Protocol>("protocol", PROTOCOLS)?;
    let protocol = section.required("protocol", PROTOCOLS, protocol)?;
    let key = ServiceKey { protocol, address: endpoint(section)? };
    rules::check_service(&key).map_err(|broken| section.broken(&broken))?;
    let scheduler = section.parsed("scheduler", SCHEDULERS)?.unwrap_or(SchedulerKind::WeightedLeastConnection);
    let method = section.parsed("method", METHODS)?.unwrap_or(ForwardMethod::Nat);
    let reals = reals(section, &key, method)?;
    Ok(NamedService { name, method, service: Service { key, scheduler, reals } })
}

fn reals(service: &Section<'_>, key: &ServiceKey, method: ForwardMethod) -> Result<Vec<RealServer>, ConfigError> {
    let mut addresses = Unique::new();
    let mut reals = Vec::new();
    for section in service.tables("real", "service.real", &REAL)? {
        let address = endpoint(&section)?;
        let weight = section.number("weight", 0..=RealServer::MAX_WEIGHT)?.unwrap_or(1);
        let method = section.parsed("method", METHODS)?.unwrap_or(method);
        let real = RealServer { address, method, weight };
        rules::check_real(key, &real).map_err(|broken| section.broken(&broken))?;
        addresses.claim(&section, "address", address, format_args!("\"{address}\""), "an earlier real")?;
        reals.push(real);
    }
    Ok(reals)
}

fn endpoint(section: &Section<'_>) -> Result<SocketAddrV4, ConfigError> {
    let address = section.parsed("address", rules::ENDPOINT)?;
    section.required("address", rules::ENDPOINT, address)
}
