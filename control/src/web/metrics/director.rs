//! The director as a whole.

use super::Family;
use std::time::{SystemTime, UNIX_EPOCH};

fn since_1970(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

pub(super) static FAMILIES: &[Family] = &[
    Family::gauge("sluice_build_info", &["version"], "Always 1; the version of sluiced", |snapshot, samples| {
        samples.add(&[snapshot.version], 1)
    }),
    Family::gauge("sluice_start_time_seconds", &[], "When sluiced started, since 1970", |snapshot, samples| {
        samples.seconds(&[], since_1970(snapshot.started))
    }),
    Family::gauge("sluice_dataplane_up", &[], "1 while the dataplane runs", |snapshot, samples| {
        samples.add(&[], snapshot.dataplane.is_some().into())
    }),
    Family::gauge(
        "sluice_dataplane_connected",
        &[],
        "1 while sluiced has a session with the dataplane that answers, so that changes come into force",
        |snapshot, samples| samples.add(&[], snapshot.dataplane.as_ref().is_some_and(|it| it.connected).into()),
    ),
    Family::gauge(
        "sluice_dataplane_start_time_seconds",
        &[],
        "When the dataplane started, since 1970",
        |snapshot, samples| match snapshot.dataplane_started {
            Some(started) => samples.seconds(&[], since_1970(started)),
            None => Ok(()),
        },
    ),
    Family::gauge(
        "sluice_dataplane_last_beat_timestamp_seconds",
        &[],
        "When the dataplane's main lcore last gave a sign of life, since 1970",
        |snapshot, samples| match snapshot.last_beat {
            Some(beat) => samples.seconds(&[], since_1970(beat)),
            None => Ok(()),
        },
    ),
    Family::gauge(
        "sluice_table_generation",
        &["table"],
        "Version of the table in force on all workers (services, next_hops); 0: none yet",
        |snapshot, samples| {
            let Some(dataplane) = &snapshot.dataplane else { return Ok(()) };
            samples.add(&["services"], dataplane.services_generation)?;
            samples.add(&["next_hops"], dataplane.next_hops_generation)
        },
    ),
    Family::gauge(
        "sluice_table_refused",
        &[],
        "1 while the last table sent to the dataplane is one that it refused (`sluice status` says why)",
        |snapshot, samples| match &snapshot.dataplane {
            Some(dataplane) => samples.add(&[], dataplane.last_refusal.is_some().into()),
            None => Ok(()),
        },
    ),
    Family::gauge("sluice_warnings", &[], "How many warnings `sluice status` shows", |snapshot, samples| {
        samples.add(&[], snapshot.warnings.len() as u64)
    }),
    Family::gauge("sluice_services", &[], "Services in the running table", |snapshot, samples| {
        samples.add(&[], snapshot.services.len() as u64)
    }),
    Family::gauge("sluice_reals", &[], "Reals in the running table", |snapshot, samples| {
        let reals = snapshot.services.iter().flat_map(|service| &service.reals);
        samples.add(&[], reals.filter(|real| !real.removed).count() as u64)
    }),
    Family::gauge(
        "sluice_connections_limit",
        &[],
        "The most connections there can be, all workers together (connections in sluice.toml)",
        |snapshot, samples| samples.add(&[], snapshot.connections_limit.into()),
    ),
    Family::counter(
        "sluice_packets_dropped",
        &["reason"],
        "Packets dropped; docs/drop-reasons.md explains each reason",
        |snapshot, samples| {
            let mut rows = snapshot.drops.iter().flat_map(|drops| &drops.reasons);
            rows.try_for_each(|row| samples.add(&[&row.reason], row.dropped))
        },
    ),
    Family::counter(
        "sluice_packets_answered",
        &["reason"],
        "Packets answered with a RST or an ICMP error in the place of being forwarded",
        |snapshot, samples| {
            let mut rows = snapshot.drops.iter().flat_map(|drops| &drops.reasons);
            rows.try_for_each(|row| samples.add(&[&row.reason], row.answered))
        },
    ),
    Family::gauge(
        "sluice_port_info",
        &["port", "device", "driver", "mac", "kernel_interface"],
        "Always 1; what an Ethernet port is",
        |snapshot, samples| {
            snapshot.ports.iter().try_for_each(|port| {
                let kernel = port.kernel_interface.as_deref().unwrap_or_default();
                samples.add(&[&port.name, &port.device, &port.driver, &port.mac.to_string(), kernel], 1)
            })
        },
    ),
    Family::counter("sluice_port_received_packets", &["port"], "Frames received", |snapshot, samples| {
        snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.rx_packets))
    }),
    Family::counter(
        "sluice_port_received_bytes",
        &["port"],
        "Bytes received, Ethernet header included, frame check sequence not",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.rx_bytes)),
    ),
    Family::counter("sluice_port_transmitted_packets", &["port"], "Frames sent", |snapshot, samples| {
        snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.tx_packets))
    }),
    Family::counter(
        "sluice_port_transmitted_bytes",
        &["port"],
        "Bytes sent, counted as those received",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.tx_bytes)),
    ),
    Family::counter(
        "sluice_port_unsent_packets",
        &["port"],
        "Frames that the transmit queue did not take",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.tx_unsent)),
    ),
    Family::counter(
        "sluice_port_to_kernel_packets",
        &["port"],
        "Packets handed to the port's kernel interface",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.to_kernel)),
    ),
    Family::counter(
        "sluice_port_from_kernel_packets",
        &["port"],
        "Packets from the port's kernel interface",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.from_kernel)),
    ),
    Family::counter(
        "sluice_port_missed_packets",
        &["port"],
        "Packets that the device lost because no worker fetched them in time, or no buffer was left",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.rx_missed)),
    ),
    Family::counter(
        "sluice_port_receive_errors",
        &["port"],
        "Packets received with an error, and lost by the device",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.rx_errors)),
    ),
    Family::counter(
        "sluice_port_transmit_errors",
        &["port"],
        "Packets that the device could not send",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.tx_errors)),
    ),
    Family::counter(
        "sluice_port_handed_off_packets",
        &["port"],
        "Frames received that were passed to the worker that owns their connection",
        |snapshot, samples| snapshot.ports.iter().try_for_each(|port| samples.add(&[&port.name], port.handed_off)),
    ),
];
