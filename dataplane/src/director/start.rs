//! Start-up, in order: EAL, ports, the link, rings, workers, kernel interfaces. What fails ends the start with a reason;
//! nothing runs half.

use super::ports::{Found, Up, mbufs};
use super::vitals::Vitals;
use super::wiring::{RING_SIZE, Wiring, WorkerFactory, rings};
use super::{Director, memory};
use crate::clock::TscClock;
use crate::connection::{Accounts, Expected};
use crate::control_link::{ControlLink, Outside};
use crate::publisher::Publisher;
use crate::setup::{self, PortReality};
use crate::vip_checks::VipChecks;
use crate::worker::{Pools, Worker};
use config::Machine;
use link::message::Refusal;
use link::region::{CreateError, DataplaneLink, Viewer};
use link::transaction::{Assembler, Limits};
use rte_rs::{Eal, EalError, EalOptions, LaunchError, LcoreTask, Mempool, MempoolOptions, PortError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Rows of one transaction: 10,000 services of 10 reals are 110,001.
const MAX_ROWS: u32 = 4_000_000;

/// Why the dataplane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// DPDK.
    #[error("{0}; `sluice doctor` looks at what DPDK needs")]
    Eal(#[from] EalError),
    /// A port.
    #[error("port {name}: {error}; `sluice doctor` looks at what a port needs")]
    Port {
        /// Its name in sluice.toml.
        name: String,
        /// What failed.
        error: PortError,
    },
    /// A kernel interface.
    #[error(
        "port {port}: kernel interface {interface}: {error}; it needs root or CAP_NET_ADMIN, /dev/net/tun, and a name that is free (see ip link)"
    )]
    Kernel {
        /// The port's name in sluice.toml.
        port: String,
        /// The interface.
        interface: String,
        /// What failed.
        error: std::io::Error,
    },
    /// Memory of DPDK: pools, rings.
    #[error("{0}; lower mbufs in sluice.toml, or give more memory (hugepages, or -m with --no-huge)")]
    Memory(#[from] rte_rs::Error),
    /// Ordinary memory, for the tables.
    #[error(
        "connections = {connections} take about {needed} MiB of memory, the other tables {others} MiB, and {available} MiB are available; lower connections in sluice.toml (at most {most} now), or templates, or end what else takes memory"
    )]
    Connections {
        /// As sluice.toml says.
        connections: u32,
        /// MiB that they take.
        needed: u64,
        /// MiB that all other tables take.
        others: u64,
        /// MiB that there are.
        available: u64,
        /// Connections that fit.
        most: u64,
    },
    /// The shared region.
    #[error(transparent)]
    Link(#[from] CreateError),
    /// The static routes and neighbours.
    #[error("static routes and neighbours: {}; see [[route]] and [[neighbor]] in sluice.toml", .0.help())]
    NextHops(Refusal),
    /// A worker.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The region has no counters for a worker: the layout and the workers disagree.
    #[error("the link region has no counters for lcore {0}: a mistake of ours, please report it with your sluice.toml")]
    Counters(u16),
}

