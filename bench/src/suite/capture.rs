//! Without a generator: net_pcap gives the frames of a file again and again, from memory. So the figure is what the
//! director and the driver need, and nobody else sets the pace.

use super::{Extent, Suite, count_name};
use crate::generator::flows;
use crate::neighbours::{Neighbours, Runs};
use crate::network::{VIP, network, services};
use crate::report::{Measurement, median};
use crate::rig::{Director, Ports, Testpmd};
use lab::{LabError, Result};
use pcap_file::pcap::{PcapPacket, PcapWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::build::eth;

/// Flows, and the cycles a packet that are to be reached.
const POINTS: [(u64, f64); 3] = [(1000, 110.0), (65_536, 130.0), (250_000, 260.0)];
/// net_pcap keeps all frames of the file in mbufs.
const MBUFS: u32 = 524_287;
/// A run. Short, since moments in which nobody else uses the core are.
const WINDOW: Duration = Duration::from_millis(60);
/// Runs of one start; their median is the figure.
const WINDOWS: usize = 3;
/// Until caches and tables are as they stay.
const WARM_UP: Duration = Duration::from_millis(700);
/// The same after the core was looked at.
const AGAIN: Duration = Duration::from_millis(10);

pub(super) fn run(suite: &mut Suite) -> Result<()> {
    let points = if suite.extent == Extent::Quick { POINTS.get(..2).unwrap_or_default() } else { &POINTS };
    let files = points
        .iter()
        .map(|(flows, _)| write(&suite.folder, &format!("{flows}.pcap"), 0..*flows))
        .collect::<Result<Vec<_>>>()?;
    let patience = Duration::from_secs(if suite.extent == Extent::Quick { 10 } else { 60 });
    let mut neighbours = Neighbours::of_core(suite.cores.worker, suite.cores.main, patience);
    let mut found = vec![Point::default(); points.len()];
    for _ in 0..suite.rounds() {
        for (file, point) in files.iter().zip(&mut found) {
            macswap(suite, file, &mut neighbours, &mut point.ceiling)?;
            director(suite, file, &mut neighbours, &mut point.director)?;
        }
    }
    for ((flows, goal), Point { director, ceiling }) in points.iter().zip(found) {
        let name = count_name(*flows);
        let above = Some(median(&ceiling.cycles)).filter(|cycles| *cycles > 0.0);
        suite.found(director.measurement(format!("capture nat-in {name}")).ceiling(above).at_most(*goal));
        if above.is_some() {
            suite.found(ceiling.measurement(format!("capture macswap {name}")));
        }
    }
    Ok(())
}

/// What was measured with one file.
#[derive(Clone, Debug, Default)]
struct Point {
    director: Figures,
    ceiling: Figures,
}

/// Cycles a packet, a start each.
#[derive(Clone, Debug, Default)]
struct Figures {
    cycles: Vec<f64>,
    /// Runs of all starts that somebody else disturbed.
    disturbed: usize,
}

impl Figures {
    fn add(&mut self, runs: &Runs<f64>) {
        self.cycles.push(median(&runs.runs));
        self.disturbed += runs.disturbed;
    }

    fn measurement(self, name: String) -> Measurement {
        let runs = self.cycles.len() * WINDOWS;
        Measurement::new(name, "cycles/packet", self.cycles).disturbed(self.disturbed, runs)
    }
}

/// Both devices: frames come from the file on the first; both throw away what is sent.
fn devices(file: &Path) -> [String; 2] {
    let first = format!("net_pcap0,rx_pcap={},tx_pcap=/dev/null,infinite_rx=1", file.display());
    [first, "net_null0,no-rx=1".into()]
}

fn director(suite: &Suite, file: &Path, neighbours: &mut Neighbours, figures: &mut Figures) -> Result<()> {
    let network = network(2);
    let ports = Ports { mbufs: Some(MBUFS), ..Ports::one_worker(devices(file), &network, 1_000_000, suite.cores) };
    let mut director = Director::start(&suite.folder, &ports, suite.memory(), &services(2))?;
    std::thread::sleep(WARM_UP);
    director.hold()?;
    let runs = neighbours.runs(WINDOWS, || {
        director.go_on()?;
        std::thread::sleep(AGAIN);
        let before = director.snapshot()?;
        std::thread::sleep(WINDOW);
        let worker = director.snapshot()?.since(&before, 0);
        director.hold()?;
        if worker.transmitted < worker.received / 2 {
            let (command, said) = ("net_pcap".into(), format!("{worker:?}"));
            return Err(LabError::Failed { command, status: "packets were not forwarded".into(), said });
        }
        Ok(worker.cycles_a_packet())
    })?;
    figures.add(&runs);
    Ok(())
}

/// No figure if testpmd does not tell.
fn macswap(suite: &Suite, file: &Path, neighbours: &mut Neighbours, figures: &mut Figures) -> Result<()> {
    let mut testpmd = Testpmd::start(&suite.folder, &devices(file), suite.memory(), suite.cores, MBUFS)?;
    testpmd.wait_until_it_forwards()?;
    if testpmd.stop().is_none() {
        return Ok(());
    }
    let runs = neighbours.runs(WINDOWS, || {
        testpmd.go_on();
        std::thread::sleep(AGAIN + WINDOW);
        let silent = || LabError::Failed {
            command: "dpdk-testpmd".into(),
            status: "silent".into(),
            said: "it did not say how many cycles a packet takes".into(),
        };
        testpmd.stop().ok_or_else(silent)
    })?;
    figures.add(&runs);
    Ok(())
}

/// A capture file with a UDP packet to the NAT service of each of these flows.
pub(super) fn write(folder: &Path, name: &str, flows: impl Iterator<Item = u64>) -> Result<PathBuf> {
    let file = folder.join(name);
    let failed = |what: String| LabError::Io {
        what: format!("writing {}", file.display()),
        source: std::io::Error::other(what),
    };
    let opened = std::fs::File::create(&file).map_err(|error| failed(error.to_string()))?;
    let mut writer = PcapWriter::new(std::io::BufWriter::new(opened)).map_err(|error| failed(error.to_string()))?;
    let network = network(2);
    for flow in flows {
        let client = flows::endpoint(flow);
        let frame = eth()
            .from(network.router_mac)
            .to(network.director_wan_mac)
            .ipv4(*client.ip(), VIP)
            .udp(client.port(), 53)
            .payload_len(18)
            .bytes();
        let length = frame.len() as u32;
        let packet = PcapPacket::new(Duration::ZERO, length, &frame);
        writer.write_packet(&packet).map_err(|error| failed(error.to_string()))?;
    }
    Ok(file)
}
