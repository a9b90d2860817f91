//! From sluice.toml to what the parts of the dataplane are made with. Shared by the director and replay.

use crate::connection::Templates;
use crate::nexthop::PortInterface;
use crate::pipeline::{LARGE_ROOM, PortFacts};
use config::Machine;
use link::Layout;
use link::directory::Directory;
use link::model::{MacAddress, NextHopTable};
use link::{PortDescription, PortQueues};
use rte_rs::{Mempool, MempoolOptions};
use std::sync::Arc;

/// Megabytes of DPDK's memory that a director needs besides its mbufs.
const BASE_MEGABYTES: u64 = 256;
/// More mbufs than a few ports and workers need, where sluice.toml does not say how many.
const USUAL_MBUFS: u32 = 100_000;
/// Bytes that an mbuf takes in its pool.
const MBUF_BYTES: u64 = 2_400;

/// EAL arguments of a process that needs no device and no hugepages: a replay.
pub fn private_eal_arguments() -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--no-huge", "--no-pci", "--in-memory", "--no-telemetry", "-m"].map(str::to_owned).into();
    arguments.push(BASE_MEGABYTES.to_string());
    arguments
}

/// The EAL arguments of sluice.toml; without hugepages the memory that the mbufs need is asked for, since DPDK takes
/// only 64 MB of its own accord.
pub fn eal_arguments(machine: &Machine) -> Vec<String> {
    let mut arguments = machine.dataplane.eal.clone();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has("--no-huge") && !has("-m") {
        let mbufs = u64::from(machine.dataplane.mbufs.unwrap_or(USUAL_MBUFS)) * MBUF_BYTES / (1 << 20);
        arguments.extend(["-m".to_owned(), (BASE_MEGABYTES + mbufs).to_string()]);
    }
    arguments
}

/// The pool of mbufs for packets that are put together from fragments. Such a packet has its mbuf only until it has been
/// split again, or waits in the ring to another worker.
///
/// # Errors
/// When there is too little memory.
pub fn large_pool(workers: u16) -> Result<Mempool, rte_rs::Error> {
    const MBUFS_OF_WORKER: u32 = 32;
    let mbufs = u32::from(workers.max(1)) * MBUFS_OF_WORKER - 1;
    Mempool::new("packets", MempoolOptions { mbufs, cache: 0, data_room: LARGE_ROOM, socket: -1 })
}

/// The MAC address that a replay gives to port `index` (from 0) if the config gives none: 02:00:00:00:00:0N, N from 1.
pub fn replay_mac(index: usize) -> [u8; 6] {
    [0x02, 0, 0, 0, 0, (index + 1) as u8]
}

/// What a port has, which may not be what sluice.toml wants.
#[derive(Clone, Debug)]
pub struct PortReality {
    /// Its MAC address.
    pub mac: [u8; 6],
    /// The MTU in force, bytes.
    pub mtu: u16,
    /// Its driver.
    pub driver: String,
    /// Its queues.
    pub queues: PortQueues,
}

/// How many control connections with a helper there can be at one time, over all workers: one in 128 connections. Each
/// takes 1.2 kB.
pub fn control_connections(machine: &Machine) -> u32 {
    (machine.dataplane.connections / 128).clamp(64, 8192)
}

/// The ports as next hops see them.
pub fn port_interfaces(machine: &Machine, real: &[PortReality]) -> Vec<PortInterface> {
    let ports = machine.ports.iter().zip(real);
    ports
        .map(|(port, real)| PortInterface {
            mac: real.mac,
            mtu: real.mtu,
            addresses: port.addresses.iter().map(|own| (own.address, own.length)).collect(),
        })
        .collect()
}

/// The ports as the pipeline sees them. In a replay a port with a kernel interface hands to the kernel what the
/// director would: the verdict says so, and nothing more happens.
pub fn port_facts(machine: &Machine, real: &[PortReality]) -> Vec<PortFacts> {
    let ports = machine.ports.iter().zip(real);
    ports
        .map(|(port, real)| PortFacts {
            mac: real.mac,
            has_kernel_interface: port.kernel_interface.is_some(),
            addresses: port.addresses.iter().map(|own| own.address.to_bits()).collect(),
        })
        .collect()
}

/// The templates of persistent services, for all workers.
pub fn templates(machine: &Machine, directory: &Directory) -> Arc<Templates> {
    Arc::new(Templates::new(machine.dataplane.templates, directory.reals.clone()))
}

/// The ports as control sees them.
pub fn port_descriptions(machine: &Machine, real: &[PortReality]) -> Vec<PortDescription> {
    let ports = machine.ports.iter().zip(real);
    ports
        .map(|(port, real)| PortDescription {
            name: port.name.clone(),
            device: port.device.clone(),
            driver: real.driver.clone(),
            mac: MacAddress(real.mac),
            mtu: real.mtu,
            kernel_interface: port.kernel_interface.clone(),
            addresses: port.addresses.iter().map(|own| (own.address, own.length)).collect(),
            queues: real.queues,
        })
        .collect()
}

/// The region's layout for so many workers.
pub fn layout(machine: &Machine, workers: u16) -> Layout {
    Layout {
        workers,
        ports: machine.ports.len() as u16,
        services: machine.dataplane.max_services,
        reals: machine.dataplane.max_reals,
    }
}

/// The static routes and neighbours; the connected routes come with the ports.
pub fn static_next_hops(machine: &Machine) -> NextHopTable {
    NextHopTable { routes: machine.routes.clone(), neighbors: machine.neighbors.clone() }
}
