//! A director's captures: the rings of its workers, control's ends of them, and who asks.

use dataplane::capture::{Capture, Desk};
use dataplane::worker::Mailbox;
use link::capture::{CaptureOptions, CaptureReader, CaptureRefusal, CapturedPacket, Program};
use link::message::FilterPart;
use link::model::MacAddress;
use link::region::{ControlLink, DataplaneLink};
use link::{Layout, PortDescription};
use std::sync::Arc;
use tempfile::TempDir;

/// What is asked for: all of each packet, whichever it is.
pub(crate) const ALL: CaptureOptions = CaptureOptions {
    ticket: 7,
    instructions: 1,
    snaplen: 2000,
    incoming: true,
    outgoing: true,
    drops_only: false,
    hand_offs: true,
    worker: None,
    packets: 0,
    milliseconds: 60_000,
};

pub(crate) struct Shown {
    pub(crate) captures: Vec<Capture>,
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    pub(crate) desk: Desk,
    pub(crate) link: DataplaneLink,
    pub(crate) readers: Vec<CaptureReader>,
    control: Option<ControlLink>,
    _place: TempDir,
}

impl Shown {
    pub(crate) fn new(workers: u16) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("sluice.link");
        let port = PortDescription {
            name: "wan".into(),
            device: "none".into(),
            driver: "none".into(),
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            kernel_interface: None,
            addresses: vec![],
            queues: Default::default(),
        };
        let layout = Layout { workers, ports: 1, services: 1, reals: 1 };
        let link = DataplaneLink::create(&path, &layout, &[port]).expect("a link");
        let control = ControlLink::attach(&path).expect("attached");
        let writer = |worker| link.capture_writer(worker).expect("a worker");
        let captures = (0..workers).map(|worker| Capture::new(writer(worker))).collect();
        let readers = (0..workers).map(|worker| control.capture_reader(worker).expect("a worker")).collect();
        let mailboxes = (0..workers).map(|_| Arc::default()).collect();
        Self { captures, mailboxes, desk: Desk::default(), link, readers, control: Some(control), _place: place }
    }

    /// Asks for packets, and has the workers see it.
    pub(crate) fn start(&mut self, options: &CaptureOptions, program: &Program, now: u64) -> Option<CaptureRefusal> {
        FilterPart::of(program).for_each(|part| self.desk.add(&part));
        let refused = self.desk.start(options, &self.mailboxes, &self.link, now);
        self.pick_up();
        refused
    }

    pub(crate) fn pick_up(&mut self) {
        for (capture, mailbox) in self.captures.iter_mut().zip(&self.mailboxes) {
            capture.pick_up(&mailbox.capture);
        }
    }

    /// Control ends.
    pub(crate) fn without_control(mut self) -> Self {
        self.control = None;
        self.readers.clear();
        self.desk.keep_house(&self.mailboxes, &self.link, 1001);
        self.pick_up();
        self
    }

    /// What a worker has shown since the last look.
    pub(crate) fn packets(&mut self, worker: usize, ticket: u32) -> Vec<CapturedPacket> {
        std::iter::from_fn(|| self.readers[worker].next(ticket)).collect()
    }
}
