//! A director without ports: pipelines over real tables and mbufs. Each test is a process of its own (cargo nextest),
//! since DPDK starts once in a process.

use config::{Machine, Services};
use dataplane::connection::{Accounts, ConnectionTable, Expected};
use dataplane::counters::Counters;
use dataplane::path_mtu::PathMtus;
use dataplane::pipeline::{Output, Pipeline, Settings};
use dataplane::publisher::Publisher;
use dataplane::setup::{self, PortReality};
use dataplane::worker::Pools;
use link::counters::WorkerTotals;
use link::directory::Directory;
use link::message::ConnectionRow;
use link::model::ServiceTable;
use link::region::DataplaneLink;
use rte_rs::{Eal, EalOptions, Mbuf, Mempool, MempoolOptions};
use std::sync::{Arc, OnceLock};

/// `wan` has a kernel interface, `lan` has none. A real has no route, another no neighbour.
const MACHINE: &str = r#"
[dataplane]
workers = [1]
max_services = 64
max_reals = 128

[[port]]
name = "wan"
device = "net_null0"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24"]
kernel_interface = "sluice-wan"
mtu = 1200

[[port]]
name = "lan"
device = "net_null1"
mac = "02:00:00:00:02:01"
addresses = ["172.16.0.1/24"]
mtu = 1000

[[route]]
prefix = "202.100.0.0/16"
port = "wan"
via = "10.0.1.254"

[[neighbor]]
address = "10.0.1.254"
port = "wan"
mac = "02:00:00:00:01:fe"

[[neighbor]]
address = "172.16.0.2"
port = "lan"
mac = "02:00:00:00:02:02"

[[neighbor]]
address = "172.16.0.3"
port = "lan"
mac = "02:00:00:00:02:03"
"#;

/// Persistent services: of TCP, and of UDP by one-packet scheduling.
const STICKY: &str = r#"
[[service]]
name = "sticky"
protocol = "tcp"
address = "202.103.106.5:88"
scheduler = "rr"
persistence = 60
[[service.real]]
address = "172.16.0.2:80"
[[service.real]]
address = "172.16.0.3:80"

[[service]]
name = "sticky-datagrams"
protocol = "udp"
address = "202.103.106.5:88"
scheduler = "rr"
persistence = 60
one_packet = true
[[service.real]]
address = "172.16.0.2:80"
[[service.real]]
address = "172.16.0.3:80"
"#;

/// Index of the port towards the clients.
pub(crate) const WAN: u16 = 0;
/// Index of the port towards the reals.
pub(crate) const LAN: u16 = 1;

/// Starts the EAL, and makes the pool of all frames; its counts are exact.
pub(crate) fn start(mbufs: u32) -> Mempool {
    let arguments = ["--no-huge", "--no-pci", "--in-memory", "--no-telemetry", "-m", "512"];
    let options = EalOptions {
        program: "pipeline-test".into(),
        main_lcore: 0,
        workers: vec![],
        arguments: arguments.map(str::to_owned).to_vec(),
    };
    Eal::start(&options).unwrap_or_else(|error| panic!("{error}"));
    Mempool::new("frames", MempoolOptions { mbufs, cache: 0, ..MempoolOptions::default() }).unwrap()
}

/// That pool and one for whole packets; the latter is made once, and is for no more than 63 packets at a time.
pub(crate) fn pools(frames: &Mempool) -> Pools {
    static LARGE: OnceLock<Mempool> = OnceLock::new();
    let large = LARGE.get_or_init(|| setup::large_pool(2).unwrap_or_else(|error| panic!("{error}")));
    Pools { frames: frames.clone(), large: large.clone() }
}

/// The machine, with this many connections for each of this many workers.
pub(crate) fn machine(workers: u16, connections: u32) -> Machine {
    let mut machine = Machine::parse(MACHINE, "sluice.toml").unwrap_or_else(|error| panic!("{error}"));
    machine.dataplane.workers = (1..=workers).collect();
    machine.dataplane.connections = connections;
    machine.dataplane.templates = connections;
    machine
}

/// A service: name, protocol, port of the VIP 202.103.106.5, method, and reals with their weights.
type Row<'a> = (&'a str, &'a str, u16, &'a str, &'a [(&'a str, u16)]);

