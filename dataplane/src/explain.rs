//! What the director would do with a packet now, and why: the packet path's own questions, asked from the main lcore,
//! changing nothing.

use crate::connection::{Connection, ConnectionReader, Endpoint, Found, Slab, Templates, key};
use crate::nexthop::{self, Unreachable};
use crate::pipeline::{is_usable, real_port, template_key};
use crate::service::ServiceEntry;
use crate::steer;
use crate::tables::Tables;
use config::Unmatched;
use link::DropReason;
use link::message::{ConnectionRow, Explanation, Flow, Hop, Outcome};
use link::model::{MacAddress, Protocol, ServiceKey};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The parts of one worker that may be read from outside.
pub struct WorkerView {
    /// Its connections.
    pub slab: Slab,
    /// Its hash.
    pub reader: ConnectionReader,
}

/// As far as an explanation comes without asking the worker.
pub enum Explained {
    /// All of it.
    Done(Explanation),
    /// A new connection of this service slot: the worker's scheduler has to be asked, then [`with_choice`].
    NeedsChoice {
        /// The explanation so far.
        so_far: Explanation,
        /// The service's slot.
        service: u32,
        /// The flow asked about.
        flow: Flow,
    },
}

/// Explains a flow. `now` in milliseconds.
pub fn explain(
    flow: &Flow,
    tables: &Tables,
    views: &mut [WorkerView],
    templates: &Templates,
    unmatched: Unmatched,
    now: u64,
) -> Explained {
    let (source, destination) = (Endpoint::from(flow.source), Endpoint::from(flow.destination));
    let is_virtual = tables.services.is_virtual(destination.address);
    let client = if is_virtual { source } else { destination };
    let worker = steer::owner(client.address, client.port, views.len().max(1) as u16);
    let mut explanation = Explanation {
        outcome: Outcome::Kernel,
        worker,
        service: None,
        connection: None,
        template: false,
        outbound: false,
        real: None,
        next_hop: None,
    };
    let key = key::key(flow.protocol, source, destination);
    if let Some(view) = views.get_mut(usize::from(worker))
        && let Some(found) = view.reader.lookup(&key)
        && let Some(connection) = view.slab.get(found.index as usize)
        && let Some(row) = connection.row(now, worker)
        // The entry may have changed hands since the look-up.
        && (row.client == flow.source || row.client == flow.destination)
    {
        follow(&mut explanation, (flow.protocol, client.address), found, (connection, row), tables);
        return Explained::Done(explanation);
    }
    if !is_virtual {
        return Explained::Done(explanation);
    }
    let Some(service) = tables.services.lookup(flow.protocol, destination.address, destination.port) else {
        explanation.outcome = match unmatched {
            Unmatched::Reject => Outcome::Answered(DropReason::NoService),
            Unmatched::Kernel => Outcome::Kernel,
            Unmatched::Drop => Outcome::Dropped(DropReason::NoService),
        };
        return Explained::Done(explanation);
    };
    explanation.service = Some(service.key);
    if source.port == crate::pipeline::FTP_DATA {
        explanation.outcome = Outcome::Answered(DropReason::NoConnection);
        return Explained::Done(explanation);
    }
    if let Some(slot) = remembered(service, tables, templates, flow.protocol, source.address, destination.port, now) {
        explanation.template = true;
        return Explained::Done(with_choice(explanation, Some(slot), destination.port, tables));
    }
    Explained::NeedsChoice { so_far: explanation, service: service.slot, flow: *flow }
}

/// The real slot of the client's template, if there is one that would be followed.
fn remembered(
    service: &ServiceEntry,
    tables: &Tables,
    templates: &Templates,
    protocol: Protocol,
    client: u32,
    port: u16,
    now: u64,
) -> Option<u32> {
    let key = template_key(service, service.options.persistence.as_ref()?, protocol, client, port);
    let real = templates.find(&key, now)?;
    is_usable(&tables.services, &real).then_some(real.slot)
}

/// What happens to a packet of a connection; `client` is its client's address.
fn follow(
    explanation: &mut Explanation,
    (protocol, client): (Protocol, u32),
    found: Found,
    (connection, row): (&Connection, ConnectionRow),
    tables: &Tables,
) {
    let (slot, generation) = (connection.real_slot(), connection.real_generation());
    let real = tables.services.real(slot, generation);
    let service = real.and_then(|real| tables.services.service(real.service)).map(|service| service.key);
    explanation.service = Some(service.unwrap_or(ServiceKey::new(protocol, row.service)));
    explanation.connection = Some((row.state, row.expires_in));
    explanation.outbound = found.outbound;
    explanation.real = Some((row.real, row.method));
    if found.outbound {
        leave(explanation, tables.next_hops.route(client));
    } else if real.is_none_or(|real| !real.available) {
        explanation.outcome = Outcome::Dropped(DropReason::RealRemoved);
    } else {
        leave(explanation, tables.way(slot).map_or(Err(Unreachable::NoRoute), |way| way.hop));
    }
}

/// Completes an explanation with what the scheduler says; `port` is the packet's.
pub fn with_choice(mut explanation: Explanation, chosen: Option<u32>, port: u16, tables: &Tables) -> Explanation {
    let Some((slot, real)) = chosen.and_then(|slot| Some((slot, tables.services.real_at(slot)?))) else {
        explanation.outcome = Outcome::Answered(DropReason::NoReal);
        return explanation;
    };
    let service = tables.services.service(real.service);
    let port = service.map_or(real.port, |service| real_port(service, real.port, port));
    let address = SocketAddrV4::new(Ipv4Addr::from_bits(real.address), port);
    explanation.real = Some((address, real.method));
    let way = tables.way(slot).map_or(Err(Unreachable::NoRoute), |way| way.hop);
    leave(&mut explanation, way);
    explanation
}

fn leave(explanation: &mut Explanation, way: Result<nexthop::Hop, Unreachable>) {
    match way {
        Ok(hop) => {
            let address = Ipv4Addr::from_bits(hop.address);
            explanation.next_hop = Some(Hop { port: hop.port, address, mac: MacAddress(hop.destination_mac()) });
            explanation.outcome = Outcome::Forwarded;
        }
        Err(Unreachable::NoRoute) => explanation.outcome = Outcome::Answered(DropReason::NoRoute),
        Err(Unreachable::NoNeighbor { port, address }) => {
            let hop = Hop { port, address: Ipv4Addr::from_bits(address), mac: MacAddress::default() };
            explanation.next_hop = Some(hop);
            explanation.outcome = Outcome::Dropped(DropReason::NoNeighbor);
        }
    }
}
