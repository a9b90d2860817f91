//! Without a generator: net_pcap gives the frames of a file again and again, from memory. So the figure is what the
//! director and the driver need, and nobody else sets the pace.

use super::{Extent, Suite, count_name};
use crate::generator::flows;
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
const WINDOW: Duration = Duration::from_millis(800);
/// Until caches and tables are as they stay.
const WARM_UP: Duration = Duration::from_millis(700);

pub(super) fn run(suite: &mut Suite) -> Result<()> {
    let points = if suite.extent == Extent::Quick { POINTS.get(..2).unwrap_or_default() } else { &POINTS };
    let files = points
        .iter()
        .map(|(flows, _)| write(&suite.folder, &format!("{flows}.pcap"), 0..*flows))
        .collect::<Result<Vec<_>>>()?;
    let mut cycles = vec![Vec::new(); points.len()];
    let mut ceilings = vec![Vec::new(); points.len()];
    for _ in 0..suite.rounds() {
        for (place, file) in files.iter().enumerate() {
            let ceiling = macswap(suite, file)?;
            ceilings.get_mut(place).into_iter().for_each(|runs| runs.extend(ceiling));
            let measured = director(suite, file)?;
            cycles.get_mut(place).into_iter().for_each(|runs| runs.push(measured));
        }
    }
    for (((flows, goal), cycles), ceilings) in points.iter().zip(cycles).zip(ceilings) {
        let name = count_name(*flows);
        let ceiling = Some(median(&ceilings)).filter(|ceiling| *ceiling > 0.0);
        suite.found(
            Measurement::new(format!("capture nat-in {name}"), "cycles/packet", cycles).ceiling(ceiling).at_most(*goal),
        );
        if ceiling.is_some() {
            suite.found(Measurement::new(format!("capture macswap {name}"), "cycles/packet", ceilings));
        }
    }
    Ok(())
}

/// Both devices: frames come from the file on the first; both throw away what is sent.
fn devices(file: &Path) -> [String; 2] {
    let first = format!("net_pcap0,rx_pcap={},tx_pcap=/dev/null,infinite_rx=1", file.display());
    [first, "net_null0,no-rx=1".into()]
}

fn director(suite: &Suite, file: &Path) -> Result<f64> {
    let network = network(2);
    let ports = Ports { mbufs: Some(MBUFS), ..Ports::one_worker(devices(file), &network, 1_000_000, suite.cores) };
    let director = Director::start(&suite.folder, &ports, suite.memory(), &services(2))?;
    std::thread::sleep(WARM_UP);
    let before = director.snapshot()?;
    std::thread::sleep(WINDOW);
    let worker = director.snapshot()?.since(&before, 0);
    if worker.transmitted < worker.received / 2 {
        let said = format!("{worker:?}");
        return Err(LabError::Failed { command: "net_pcap".into(), status: "packets were not forwarded".into(), said });
    }
    Ok(worker.cycles_a_packet())
}

/// `None` if testpmd does not tell.
fn macswap(suite: &Suite, file: &Path) -> Result<Option<f64>> {
    let mut testpmd = Testpmd::start(&suite.folder, &devices(file), suite.memory(), suite.cores, MBUFS)?;
    testpmd.wait_until_it_forwards()?;
    std::thread::sleep(WINDOW);
    Ok(testpmd.stop().map(|(cycles, _)| cycles))
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