/// The services; later variants have lost a real, quiesced one, or lost a service.
pub(crate) fn services(variant: usize) -> Services {
    let web: &[(&str, u16)] = match variant {
        1 => &[("172.16.0.2:80", 1)],
        2 => &[("172.16.0.2:80", 1), ("172.16.0.3:8000", 0)],
        _ => &[("172.16.0.2:80", 1), ("172.16.0.3:8000", 2)],
    };
    let dns: Row<'_> = ("dns", "udp", 53, "nat", &[("172.16.0.2:5353", 1)]);
    let mut rows = vec![
        ("web", "tcp", 80, "nat", web),
        ("tunnel", "tcp", 82, "tunnel", &[("172.16.0.2:82", 1)]),
        ("direct", "tcp", 83, "direct", &[("172.16.0.3:83", 1)]),
        ("empty", "tcp", 85, "nat", &[("172.16.0.2:80", 0)]),
        ("no-route", "tcp", 86, "nat", &[("10.66.0.5:80", 1)]),
        ("ftp", "tcp", 21, "nat", &[("172.16.0.2:2121", 1)]),
        ("no-neighbor", "udp", 87, "nat", &[("172.16.0.9:80", 1)]),
    ];
    if variant != 3 {
        rows.push(dns);
    }
    let text: String = rows.iter().map(service_text).chain([STICKY.to_owned()]).collect();
    Services::parse(&text, "services.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn service_text((name, protocol, port, method, reals): &Row<'_>) -> String {
    let reals = reals.iter();
    let reals: String = reals
        .map(|(address, weight)| format!("[[service.real]]\naddress = \"{address}\"\nweight = {weight}\n"))
        .collect();
    format!(
        "[[service]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"202.103.106.5:{port}\"\n\
         scheduler = \"wrr\"\nmethod = \"{method}\"\n{reals}"
    )
}

/// Pipelines of the workers of one director.
pub(crate) struct Rig {
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) publisher: Publisher,
    pub(crate) machine: Machine,
    link: DataplaneLink,
    generation: u64,
}

impl Rig {
    pub(crate) fn new(machine: Machine) -> Self {
        let workers = machine.dataplane.workers.len() as u16;
        let reality = |port: &config::Port| {
            Some(PortReality { mac: port.mac?.0, mtu: port.mtu, driver: "none".to_owned(), queues: Default::default() })
        };
        let real: Vec<PortReality> = machine.ports.iter().filter_map(reality).collect();
        let descriptions = setup::port_descriptions(&machine, &real);
        let link = DataplaneLink::private(&setup::layout(&machine, workers), &descriptions).unwrap();
        let mut publisher = Publisher::new(setup::port_interfaces(&machine, &real), link.directory(), 0);
        publisher.apply_next_hops(1, &setup::static_next_hops(&machine)).unwrap();
        publisher.apply_services(1, &services(0).table(), 0).unwrap();
        let path_mtus = Arc::<PathMtus>::default();
        let accounts = Accounts::new(link.directory().reals.clone());
        let expected = Arc::new(Expected::reproducible(setup::control_connections(&machine), accounts));
        let templates = setup::templates(&machine, &link.directory());
        let pipelines = (0..workers)
            .map(|worker| {
                let accounts = Accounts::new(link.directory().reals.clone());
                let capacity = machine.dataplane.connections;
                let table = ConnectionTable::new(capacity, accounts, 0);
                let settings = Settings {
                    worker,
                    workers,
                    ports: setup::port_facts(&machine, &real),
                    unmatched: machine.dataplane.unmatched,
                    answer_rate: machine.dataplane.reject_rate,
                    path_mtus: path_mtus.clone(),
                    expected: Arc::clone(&expected),
                    templates: Arc::clone(&templates),
                };
                let counters = Counters::of_worker(&link, worker, real.len() as u16).unwrap();
                Pipeline::new(settings, table, counters, publisher.tables(), link.directory(), 0)
            })
            .collect();
        Self { pipelines, publisher, machine, link, generation: 1 }
    }

    /// Takes a variant of the services into force.
    pub(crate) fn apply(&mut self, variant: usize, now: u64) {
        self.apply_table(&services(variant).table(), now);
    }

