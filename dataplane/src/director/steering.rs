//! How packets of a port are to come to the worker that owns their connection: a plan, made of what the port offers.
//!
//! A device that can hash the client's end of a packet only, and has a table from hash to queue, hands each packet to its
//! owner itself ([`crate::steer`] says how both come to the same answer). Any other spreads by the whole tuple or not at
//! all, and workers hand over. Whatever the device does, workers check: a plan that does not work out costs time, never
//! a connection.

use crate::steer;
use config::Faces;
use link::Steering;
use rte_rs::port::rss;
use rte_rs::{PortCapabilities, RssOptions};

/// Drivers whose device string says how many receive queues there are. Packets come in on each of them, so all are
/// polled, whatever the number of workers.
const FIXED_QUEUES: [&str; 3] = ["net_af_packet", "net_af_xdp", "net_pcap"];

/// Drivers that take the fields to hash by a flow rule and do not list them among their RSS types: the 700 and 800 series
/// of Intel. Key and table are the port's.
const FIELDS_BY_RULE: [&str; 2] = ["net_i40e", "net_ice"];

/// Bytes of a key where the driver does not say: that of the first specification of RSS, which most keep to.
const KEY_LENGTH: u32 = 40;

/// What to start a port with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Receive queues.
    pub(super) rx_queues: u16,
    /// Transmit queues: one a worker, or one for all.
    pub(super) tx_queues: u16,
    /// What the device is asked to do; `None`: nothing.
    pub(super) rss: Option<RssOptions>,
    /// What that makes of it, if the driver keeps to its word.
    pub(super) steering: Steering,
    /// Why it is no better.
    pub(super) reason: &'static str,
}

/// The plan for the port at `index`, which has this to offer.
pub(super) fn plan(offer: &PortCapabilities, faces: Faces, index: u16, workers: u16) -> Plan {
    let tx_queues = if offer.max_tx_queues >= workers { workers } else { 1 };
    let plan = |rx_queues, rss, steering, reason| Plan { rx_queues, tx_queues, rss, steering, reason };
    if FIXED_QUEUES.contains(&offer.driver.as_str()) {
        let steering = if workers == 1 { Steering::OneWorker } else { Steering::HandOff };
        return plan(offer.max_rx_queues, None, steering, "the device string says which queues there are");
    }
    if workers == 1 {
        return plan(1, None, Steering::OneWorker, "all connections are this worker's");
    }
    let kinds = offer.rss_types & (rss::IPV4 | rss::IPV4_TCP | rss::IPV4_UDP);
    let queues = offer.max_rx_queues.min(workers);
    if kinds == 0 {
        return plan(1, None, Steering::HandOff, "the driver offers no RSS");
    }
    if queues < 2 {
        return plan(1, None, Steering::HandOff, "the driver has one receive queue");
    }
    match client_affine(offer, faces, kinds, index, (queues, workers)) {
        Ok(options) => {
            let reason = if queues < workers { "of some workers, as there are too few queues" } else { "all it can" };
            plan(queues, Some(options), Steering::ClientAffine, reason)
        }
        Err(reason) => {
            let options = RssOptions { types: kinds, ..RssOptions::default() };
            plan(queues, Some(options), Steering::Spread, reason)
        }
    }
}

/// RSS by the client's end, or why not.
fn client_affine(
    offer: &PortCapabilities,
    faces: Faces,
    kinds: u64,
    index: u16,
    (queues, workers): (u16, u16),
) -> Result<RssOptions, &'static str> {
    let fields = match faces {
        Faces::Clients => rss::L3_SOURCE_ONLY | rss::L4_SOURCE_ONLY,
        Faces::Reals => rss::L3_DESTINATION_ONLY | rss::L4_DESTINATION_ONLY,
        Faces::Both => {
            return Err("it faces clients and reals: a hash can't tell them apart (see faces in sluice.toml)");
        }
    };
    let ports = rss::IPV4_TCP | rss::IPV4_UDP;
    if kinds & ports != ports {
        return Err("its RSS does not know the ports of TCP and UDP");
    }
    let by_rule = FIELDS_BY_RULE.contains(&offer.driver.as_str());
    if !by_rule && offer.rss_types & fields != fields {
        return Err("its RSS takes the whole tuple, not one end");
    }
    let size = offer.rss_table_size;
    if !size.is_power_of_two() || size < u32::from(steer::SHARES) || size > 512 {
        return Err("its RSS table has not 128, 256 or 512 entries");
    }
    let length = if offer.rss_key_length == 0 { KEY_LENGTH } else { offer.rss_key_length };
    Ok(RssOptions {
        key: Some(steer::toeplitz_key(length as usize)),
        types: kinds | if by_rule { 0 } else { fields },
        fields_by_rule: if by_rule { fields } else { 0 },
        table: steer::table(size, workers).into_iter().map(|owner| queue_of(owner, index, queues, workers)).collect(),
    })
}

/// The queue that a worker polls on the port at `index`: queues go round the workers, beginning with the port's owner. Of
/// a worker without one the packets come in on others'.
pub(super) fn queue_of(worker: u16, index: u16, queues: u16, workers: u16) -> u16 {
    (worker + workers - index % workers) % workers % queues
}

#[cfg(test)]
#[path = "steering_tests.rs"]
mod tests;
