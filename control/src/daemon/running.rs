//! The running service table: changes to it. Pure.
//!
//! Every change is made on a copy that becomes the running table once the dataplane has it; a refusal leaves no trace.

use super::options;
use crate::protocol::{Failure, OptionChanges, RealChange, ServiceAdd};
use config::health::Health;
use config::{NamedService, Services, rules};
use link::model::{
    ForwardMethod, Group, Helper, RealServer, SchedulerFlags, SchedulerKind, Service, ServiceEndpoint, ServiceKey,
    ServiceOptions, Settings, Timeouts,
};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

/// Adds a service without reals. The sentence that says what was done.
///
/// # Errors
/// Refused: a name or key that is taken, or breaks a rule.
pub fn add_service(running: &mut Services, add: &ServiceAdd) -> Result<String, Failure> {
    let key = added_key(add)?;
    let given = ServiceOptions { helper: Helper::by_port(&key), ..ServiceOptions::new(add.scheduler) };
    rules::check_name(&add.name).map_err(|broken| Failure::refused(format!("service: {broken}.")))?;
    let options = options::changed(&add.name, &key, given, &add.options)?;
    for known in &running.services {
        if known.name == add.name {
            let text = format!(
                "service {:?} exists already ({}); change it with `sluice service set`, or take another name.",
                add.name, known.service.key
            );
            return Err(Failure::refused(text));
        }
        if known.service.key == key {
            let text = format!(
                "service {:?}: {key} belongs to service {:?} already; take another address or port, or remove that one.",
                add.name, known.name
            );
            return Err(Failure::refused(text));
        }
    }
    let service = Service { key, options, reals: Vec::new() };
    running.services.push(NamedService {
        name: add.name.clone(),
        method: add.method,
        service,
        health: Health::default(),
    });
    let said = options::described(&options, &key);
    Ok(format!("Added service {}: {key}, {}, {}{said}.", add.name, add.scheduler, add.method))
}

fn added_key(add: &ServiceAdd) -> Result<ServiceKey, Failure> {
    match (add.protocol, add.address, add.group) {
        (Some(protocol), Some(address), None) => Ok(ServiceKey::new(protocol, address)),
        (None, None, Some(number)) => Ok(ServiceKey::Group(number)),
        _ => {
            let text = format!("service {:?}: give protocol and address, or the number of a group.", add.name);
            Err(Failure::usage(text))
        }
    }
}

/// Changes a service's scheduler and options, and the method of reals added later.
///
/// # Errors
/// Not found; or usage: nothing to change was given.
pub fn set_service(
    running: &mut Services,
    name: &str,
    scheduler: Option<SchedulerKind>,
    method: Option<ForwardMethod>,
    changes: &OptionChanges,
) -> Result<String, Failure> {
    let named = service_mut(running, name)?;
    if scheduler.is_none() && method.is_none() && *changes == OptionChanges::default() {
        let text = format!("service {name:?}: nothing to change; give a scheduler, a method or an option.");
        return Err(Failure::usage(text));
    }
    let before = named.service.options;
    let scheduler = scheduler.unwrap_or(before.scheduler);
    // Flags of one scheduler mean nothing to another.
    let flags = if scheduler == before.scheduler { before.flags } else { SchedulerFlags::NONE };
    let wanted = ServiceOptions { scheduler, flags, ..before };
    named.service.options = options::changed(name, &named.service.key, wanted, changes)?;
    named.method = method.unwrap_or(named.method);
    let said = options::described(&named.service.options, &named.service.key);
    Ok(format!("Set service {name}: {scheduler}, {}{said}.", named.method))
}

/// Removes a service with its reals.
///
/// # Errors
/// Not found.
pub fn remove_service(running: &mut Services, name: &str) -> Result<String, Failure> {
    let reals = service_mut(running, name)?.service.reals.len();
    running.services.retain(|named| named.name != name);
    let plural = if reals == 1 { "" } else { "s" };
    Ok(format!("Removed service {name} and its {reals} real{plural}."))
}