    /// Takes a table into force.
    pub(crate) fn apply_table(&mut self, table: &ServiceTable, now: u64) {
        self.generation += 1;
        self.publisher.apply_services(self.generation, table, now).unwrap();
        let tables = self.publisher.tables();
        self.pipelines.iter_mut().for_each(|pipeline| pipeline.adopt(&tables));
        self.publisher.reclaim(now);
    }

    /// Takes the services with other settings into force: the text of `[settings]`.
    pub(crate) fn apply_settings(&mut self, settings: &str, now: u64) {
        self.apply_with(0, settings, now);
    }

    /// The same, of a variant of the services.
    pub(crate) fn apply_with(&mut self, variant: usize, settings: &str, now: u64) {
        let text = format!("[settings]\n{settings}\n");
        let mut services = services(variant);
        services.settings = Services::parse(&text, "services.toml").unwrap_or_else(|error| panic!("{error}")).settings;
        self.apply_table(&services.table(), now);
    }

    /// Brings all clocks to `now`, in milliseconds, and removes connections whose time is up.
    pub(crate) fn set_time(&mut self, now: u64) {
        for pipeline in &mut self.pipelines {
            pipeline.set_time(now);
            pipeline.expire(usize::MAX);
        }
    }

    /// What the workers counted.
    pub(crate) fn totals(&self) -> WorkerTotals {
        let mut totals = self.pipelines.iter().map(|pipeline| pipeline.counters().worker.totals());
        let first = totals.next().expect("a director has a worker");
        totals.fold(first, |mut sum, worker| {
            sum.add(&worker);
            sum
        })
    }

    /// The slots of services and reals.
    pub(crate) fn directory(&self) -> Directory {
        self.link.directory()
    }

    /// The cells of a worker, for exits.
    pub(crate) fn counters(&self, worker: u16) -> Counters {
        Counters::of_worker(&self.link, worker, self.machine.ports.len() as u16).unwrap()
    }

    /// All connections, in an order that does not depend on where they lie.
    pub(crate) fn connections(&mut self, now: u64) -> Vec<ConnectionRow> {
        let slabs: Vec<_> = self.pipelines.iter_mut().map(|pipeline| pipeline.connections().slab()).collect();
        let rows = slabs.iter().flat_map(|slab| slab.iter().filter_map(|entry| entry.row(now, 0)));
        let mut rows: Vec<ConnectionRow> = rows.collect();
        rows.sort_by_key(|row| (row.service, row.client, row.real));
        rows
    }
}

/// An mbuf with these bytes that came in on a port.
pub(crate) fn mbuf(pool: &Mempool, port: u16, bytes: &[u8]) -> Mbuf {
    let mut mbuf = pool.alloc().expect("the pool is empty");
    mbuf.append(bytes.len()).expect("the frame is too long").copy_from_slice(bytes);
    mbuf.set_port(port);
    mbuf
}

/// Keeps what leaves, in order.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) pools: Pools,
    pub(crate) sent: Vec<(u16, Vec<u8>)>,
    pub(crate) to_kernel: Vec<(u16, Vec<u8>)>,
    pub(crate) wishes: Vec<(u16, u32)>,
}

impl Kept {
    pub(crate) fn new(pool: &Mempool) -> Self {
        Self { pools: pools(pool), sent: Vec::new(), to_kernel: Vec::new(), wishes: Vec::new() }
    }
}

impl Output for Kept {
    fn transmit(&mut self, port: u16, mbuf: Mbuf) {
        self.sent.push((port, mbuf.data().to_vec()));
    }

    fn to_kernel(&mut self, port: u16, mbuf: Mbuf) {
        self.to_kernel.push((port, mbuf.data().to_vec()));
    }

    fn hand_off(&mut self, worker: u16, _mbuf: Mbuf) {
        panic!("a hand-off to worker {worker} of a director with one");
    }

    fn want_neighbor(&mut self, port: u16, address: u32) {
        self.wishes.push((port, address));
    }

    fn new_mbuf(&mut self) -> Option<Mbuf> {
        self.pools.frames.alloc()
    }

    fn new_large_mbuf(&mut self) -> Option<Mbuf> {
        self.pools.large.alloc()
    }
}
