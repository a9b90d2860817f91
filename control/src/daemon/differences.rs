//! The difference of two service tables in words. Pure.

use super::options::{described, described_real};
use config::health::{CheckKeys, Health};
use config::{NamedService, Services};
use link::model::{Group, RealServer, Service, ServiceKey};
use std::collections::HashMap;
use std::net::SocketAddrV4;

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
                let more = described(options, key);
                lines.push(format!("+ service {}, {key}, {}, {}{more}", named.name, options.scheduler, named.method));
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

/// What is said of the health of the reals, key by key.
fn changed_health(old: &NamedService, new: &NamedService, lines: &mut Vec<String>) {
    if old.health == new.health {
        return;
    }
    let name = &new.name;
    changed_keys(&format!("service {name}"), &old.health.entries(), &new.health.entries(), lines);
    let keys = |health: &Health, address| -> Vec<(String, String)> {
        let own = health.reals.get(address).into_iter().flat_map(CheckKeys::entries);
        own.map(|(key, value)| (format!("check.{key}"), value)).collect()
    };
    for real in &new.service.reals {
        let (before, after) = (keys(&old.health, &real.address), keys(&new.health, &real.address));
        changed_keys(&format!("real {} of {name}", real.address), &before, &after, lines);
    }
}

fn changed_keys(of: &str, before: &[(String, String)], after: &[(String, String)], lines: &mut Vec<String>) {
    let value = |entries: &[(String, String)], key: &str| -> Option<String> {
        entries.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let gone = before.iter().filter(|(key, _)| value(after, key).is_none());
    for (key, _) in gone.chain(after) {
        let (was, is) = (value(before, key), value(after, key));
        if was != is {
            let shown = |value: Option<String>| value.unwrap_or_else(|| "default".to_owned());
            lines.push(format!("~ {of}: {key} {} -> {}", shown(was), shown(is)));
        }
    }
}

/// What a service does, in words, by the keys of services.toml.
fn option_values(service: &Service) -> [(&'static str, String); 8] {
    let options = &service.options;
    let none = || "none".to_owned();
    let flags: Vec<_> = options.flags.names(options.scheduler).collect();
    let own: Vec<_> = options.timeouts.given().map(|(key, seconds)| format!("{key} {seconds}")).collect();
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
    format!("+ real {} of {name}, {}", real.address, described_real(real))
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
    changed_health(old, new, lines);
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
