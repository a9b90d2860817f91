//! What would happen to a packet, with the names of services and ports.

use crate::daemon::session::SessionError;
use crate::daemon::state::Daemon;
use crate::protocol::{Explained, ExplainedConnection, ExplainedHop, ExplainedReal, ExplainedService, Outcome};
use link::message::{self, Explanation, Flow};

/// An explanation with names.
///
/// # Errors
/// No dataplane.
pub(in super::super) fn explained(
    daemon: &Daemon,
    flow: &Flow,
    answer: &Explanation,
) -> Result<Explained, SessionError> {
    let generation = daemon.session.view(|view| view.status().services_generation)?;
    let running = daemon.running();
    let named = answer.service.and_then(|key| running.services.iter().find(|named| named.service.key == key));
    let (outcome, reason) = match answer.outcome {
        message::Outcome::Forwarded => (Outcome::Forwarded, None),
        message::Outcome::Kernel => (Outcome::Kernel, None),
        message::Outcome::Answered(reason) => (Outcome::Answered, Some(reason)),
        message::Outcome::Dropped(reason) => (Outcome::Dropped, Some(reason)),
    };
    let weight = |address| {
        let reals = named.map(|named| named.service.reals.as_slice()).unwrap_or_default();
        reals.iter().find(|real| real.address == address).map(|real| real.weight)
    };
    let port_name = |index: u16| match daemon.machine.ports.get(usize::from(index)) {
        Some(port) => port.name.clone(),
        None => format!("port {index}"),
    };
    Ok(Explained {
        protocol: flow.protocol,
        source: flow.source,
        destination: flow.destination,
        outcome,
        reason: reason.map(|reason| reason.name().to_owned()),
        reason_help: reason.map(|reason| reason.help().to_owned()),
        worker: answer.worker,
        service: answer.service.map(|key| ExplainedService {
            name: named.map(|named| named.name.clone()),
            address: key.address(),
            group: key.group(),
            scheduler: named.map(|named| named.service.options.scheduler),
        }),
        template: answer.template,
        connection: answer
            .connection
            .map(|(state, expires_in_milliseconds)| ExplainedConnection { state, expires_in_milliseconds }),
        outbound: answer.outbound,
        real: answer.real.map(|(address, method)| ExplainedReal { address, method, weight: weight(address) }),
        next_hop: answer.next_hop.map(|hop| ExplainedHop {
            port: port_name(hop.port),
            address: hop.address,
            mac: hop.mac,
        }),
        generation,
    })
}
