//! The text of a services.toml. What has its default is left out, but for the timeouts.

use super::{NamedService, Services};
use link::model::{Group, Helper, RealServer, Service, ServiceKey, ServiceOptions, Timeouts};
use std::fmt::{Arguments, Write};

pub(super) fn services(services: &Services) -> String {
    let mut text = String::from("[timeouts]\n");
    for (key, seconds) in services.timeouts.entries() {
        line(&mut text, format_args!("{key} = {seconds}"));
    }
    let changed: Vec<_> = services.settings.entries().filter(|(setting, value)| *value != setting.default).collect();
    if !changed.is_empty() {
        text.push_str("\n[settings]\n");
    }
    for (setting, value) in changed {
        line(&mut text, format_args!("{} = {value}", setting.name));
    }
    services.groups.iter().for_each(|entry| group(&mut text, entry));
    services.services.iter().for_each(|named| service(&mut text, named));
    text
}

fn group(text: &mut String, group: &Group) {
    let endpoints: Vec<_> = group.endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    text.push_str("\n[[group]]\n");
    line(text, format_args!("number = {}", group.number));
    line(text, format_args!("endpoints = [{}]", endpoints.join(", ")));
}

fn service(text: &mut String, NamedService { name, method, service, health }: &NamedService) {
    let Service { key, options: given, reals } = service;
    text.push_str("\n[[service]]\n");
    line(text, format_args!("name = \"{name}\""));
    match key {
        ServiceKey::Endpoint(endpoint) => {
            line(text, format_args!("protocol = \"{}\"", endpoint.protocol));
            line(text, format_args!("address = \"{}\"", endpoint.address));
        }
        ServiceKey::Group(number) => line(text, format_args!("group = {number}")),
    }
    options(text, key, given);
    line(text, format_args!("method = \"{method}\""));
    super::health::write_keys(text, health);
    if !given.timeouts.is_empty() {
        text.push_str("\n[service.timeouts]\n");
        let names = Timeouts::default().entries().map(|(key, _)| key);
        for (key, seconds) in names.into_iter().zip(given.timeouts.0).filter(|(_, seconds)| *seconds != 0) {
            line(text, format_args!("{key} = {seconds}"));
        }
    }
    super::health::write_tables(text, health);
    for given in reals {
        real(text, given);
        if given.method != *method {
            line(text, format_args!("method = \"{}\"", given.method));
        }
        super::health::write_real(text, health.reals.get(&given.address));
    }
}

fn options(text: &mut String, key: &ServiceKey, options: &ServiceOptions) {
    line(text, format_args!("scheduler = \"{}\"", options.scheduler));
    let flags: Vec<_> = options.flags.names(options.scheduler).map(|name| format!("\"{name}\"")).collect();
    if !flags.is_empty() {
        line(text, format_args!("scheduler_flags = [{}]", flags.join(", ")));
    }
    if let Some(persistence) = options.persistence {
        line(text, format_args!("persistence = {}", persistence.timeout));
        if !persistence.netmask.is_broadcast() {
            line(text, format_args!("persistence_netmask = \"{}\"", persistence.netmask));
        }
    }
    for (key, set) in [("one_packet", options.one_packet), ("clamp_mss", options.clamp_mss)] {
        if set {
            line(text, format_args!("{key} = true"));
        }
    }
    if options.helper != Helper::by_port(key) {
        line(text, format_args!("helper = \"{}\"", options.helper.map_or("none", Helper::name)));
    }
}

fn real(text: &mut String, real: &RealServer) {
    text.push_str("\n[[service.real]]\n");
    line(text, format_args!("address = \"{}\"", real.address));
    line(text, format_args!("weight = {}", real.weight));
    for (key, value) in [("upper_threshold", real.upper_threshold), ("lower_threshold", real.lower_threshold)] {
        if value != 0 {
            line(text, format_args!("{key} = {value}"));
        }
    }
}

pub(super) fn line(text: &mut String, content: Arguments<'_>) {
    // Writing to a String never fails.
    let _ = writeln!(text, "{content}");
}
