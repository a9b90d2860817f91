//! A captured packet in a line: the comment of its frames.

use super::frame::Seen;
use crate::client::words;
use crate::protocol::{CapturedPacket, ChosenBy, ExplainedService, PacketOutcome};
use link::model::Protocol;

/// What became of a packet, its service and its connection.
pub(super) fn comment(packet: &CapturedPacket) -> String {
    let mut text = verdict(packet);
    if let Some(service) = &packet.service {
        text.push_str(&format!("; service {}", name(service)));
    }
    if let Some(connection) = connection(packet) {
        text.push_str(&format!("; connection {connection}"));
    }
    text
}

/// What became of a packet.
pub(super) fn verdict(packet: &CapturedPacket) -> String {
    let reason = packet.reason.as_deref();
    match (packet.outcome, packet.connection) {
        (PacketOutcome::Forwarded, Some(connection)) if packet.outbound => {
            words::to_client(connection.real, Some(connection.service))
        }
        (PacketOutcome::Forwarded, Some(connection)) => words::to_real(connection.method, connection.real),
        (PacketOutcome::Forwarded, None) => "forwarded".to_owned(),
        (PacketOutcome::Answered, _) => {
            reason.map_or_else(|| "answered".to_owned(), |reason| words::answered(protocol(packet), reason))
        }
        (PacketOutcome::Kernel, _) => words::KERNEL.to_owned(),
        (PacketOutcome::Held, _) => "held: a fragment that waits for the others of its packet".to_owned(),
        (PacketOutcome::HandedOff, _) => {
            let worker = packet.to_worker.unwrap_or_default();
            format!("handed off to worker {worker}, which owns its connection")
        }
        (PacketOutcome::Dropped, _) => words::dropped(reason.unwrap_or("no reason given")),
    }
}

/// That of the packet, or of what answers it.
fn protocol(packet: &CapturedPacket) -> Option<Protocol> {
    packet.frames.iter().find_map(|frame| Seen::of(&frame.bytes)?.packet?.transport())
}

/// A service's name, or what is known of it.
pub(super) fn name(service: &ExplainedService) -> String {
    match (&service.name, service.address, service.group) {
        (Some(name), ..) => name.clone(),
        (None, Some(address), _) => format!("{address} (just removed)"),
        (None, None, group) => format!("of group {} (just removed)", group.unwrap_or_default()),
    }
}

/// What the packet did to its connection.
pub(super) fn connection(packet: &CapturedPacket) -> Option<String> {
    match (packet.before, packet.after) {
        (None, None) => None,
        (None, Some(made)) => {
            let chosen = packet.chosen_by.map_or_else(String::new, |by| format!(", its real {}", chosen(packet, by)));
            Some(format!("new, {}{chosen}", made.state.name()))
        }
        (Some(gone), None) => Some(format!("{}, removed", gone.state.name())),
        (Some(before), Some(after)) if before.state == after.state => Some(after.state.name().to_owned()),
        (Some(before), Some(after)) => Some(format!("{} -> {}", before.state.name(), after.state.name())),
    }
}

/// Who named the real.
pub(super) fn chosen(packet: &CapturedPacket, by: ChosenBy) -> String {
    let scheduler = packet.service.as_ref().and_then(|service| service.scheduler);
    match by {
        ChosenBy::Scheduler => {
            scheduler.map_or_else(|| "chosen by the scheduler".to_owned(), |kind| format!("chosen by scheduler {kind}"))
        }
        ChosenBy::Template => words::HAS_TEMPLATE.to_owned(),
        ChosenBy::Announced => "announced by a control connection".to_owned(),
    }
}
