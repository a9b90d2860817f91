//! From the sections of services.toml to typed services.

use super::health::{self, HOOKS, SORRY};
use super::{NamedService, Services};
use crate::error::ConfigError;
use crate::health::Health;
use crate::reader::{Section, Unique};
use crate::rules;
use link::model::{
    ForwardMethod, Group, Helper, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service,
    ServiceEndpoint, ServiceKey, ServiceOptions, Settings, TimeoutOverrides, Timeouts,
};
use std::net::{Ipv4Addr, SocketAddrV4};

pub(super) const SECTIONS: [&str; 4] = ["timeouts", "settings", "group", "service"];
const GROUP: [&str; 2] = ["number", "endpoints"];
const SERVICE: [&str; 21] = [
    "name",
    "protocol",
    "address",
    "group",
    "scheduler",
    "scheduler_flags",
    "persistence",
    "persistence_netmask",
    "one_packet",
    "clamp_mss",
    "helper",
    "method",
    "on_failure",
    "quorum",
    "quorum_hysteresis",
    "slow_start",
    "timeouts",
    "check",
    "sorry",
    "hooks",
    "real",
];
/// Those that are tables.
const TABLES: [&str; 5] = ["timeouts", "check", "sorry", "hooks", "real"];
const REAL: [&str; 6] = ["address", "weight", "method", "upper_threshold", "lower_threshold", "check"];

const PROTOCOLS: &str = "tcp, udp";
pub(super) const METHODS: &str = "nat, tunnel, direct";
const HELPERS: &str = "ftp, none";
const ENDPOINTS: &str = "a list of endpoints, as [\"tcp 10.0.0.1:80\", \"udp 10.0.0.1:0\"]";

pub(super) fn keys() -> Vec<String> {
    let timeouts = Timeouts::default().entries();
    let timeouts = timeouts.iter().map(|(key, _)| format!("timeouts.{key}"));
    let settings = Settings::ALL.iter().map(|setting| format!("settings.{}", setting.name));
    let group = GROUP.iter().map(|key| format!("group.{key}"));
    let service = SERVICE.iter().filter(|key| !TABLES.contains(key)).map(|key| format!("service.{key}"));
    let check = health::keys().map(|key| format!("service.check.{key}"));
    let sorry = SORRY.iter().map(|key| format!("service.sorry.{key}"));
    let hooks = HOOKS.iter().map(|key| format!("service.hooks.{key}"));
    let real = REAL.iter().filter(|key| **key != "check").map(|key| format!("service.real.{key}"));
    let all = timeouts.chain(settings).chain(group).chain(service);
    all.chain(check).chain(sorry).chain(hooks).chain(real).collect()
}

pub(super) fn services(root: &Section<'_>) -> Result<Services, ConfigError> {
    let groups = groups(root)?;
    let services = Services { timeouts: timeouts(root)?, settings: settings(root)?, services: Vec::new(), groups };
    Ok(Services { services: list(root, &services)?, ..services })
}

fn timeouts(root: &Section<'_>) -> Result<Timeouts, ConfigError> {
    let defaults = Timeouts::default();
    let own = overrides(root)?;
    Ok(own.over(&defaults))
}

/// The timeouts that are given; 0 for the others.
fn overrides(parent: &Section<'_>) -> Result<TimeoutOverrides, ConfigError> {
    let names = Timeouts::default().entries().map(|(key, _)| key);
    let Some(section) = parent.table("timeouts", &names)? else { return Ok(TimeoutOverrides::default()) };
    let mut seconds = [0; 12];
    for (value, key) in seconds.iter_mut().zip(names) {
        *value = section.number(key, 1..=Timeouts::MAX_SECONDS)?.unwrap_or(0);
    }
    Ok(TimeoutOverrides(seconds))
}

fn settings(root: &Section<'_>) -> Result<Settings, ConfigError> {
    let mut values = Settings::default().values();
    if let Some(section) = root.table("settings", &Settings::ALL.map(|setting| setting.name))? {
        for (value, setting) in values.iter_mut().zip(&Settings::ALL) {
            *value = section.number(setting.name, setting.least..=setting.most)?.unwrap_or(*value);
        }
    }
    Ok(Settings::from_values(values))
}

fn groups(root: &Section<'_>) -> Result<Vec<Group>, ConfigError> {
    let mut numbers = Unique::new();
    let mut endpoints = Unique::new();
    let mut groups = Vec::new();
    for section in root.tables("group", "group", &GROUP)? {
        let number = section.number("number", 1..=u32::MAX)?;
        let number = section.required("number", rules::GROUP, number)?;
        numbers.claim(&section, "number", number, number, "an earlier group")?;
        let read = |value: &toml::de::DeValue<'_>| rules::parse_endpoint(value.as_str()?).ok();
        let list = section.list("endpoints", ENDPOINTS, read)?;
        let list = section.required("endpoints", ENDPOINTS, list)?;
        for endpoint in &list {
            endpoints.claim(&section, "endpoints", *endpoint, endpoint, &format!("group {number}"))?;
        }
        groups.push(Group { number, endpoints: list });
    }
    Ok(groups)
}

