//! What is known of a packet before and after its way, told from outside of it: for captures. Nothing here is on the way
//! of packets that nobody looks at.

use super::fragments::WHOLE;
use super::parse::{Parsed, parse};
use super::persistence::{is_usable, template_key};
use super::{Flow, Origin, Pipeline, Verdict};
use crate::connection::{Connection, Found};
use crate::fragment::Cuts;
use link::capture::{Choice, Decision, PacketConnection, PacketVerdict};
use link::message::ConnectionRow;
use rte_rs::{HashKey, Mbuf};

/// A packet before its way.
pub struct Sight {
    /// Of TCP and UDP.
    flow: Option<(Flow, HashKey)>,
    connection: Option<Seen>,
    has_template: bool,
    service: Option<u32>,
}

/// Its connection.
struct Seen {
    row: ConnectionRow,
    service: Option<u32>,
    is_outbound: bool,
    is_announced: bool,
}

/// The port that a frame came in on, and its bytes; before it is processed.
pub fn came_as(mbuf: &Mbuf, origin: Origin) -> (u16, &[u8]) {
    let bytes = mbuf.data();
    match origin {
        Origin::Port(port) => (port, bytes),
        // One that was put together has a note behind it.
        Origin::Worker if mbuf.port() & WHOLE != 0 => {
            let end = bytes.len().saturating_sub(Cuts::NOTE_LEN);
            (mbuf.port() & !WHOLE, bytes.get(..end).unwrap_or(bytes))
        }
        Origin::Worker => (mbuf.port(), bytes),
    }
}

impl Pipeline {
    /// Looks at a frame that has come in on a port; changes nothing.
    pub fn look(&self, port: u16, frame: &[u8]) -> Sight {
        let mut sight = Sight { flow: None, connection: None, has_template: false, service: None };
        let mut key = HashKey([0; 16]);
        let Some(facts) = self.settings.ports.get(usize::from(port)) else { return sight };
        let Parsed::Flow(flow) = parse(frame, &facts.mac, &mut key) else { return sight };
        sight.connection = self.seen(&key);
        sight.flow = Some((flow, key));
        let services = &self.tables.services;
        if sight.connection.is_none()
            && let Some(service) = services.lookup(flow.protocol, flow.destination.address, flow.destination.port)
        {
            sight.service = Some(service.slot);
            if let Some(persistence) = &service.options.persistence {
                let client = flow.source.address;
                let key = template_key(service, persistence, flow.protocol, client, flow.destination.port);
                let real = self.settings.templates.find(&key, self.now);
                sight.has_template = real.is_some_and(|real| is_usable(services, &real));
            }
        }
        sight
    }

    fn seen(&self, key: &HashKey) -> Option<Seen> {
        let Found { index, outbound, .. } = self.connections.lookup(key)?;
        let connection = self.connections.connection(index)?;
        let real = self.tables.services.real(connection.real_slot(), connection.real_generation());
        Some(Seen {
            row: connection.row(self.now, self.settings.worker)?,
            service: real.map(|real| real.service),
            is_outbound: outbound,
            is_announced: Connection::control(connection).is_some(),
        })
    }

    /// What was decided about a packet that was looked at before.
    pub fn decision(&self, sight: &Sight, verdict: Verdict) -> Decision {
        let mut decision = Decision::of(match verdict {
            Verdict::Forwarded { port } => PacketVerdict::Forwarded { port },
            Verdict::Answered { reason, port } => PacketVerdict::Answered { reason, port },
            Verdict::Kernel => PacketVerdict::Kernel,
            Verdict::Held => PacketVerdict::Held,
            Verdict::HandedOff { worker } => PacketVerdict::HandedOff { worker },
            Verdict::Dropped(reason) => PacketVerdict::Dropped(reason),
        });
        decision.service = sight.service;
        let Some((flow, key)) = &sight.flow else { return decision };
        let after = self.seen(key);
        let state = |seen: &Seen| (seen.row.state, seen.row.expires_in);
        decision.before = sight.connection.as_ref().map(state);
        decision.after = after.as_ref().map(state);
        if let (None, Some(made)) = (&sight.connection, &after) {
            decision.choice = Some(match (made.is_announced, sight.has_template) {
                (true, _) => Choice::Announced,
                (false, true) => Choice::Template,
                (false, false) => Choice::Scheduler,
            });
        }
        if let Some(seen) = after.as_ref().or(sight.connection.as_ref()) {
            decision.service = seen.service.or(sight.service);
            decision.outbound = seen.is_outbound;
            let ConnectionRow { method, client, service, real, .. } = seen.row;
            decision.connection = Some(PacketConnection { protocol: flow.protocol, method, client, service, real });
        }
        decision
    }
}
