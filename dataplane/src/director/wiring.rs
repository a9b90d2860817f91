//! What joins the lcores: rings, kernel interfaces, and which worker has which queue.

use super::StartError;
use super::ports::Up;
use crate::capture::Capture;
use crate::clock::TscClock;
use crate::connection::{Accounts, ConnectionTable, Expected};
use crate::control_link::Outside;
use crate::counters::Counters;
use crate::explain::WorkerView;
use crate::kernel::KernelPath;
use crate::path_mtu::PathMtus;
use crate::pipeline::{Pipeline, Settings};
use crate::publisher::Publisher;
use crate::setup::{self, PortReality};
use crate::stopwatch::RoundClock;
use crate::worker::{Exits, Mailbox, Pools, PortExit, Queue, Worker};
use config::Machine;
use link::region::DataplaneLink;
use rte_rs::{MbufReceiver, MbufSender, Mempool, Tap, cycles, ring};
use rtrb::RingBuffer;
use std::sync::Arc;

/// Frames that wait in one ring between two lcores.
pub(super) const RING_SIZE: u32 = 1024;
/// Neighbours that one worker may wish for between two rounds of the main lcore.
const WISHES: usize = 256;
/// Any NUMA node.
const ANY_SOCKET: i32 = -1;

/// How many rings there can be: to and from the kernel and the relay of each port, one inbox a worker.
pub(super) fn rings(machine: &Machine) -> u32 {
    machine.ports.len() as u32 * 3 + machine.dataplane.workers.len() as u32
}

/// Everything that joins the lcores.
pub(super) struct Wiring {
    pub(super) workers: Vec<Wires>,
    pub(super) kernel: Vec<KernelPath>,
    /// From the kernel to the worker that sends on each port; `None`: the port has no kernel interface.
    pub(super) from_kernel: Vec<Option<MbufSender>>,
}

/// The ends of one worker.
#[derive(Default)]
pub(super) struct Wires {
    queues: Vec<Queue>,
    exits: Vec<PortExit>,
    inbox: Option<MbufReceiver>,
    relays: Vec<(u16, MbufReceiver)>,
    kernel: Vec<Option<MbufSender>>,
    others: Vec<Option<MbufSender>>,
}

impl Wiring {
    pub(super) fn make(
        machine: &Machine,
        ports: &mut [Up],
        pool: &Mempool,
        link: &DataplaneLink,
    ) -> Result<Self, StartError> {
        let workers = machine.dataplane.workers.len();
        let mut wiring = Self {
            workers: (0..workers).map(|_| Wires::default()).collect(),
            kernel: Vec::new(),
            from_kernel: Vec::new(),
        };
        wiring.connect_workers()?;
        for (index, (port, up)) in (0u16..).zip(machine.ports.iter().zip(ports)) {
            wiring.open_kernel(index, port, up, pool, link)?;
            wiring.deal_queues(index, up)?;
        }
        Ok(wiring)
    }

    fn connect_workers(&mut self) -> Result<(), StartError> {
        let mut senders = Vec::new();
        if self.workers.len() > 1 {
            for (index, wires) in self.workers.iter_mut().enumerate() {
                let (sender, receiver) = ring::many_to_one(&format!("worker-{index}"), RING_SIZE, ANY_SOCKET)?;
                wires.inbox = Some(receiver);
                senders.push(sender);
            }
        }
        for (index, wires) in self.workers.iter_mut().enumerate() {
            let others = senders.iter().enumerate();
            wires.others = others.map(|(at, sender)| (at != index).then(|| sender.clone())).collect();
        }
        Ok(())
    }

    fn open_kernel(
        &mut self,
        index: u16,
        port: &config::Port,
        up: &Up,
        pool: &Mempool,
        link: &DataplaneLink,
    ) -> Result<(), StartError> {
        let Some(interface) = &port.kernel_interface else {
            self.workers.iter_mut().for_each(|wires| wires.kernel.push(None));
            self.from_kernel.push(None);
            return Ok(());
        };
        let tap = Tap::open(interface, Some(up.real.mac), up.real.mtu).map_err(|error| StartError::Kernel {
            port: port.name.clone(),
            interface: interface.clone(),
            error,
        })?;
        let (to_kernel, from_workers) = ring::many_to_one(&format!("to-kernel-{index}"), RING_SIZE, ANY_SOCKET)?;
        let (from_kernel, to_worker) = ring::many_to_one(&format!("from-kernel-{index}"), RING_SIZE, ANY_SOCKET)?;
        self.workers.iter_mut().for_each(|wires| wires.kernel.push(Some(to_kernel.clone())));
        self.from_kernel.push(Some(from_kernel.clone()));
        let main = self.workers.len() as u16;
        self.owner(index).relays.push((index, to_worker));
        let counters = link.worker_counters(main).zip(link.port_counters(main, index));
        let (counters, port_counters) = counters.ok_or(StartError::Counters(main))?;
        let pool = pool.clone();
        self.kernel.push(KernelPath {
            tap,
            to_kernel: from_workers,
            from_kernel,
            pool,
            mtu: up.real.mtu,
            counters,
            port_counters,
            is_gone: false,
        });
        Ok(())
    }

