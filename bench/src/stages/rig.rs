//! A director without ports: one worker's pipeline over real tables.

use super::flows::{REAL_PORT, VIP, VIP_PORT};
use config::{Machine, Services};
use dataplane::connection::{Accounts, ConnectionTable, Expected};
use dataplane::counters::Counters;
use dataplane::path_mtu::PathMtus;
use dataplane::pipeline::{Output, Pipeline, Settings};
use dataplane::publisher::Publisher;
use dataplane::setup::{self, PortReality};
use link::region::DataplaneLink;
use rte_rs::{Mbuf, Mempool, MempoolOptions};
use std::fmt::Write;
use std::sync::Arc;

const MACHINE: &str = r#"
[dataplane]
workers = [1]
max_services = 20000
max_reals = 40000

[[port]]
name = "wan"
device = "net_null0"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24"]

[[port]]
name = "lan"
device = "net_null1"
mac = "02:00:00:00:02:01"
addresses = ["172.16.0.1/16"]

[[route]]
prefix = "202.0.0.0/8"
port = "wan"
via = "10.0.1.254"

[[neighbor]]
address = "10.0.1.254"
port = "wan"
mac = "02:00:00:00:01:fe"
"#;

/// Indices of the ports.
pub(super) const WAN: u16 = 0;
pub(super) const LAN: u16 = 1;

/// Packets in the pool: those of one batch, and room for the caches.
const MBUFS: u32 = 2_047;

/// The pool of all frames.
pub(super) fn frame_pool() -> Result<Mempool, String> {
    let options = MempoolOptions { mbufs: MBUFS, ..MempoolOptions::default() };
    Mempool::new("frames", options).map_err(|error| error.to_string())
}

/// The address of a real, from 172.16.1.0 on.
pub(super) fn real_address(real: u16) -> [u8; 4] {
    (0xac10_0100 + u32::from(real)).to_be_bytes()
}

/// The text of one service on [`VIP`] with so many reals.
pub(super) fn one_service(protocol: &str, method: &str, reals: u16) -> String {
    let [a, b, c, d] = VIP;
    // Tunnel and direct keep the packet's port.
    let real_port = if method == "nat" { REAL_PORT } else { VIP_PORT };
    let mut text = format!(
        "[[service]]\nname = \"measured\"\nprotocol = \"{protocol}\"\naddress = \"{a}.{b}.{c}.{d}:{VIP_PORT}\"\n\
         scheduler = \"rr\"\nmethod = \"{method}\"\n"
    );
    for real in 0..reals {
        let [a, b, c, d] = real_address(real);
        let _ = write!(text, "[[service.real]]\naddress = \"{a}.{b}.{c}.{d}:{real_port}\"\n");
    }
    text
}

/// The director.
pub(super) struct Rig {
    pub(super) pipeline: Pipeline,
    /// Milliseconds, as the pipeline was told last.
    pub(super) now: u64,
    _link: DataplaneLink,
    _publisher: Publisher,
}

impl Rig {
    /// With these services, and room for so many connections.
    pub(super) fn new(services: &str, connections: u32) -> Result<Self, String> {
        let mut machine = Machine::parse(&machine_text(), "sluice.toml").map_err(|error| error.to_string())?;
        machine.dataplane.connections = connections;
        let services = Services::parse(services, "services.toml").map_err(|error| error.to_string())?;
        let reality = |port: &config::Port| {
            Some(PortReality { mac: port.mac?.0, mtu: port.mtu, driver: "none".to_owned(), queues: Default::default() })
        };
        let real: Vec<PortReality> = machine.ports.iter().filter_map(reality).collect();
        let descriptions = setup::port_descriptions(&machine, &real);
        let link = DataplaneLink::private(&setup::layout(&machine, 1), &descriptions).map_err(|e| e.to_string())?;
        let mut publisher = Publisher::new(setup::port_interfaces(&machine, &real), link.directory(), 0);
        let refused = |refusal| format!("the tables were refused: {refusal:?}");
        publisher.apply_next_hops(1, &setup::static_next_hops(&machine)).map_err(|(why, _)| refused(why))?;
        publisher.apply_services(1, &services.table(), 0).map_err(refused)?;
        let accounts = || Accounts::new(link.directory().reals.clone());
        let table = ConnectionTable::new(connections, accounts(), 0);
        let settings = Settings {
            worker: 0,
            workers: 1,
            ports: setup::port_facts(&machine, &real),
            unmatched: machine.dataplane.unmatched,
            answer_rate: machine.dataplane.reject_rate,
            path_mtus: Arc::<PathMtus>::default(),
            expected: Arc::new(Expected::reproducible(setup::control_connections(&machine), accounts())),
            templates: setup::templates(&machine, &link.directory()),
        };
        let counters = Counters::of_worker(&link, 0, 2).ok_or("the region has no counters for worker 0")?;
        let pipeline = Pipeline::new(settings, table, counters, publisher.tables(), link.directory(), 0);
        Ok(Self { pipeline, now: 0, _link: link, _publisher: publisher })
    }
}

/// [`MACHINE`] with a neighbour for each real.
fn machine_text() -> String {
    let mut text = MACHINE.to_owned();
    for real in 0..1_000 {
        let [a, b, c, d] = real_address(real);
        let _ = write!(
            text,
            "[[neighbor]]\naddress = \"{a}.{b}.{c}.{d}\"\nport = \"lan\"\nmac = \"02:00:00:01:{:02x}:{:02x}\"\n",
            real >> 8,
            real & 0xff
        );
    }
    text
}

/// Takes what leaves back, to be used again.
pub(super) struct Recycler {
    /// What is there to be filled.
    pub(super) mbufs: Vec<Mbuf>,
    /// Packets that left by another way than a port.
    pub(super) astray: u64,
}

impl Recycler {
    /// With so many packets of `length` bytes.
    pub(super) fn new(pool: &Mempool, packets: usize, length: usize) -> Result<Self, String> {
        let mut mbufs = Vec::with_capacity(packets);
        for _ in 0..packets {
            let mut mbuf = pool.alloc().ok_or("the pool of frames is empty")?;
            mbuf.append(length).ok_or("the frames do not fit an mbuf")?;
            mbufs.push(mbuf);
        }
        Ok(Self { mbufs, astray: 0 })
    }
}

impl Output for Recycler {
    #[inline]
    fn transmit(&mut self, _port: u16, mbuf: Mbuf) {
        self.mbufs.push(mbuf);
    }

    fn to_kernel(&mut self, _port: u16, _mbuf: Mbuf) {
        self.astray += 1;
    }

    fn hand_off(&mut self, _worker: u16, _mbuf: Mbuf) {
        self.astray += 1;
    }

    fn want_neighbor(&mut self, _port: u16, _address: u32) {}

    fn new_mbuf(&mut self) -> Option<Mbuf> {
        None
    }

    fn new_large_mbuf(&mut self) -> Option<Mbuf> {
        None
    }
}