/// Starts everything. The calling thread becomes the main lcore.
///
/// # Errors
/// Whatever stands in the way, in words that say what to do.
pub fn start(machine: &Machine) -> Result<Director, StartError> {
    refuse_second(&machine.control.link)?;
    let dataplane = &machine.dataplane;
    memory::check(machine)?;
    let lcores = &dataplane.workers;
    let workers = lcores.len() as u16;
    let eal = start_eal(machine)?;
    let (mut ports, pool) = bring_ports_up(machine)?;
    let real: Vec<PortReality> = ports.iter().map(|port| port.real.clone()).collect();
    let layout = setup::layout(machine, workers);
    let link = DataplaneLink::create(&machine.control.link, &layout, &setup::port_descriptions(machine, &real))?;
    let publisher = first_tables(machine, &real, &link)?;
    let clock = TscClock::start();
    let pools = Pools { frames: pool.clone(), large: setup::large_pool(workers)? };
    let wiring = Wiring::make(machine, &mut ports, &pool, &link)?;
    let accounts = Accounts::new(link.directory().reals.clone());
    let expected = Arc::new(Expected::new(setup::control_connections(machine), accounts));
    let factory = WorkerFactory {
        machine,
        link: &link,
        publisher: &publisher,
        expected: &expected,
        pools: &pools,
        ports: &real,
        clock,
        path_mtus: Arc::default(),
    };
    let mut made = Vec::new();
    let mut outside = Outside::new(setup::templates(machine, &link.directory()));
    outside.expected = Some(Arc::clone(&expected));
    for (index, wires) in (0u16..).zip(wiring.workers) {
        made.push(factory.make(index, wires, &mut outside)?);
    }
    let port_counters = (0..layout.ports).map(|port| link.port_counters(workers, port)).collect::<Option<_>>();
    let port_counters = port_counters.ok_or(StartError::Counters(workers))?;
    let living = lcores.iter().copied().zip((0..workers).filter_map(|worker| link.worker_counters(worker)));
    let vitals = Vitals::new(living, clock.now());
    let limits = Limits { rows: MAX_ROWS, services: layout.services, reals: layout.reals, ports: layout.ports };
    let control = ControlLink::new(link, Assembler::new(limits), publisher, outside, dataplane.unmatched);
    let vip_checks = VipChecks::new(control.tables(), wiring.from_kernel);
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = launch(eal, made, lcores, &stop)?;
    let handles = ports.into_iter().map(|port| port.handle).collect();
    log::info!("{workers} workers on lcores {lcores:?}, housekeeping on lcore {}", dataplane.main_lcore);
    Ok(Director {
        control,
        vip_checks,
        kernel: wiring.kernel,
        workers: tasks,
        ports: handles,
        port_counters,
        clock,
        vitals,
        stop,
        idle_wakes: 0,
    })
}

fn start_eal(machine: &Machine) -> Result<&'static Eal, StartError> {
    let dataplane = &machine.dataplane;
    let options = EalOptions {
        program: "sluice-dataplane".to_owned(),
        main_lcore: u32::from(dataplane.main_lcore),
        workers: dataplane.workers.iter().copied().map(u32::from).collect(),
        arguments: setup::eal_arguments(machine),
    };
    Ok(Eal::start(&options)?)
}

/// No services yet, and the next hops that sluice.toml has.
fn first_tables(machine: &Machine, real: &[PortReality], link: &DataplaneLink) -> Result<Publisher, StartError> {
    let workers = machine.dataplane.workers.len() as u16;
    let mut publisher = Publisher::new(setup::port_interfaces(machine, real), link.directory(), workers);
    let made = publisher.apply_next_hops(0, &setup::static_next_hops(machine));
    made.map_err(|(reason, _)| StartError::NextHops(reason))?;
    Ok(publisher)
}

fn launch(
    eal: &'static Eal,
    workers: Vec<Worker>,
    lcores: &[u16],
    stop: &Arc<AtomicBool>,
) -> Result<Vec<LcoreTask<Worker>>, LaunchError> {
    let one = |(worker, lcore): (Worker, &u16)| {
        let stop = Arc::clone(stop);
        eal.launch(u32::from(*lcore), move || worker.run(&stop))
    };
    workers.into_iter().zip(lcores).map(one).collect()
}

/// Before any device is touched: the first dataplane's ports are not to be disturbed.
fn refuse_second(path: &Path) -> Result<(), StartError> {
    match Viewer::open(path) {
        Ok(viewer) if viewer.dataplane_is_alive() => {
            let pid = viewer.view().identity().pid;
            Err(StartError::Link(CreateError::Running { path: path.to_owned(), pid }))
        }
        _ => Ok(()),
    }
}

fn bring_ports_up(machine: &Machine) -> Result<(Vec<Up>, Mempool), StartError> {
    let found: Vec<Found> = machine.ports.iter().map(Found::probe).collect::<Result<_, _>>()?;
    let largest = machine.ports.iter().map(|port| port.mtu).max().unwrap_or(1500);
    let options = MempoolOptions {
        mbufs: mbufs(machine, &found, rings(machine), RING_SIZE),
        cache: 256,
        data_room: largest.saturating_add(64).max(2048),
        socket: -1,
    };
    let pool = Mempool::new("frames", options)?;
    let ports = (0u16..).zip(machine.ports.iter().zip(found));
    let ports = ports.map(|(index, (port, found))| found.start(machine, index, port, &pool));
    Ok((ports.collect::<Result<_, _>>()?, pool))
}