/// Adds a real; without a method it takes the service's.
///
/// # Errors
/// Not found; or refused: the service has it already, or it breaks a rule.
pub fn add_real(running: &mut Services, given: &RealChange) -> Result<String, Failure> {
    let (name, address) = (given.service.as_str(), given.address);
    let named = service(running, name)?;
    let real = given.over(&RealServer::new(address, named.method, 1));
    check(running, named, &real)?;
    if named.service.reals.iter().any(|known| known.address == address) {
        let text =
            format!("service {name:?} has real {address} already; change it with `sluice real set {name} {address}`.");
        return Err(Failure::refused(text));
    }
    service_mut(running, name)?.service.reals.push(real);
    Ok(format!("Added real {address} to {name}: {}.", options::described_real(&real)))
}

/// Changes a real's weight, method or thresholds.
///
/// # Errors
/// Not found; usage: nothing to change was given; or refused: it breaks a rule.
pub fn set_real(running: &mut Services, wanted: &RealChange) -> Result<String, Failure> {
    let (name, address) = (wanted.service.as_str(), wanted.address);
    let known = *real_mut(service_mut(running, name)?, address)?;
    if *wanted == RealChange::new(wanted.service.clone(), address) {
        let text =
            format!("service {name:?}, real {address}: nothing to change; give a weight, a method or a threshold.");
        return Err(Failure::usage(text));
    }
    let changed = wanted.over(&known);
    check(running, service(running, name)?, &changed)?;
    *real_mut(service_mut(running, name)?, address)? = changed;
    Ok(format!("Set real {address} of {name}: {}.", options::described_real(&changed)))
}

/// Removes a real.
///
/// # Errors
/// Not found.
pub fn remove_real(running: &mut Services, name: &str, address: SocketAddrV4) -> Result<String, Failure> {
    let named = service_mut(running, name)?;
    real_mut(named, address)?;
    named.service.reals.retain(|real| real.address != address);
    named.health.reals.remove(&address);
    Ok(format!("Removed real {address} from {name}."))
}

/// Makes a group of these endpoints, in the place of an earlier one with its number.
///
/// # Errors
/// Refused: number 0, an endpoint that is none, or that another group has, or with the address of a real of its service.
pub fn set_group(running: &mut Services, number: u32, endpoints: &[String]) -> Result<String, Failure> {
    let refused = |text: String| Failure::refused(format!("group {number}: {text}."));
    rules::check_key(&ServiceKey::Group(number)).map_err(|broken| refused(broken.to_string()))?;
    let mut list: Vec<ServiceEndpoint> = Vec::new();
    for text in endpoints {
        let endpoint = rules::parse_endpoint(text).map_err(|broken| refused(broken.to_string()))?;
        let holder = running.groups.iter().find(|group| group.number != number && group.endpoints.contains(&endpoint));
        if let Some(group) = holder {
            return Err(refused(format!("{endpoint} is in group {} already; take it out there first", group.number)));
        }
        if !list.contains(&endpoint) {
            list.push(endpoint);
        }
    }
    let over = running.services.iter().filter(|named| named.service.key == ServiceKey::Group(number));
    for (named, real) in over.flat_map(|named| named.service.reals.iter().map(move |real| (named, real))) {
        let broken = |broken| refused(format!("service {:?}, real {}: {broken}", named.name, real.address));
        rules::check_group_real(&list, real).map_err(broken)?;
    }
    let count = list.len();
    match running.groups.iter_mut().find(|group| group.number == number) {
        Some(group) => group.endpoints = list,
        None => running.groups.push(Group { number, endpoints: list }),
    }
    let plural = if count == 1 { "" } else { "s" };
    Ok(format!("Set group {number}: {count} endpoint{plural}."))
}

/// Removes a group. A service of it stays, without packets.
///
/// # Errors
/// Not found.
pub fn remove_group(running: &mut Services, number: u32) -> Result<String, Failure> {
    let before = running.groups.len();
    running.groups.retain(|group| group.number != number);
    if running.groups.len() == before {
        return Err(Failure::not_found(format!("group {number} does not exist; `sluice group list` shows them.")));
    }
    Ok(format!("Removed group {number}."))
}

