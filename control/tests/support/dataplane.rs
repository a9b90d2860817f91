//! The dataplane's end of the link: takes tables over, counts nothing, answers questions.

use super::eventually;
use link::counters::RealTotals;
use link::directory::{RealEntry, RealState, ServiceEntry};
use link::message::{ConnectionRow, ConnectionState, Explanation, Hop, Outcome, Refusal, Reply, Request, Table};
use link::model::{ForwardMethod, MacAddress, NextHopTable, Protocol, ServiceKey, ServiceTable};
use link::record::Address;
use link::transaction::{Assembled, Assembler, Limits};
use link::{DataplaneLink, Layout, PortDescription};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the test and the thread share.
#[derive(Default)]
pub struct Shared {
    /// Every service table applied, with its generation.
    pub tables: Vec<(u64, ServiceTable)>,
    /// Every next-hop table applied.
    pub next_hops: Vec<NextHopTable>,
    /// The next service table is refused for this reason at this row.
    pub refuse: Option<(Refusal, u32)>,
    /// Tables with more services are refused.
    pub most_services: Option<usize>,
    /// Takes nothing from the ring.
    pub frozen: bool,
    /// Applies, but does not say so.
    pub mute: bool,
    /// How many connections it lists.
    pub connections: u32,
    /// A neighbour it asks for, once.
    pub wants: Option<(u16, Ipv4Addr)>,
    stop: bool,
}

/// A running one. Ends when dropped, as a killed dataplane does: the link's lock is free then.
pub struct FakeDataplane {
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeDataplane {
    /// Starts it with the link at `path`.
    pub fn start(path: &Path) -> Self {
        let layout = Layout { workers: 2, ports: 2, services: 16_384, reals: 131_072 };
        let port = |name: &str, last| PortDescription {
            name: name.to_owned(),
            device: "net_null0".to_owned(),
            driver: "net_null".to_owned(),
            mac: MacAddress([2, 0, 0, 0, 1, last]),
            mtu: 1500,
            kernel_interface: None,
            addresses: vec![(Ipv4Addr::new(10, 0, last, 1), 24)],
            queues: Default::default(),
        };
        let link = DataplaneLink::create(path, &layout, &[port("wan", 1), port("lan", 2)]).expect("a link");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(link, &for_thread));
        Self { shared, thread: Some(thread) }
    }

    /// What it shares.
    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("not poisoned")
    }

    /// The generation and table in force, once there is one of at least this generation.
    pub fn table(&self, generation: u64) -> (u64, ServiceTable) {
        eventually(&format!("generation {generation} is applied"), || {
            self.shared().tables.last().filter(|(applied, _)| *applied >= generation).cloned()
        })
    }

    /// How many service tables were applied.
    pub fn applied(&self) -> usize {
        self.shared().tables.len()
    }
}

impl Drop for FakeDataplane {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.stop = true;
        }
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the fake dataplane panicked");
    }
}

/// Replies that wait for room in the ring.
type Outbox = VecDeque<(Address, Reply)>;

