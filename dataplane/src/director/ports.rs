//! Bringing ports up, and dealing their queues to the workers.

use super::StartError;
use crate::setup::PortReality;
use config::{Machine, Port};
use rte_rs::port::rss;
use rte_rs::{EthPort, Mempool, PortCapabilities, PortHandle, PortOptions, RssOptions, RxQueue, TxQueue};

/// Descriptors of each queue.
const DESCRIPTORS: u16 = 1024;

/// Drivers whose device string says how many receive queues there are. Packets come in on each of them, so all are
/// polled, whatever the number of workers.
const FIXED_QUEUES: [&str; 3] = ["net_af_packet", "net_af_xdp", "net_pcap"];

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

    /// Receive and transmit queues for so many workers.
    pub(super) fn queues(&self, workers: u16) -> (u16, u16) {
        let capabilities = &self.capabilities;
        let spreads = spread_types(capabilities) != 0;
        let rx = if FIXED_QUEUES.contains(&capabilities.driver.as_str()) {
            capabilities.max_rx_queues
        } else if spreads && capabilities.max_rx_queues >= workers {
            workers
        } else {
            1
        };
        let tx = if capabilities.max_tx_queues >= workers { workers } else { 1 };
        (rx, tx)
    }

    pub(super) fn start(self, port: &Port, workers: u16, pool: &Mempool) -> Result<Up, StartError> {
        let (rx_queues, tx_queues) = self.queues(workers);
        let types = spread_types(&self.capabilities);
        let options = PortOptions {
            rx_queues,
            tx_queues,
            rx_descriptors: DESCRIPTORS,
            tx_descriptors: DESCRIPTORS,
            mtu: port.mtu,
            mac: port.mac.map(|mac| mac.0),
            promiscuous: false,
            rss: (rx_queues > 1 && types != 0).then_some(RssOptions { key: None, types }),
        };
        let driver = self.capabilities.driver.clone();
        let started =
            self.port.start(&options, pool).map_err(|error| StartError::Port { name: port.name.clone(), error })?;
        for warning in &started.warnings {
            log::warn!("port {}: {warning}", port.name);
        }
        let mac = started.port.mac();
        log::info!(
            "port {}: {} ({driver}), MAC {}, {} receive and {} transmit queues",
            port.name,
            port.device,
            link::model::MacAddress(mac),
            started.rx.len(),
            started.tx.len(),
        );
        let real = PortReality { mac, mtu: started.port.mtu(), driver };
        Ok(Up { handle: started.port, real, rx: started.rx, tx: started.tx })
    }
}

/// What a port can spread over its queues. Which queue a packet comes in on is of no consequence: its owner is computed
/// from the client, and a packet that is elsewhere is handed over.
fn spread_types(capabilities: &PortCapabilities) -> u64 {
    capabilities.rss_types & (rss::IPV4 | rss::IPV4_TCP | rss::IPV4_UDP)
}

/// Mbufs for all queues, rings and bursts of this machine: as many as can be anywhere at once, and some.
pub(super) fn mbufs(machine: &Machine, found: &[Found], rings: u32, ring_size: u32) -> u32 {
    let workers = machine.dataplane.workers.len() as u32;
    let queues: u32 = found
        .iter()
        .map(|port| {
            let (rx, tx) = port.queues(workers as u16);
            u32::from(rx) + u32::from(tx)
        })
        .sum();
    let in_caches = (workers + 1) * 512;
    let needed = queues * u32::from(DESCRIPTORS) + rings * ring_size + in_caches;
    machine.dataplane.mbufs.unwrap_or_else(|| needed.next_power_of_two().max(8192) - 1)
}
