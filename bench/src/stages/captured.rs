//! The hit path while packets are shown, as `sluice capture` has it.

use super::Setting;
use super::flows::{Method, Popularity};
use super::measure::{Bench, Case};
use super::report::{CaptureFigures, Figure};
use dataplane::capture::{Capture, Desk};
use dataplane::worker::Mailbox;
use link::capture::{CaptureOptions, CaptureReader, Instruction, Program};
use link::message::FilterPart;
use link::model::MacAddress;
use link::region::{ControlLink, DataplaneLink};
use link::{Layout, PortDescription};
use std::sync::Arc;
use tempfile::TempDir;

/// Bytes of each frame that are shown, as `sluice capture` asks for.
const SNAPLEN: u32 = 128;
const TICKET: u32 = 1;

/// What lets packets pass.
#[derive(Clone, Copy, Debug)]
enum Filter {
    /// `tcp port 81 and host 198.51.100.1`, as libpcap compiles it: datagrams take a few steps.
    Nothing,
    All,
}

impl Filter {
    fn program(self) -> Result<Program, String> {
        let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
        let instructions = match self {
            Self::All => return Ok(Program::everything()),
            // Ethertype, protocol, fragment, ports, source.
            Self::Nothing => [
                step(0x28, 0, 0, 12),
                step(0x15, 0, 8, 0x800),
                step(0x30, 0, 0, 23),
                step(0x15, 0, 6, 6),
                step(0x28, 0, 0, 20),
                step(0x45, 4, 0, 0x1fff),
                step(0xb1, 0, 0, 14),
                step(0x48, 0, 0, 16),
                step(0x15, 0, 1, 81),
                step(0x06, 0, 0, 65_535),
                step(0x06, 0, 0, 0),
            ],
        };
        Program::new(&instructions).map_err(|error| error.to_string())
    }
}

/// A worker's capture, and who reads it.
pub(super) struct Watched {
    pub(super) capture: Capture,
    reader: CaptureReader,
    _ends: (DataplaneLink, ControlLink, TempDir),
}

impl Watched {
    fn new(filter: Filter) -> Result<Self, String> {
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = place.path().join("sluice.link");
        let port = PortDescription {
            name: "wan".into(),
            device: "none".into(),
            driver: "none".into(),
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            kernel_interface: None,
            addresses: Vec::new(),
            queues: Default::default(),
        };
        let layout = Layout { workers: 1, ports: 1, services: 1, reals: 1 };
        let link = DataplaneLink::create(&path, &layout, &[port]).map_err(|error| error.to_string())?;
        let control = ControlLink::attach(&path).map_err(|error| error.to_string())?;
        let ends = link.capture_writer(0).zip(control.capture_reader(0));
        let (writer, reader) = ends.ok_or("the link has no ring for a capture")?;
        let mut capture = Capture::new(writer);
        let (mut desk, mailbox) = (Desk::default(), Arc::<Mailbox>::default());
        let program = filter.program()?;
        FilterPart::of(&program).for_each(|part| desk.add(&part));
        let options = CaptureOptions {
            ticket: TICKET,
            instructions: program.instructions().len() as u16,
            snaplen: SNAPLEN,
            incoming: true,
            outgoing: true,
            drops_only: false,
            hand_offs: false,
            worker: None,
            packets: 0,
            milliseconds: 3_600_000,
        };
        if let Some(refused) = desk.start(&options, &[Arc::clone(&mailbox)], &link, 0) {
            return Err(refused.help().to_owned());
        }
        capture.pick_up(&mailbox.capture);
        Ok(Self { capture, reader, _ends: (link, control, place) })
    }

    /// Makes room: not part of what is measured, as another process does it.
    pub(super) fn read(&mut self) {
        while self.reader.next(TICKET).is_some() {}
    }

    fn missed(&self) -> u64 {
        self.reader.totals().missed
    }
}

/// Cycles a packet: nobody looks, somebody looks for what does not come, and all is shown.
pub(super) fn measure_all(flows: &[u32], setting: &mut Setting<'_>) -> Result<Vec<CaptureFigures>, String> {
    let mut figures = Vec::new();
    for &flows in flows {
        let case =
            Case { method: Method::NatIn, flows, popularity: Popularity::Uniform, tcp: false, reals: 2, bursts: 0 };
        for (name, filter) in
            [("no capture", None), ("nothing passes", Some(Filter::Nothing)), ("all pass", Some(Filter::All))]
        {
            let mut bench = Bench::new(&case, setting.pool)?;
            let mut watched = filter.map(Watched::new).transpose()?;
            let mut run = || bench.run_watched(500, watched.as_mut());
            // The first warms up.
            run()?;
            let totals = setting.neighbours.runs(setting.runs, run)?;
            let missed = watched.map_or(0, |watched| watched.missed());
            if missed > 0 {
                return Err(format!("{missed} packets were missed: not what was to be measured"));
            }
            figures.push(CaptureFigures { name, flows, cycles: Figure::of(totals.runs, totals.disturbed) });
        }
    }
    Ok(figures)
}
