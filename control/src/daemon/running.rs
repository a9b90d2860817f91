//! The running service table: changes to it, and the difference of two of them in words. Pure.
//!
//! Every change is made on a copy that becomes the running table once the dataplane has it; a refusal leaves no trace.

use crate::protocol::{Failure, ServiceAdd};
use config::{NamedService, Services, rules};
use link::model::{
    ForwardMethod, Group, Helper, RealServer, SchedulerKind, Service, ServiceKey, ServiceOptions, Timeouts,
};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddrV4;

/// Adds a service without reals. The sentence that says what was done.
///
/// # Errors
/// Refused: a name or key that is taken, or breaks a rule.
pub fn add_service(running: &mut Services, add: &ServiceAdd) -> Result<String, Failure> {
    let key = ServiceKey::new(add.protocol, add.address);
    let options = ServiceOptions { helper: Helper::by_port(&key), ..ServiceOptions::new(add.scheduler) };
    rules::check_name(&add.name).map_err(|broken| Failure::refused(format!("service: {broken}.")))?;
    rules::check_service(&key, &options)
        .map_err(|broken| Failure::refused(format!("service {:?}: {broken}.", add.name)))?;
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
    running.services.push(NamedService { name: add.name.clone(), method: add.method, service });
    Ok(format!("Added service {}: {key}, {}, {}.", add.name, add.scheduler, add.method))
}

