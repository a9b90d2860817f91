//! Changes to what a service does apart from its reals, and the words for it. Pure.

use crate::protocol::{Failure, OptionChanges};
use config::rules;
use link::model::{
    Helper, Persistence, RealServer, SchedulerFlags, ServiceKey, ServiceOptions, TimeoutOverrides, Timeouts,
};
use std::net::Ipv4Addr;

/// The options of service `name` with `changes` made to `before`.
///
/// # Errors
/// Usage: a flag or helper that is not known. Refused: a value that breaks a rule.
pub(super) fn changed(
    name: &str,
    key: &ServiceKey,
    before: ServiceOptions,
    changes: &OptionChanges,
) -> Result<ServiceOptions, Failure> {
    let mut options = before;
    if let Some(flags) = &changes.scheduler_flags {
        options.flags = flags_of(name, flags, &options)?;
    }
    options.persistence = persistence(name, before.persistence, changes)?;
    options.one_packet = changes.one_packet.unwrap_or(options.one_packet);
    options.clamp_mss = changes.clamp_mss.unwrap_or(options.clamp_mss);
    if let Some(helper) = &changes.helper {
        options.helper = match helper.as_str() {
            "none" => None,
            given => {
                let unknown = |_| Failure::usage(format!("service {name:?}: helper {given:?}, allowed ftp, none."));
                Some(given.parse::<Helper>().map_err(unknown)?)
            }
        };
    }
    for (key, seconds) in &changes.timeouts {
        set_timeout(name, &mut options.timeouts, key, *seconds)?;
    }
    rules::check_service(key, &options).map_err(|broken| Failure::refused(format!("service {name:?}: {broken}.")))?;
    Ok(options)
}

/// One of a service's own timeouts; 0 seconds: it has none.
fn set_timeout(name: &str, own: &mut TimeoutOverrides, key: &str, seconds: u64) -> Result<(), Failure> {
    let entries = Timeouts::default().entries();
    let Some(position) = entries.iter().position(|(known, _)| *known == key) else {
        let known = entries.map(|(known, _)| known).join(", ");
        return Err(Failure::usage(format!("service {name:?}: timeout {key:?} is not known, allowed: {known}.")));
    };
    let broken = |broken| Failure::refused(format!("service {name:?}: {broken}; or 0, as for all services."));
    own.0[position] =
        if seconds == 0 { 0 } else { rules::check_timeout(entries[position].0, seconds).map_err(broken)? };
    Ok(())
}

fn flags_of(name: &str, flags: &[String], options: &ServiceOptions) -> Result<SchedulerFlags, Failure> {
    let known: Vec<_> = SchedulerFlags(SchedulerFlags::MASK).names(options.scheduler).collect();
    let flag = |text: &String| {
        let flag = known.contains(&text.as_str()).then(|| SchedulerFlags::by_name(text)).flatten();
        flag.ok_or_else(|| {
            let (scheduler, allowed) = (options.scheduler, known.join(", "));
            Failure::usage(format!(
                "service {name:?}: scheduler flag {text:?}, allowed with scheduler {scheduler}: {allowed}."
            ))
        })
    };
    flags.iter().try_fold(SchedulerFlags::NONE, |all, text| Ok(all | flag(text)?))
}

fn persistence(
    name: &str,
    before: Option<Persistence>,
    changes: &OptionChanges,
) -> Result<Option<Persistence>, Failure> {
    let netmask = |known: Option<Persistence>| {
        changes.persistence_netmask.unwrap_or_else(|| known.map_or(Ipv4Addr::BROADCAST, |known| known.netmask))
    };
    match (changes.persistence, before) {
        (Some(0), _) => Ok(None),
        (Some(timeout), known) => Ok(Some(Persistence { timeout, netmask: netmask(known) })),
        (None, Some(known)) => Ok(Some(Persistence { netmask: netmask(before), ..known })),
        (None, None) if changes.persistence_netmask.is_some() => Err(Failure::usage(format!(
            "service {name:?}: a netmask is of use with persistence only; give its seconds too."
        ))),
        (None, None) => Ok(None),
    }
}

/// What follows scheduler and method, `, persistence 360 s`; nothing where all is as by default.
pub(super) fn described(options: &ServiceOptions, key: &ServiceKey) -> String {
    let mut words: Vec<String> = options.flags.names(options.scheduler).map(str::to_owned).collect();
    if let Some(Persistence { timeout, netmask }) = options.persistence {
        let mask = if netmask.is_broadcast() { String::new() } else { format!(" mask {netmask}") };
        words.push(format!("persistence {timeout} s{mask}"));
    }
    for (set, word) in [(options.one_packet, "one packet"), (options.clamp_mss, "MSS clamped")] {
        if set {
            words.push(word.to_owned());
        }
    }
    if options.helper != Helper::by_port(key) {
        words.push(format!("helper {}", options.helper.map_or("none", Helper::name)));
    }
    words.extend(options.timeouts.given().map(|(key, seconds)| format!("{key} {seconds} s")));
    words.iter().map(|word| format!(", {word}")).collect()
}

/// `nat, weight 1, thresholds 75 to 100`.
pub(super) fn described_real(real: &RealServer) -> String {
    let thresholds = match real.upper_threshold {
        0 => String::new(),
        upper => format!(", thresholds {} and {upper}", real.effective_lower_threshold()),
    };
    format!("{}, weight {}{thresholds}", real.method, real.weight)
}
