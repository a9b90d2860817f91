//! `sluice-dataplane probe`: opens the ports of sluice.toml, tells as JSON what they can do, and closes them again.

use crate::director::steering_of;
use crate::setup;
use config::{Machine, Port};
use link::region::Viewer;
use rte_rs::{Eal, EalOptions, EthPort};
use serde::Serialize;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// As `DPDK 22.11.11`.
    pub dpdk: String,
    /// Why DPDK does not start, if it does not.
    pub error: Option<String>,
    /// The process that has the ports, if a dataplane runs: then nothing is opened.
    pub running: Option<u32>,
    /// In the order of sluice.toml.
    pub ports: Vec<PortReport>,
}

/// A port.
#[derive(Debug, Default, Serialize)]
pub struct PortReport {
    /// Its name in sluice.toml.
    pub name: String,
    /// Why it can't be opened, if it can't; then the rest is empty.
    pub error: Option<String>,
    /// DPDK's driver.
    pub driver: String,
    /// Most receive queues.
    pub rx_queues: u16,
    /// Most transmit queues.
    pub tx_queues: u16,
    /// How packets would get from it to the worker that owns their connection, in the words of `sluice ports`.
    pub steering: &'static str,
    /// Why no better.
    pub reason: &'static str,
    /// Largest MTU, bytes.
    pub max_mtu: u16,
    /// Its NUMA node, -1 if it has none.
    pub numa_node: i32,
}

/// Looks at the machine's ports. Not while a dataplane has them.
pub fn run(machine: &Machine) -> Report {
    let mut report = Report { dpdk: rte_rs::version().to_owned(), error: None, running: None, ports: Vec::new() };
    if let Ok(viewer) = Viewer::open(&machine.control.link)
        && viewer.dataplane_is_alive()
    {
        report.running = Some(viewer.view().identity().pid);
        return report;
    }
    let started = Eal::start(&EalOptions {
        program: "sluice-dataplane".to_owned(),
        main_lcore: u32::from(machine.dataplane.main_lcore),
        workers: machine.dataplane.workers.iter().copied().map(u32::from).collect(),
        arguments: setup::eal_arguments(machine),
    });
    match started {
        Ok(_) => report.ports = (0..).zip(&machine.ports).map(|(index, port)| look_at(machine, index, port)).collect(),
        Err(error) => report.error = Some(error.to_string()),
    }
    report
}

fn look_at(machine: &Machine, index: u16, port: &Port) -> PortReport {
    let name = port.name.clone();
    let found = EthPort::probe(&port.device).and_then(|found| found.capabilities());
    match found {
        Ok(found) => {
            let (steering, reason) = steering_of(machine, index, &found);
            PortReport {
                name,
                error: None,
                steering: steering.name(),
                reason,
                rx_queues: found.max_rx_queues,
                tx_queues: found.max_tx_queues,
                max_mtu: found.max_mtu,
                numa_node: found.socket,
                driver: found.driver,
            }
        }
        Err(error) => PortReport { name, error: Some(error.to_string()), ..PortReport::default() },
    }
}