/// Changes timeouts, by the keys of `[timeouts]`.
///
/// # Errors
/// Usage: an unknown key, or none. Refused: a value out of range.
pub fn set_timeouts(running: &mut Services, wanted: &BTreeMap<String, u64>) -> Result<String, Failure> {
    if wanted.is_empty() {
        return Err(Failure::usage("timeouts: nothing to change; give at least one, as tcp_established=900."));
    }
    let entries = running.timeouts.entries();
    if let Some(unknown) = wanted.keys().find(|key| entries.iter().all(|(known, _)| known != key)) {
        let known = entries.map(|(key, _)| key).join(", ");
        return Err(Failure::usage(format!("timeouts: key {unknown:?} is not known, allowed: {known}.")));
    }
    let mut seconds = entries.map(|(_, seconds)| seconds);
    for ((key, _), value) in entries.iter().zip(&mut seconds) {
        if let Some(given) = wanted.get(*key) {
            *value =
                rules::check_timeout(key, *given).map_err(|broken| Failure::refused(format!("timeouts: {broken}.")))?;
        }
    }
    running.timeouts = Timeouts::from_seconds(seconds);
    let set: Vec<_> = wanted.iter().map(|(key, seconds)| format!("{key} {seconds} s")).collect();
    Ok(format!("Set timeouts: {}.", set.join(", ")))
}

/// Changes settings, by the keys of `[settings]`.
///
/// # Errors
/// Usage: an unknown key, or none. Refused: a value out of range.
pub fn set_settings(running: &mut Services, wanted: &BTreeMap<String, u64>) -> Result<String, Failure> {
    if wanted.is_empty() {
        return Err(Failure::usage("settings: nothing to change; give at least one, as drop_entry=1."));
    }
    if let Some(unknown) = wanted.keys().find(|key| Settings::ALL.iter().all(|known| known.name != *key)) {
        let known = Settings::ALL.map(|setting| setting.name).join(", ");
        return Err(Failure::usage(format!("settings: key {unknown:?} is not known, allowed: {known}.")));
    }
    let mut values = running.settings.values();
    for (setting, value) in Settings::ALL.iter().zip(&mut values) {
        if let Some(given) = wanted.get(setting.name) {
            let broken = |broken| Failure::refused(format!("settings: {broken}."));
            *value = rules::check_setting(setting, *given).map_err(broken)?;
        }
    }
    running.settings = Settings::from_values(values);
    let set: Vec<_> = wanted.iter().map(|(key, value)| format!("{key} {value}")).collect();
    Ok(format!("Set settings: {}.", set.join(", ")))
}

/// The service of this name.
///
/// # Errors
/// Not found, with the names that exist.
pub fn service<'a>(running: &'a Services, name: &str) -> Result<&'a NamedService, Failure> {
    running.find(name).ok_or_else(|| no_service(running, name))
}

fn service_mut<'a>(running: &'a mut Services, name: &str) -> Result<&'a mut NamedService, Failure> {
    match running.services.iter().position(|named| named.name == name) {
        Some(position) => Ok(&mut running.services[position]),
        None => Err(no_service(running, name)),
    }
}

fn no_service(running: &Services, name: &str) -> Failure {
    const SHOWN: usize = 10;
    let mut names: Vec<_> = running.services.iter().take(SHOWN).map(|named| named.name.as_str()).collect();
    if running.services.len() > SHOWN {
        names.push("...");
    }
    let known = if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) };
    Failure::not_found(format!("service {name:?} does not exist; {known}."))
}

/// The real at this address.
///
/// # Errors
/// Not found.
pub fn real(named: &NamedService, address: SocketAddrV4) -> Result<&RealServer, Failure> {
    let found = named.service.reals.iter().find(|real| real.address == address);
    found.ok_or_else(|| no_real(&named.name, address))
}

fn real_mut(named: &mut NamedService, address: SocketAddrV4) -> Result<&mut RealServer, Failure> {
    let found = named.service.reals.iter_mut().find(|real| real.address == address);
    found.ok_or_else(|| no_real(&named.name, address))
}

fn no_real(name: &str, address: SocketAddrV4) -> Failure {
    Failure::not_found(format!(
        "service {name:?} has no real {address}; `sluice service show {name}` lists those it has."
    ))
}

fn check(running: &Services, named: &NamedService, real: &RealServer) -> Result<(), Failure> {
    let refused = |broken| Failure::refused(format!("service {:?}, real {}: {broken}.", named.name, real.address));
    running.check_real(&named.service.key, real).map_err(refused)
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