/// Changes a service's scheduler and the method of reals added later.
///
/// # Errors
/// Not found; or usage: nothing to change was given.
pub fn set_service(
    running: &mut Services,
    name: &str,
    scheduler: Option<SchedulerKind>,
    method: Option<ForwardMethod>,
) -> Result<String, Failure> {
    let named = service_mut(running, name)?;
    if scheduler.is_none() && method.is_none() {
        return Err(Failure::usage(format!("service {name:?}: nothing to change; give a scheduler or a method.")));
    }
    let options = &mut named.service.options;
    options.scheduler = scheduler.unwrap_or(options.scheduler);
    named.method = method.unwrap_or(named.method);
    Ok(format!("Set service {name}: {}, {}.", named.service.options.scheduler, named.method))
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
pub fn add_real(
    running: &mut Services,
    name: &str,
    address: SocketAddrV4,
    weight: u32,
    method: Option<ForwardMethod>,
) -> Result<String, Failure> {
    let named = service_mut(running, name)?;
    let real = RealServer::new(address, method.unwrap_or(named.method), weight);
    check(name, &named.service.key, &real)?;
    if named.service.reals.iter().any(|known| known.address == address) {
        let text =
            format!("service {name:?} has real {address} already; change it with `sluice real set {name} {address}`.");
        return Err(Failure::refused(text));
    }
    named.service.reals.push(real);
    Ok(format!("Added real {address} to {name}: {}, weight {weight}.", real.method))
}

/// Changes a real's weight or method.
///
/// # Errors
/// Not found; usage: nothing to change was given; or refused: it breaks a rule.
pub fn set_real(
    running: &mut Services,
    name: &str,
    address: SocketAddrV4,
    weight: Option<u32>,
    method: Option<ForwardMethod>,
) -> Result<String, Failure> {
    let named = service_mut(running, name)?;
    let key = named.service.key;
    let real = real_mut(named, address)?;
    if weight.is_none() && method.is_none() {
        let text = format!("service {name:?}, real {address}: nothing to change; give a weight or a method.");
        return Err(Failure::usage(text));
    }
    let changed = RealServer { weight: weight.unwrap_or(real.weight), method: method.unwrap_or(real.method), ..*real };
    check(name, &key, &changed)?;
    *real = changed;
    Ok(format!("Set real {address} of {name}: {}, weight {}.", changed.method, changed.weight))
}

/// Removes a real.
///
/// # Errors
/// Not found.
pub fn remove_real(running: &mut Services, name: &str, address: SocketAddrV4) -> Result<String, Failure> {
    let named = service_mut(running, name)?;
    real_mut(named, address)?;
    named.service.reals.retain(|real| real.address != address);
    Ok(format!("Removed real {address} from {name}."))
}

/// Sets a real's weight to 0.
///
/// # Errors
/// Not found.
pub fn drain_real(running: &mut Services, name: &str, address: SocketAddrV4) -> Result<String, Failure> {
    real_mut(service_mut(running, name)?, address)?.weight = 0;
    Ok(format!("Draining real {address} of {name}: weight 0, no new connections."))
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

fn real_mut(named: &mut NamedService, address: SocketAddrV4) -> Result<&mut RealServer, Failure> {
    let name = &named.name;
    let missing = format!("service {name:?} has no real {address}; `sluice service show {name}` lists those it has.");
    let found = named.service.reals.iter_mut().find(|real| real.address == address);
    found.ok_or_else(|| Failure::not_found(missing))
}

fn check(name: &str, key: &ServiceKey, real: &RealServer) -> Result<(), Failure> {
    let refused = |broken| Failure::refused(format!("service {name:?}, real {}: {broken}.", real.address));
    rules::check_real(key, real).map_err(refused)
}

/// What turns `old` into `new`, one change a line, the timeouts first. Empty: the dataplane would see no difference,
/// and neither would an operator.
pub fn differences(old: &Services, new: &Services) -> Vec<String> {
    let mut lines = Vec::new();
    for ((key, before), (_, after)) in old.timeouts.entries().into_iter().zip(new.timeouts.entries()) {
        if before != after {
            lines.push(format!("~ timeout {key}: {before} -> {after}"));
        }
    }
    for ((setting, before), (_, after)) in old.settings.entries().zip(new.settings.entries()) {
        if before != after {
            lines.push(format!("~ setting {}: {before} -> {after}", setting.name));
        }
    }
    changed_groups(&old.groups, &new.groups, &mut lines);
    let before: HashMap<ServiceKey, &NamedService> =
        old.services.iter().map(|named| (named.service.key, named)).collect();
    let after: HashMap<ServiceKey, &NamedService> =
        new.services.iter().map(|named| (named.service.key, named)).collect();
    for named in old.services.iter().filter(|named| !after.contains_key(&named.service.key)) {
        lines.push(format!("- service {}, {}", named.name, named.service.key));
    }
    for named in &new.services {
        match before.get(&named.service.key) {
            Some(known) => changed_service(known, named, &mut lines),
            None => {
                let Service { key, options, reals } = &named.service;
                lines.push(format!("+ service {}, {key}, {}, {}", named.name, options.scheduler, named.method));
                lines.extend(reals.iter().map(|real| added(&named.name, real)));
            }
        }
    }
    lines
}

fn changed_groups(old: &[Group], new: &[Group], lines: &mut Vec<String>) {
    let shown = |group: &Group| group.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let find = |groups: &[Group], number| groups.iter().find(|group| group.number == number).map(shown);
    for group in old.iter().filter(|group| find(new, group.number).is_none()) {
        lines.push(format!("- group {}", group.number));
    }
    for group in new {
        let (number, after) = (group.number, shown(group));
        match find(old, number) {
            None => lines.push(format!("+ group {number}: {after}")),
            Some(before) if before != after => lines.push(format!("~ group {number}: {before} -> {after}")),
            Some(_) => (),
        }
    }
}

/// What a service does, in words, by the keys of services.toml.
fn option_values(service: &Service) -> [(&'static str, String); 8] {
    let options = &service.options;
    let none = || "none".to_owned();
    let flags: Vec<_> = options.flags.names(options.scheduler).collect();
    let own = Timeouts::default().entries().map(|(key, _)| key).into_iter().zip(options.timeouts.0);
    let own: Vec<_> =
        own.filter(|(_, seconds)| *seconds != 0).map(|(key, seconds)| format!("{key} {seconds}")).collect();
    [
        ("scheduler", options.scheduler.to_string()),
        ("scheduler_flags", if flags.is_empty() { none() } else { flags.join(", ") }),
        ("persistence", options.persistence.map_or_else(none, |persistence| persistence.timeout.to_string())),
        ("persistence_netmask", options.persistence.map_or_else(none, |persistence| persistence.netmask.to_string())),
        ("one_packet", options.one_packet.to_string()),
        ("clamp_mss", options.clamp_mss.to_string()),
        ("helper", options.helper.map_or_else(none, |helper| helper.to_string())),
        ("timeouts", if own.is_empty() { none() } else { own.join(", ") }),
    ]
}

fn added(name: &str, real: &RealServer) -> String {
    format!("+ real {} of {name}, {}, weight {}", real.address, real.method, real.weight)
}

fn changed_service(old: &NamedService, new: &NamedService, lines: &mut Vec<String>) {
    let name = &new.name;
    if old.name != *name {
        lines.push(format!("~ service {name}: name {} -> {name}", old.name));
    }
    for ((key, before), (_, after)) in option_values(&old.service).into_iter().zip(option_values(&new.service)) {
        if before != after {
            lines.push(format!("~ service {name}: {key} {before} -> {after}"));
        }
    }
    if old.method != new.method {
        lines.push(format!("~ service {name}: method {} -> {}", old.method, new.method));
    }
    if old.service.reals == new.service.reals {
        return;
    }
    let before: HashMap<_, _> = old.service.reals.iter().map(|real| (real.address, real)).collect();
    let after: HashMap<_, _> = new.service.reals.iter().map(|real| (real.address, real)).collect();
    for real in old.service.reals.iter().filter(|real| !after.contains_key(&real.address)) {
        lines.push(format!("- real {} of {name}", real.address));
    }
    for real in &new.service.reals {
        match before.get(&real.address) {
            None => lines.push(added(name, real)),
            Some(known) => {
                if known.method != real.method {
                    lines
                        .push(format!("~ real {} of {name}: method {} -> {}", real.address, known.method, real.method));
                }
                for (key, before, after) in [
                    ("weight", known.weight, real.weight),
                    ("upper_threshold", known.upper_threshold, real.upper_threshold),
                    ("lower_threshold", known.lower_threshold, real.lower_threshold),
                ] {
                    if before != after {
                        lines.push(format!("~ real {} of {name}: {key} {before} -> {after}", real.address));
                    }
                }
            }
        }
    }
    let kept = |reals: &[RealServer], other: &HashMap<SocketAddrV4, &RealServer>| -> Vec<SocketAddrV4> {
        reals.iter().map(|real| real.address).filter(|address| other.contains_key(address)).collect()
    };
    if kept(&old.service.reals, &after) != kept(&new.service.reals, &before) {
        lines.push(format!("~ service {name}: order of its reals"));
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