/// The services; `rest` has the groups.
fn list(root: &Section<'_>, rest: &Services) -> Result<Vec<NamedService>, ConfigError> {
    let mut names = Unique::new();
    let mut keys = Unique::new();
    let mut services = Vec::new();
    for section in root.tables("service", "service", &SERVICE)? {
        let named = service(&section, rest)?;
        let owner = format!("service {:?}", named.name);
        names.claim(&section, "name", named.name.clone(), format_args!("{:?}", named.name), "an earlier service")?;
        let key = named.service.key;
        match key {
            ServiceKey::Endpoint(ServiceEndpoint { protocol, address }) => {
                keys.claim(&section, "address", key, format_args!("\"{address}\" ({protocol})"), &owner)?;
            }
            ServiceKey::Group(number) => keys.claim(&section, "group", key, number, &owner)?,
        }
        services.push(named);
    }
    Ok(services)
}

fn service(section: &Section<'_>, rest: &Services) -> Result<NamedService, ConfigError> {
    let name = section.text("name", rules::NAME, |text| rules::is_name(text).then(|| text.to_owned()))?;
    let name = section.required("name", rules::NAME, name)?;
    let key = key(section)?;
    let options = options(section, &key)?;
    rules::check_service(&key, &options).map_err(|broken| section.broken(&broken))?;
    let method = section.parsed("method", METHODS)?.unwrap_or(ForwardMethod::Nat);
    let mut health = health::service(section)?;
    let reals = reals(section, rest, &key, method, &mut health)?;
    health.sorry = health::sorry(section, &key, method, &reals)?;
    Ok(NamedService { name, method, service: Service { key, options, reals }, health })
}

/// Protocol and address, or a group.
fn key(section: &Section<'_>) -> Result<ServiceKey, ConfigError> {
    if let Some(number) = section.number("group", 1..=u32::MAX)? {
        for other in ["protocol", "address"] {
            if section.has(other) {
                return Err(
                    section.refuse(other, format!("{other} is for a service without group; leave one of them out"))
                );
            }
        }
        return Ok(ServiceKey::Group(number));
    }
    let protocol = section.parsed::<Protocol>("protocol", PROTOCOLS)?;
    let protocol = section.required("protocol", PROTOCOLS, protocol)?;
    Ok(ServiceKey::new(protocol, endpoint(section)?))
}

fn options(section: &Section<'_>, key: &ServiceKey) -> Result<ServiceOptions, ConfigError> {
    let scheduler =
        section.parsed("scheduler", SchedulerKind::NAMES)?.unwrap_or(SchedulerKind::WeightedLeastConnection);
    let helper = section
        .text("helper", HELPERS, |text| if text == "none" { Some(None) } else { text.parse().ok().map(Some) })?;
    Ok(ServiceOptions {
        flags: flags(section, scheduler)?,
        persistence: persistence(section)?,
        one_packet: section.flag("one_packet")?.unwrap_or(false),
        clamp_mss: section.flag("clamp_mss")?.unwrap_or(false),
        helper: helper.unwrap_or_else(|| Helper::by_port(key)),
        timeouts: overrides(section)?,
        ..ServiceOptions::new(scheduler)
    })
}

/// The flags that this scheduler has.
fn flags(section: &Section<'_>, scheduler: SchedulerKind) -> Result<SchedulerFlags, ConfigError> {
    let names: Vec<_> = SchedulerFlags(SchedulerFlags::MASK).names(scheduler).collect();
    let allowed = format!("with scheduler {scheduler} a list of {}", names.join(", "));
    let read = |value: &toml::de::DeValue<'_>| {
        value.as_str().filter(|name| names.contains(name)).and_then(SchedulerFlags::by_name)
    };
    let flags = section.list("scheduler_flags", &allowed, read)?.unwrap_or_default();
    Ok(flags.into_iter().fold(SchedulerFlags::NONE, std::ops::BitOr::bitor))
}

fn persistence(section: &Section<'_>) -> Result<Option<Persistence>, ConfigError> {
    let timeout = section.number("persistence", 1..=Timeouts::MAX_SECONDS)?;
    let netmask = section.parsed::<Ipv4Addr>("persistence_netmask", rules::NETMASK)?;
    match (timeout, netmask) {
        (Some(timeout), netmask) => Ok(Some(Persistence { timeout, netmask: netmask.unwrap_or(Ipv4Addr::BROADCAST) })),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let message = "persistence_netmask is of use with persistence only; give persistence = SECONDS too";
            Err(section.refuse("persistence_netmask", message.to_owned()))
        }
    }
}

fn reals(
    service: &Section<'_>,
    rest: &Services,
    key: &ServiceKey,
    method: ForwardMethod,
    health: &mut Health,
) -> Result<Vec<RealServer>, ConfigError> {
    let mut addresses = Unique::new();
    let mut reals = Vec::new();
    for section in service.tables("real", "service.real", &REAL)? {
        let address = endpoint(&section)?;
        let weight = section.number("weight", 0..=RealServer::MAX_WEIGHT)?.unwrap_or(1);
        let method = section.parsed("method", METHODS)?.unwrap_or(method);
        let real = RealServer {
            upper_threshold: section.number("upper_threshold", 0..=u32::MAX)?.unwrap_or(0),
            lower_threshold: section.number("lower_threshold", 0..=u32::MAX)?.unwrap_or(0),
            ..RealServer::new(address, method, weight)
        };
        rest.check_real(key, &real).map_err(|broken| section.broken(&broken))?;
        addresses.claim(&section, "address", address, format_args!("\"{address}\""), "an earlier real")?;
        health::real(service, &section, address, health)?;
        reals.push(real);
    }
    Ok(reals)
}

pub(super) fn endpoint(section: &Section<'_>) -> Result<SocketAddrV4, ConfigError> {
    let address = section.parsed("address", rules::ENDPOINT)?;
    section.required("address", rules::ENDPOINT, address)
}
