//! The dataplane's side of the link under a control that reads slowly, or goes away: lists, table changes and flushes
//! of real connection tables, no packets.

use dataplane::connection::template::{TemplateKey, TemplateReal};
use dataplane::connection::{Accounts, ConnectionTable, Endpoint, Identity, Templates};
use dataplane::control_link::{ControlLink, Outside};
use dataplane::explain::WorkerView;
use dataplane::nexthop::PortInterface;
use dataplane::publisher::Publisher;
use dataplane::worker::{FlushProgress, Mailbox};
use link::message::{ConnectionFilter, ConnectionState, Reply, Request};
use link::model::{ForwardMethod, Protocol, ServiceTable};
use link::transaction::{self, Assembler, Limits};
use link::{DataplaneLink, Layout, PortDescription};
use rte_rs::{Eal, EalOptions};
use std::sync::Arc;
use tempfile::TempDir;

/// More rows than the reply ring has slots.
const CONNECTIONS: u32 = 20_000;

struct Site {
    served: ControlLink,
    control: link::ControlLink,
    mailbox: Arc<Mailbox>,
    templates: Arc<Templates>,
    table: ConnectionTable,
    _folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let arguments = ["--no-huge", "--no-pci", "--in-memory", "--no-telemetry", "-m", "256"];
        let arguments = arguments.map(str::to_owned).to_vec();
        Eal::start(&EalOptions { program: "test".into(), main_lcore: 0, workers: vec![], arguments }).expect("EAL");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("link");
        let layout = Layout { workers: 1, ports: 1, services: 8, reals: 8 };
        let link = DataplaneLink::create(&path, &layout, &[port()]).expect("a link");
        let accounts = Accounts::new(link.directory().reals.clone());
        let mut table = ConnectionTable::new(CONNECTIONS, accounts, 0);
        for n in 0..CONNECTIONS {
            table.insert(&identity(n), ConnectionState::Udp, 60_000, 0).expect("room");
        }
        let interfaces = vec![PortInterface { mac: [2, 0, 0, 0, 0, 1], mtu: 1500, addresses: vec![] }];
        let publisher = Publisher::new(interfaces, link.directory(), 0);
        let mailbox = Arc::new(Mailbox::default());
        let templates = Arc::new(Templates::new(64, link.directory().reals.clone()));
        let mut outside = Outside::new(Arc::clone(&templates));
        outside.views.push(WorkerView { slab: table.slab(), reader: table.reader() });
        outside.mailboxes.push(Arc::clone(&mailbox));
        let limits = Limits { rows: 100, services: 8, reals: 8, ports: 1 };
        let served = ControlLink::new(link, Assembler::new(limits), publisher, outside, config::Unmatched::Reject);
        let control = link::ControlLink::attach(&path).expect("attached");
        let mut site = Self { served, control, mailbox, templates, table, _folder: folder };
        site.control.send(&Request::Hello { pid: 1 }).expect("room");
        site.served.step(0);
        assert!(matches!(site.receive(), Some(Reply::Welcome { .. })));
        site
    }

    fn receive(&mut self) -> Option<Reply> {
        self.control.receive().map(|reply| reply.expect("no garbage").1)
    }

    fn send_table(&mut self, generation: u64) {
        for request in transaction::services(generation, &ServiceTable::default()) {
            self.control.send(&request).expect("room");
        }
    }
}

