//! Workers, and the main lcore beside them.

use super::super::source::Snapshot;
use super::{Family, Samples};
use link::counters::WorkerTotals;
use std::fmt;

const LABELS: &[&str] = &["worker"];

/// A sample for each worker, labelled by its index; the main lcore, which is the last one, as `main`.
fn each(snapshot: &Snapshot, samples: &mut Samples<'_, '_>, value: fn(&WorkerTotals) -> u64) -> fmt::Result {
    let main = snapshot.workers.len().saturating_sub(1);
    snapshot.workers.iter().enumerate().try_for_each(|(index, totals)| {
        let label = if index == main { "main".to_owned() } else { index.to_string() };
        samples.add(&[&label], value(totals))
    })
}

/// The families, and the counter that each of them shows.
macro_rules! workers {
    ($($kind:ident $name:literal $field:ident $help:literal,)+) => {
        pub(super) static FAMILIES: &[Family] = &[
            $(Family::$kind($name, LABELS, $help, |snapshot, samples| each(snapshot, samples, |totals| totals.$field)),)+
        ];

        /// The counters that are shown, by their names in the link.
        #[cfg(test)]
        pub(super) const SHOWN: &[&str] = &[$(stringify!($field)),+];
    };
}

workers! {
    counter "sluice_worker_received_packets" received "Packets from the ports' receive queues",
    counter "sluice_worker_received_from_kernel_packets" received_from_kernel "Packets from the kernel interfaces, to be sent out",
    counter "sluice_worker_transmitted_packets" transmitted "Packets that a port's transmit queue took, answers among them",
    counter "sluice_worker_to_kernel_packets" to_kernel "Packets handed to a kernel interface",
    counter "sluice_worker_handed_off_packets" handed_off "Packets passed to the worker that owns their connection",
    counter "sluice_worker_taken_over_packets" taken_over "Packets that came from other workers because this one owns their connection",
    counter "sluice_worker_connections_created" connections_created "Connections entered into this worker's table",
    counter "sluice_worker_connections_expired" connections_expired "Connections that left this worker's table, timed out or removed",
    counter "sluice_worker_connections_evicted" connections_evicted "Connections removed before their time, by drop_entry or to make room in a full table",
    gauge "sluice_worker_connections" connections "Connections in this worker's table now",
    gauge "sluice_worker_pressure" pressure "1 while this worker's table is so full that the automatic modes of the settings are on",
    counter "sluice_worker_answers_suppressed" answers_suppressed "RSTs and ICMP errors not sent because of reject_rate",
    counter "sluice_worker_resets_created" resets_created
        "RSTs made because connections expired (reset_on_expiry) or were closed (a drain's end), and questions to silent clients before",
    counter "sluice_worker_fragments_created" fragments_created "IPv4 fragments made from packets too large for their way out, or that came in fragments",
    counter "sluice_worker_fragments_reassembled" fragments_reassembled "IPv4 fragments that were put together, but for one a packet",
    gauge "sluice_worker_fragments_held" fragments_held "IPv4 fragments that wait for others of their packets now",
    counter "sluice_worker_bursts" bursts "Bursts received that held a packet",
    counter "sluice_worker_empty_polls" empty_polls "Polls of a receive queue that found nothing",
    counter "sluice_worker_loops" loops "Rounds of the poll loop",
    counter "sluice_worker_busy_cycles" busy_cycles "TSC cycles spent in rounds that found a packet",
    counter "sluice_worker_tables_picked_up" tables_picked_up "Table generations that this worker switched to",
    counter "sluice_worker_helper_announced" helper_announced "Connections that control connections announced, such as FTP's for data",
    counter "sluice_worker_helper_replaced" helper_replaced "Lines of reals in which a helper put the service's address or port",
    counter "sluice_worker_helper_refused" helper_refused "Lines that a helper refused",
    counter "sluice_worker_helper_exhausted" helper_exhausted "Control connections left without their helper, as all states were in use",
}