    /// Receive queues go round the workers, beginning at the port's owner; with as many transmit queues as workers each
    /// has its own, else the owner sends for all.
    fn deal_queues(&mut self, index: u16, up: &mut Up) -> Result<(), StartError> {
        let workers = self.workers.len();
        for (number, queue) in up.rx.drain(..).enumerate() {
            if let Some(wires) = self.workers.get_mut((usize::from(index) + number) % workers) {
                wires.queues.push(Queue { port: index, queue });
            }
        }
        if up.tx.len() >= workers {
            for (wires, queue) in self.workers.iter_mut().zip(up.tx.drain(..)) {
                wires.exits.push(PortExit::Queue(queue));
            }
            return Ok(());
        }
        let (sender, receiver) = ring::many_to_one(&format!("relay-{index}"), RING_SIZE, ANY_SOCKET)?;
        self.owner(index).relays.push((index, receiver));
        let owner = usize::from(index) % workers;
        let mut queue = up.tx.drain(..).next();
        for (at, wires) in self.workers.iter_mut().enumerate() {
            let own = if at == owner { queue.take() } else { None };
            wires.exits.push(own.map_or_else(|| PortExit::Relay(sender.clone()), PortExit::Queue));
        }
        Ok(())
    }

    /// The worker that does for a port what only one can do.
    #[expect(clippy::indexing_slicing, reason = "start-up; a remainder is below the length, and there is a worker")]
    fn owner(&mut self, port: u16) -> &mut Wires {
        let workers = self.workers.len();
        &mut self.workers[usize::from(port) % workers]
    }
}

/// Makes workers out of their wires.
pub(super) struct WorkerFactory<'a> {
    pub(super) machine: &'a Machine,
    pub(super) link: &'a DataplaneLink,
    pub(super) publisher: &'a Publisher,
    pub(super) expected: &'a Arc<Expected>,
    pub(super) pools: &'a Pools,
    pub(super) ports: &'a [PortReality],
    pub(super) clock: TscClock,
    /// One for all workers.
    pub(super) path_mtus: Arc<PathMtus>,
}

impl WorkerFactory<'_> {
    /// Makes worker `index`; what the main lcore has of it goes to `outside`.
    pub(super) fn make(&self, index: u16, wires: Wires, outside: &mut Outside) -> Result<Worker, StartError> {
        let dataplane = &self.machine.dataplane;
        let workers = dataplane.workers.len() as u16;
        let directory = self.link.directory();
        let accounts = Accounts::new(directory.reals.clone());
        let capacity = dataplane.connections.div_ceil(u32::from(workers));
        let now = self.clock.now();
        let connections = ConnectionTable::new(capacity, accounts, now);
        outside.views.push(WorkerView { slab: connections.slab(), reader: connections.reader() });
        let counters = Counters::of_worker(self.link, index, self.ports.len() as u16);
        let counters = counters.ok_or(StartError::Counters(index))?;
        let settings = Settings {
            worker: index,
            workers,
            ports: setup::port_facts(self.machine, self.ports),
            unmatched: dataplane.unmatched,
            answer_rate: dataplane.reject_rate.div_ceil(u32::from(workers)),
            path_mtus: self.path_mtus.clone(),
            expected: Arc::clone(self.expected),
            templates: Arc::clone(&outside.templates),
        };
        let perf = self.link.perf_counters(index).ok_or(StartError::Counters(index))?;
        perf.tsc_hz.set(cycles::tsc_hz());
        let capture = self.link.capture_writer(index).ok_or(StartError::Counters(index))?;
        let tables = self.publisher.tables();
        let (wish, wished) = RingBuffer::new(WISHES);
        outside.wishes.push(wished);
        let mailbox = Arc::new(Mailbox::default());
        outside.mailboxes.push(Arc::clone(&mailbox));
        Ok(Worker {
            pipeline: Pipeline::new(settings, connections, counters.clone(), tables, directory, now),
            exits: Exits::new(wires.exits, wires.kernel, wires.others, wish, self.pools.clone(), counters),
            queues: wires.queues,
            inbox: wires.inbox,
            relays: wires.relays,
            tables: self.publisher.subscribe()?,
            mailbox,
            capture: Capture::new(capture),
            clock: self.clock,
            idle: dataplane.idle,
            perf,
            watch: RoundClock::default(),
        })
    }
}
