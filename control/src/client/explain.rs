//! `sluice explain` in words.

use crate::protocol::{Explained, Outcome};
use link::model::{ForwardMethod, Protocol};
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
            let service = explained
                .service
                .as_ref()
                .and_then(|s| s.address)
                .map_or_else(String::new, |a| format!(", with source {a}"));
            format!("sent on to the client as the reply of real {}{service}", real.address)
        }
        (Outcome::Forwarded, Some(real)) => match real.method {
            ForwardMethod::Nat => format!("forwarded to real {}, which becomes its destination", real.address),
            ForwardMethod::Tunnel => format!("forwarded to real {} in an IP-in-IP tunnel", real.address.ip()),
            ForwardMethod::Direct => {
                format!("forwarded to real {} unchanged but for its MAC address", real.address.ip())
            }
        },
        (Outcome::Forwarded, None) => "forwarded".to_owned(),
        (Outcome::Kernel, _) => "handed to the kernel: the director does not balance it".to_owned(),
        (Outcome::Answered, _) => format!("answered with {}: {reason}", answer(explained.protocol, reason)),
        (Outcome::Dropped, _) => format!("dropped: {reason}"),
    }
}

/// What the director answers with.
fn answer(protocol: Protocol, reason: &str) -> &'static str {
    match (reason, protocol) {
        ("no_service" | "no_connection", Protocol::Tcp) => "a TCP reset",
        ("no_service" | "no_connection", Protocol::Udp) | ("no_real", _) => "ICMP port unreachable",
        ("ttl_exceeded", _) => "ICMP time exceeded",
        ("fragmentation_needed" | "mtu_too_small", _) => "ICMP fragmentation needed",
        ("no_route", _) => "ICMP host unreachable",
        _ => "an ICMP error",
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
            let seconds = connection.expires_in_milliseconds / 1000;
            let state = connection.state.name();
            Some(format!("exists, {state}, removed after {seconds}s without a packet"))
        }
        (None, Outcome::Forwarded) if !explained.outbound => Some("none yet: a new one would be made".to_owned()),
        (None, _) => explained.service.is_some().then(|| "none".to_owned()),
    }
}

fn real(explained: &Explained) -> Option<String> {
    let real = explained.real?;
    let chosen = match (explained.connection, explained.template) {
        (Some(_), _) => "has the connection",
        (None, true) => "has the client's earlier connections (persistence)",
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

#[cfg(test)]
mod tests {
    use super::{Protocol, answer};

    #[test]
    fn each_reason_has_the_answer_that_the_dataplane_sends() {
        for (reason, protocol, want) in [
            ("no_service", Protocol::Tcp, "a TCP reset"),
            ("no_service", Protocol::Udp, "ICMP port unreachable"),
            ("no_real", Protocol::Tcp, "ICMP port unreachable"),
            ("ttl_exceeded", Protocol::Tcp, "ICMP time exceeded"),
            ("mtu_too_small", Protocol::Udp, "ICMP fragmentation needed"),
            ("no_route", Protocol::Tcp, "ICMP host unreachable"),
        ] {
            assert_eq!(answer(protocol, reason), want, "{reason}");
        }
    }
}