fn port() -> PortDescription {
    PortDescription {
        name: "wan".into(),
        device: "net_null0".into(),
        driver: "net_null".into(),
        mac: link::model::MacAddress([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        kernel_interface: None,
        addresses: vec![],
        queues: Default::default(),
    }
}

fn identity(n: u32) -> Identity {
    let endpoint = |address, port| Endpoint { address, port };
    Identity {
        protocol: Protocol::Udp,
        method: ForwardMethod::Direct,
        client: endpoint(0x0a00_0000 + n, 5000),
        service: endpoint(0xca67_6a05, 53),
        real: endpoint(0xac10_0003, 53),
        real_slot: 0,
        real_generation: 1,
    }
}

#[test]
fn a_list_that_is_read_slowly_is_complete_and_holds_no_table_change_up() {
    let mut site = Site::new();
    site.control.send(&Request::Connections(ConnectionFilter::default())).expect("room");
    while site.served.step(0) {}
    assert!(!site.served.step(0), "a list that can't go on is nothing to do");
    site.send_table(1);
    let (mut rows, mut applied_after, mut end) = (0, None, None);
    while end.is_none() {
        // A reader that takes ten rows a round.
        for _ in 0..10 {
            match site.receive() {
                Some(Reply::Connection(_)) => rows += 1,
                Some(Reply::Applied { generation: 1, .. }) => applied_after = Some(rows),
                Some(Reply::End { count }) => end = Some(count),
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
        site.served.step(0);
    }
    assert_eq!((rows, end), (CONNECTIONS, Some(u64::from(CONNECTIONS))));
    let applied_after = applied_after.expect("the table was applied");
    assert!(applied_after < CONNECTIONS / 2, "only after {applied_after} rows");
}

#[test]
fn a_flush_waits_for_the_one_of_a_control_that_is_gone() {
    let mut site = Site::new();
    let mut worker = FlushProgress::default();
    let client = |last| ConnectionFilter { client: Some([10, 0, 0, last].into()), ..ConnectionFilter::default() };
    site.control.send(&Request::Flush(client(1))).expect("room");
    while site.served.step(0) {}
    worker.step(&site.mailbox.flush, &mut site.table);
    assert_eq!(site.mailbox.flush.removed(), None, "the worker is not through");
    // The next control begins before the worker is through, with a filter that has no part in common.
    site.control.send(&Request::Hello { pid: 2 }).expect("room");
    site.control.send(&Request::Flush(client(2))).expect("room");
    while site.served.step(0) {}
    assert!(matches!(site.receive(), Some(Reply::Welcome { .. })));
    let mut end = None;
    while end.is_none() {
        worker.step(&site.mailbox.flush, &mut site.table);
        site.served.step(0);
        end = site.receive();
    }
    assert_eq!(end, Some(Reply::End { count: 1 }));
    assert_eq!(site.table.len(), CONNECTIONS as usize - 2, "each filter removed the connection it named");
}

#[test]
fn two_flushes_at_once_each_get_their_own_count() {
    let mut site = Site::new();
    let mut worker = FlushProgress::default();
    let one = ConnectionFilter { client: Some([10, 0, 0, 1].into()), ..ConnectionFilter::default() };
    site.control.send(&Request::Flush(one)).expect("room");
    site.control.send(&Request::Flush(ConnectionFilter::default())).expect("room");
    let mut counts = Vec::new();
    for _ in 0..100_000 {
        site.served.step(0);
        // The worker is through before the main lcore looks again.
        while site.mailbox.flush.removed().is_none() {
            worker.step(&site.mailbox.flush, &mut site.table);
        }
        if let Some(Reply::End { count }) = site.receive() {
            counts.push(count);
        }
        if counts.len() == 2 {
            break;
        }
    }
    assert_eq!(counts, [1, u64::from(CONNECTIONS) - 1]);
}

/// A client with a template whose connection is over.
fn remember(site: &Site, client: u32, timeout: u32) {
    let key = TemplateKey { protocol: Some(Protocol::Udp), client, service: 0xca67_6a05, port: 53 };
    let end = Endpoint { address: 0xac10_0003, port: 53 };
    let real = TemplateReal { slot: 0, generation: 1, end, method: ForwardMethod::Direct };
    let made = site.templates.remember(&key, &real, timeout, 0, |_| true).expect("room");
    site.templates.release(made.position, 0);
}

#[test]
fn templates_are_listed_after_the_connections_flushed_with_them_and_swept_when_their_time_is_up() {
    let mut site = Site::new();
    let mut worker = FlushProgress::default();
    for client in [0x0a01_0001, 0x0a01_0002] {
        remember(&site, client, 60_000);
    }
    remember(&site, 0x0a01_0003, 100);
    let one = ConnectionFilter { client: Some([10, 1, 0, 1].into()), ..ConnectionFilter::default() };
    site.control.send(&Request::Connections(one)).expect("room");
    while site.served.step(0) {}
    let Some(Reply::Connection(row)) = site.receive() else { panic!("no row") };
    assert_eq!((row.state_name(), row.client.to_string().as_str()), ("NONE", "10.1.0.1:0"));
    assert_eq!(site.receive(), Some(Reply::End { count: 1 }));
    site.control.send(&Request::Flush(one)).expect("room");
    let end = loop {
        site.served.step(0);
        worker.step(&site.mailbox.flush, &mut site.table);
        if let Some(end) = site.receive() {
            break end;
        }
    };
    assert_eq!((end, site.templates.len()), (Reply::End { count: 1 }, 2));
    // The sweep is a part of each step of the main lcore.
    for _ in 0..site.templates.buckets() {
        site.served.step(1_000);
    }
    assert_eq!((site.templates.len(), site.table.len()), (1, CONNECTIONS as usize), "others stay");
}