fn run(mut link: DataplaneLink, shared: &Mutex<Shared>) {
    let mut assembler = Assembler::new(Limits { rows: 1 << 20, services: 16_384, reals: 131_072, ports: 2 });
    let mut outbox = Outbox::new();
    loop {
        {
            let mut shared = shared.lock().expect("not poisoned");
            if shared.stop {
                return;
            }
            if let Some((port, address)) = shared.wants
                && let Some(to) = link.unasked()
            {
                shared.wants = None;
                outbox.push_back((to, Reply::NeighborWanted { port, address }));
            }
            while !shared.frozen {
                let Some(received) = link.receive() else { break };
                // What an earlier control left half-way is garbage to this one, and that is all.
                let Ok(received) = received else { continue };
                answer(&link, &mut assembler, &mut shared, received.from, &received.request, &mut outbox);
            }
        }
        while let Some((to, reply)) = outbox.front() {
            if !link.reply(*to, reply) {
                break;
            }
            outbox.pop_front();
        }
        link.status().beat();
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn answer(
    link: &DataplaneLink,
    assembler: &mut Assembler,
    shared: &mut Shared,
    from: Address,
    request: &Request,
    outbox: &mut Outbox,
) {
    match assembler.feed(request) {
        Some(Ok(Assembled::Services { generation, table })) => {
            let full = shared.most_services.is_some_and(|most| table.services.len() > most);
            let reply = match shared.refuse.take().or(full.then_some((Refusal::TooManyServices, 0))) {
                Some((reason, row)) => {
                    link.status().set_refusal(Table::Services, generation, reason, row);
                    Reply::Refused { table: Table::Services, generation, reason, row }
                }
                None => {
                    assembler.applied(Table::Services, generation);
                    link.status().clear_refusal(Table::Services);
                    publish(link, &table);
                    link.status().set_services_generation(generation);
                    shared.tables.push((generation, table));
                    Reply::Applied { table: Table::Services, generation, microseconds: 1 }
                }
            };
            if !shared.mute {
                outbox.push_back((from, reply));
            }
        }
        Some(Ok(Assembled::NextHops { generation, table })) => {
            assembler.applied(Table::NextHops, generation);
            link.status().set_next_hops_generation(generation);
            shared.next_hops.push(table);
            outbox.push_back((from, Reply::Applied { table: Table::NextHops, generation, microseconds: 1 }));
        }
        Some(Err(refused)) => outbox.push_back((from, refused.into())),
        None => question(link, shared, from, request, outbox),
    }
}

fn question(link: &DataplaneLink, shared: &Shared, from: Address, request: &Request, outbox: &mut Outbox) {
    let reply = match *request {
        Request::Hello { .. } => {
            let status = link.status().report();
            Reply::Welcome {
                services_generation: status.services_generation,
                next_hops_generation: status.next_hops_generation,
            }
        }
        Request::Connections(_) => {
            outbox.extend((0..shared.connections).map(|number| (from, Reply::Connection(connection(number)))));
            Reply::End { count: u64::from(shared.connections) }
        }
        Request::Count(_) | Request::Flush(_) => Reply::End { count: u64::from(shared.connections) },
        Request::Explain(flow) => Reply::Explanation(Explanation {
            outcome: Outcome::Forwarded,
            worker: 1,
            service: Some(ServiceKey::new(flow.protocol, flow.destination)),
            template: false,
            connection: None,
            outbound: false,
            real: Some((SocketAddrV4::new(Ipv4Addr::new(172, 16, 0, 3), 8000), ForwardMethod::Nat)),
            next_hop: Some(Hop { port: 1, address: Ipv4Addr::new(172, 16, 0, 3), mac: MacAddress([2, 0, 0, 0, 2, 3]) }),
        }),
        _ => return,
    };
    outbox.push_back((from, reply));
}

fn connection(number: u32) -> ConnectionRow {
    ConnectionRow {
        protocol: Some(Protocol::Tcp),
        template: None,
        client: SocketAddrV4::new(Ipv4Addr::from_bits(0x0b00_0000 + number), 40_000),
        service: SocketAddrV4::new(Ipv4Addr::new(202, 103, 106, 5), 80),
        real: SocketAddrV4::new(Ipv4Addr::new(172, 16, 0, 2), 80),
        method: ForwardMethod::Nat,
        state: ConnectionState::Established,
        expires_in: 900_000,
        worker: 0,
    }
}

/// Services and reals in the order of the table; a real in slot N has counted N + 1 connections.
fn publish(link: &DataplaneLink, table: &ServiceTable) {
    let directory = link.directory();
    let counters = link.real_counters(0).expect("a worker");
    let _change = directory.change();
    directory.services.iter().for_each(link::directory::ServiceSlot::release);
    directory.reals.iter().for_each(link::directory::RealSlot::release);
    let mut real_slot = 0;
    for (slot, service) in table.services.iter().enumerate() {
        let retired = RealTotals::default();
        let entry = ServiceEntry { key: service.key, scheduler: service.options.scheduler, retired };
        directory.services[slot].publish(&entry);
        for real in &service.reals {
            let entry = RealEntry {
                state: RealState::Live,
                service: u32::try_from(slot).expect("a slot"),
                address: real.address,
                method: real.method,
                weight: real.weight,
                baseline: RealTotals::default(),
            };
            directory.reals[real_slot].publish(&entry);
            counters[real_slot].connections.set(real_slot as u64 + 1);
            real_slot += 1;
        }
    }
}
