//! The health of reals in services.toml: read and written.

use super::parse::{METHODS, endpoint};
use super::write::line;
use crate::error::ConfigError;
use crate::health::{CheckKeys, Form, Health, Hooks, KEYS, OnFailure, Value, Via, time_text, toml_text, toml_texts};
use crate::reader::Section;
use crate::rules::{self, Broken};
use link::model::{ForwardMethod, RealServer, ServiceKey};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

pub(super) const SORRY: [&str; 2] = ["address", "method"];
pub(super) const HOOKS: [&str; 4] = Hooks::KEYS;

const ON_FAILURE: &str = "quiesce, remove";
const PROGRAM: &str = "a program, from \"/\", and its arguments, as [\"/usr/local/bin/tell\", \"ops\"]";
/// The longest slow start, in milliseconds: a day.
const LONGEST: u64 = 24 * 3600 * 1000;

/// The keys of a check.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name)
}

/// What a service says, but for its sorry server and what its reals say.
pub(super) fn service(section: &Section<'_>) -> Result<Health, ConfigError> {
    let defaults = Health::default();
    let quorum = section.number("quorum", 1..=u32::MAX)?.unwrap_or(defaults.quorum);
    let hysteresis = section.number("quorum_hysteresis", 0..=quorum - 1)?.unwrap_or(0);
    Ok(Health {
        check: check(section)?,
        on_failure: section.text("on_failure", ON_FAILURE, OnFailure::by_name)?.unwrap_or_default(),
        quorum,
        quorum_hysteresis: hysteresis,
        slow_start: time(section, "slow_start", 0, LONGEST)?.unwrap_or_default(),
        hooks: hooks(section)?,
        ..defaults
    })
}

/// The server for times without quorum.
pub(super) fn sorry(
    service: &Section<'_>,
    key: &ServiceKey,
    method: ForwardMethod,
    reals: &[RealServer],
) -> Result<Option<RealServer>, ConfigError> {
    let Some(section) = service.table("sorry", &SORRY)? else { return Ok(None) };
    let address = endpoint(&section)?;
    let method = section.parsed("method", METHODS)?.unwrap_or(method);
    let sorry = RealServer::new(address, method, 1);
    rules::check_real(key, &sorry).map_err(|broken| section.broken(&broken))?;
    if reals.iter().any(|real| real.address == address) {
        return Err(section.refuse_twice("address", format_args!("\"{address}\""), "a real of the service"));
    }
    Ok(Some(sorry))
}

/// What a real says; the check that comes of it and of its service's is valid.
pub(super) fn real(
    service: &Section<'_>,
    section: &Section<'_>,
    address: SocketAddrV4,
    health: &mut Health,
) -> Result<(), ConfigError> {
    let own = check(section)?;
    let is_own = own.is_some();
    if let Some(keys) = own {
        health.reals.insert(address, keys);
    }
    let broken = match health.check_of(address) {
        Ok(Some(check)) if check.via == Via::Vip && health.on_failure == OnFailure::Remove => {
            let allowed = "\"real\" where on_failure = \"remove\": no check would reach a real that has left the table";
            Broken::new("via", toml_text("vip"), allowed)
        }
        Ok(_) => return Ok(()),
        Err(broken) => broken,
    };
    let owner = if is_own { section } else { service };
    Err(match owner.table("check", &keys().collect::<Vec<_>>())? {
        Some(section) => section.broken(&broken),
        None => owner.broken(&broken),
    })
}

