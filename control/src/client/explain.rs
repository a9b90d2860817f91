//! `sluice explain` in words.

use super::words;
use crate::protocol::{Explained, Outcome};
use std::io::{self, Write};

pub(super) fn explain(explained: &Explained, out: &mut dyn Write) -> io::Result<()> {
    let Explained { source, destination, .. } = explained;
    let protocol = explained.protocol.name().to_uppercase();
    writeln!(out, "A {protocol} packet from {source} to {destination} would be {}.", verdict(explained))?;
    if let Some(help) = &explained.reason_help {
        writeln!(out, "{help}")?;
    }
    writeln!(out)?;
    for (name, value) in [
        ("service", service(explained)),
        ("connection", connection(explained)),
        ("real", real(explained)),
        ("next hop", next_hop(explained)),
        ("worker", Some(explained.worker.to_string())),
        ("table", Some(format!("services generation {}", explained.generation))),
    ] {
        if let Some(value) = value {
            writeln!(out, "  {name:<10}  {value}")?;
        }
    }
    Ok(())
}

/// What follows "would be".
fn verdict(explained: &Explained) -> String {
    let reason = explained.reason.as_deref().unwrap_or("no reason given");
    match (explained.outcome, explained.real) {
        (Outcome::Forwarded, Some(real)) if explained.outbound => {
            words::to_client(real.address, explained.service.as_ref().and_then(|service| service.address))
        }
        (Outcome::Forwarded, Some(real)) => words::to_real(real.method, real.address),
        (Outcome::Forwarded, None) => "forwarded".to_owned(),
        (Outcome::Kernel, _) => words::KERNEL.to_owned(),
        (Outcome::Answered, _) => words::answered(Some(explained.protocol), reason),
        (Outcome::Dropped, _) => words::dropped(reason),
    }
}

fn service(explained: &Explained) -> Option<String> {
    let service = explained.service.as_ref()?;
    let name = service.name.as_deref().unwrap_or("(just removed)");
    let scheduler = service.scheduler.map_or_else(String::new, |scheduler| format!(", scheduler {scheduler}"));
    Some(format!("{name} ({}){scheduler}", service.key(explained.protocol)))
}

fn connection(explained: &Explained) -> Option<String> {
    match (explained.connection, explained.outcome) {
        (Some(connection), _) => {
            let state = connection.state.name();
            Some(format!("exists, {state}, {}", words::lifetime(connection.expires_in_milliseconds)))
        }
        (None, Outcome::Forwarded) if !explained.outbound => Some("none yet: a new one would be made".to_owned()),
        (None, _) => explained.service.is_some().then(|| "none".to_owned()),
    }
}

fn real(explained: &Explained) -> Option<String> {
    let real = explained.real?;
    let chosen = match (explained.connection, explained.template) {
        (Some(_), _) => words::HAS_CONNECTION,
        (None, true) => words::HAS_TEMPLATE,
        (None, false) => "the scheduler's next choice",
    };
    let weight =
        real.weight.map_or_else(|| "not in the service any more".to_owned(), |weight| format!("weight {weight}"));
    Some(format!("{}, {}, {weight}: {chosen}", real.address, real.method))
}

fn next_hop(explained: &Explained) -> Option<String> {
    let hop = explained.next_hop.as_ref()?;
    Some(format!("{} at {} on port {}", hop.address, hop.mac, hop.port))
}
