//! Which real a new connection gets: the scheduler's, or that of the client's template; and packets that get one each.

use super::Pipeline;
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::clock::Milliseconds;
use crate::connection::shared::Position;
use crate::connection::template::{TemplateKey, TemplateReal, Templates};
use crate::connection::{Endpoint, Identity};
use crate::service::{RealEntry, ServiceEntry, ServiceTable};
use link::DropReason;
use link::message::ConnectionState;
use link::model::{Helper, Persistence, Phase, Protocol, ServiceKey};
use rte_rs::Mbuf;

/// Where a new connection goes.
pub(super) struct Choice {
    /// The real's slot.
    pub(super) slot: u32,
    real: RealEntry,
    /// The port that the connection has at the real.
    port: u16,
    /// The place of the template that counts the connection.
    pub(super) template: Option<Position>,
    /// It is a connection for this packet only.
    pub(super) one_packet: bool,
}

impl Choice {
    /// The slot of the service that the real is in.
    pub(super) fn service(&self) -> u32 {
        self.real.service
    }

    /// The connection that it makes of a flow.
    pub(super) fn identity(&self, flow: &Flow) -> Identity {
        Identity {
            protocol: flow.protocol,
            method: self.real.method,
            client: flow.source,
            service: flow.destination,
            real: Endpoint { address: self.real.address, port: self.port },
            real_slot: self.slot,
            real_generation: self.real.generation,
        }
    }
}

/// Chooses a real for a flow of `service`; `pick` asks its scheduler.
///
/// # Errors
/// [`DropReason::NoReal`], [`DropReason::TemplatesFull`].
pub(super) fn choose(
    service: &ServiceEntry,
    services: &ServiceTable,
    templates: &Templates,
    flow: &Flow,
    now: Milliseconds,
    pick: impl FnOnce() -> Option<u32>,
) -> Result<Choice, DropReason> {
    let one_packet = service.options.one_packet && flow.protocol == Protocol::Udp;
    let choice = |slot, real: &RealEntry, template| {
        let port = real_port(service, real.port, flow.destination.port);
        Choice { slot, real: *real, port, template, one_packet }
    };
    let scheduled = || {
        let slot = pick()?;
        services.real_at(slot).map(|real| (slot, real))
    };
    let Some(persistence) = &service.options.persistence else {
        let (slot, real) = scheduled().ok_or(DropReason::NoReal)?;
        return Ok(choice(slot, real, None));
    };
    let is_valid = |real: &TemplateReal| is_usable(services, real);
    let key = template_key(service, persistence, flow.protocol, flow.source.address, flow.destination.port);
    let followed = match templates.follow(&key, now, is_valid).map_err(|_| DropReason::TemplatesFull)? {
        Some(followed) => followed,
        None => {
            let (slot, real) = scheduled().ok_or(DropReason::NoReal)?;
            let end = Endpoint { address: real.address, port: if key.port == 0 { 0 } else { real.port } };
            let real = TemplateReal { slot, generation: real.generation, end, method: real.method };
            let timeout = persistence.timeout.saturating_mul(1_000);
            let made = templates.remember(&key, &real, timeout, now, is_valid);
            made.map_err(|_| DropReason::TemplatesFull)?
        }
    };
    let real = services.real(followed.real.slot, followed.real.generation).ok_or(DropReason::NoReal)?;
    Ok(choice(followed.real.slot, real, Some(followed.position)))
}

/// Whether a template's real is followed: it is in its service, whatever its load, and at weight 0 too unless
/// `expire_quiescent_template` is set or it is being drained.
pub(crate) fn is_usable(services: &ServiceTable, real: &TemplateReal) -> bool {
    let at_weight_0 = services.settings().expire_quiescent_template == 0;
    services
        .real(real.slot, real.generation)
        .is_some_and(|real| real.available && (real.weight > 0 || at_weight_0) && real.phase == Phase::Serving)
}

/// What the template of a client (host byte order) is found by, for a packet to this port: the service's own port, or
/// all ports (those of an FTP service too, so that its data connections follow the control connection), or the group.
pub(crate) fn template_key(
    service: &ServiceEntry,
    persistence: &Persistence,
    protocol: Protocol,
    client: u32,
    port: u16,
) -> TemplateKey {
    let client = client & persistence.netmask.to_bits();
    match service.key {
        ServiceKey::Group(number) => TemplateKey { protocol: None, client, service: number, port: 0 },
        ServiceKey::Endpoint(endpoint) => {
            let own = endpoint.address.port();
            let port = if port == own && own != Helper::FTP_PORT { port } else { 0 };
            TemplateKey { protocol: Some(protocol), client, service: endpoint.address.ip().to_bits(), port }
        }
    }
}

/// The port of a connection at its real, where the real has the port `own` and the packet came to `port`: the real's
/// own, if it has one. A persistent service keeps the packet's, unless it is the service's.
pub(crate) fn real_port(service: &ServiceEntry, own: u16, port: u16) -> u16 {
    let keeps = service.options.persistence.is_some() && port != service.key.port();
    if keeps || own == 0 { port } else { own }
}

impl Pipeline {
    /// One-packet scheduling: forwards the packet as the first of a connection that ends with it.
    pub(super) fn send_once<O: Output>(&mut self, choice: &Choice, flow: &Flow, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        self.leave_template(choice);
        self.count_connection(choice.slot);
        self.count_inbound(choice.slot, flow);
        self.forward_to_real(&choice.identity(flow), flow, mbuf, out)
    }

    /// Enters a connection as it was chosen, in its template too.
    pub(super) fn insert_chosen(
        &mut self,
        choice: &Choice,
        identity: &Identity,
        state: ConnectionState,
    ) -> Option<u32> {
        let Some(index) = self.insert(identity, state, choice.real.timeouts) else {
            self.leave_template(choice);
            return None;
        };
        if let Some(template) = choice.template {
            self.connections.join(index, template);
        }
        Some(index)
    }

    /// The connection that was counted at its template does not come, or has gone already.
    pub(super) fn leave_template(&self, choice: &Choice) {
        if let Some(template) = choice.template {
            self.settings.templates.release(template, self.now);
        }
    }

    pub(super) fn count_connection(&self, slot: u32) {
        if let Some(counters) = self.counters.real(slot) {
            counters.connections.add(1);
        }
    }
}
