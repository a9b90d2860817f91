//! Bringing ports up, and dealing their queues to the workers.

use super::StartError;
use super::steering::plan;
use crate::setup::PortReality;
use config::{Machine, Port};
use link::{PortQueues, Steering};
use rte_rs::{EthPort, Mempool, PortCapabilities, PortHandle, PortOptions, RxQueue, TxQueue};

/// Descriptors of each queue.
const DESCRIPTORS: u16 = 1024;

/// A port that is up.
pub(super) struct Up {
    pub(super) handle: PortHandle,
    pub(super) real: PortReality,
    /// By worker; a port without RSS has one.
    pub(super) rx: Vec<RxQueue>,
    /// One a worker, or just one.
    pub(super) tx: Vec<TxQueue>,
}

/// A port that was found, and what it can do.
pub(super) struct Found {
    port: EthPort,
    pub(super) capabilities: PortCapabilities,
}

impl Found {
    pub(super) fn probe(port: &Port) -> Result<Self, StartError> {
        let failed = |error| StartError::Port { name: port.name.clone(), error };
        let found = EthPort::probe(&port.device).map_err(failed)?;
        let capabilities = found.capabilities().map_err(failed)?;
        Ok(Self { port: found, capabilities })
    }

    pub(super) fn start(self, machine: &Machine, index: u16, port: &Port, pool: &Mempool) -> Result<Up, StartError> {
        let workers = machine.dataplane.workers.len() as u16;
        let mut plan = plan(&self.capabilities, machine.faces(index), index, workers);
        let options = PortOptions {
            rx_queues: plan.rx_queues,
            tx_queues: plan.tx_queues,
            rx_descriptors: DESCRIPTORS,
            tx_descriptors: DESCRIPTORS,
            mtu: port.mtu,
            mac: port.mac.map(|mac| mac.0),
            promiscuous: false,
            rss: plan.rss.take(),
        };
        let driver = self.capabilities.driver.clone();
        let started =
            self.port.start(&options, pool).map_err(|error| StartError::Port { name: port.name.clone(), error })?;
        for warning in &started.warnings {
            log::warn!("port {}: {warning}", port.name);
        }
        let fields = options.rss.as_ref().map_or(0, |wanted| wanted.fields_by_rule);
        if plan.steering == Steering::ClientAffine
            && !(started.rss_table_is_set && started.rss_types & fields == fields)
        {
            plan.steering = Steering::Spread;
            plan.reason = "the driver did not do what it offers";
        }
        let queues = PortQueues { rx: started.rx.len() as u16, tx: started.tx.len() as u16, steering: plan.steering };
        let mac = started.port.mac();
        log::info!(
            "port {}: {} ({driver}), MAC {}, {} receive and {} transmit queues, {}: {} (RSS types {:#x}, table {}, key {})",
            port.name,
            port.device,
            link::model::MacAddress(mac),
            queues.rx,
            queues.tx,
            queues.steering.name(),
            plan.reason,
            self.capabilities.rss_types,
            self.capabilities.rss_table_size,
            self.capabilities.rss_key_length,
        );
        let real = PortReality { mac, mtu: started.port.mtu(), driver, queues };
        Ok(Up { handle: started.port, real, rx: started.rx, tx: started.tx })
    }
}

/// How packets of the port at `index` would get to their owners, if its driver keeps to its word, and why no better.
pub(crate) fn steering_of(machine: &Machine, index: u16, offer: &PortCapabilities) -> (Steering, &'static str) {
    let plan = plan(offer, machine.faces(index), index, machine.dataplane.workers.len() as u16);
    (plan.steering, plan.reason)
}

/// Mbufs for all queues, rings and bursts of this machine: as many as can be anywhere at once, and some.
pub(super) fn mbufs(machine: &Machine, found: &[Found], rings: u32, ring_size: u32) -> u32 {
    let workers = machine.dataplane.workers.len() as u32;
    let queues: u32 = (0u16..)
        .zip(found)
        .map(|(index, port)| {
            let plan = plan(&port.capabilities, machine.faces(index), index, workers as u16);
            u32::from(plan.rx_queues) + u32::from(plan.tx_queues)
        })
        .sum();
    let in_caches = (workers + 1) * 512;
    let needed = queues * u32::from(DESCRIPTORS) + rings * ring_size + in_caches;
    machine.dataplane.mbufs.unwrap_or_else(|| needed.next_power_of_two().max(8192) - 1)
}