fn check(parent: &Section<'_>) -> Result<Option<CheckKeys>, ConfigError> {
    let Some(section) = parent.table("check", &keys().collect::<Vec<_>>())? else { return Ok(None) };
    let mut values = BTreeMap::new();
    for key in KEYS {
        let text = |allowed: &str| section.text(key.name, allowed, |text| Some(Value::Text(text.to_owned())));
        let value = match key.form {
            Form::Word(words) => section.text(key.name, &words.join(", "), |text| {
                words.contains(&text).then(|| Value::Text(text.to_owned()))
            })?,
            Form::Number(least, most) => section.number(key.name, least..=most)?.map(Value::Number),
            Form::Flag => section.flag(key.name)?.map(Value::Flag),
            Form::Time(least, most) => time(&section, key.name, least, most)?.map(Value::Time),
            Form::Text(allowed) => text(allowed)?,
            Form::Texts(allowed) => texts(&section, key.name, &format!("a list, each {allowed}"))?.map(Value::Texts),
        };
        if let Some(value) = value {
            values.insert(key.name, value);
        }
    }
    Ok(Some(CheckKeys(values)))
}

fn hooks(service: &Section<'_>) -> Result<Hooks, ConfigError> {
    let Some(section) = service.table("hooks", &HOOKS)? else { return Ok(Hooks::default()) };
    let program = |key| {
        let list = texts(&section, key, PROGRAM)?.unwrap_or_default();
        let is_program = list.first().is_none_or(|program| program.starts_with('/'));
        if is_program && list.iter().all(|word| !word.contains('\0')) {
            Ok(list)
        } else {
            Err(section.refuse_value(key, PROGRAM))
        }
    };
    Ok(Hooks {
        up: program("up")?,
        down: program("down")?,
        quorum_gained: program("quorum_gained")?,
        quorum_lost: program("quorum_lost")?,
    })
}

fn texts(section: &Section<'_>, key: &str, allowed: &str) -> Result<Option<Vec<String>>, ConfigError> {
    section.list(key, allowed, |value| value.as_str().map(str::to_owned))
}

/// A time of `least` to `most` milliseconds.
fn time(section: &Section<'_>, key: &str, least: u64, most: u64) -> Result<Option<Duration>, ConfigError> {
    let range = Duration::from_millis(least)..=Duration::from_millis(most);
    let allowed =
        format!("a time from {} to {}, as \"2s\" or \"500ms\"", time_text(*range.start()), time_text(*range.end()));
    let read = |text: &str| humantime::parse_duration(text).ok().filter(|time| range.contains(time));
    section.text(key, &allowed, read)
}

/// The plain keys of a service, those that have not their default.
pub(super) fn write_keys(text: &mut String, health: &Health) {
    let defaults = Health::default();
    if health.on_failure != defaults.on_failure {
        line(text, format_args!("on_failure = \"{}\"", health.on_failure.name()));
    }
    for (key, value, default) in [
        ("quorum", health.quorum, defaults.quorum),
        ("quorum_hysteresis", health.quorum_hysteresis, defaults.quorum_hysteresis),
    ] {
        if value != default {
            line(text, format_args!("{key} = {value}"));
        }
    }
    if health.slow_start != defaults.slow_start {
        line(text, format_args!("slow_start = \"{}\"", time_text(health.slow_start)));
    }
}

/// The tables of a service.
pub(super) fn write_tables(text: &mut String, health: &Health) {
    if let Some(check) = &health.check {
        text.push_str("\n[service.check]\n");
        write_check(text, check);
    }
    if let Some(sorry) = &health.sorry {
        text.push_str("\n[service.sorry]\n");
        line(text, format_args!("address = \"{}\"", sorry.address));
        line(text, format_args!("method = \"{}\"", sorry.method));
    }
    if health.hooks != Hooks::default() {
        text.push_str("\n[service.hooks]\n");
        for (key, program) in health.hooks.entries().into_iter().filter(|(_, program)| !program.is_empty()) {
            line(text, format_args!("{key} = {}", toml_texts(program)));
        }
    }
}

/// The check of a real.
pub(super) fn write_real(text: &mut String, check: Option<&CheckKeys>) {
    if let Some(check) = check {
        text.push_str("\n[service.real.check]\n");
        write_check(text, check);
    }
}

fn write_check(text: &mut String, check: &CheckKeys) {
    check.entries().for_each(|(key, value)| line(text, format_args!("{key} = {value}")));
}
