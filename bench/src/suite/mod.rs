//! The scenarios, by name, and what they share.

mod cable;
mod capture;
mod churn;
mod connections;
mod latency;
mod load;
mod stages;
mod workers;

use crate::calibration;
use crate::generator::outcome::Outcome;
use crate::generator::plan::{Kind, Method, Popularity, Rate, Run, Side, Size, Stream, Until, Verify};
use crate::network::{network, vip};
use crate::report::machine::Machine;
use crate::report::{Measurement, Report, Skipped};
use crate::rig::{Cable, Cores, Director, Joined, Memory, Place, Testpmd};
use lab::{Hugepages, LabError, Result};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// In about a minute: does it work, and is it as fast as it was.
    Quick,
    /// In less than ten minutes.
    Usual,
    /// Everything but what is long.
    Full,
    /// What is long and large.
    Long,
}

/// A scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The least extent that it belongs to.
    pub from: Extent,
    /// MiB of hugepages that it takes.
    pub memory: u64,
    /// Whether two cores must be there at the same time.
    pub side_by_side: bool,
    run: fn(&mut Suite) -> Result<()>,
}

/// All scenarios, in the order in which they run.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stages",
        about: "cycles a packet of the packet path alone, without input and output, by stage",
        from: Extent::Quick,
        memory: 2300,
        side_by_side: false,
        run: stages::run,
    },
    Scenario {
        name: "cable",
        about: "packets a second over memif, every method and several numbers of flows, against macswap",
        from: Extent::Quick,
        memory: 1500,
        side_by_side: true,
        run: cable::run,
    },
    Scenario {
        name: "capture",
        about: "cycles a packet without a generator (net_pcap, infinite_rx), against macswap",
        from: Extent::Quick,
        memory: 2600,
        side_by_side: false,
        run: capture::run,
    },
    Scenario {
        name: "latency",
        about: "the highest rate without loss, and how long packets take at 10, 50 and 90 % of it",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: latency::run,
    },
    Scenario {
        name: "new-connections",
        about: "connections a second: UDP of one packet, TCP from SYN to FIN; with 1, 1,000 and 10,000 services",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: connections::new_connections,
    },
    Scenario {
        name: "syn-flood",
        about: "a flood of SYNs while a million connections are established: none of them may be lost",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: connections::flood,
    },
    Scenario {
        name: "full-table",
        about: "more connections than there is room for: what is established goes on",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: connections::full_table,
    },
    Scenario {
        name: "reload",
        about: "10,000 services replaced by 10,000 others under load",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: load::reload,
    },
    Scenario {
        name: "dump",
        about: "a list of a million connections asked for under load",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: load::dump,
    },
    Scenario {
        name: "idle",
        about: "what the main lcore takes of its core while nothing changes",
        from: Extent::Usual,
        memory: 900,
        side_by_side: false,
        run: load::idle,
    },
    Scenario {
        name: "two-workers",
        about: "two workers, and none, half or all of the packets handed to the other",
        from: Extent::Usual,
        memory: 1500,
        side_by_side: true,
        run: workers::run,
    },
    Scenario {
        name: "ten-million",
        about: "nat-in with ten million flows over memif",
        from: Extent::Full,
        memory: 1500,
        side_by_side: true,
        run: churn::ten_million,
    },
    Scenario {
        name: "thirty-million",
        about: "nat-in with thirty million flows over memif",
        from: Extent::Long,
        memory: 1500,
        side_by_side: true,
        run: churn::thirty_million,
    },
    Scenario {
        name: "churn",
        about: "ten million connections held and renewed for ten minutes",
        from: Extent::Long,
        memory: 1700,
        side_by_side: true,
        run: churn::churn,
    },
    Scenario {
        name: "expiry",
        about: "a million connections that end in one second, and the longest that packets wait meanwhile",
        from: Extent::Long,
        memory: 1500,
        side_by_side: true,
        run: churn::expiry,
    },
];

/// What one run of the bench keeps.
pub struct Suite {
    /// How much is measured.
    pub extent: Extent,
    /// Where the processes' files are.
    pub folder: PathBuf,
    /// Where they run.
    pub cores: Cores,
    /// What was found out so far.
    pub report: Report,
    /// When it must be done with what can be left out.
    pub deadline: Instant,
    /// The share of hugepages of a process that is measured, MiB.
    memory: u64,
}

impl Suite {
    /// A new report, its first calibration taken.
    pub fn new(extent: Extent, folder: &Path, cores: Cores, deadline: Instant) -> Self {
        let report = Report {
            machine: Machine::this(),
            calibration: [calibration::cycles_a_step(9), 0.0],
            round_trip: cores.round_trip(),
            ..Report::default()
        };
        Self { extent, folder: folder.to_owned(), cores, report, deadline, memory: 0 }
    }

    /// Runs one scenario, with hugepages for it that are given back afterwards. What is not possible is told as skipped.
    ///
    /// # Errors
    /// It failed.
    pub fn run(&mut self, scenario: &Scenario) -> Result<()> {
        if Instant::now() > self.deadline {
            self.skip(scenario.name, "the time is over; run it alone: make bench SCENARIO=".to_owned() + scenario.name);
            return Ok(());
        }
        eprintln!("bench: {}: {}", scenario.name, scenario.about);
        self.report.scenarios.push(scenario.name.into());
        if let Hugepages::None { why } = Hugepages::obtain(scenario.memory, &self.folder)? {
            self.skip(scenario.name, format!("it takes {} MiB of hugepages: {why}", scenario.memory));
            return Ok(());
        }
        self.memory = scenario.memory;
        let done = if scenario.side_by_side { self.run_side_by_side(scenario) } else { (scenario.run)(self) };
        lab::give_back(&self.folder)?;
        done
    }

    /// Runs it if both cores are free before, and keeps what it found if they are afterwards; else once more.
    fn run_side_by_side(&mut self, scenario: &Scenario) -> Result<()> {
        let before = self.report.measurements.len();
        let mut why = String::new();
        for _ in 0..2 {
            if let Err(busy) = self.cores.must_be_free() {
                self.skip(scenario.name, busy);
                return Ok(());
            }
            (scenario.run)(self)?;
            match self.cores.must_be_free() {
                Ok(()) => return Ok(()),
                Err(busy) => why = busy,
            }
            self.report.measurements.truncate(before);
            eprintln!("  thrown away: {why}");
        }
        self.skip(scenario.name, why);
        Ok(())
    }

    /// Ends the report.
    pub fn finish(mut self) -> Report {
        let moment = self.report.machine.moment();
        self.report.measurements.iter_mut().for_each(|found| found.measured.clone_from(&moment));
        self.report.calibration[1] = calibration::cycles_a_step(9);
        self.report
    }

    /// How often each figure is taken.
    fn rounds(&self) -> usize {
        if self.extent == Extent::Quick { 1 } else { 5 }
    }

    /// Memory of the one that is measured: what the generator leaves.
    fn memory(&self) -> Memory {
        Memory::Huge(self.memory.saturating_sub(Self::GENERATOR + 64))
    }

    /// MiB.
    const GENERATOR: u64 = 256;

    fn place(&self) -> Place<'_> {
        let generator = Memory::Huge(Self::GENERATOR);
        Place { folder: &self.folder, generator, measured: self.memory(), cores: self.cores, cable: Cable::ZeroCopy }
    }

    /// A generator and a director with room for so many connections and these services, over two reals.
    fn join_director(&self, connections: u64, services: &str) -> Result<Joined<Director>> {
        Joined::director(self.place(), &network(2), connections, services)
    }

    /// The same, on cables whose rings hold what comes while the machine does something else on a core.
    fn join_director_patiently(&self, connections: u64, services: &str) -> Result<Joined<Director>> {
        let place = Place { cable: Cable::LongRings, ..self.place() };
        Joined::director(place, &network(2), connections, services)
    }

    /// A generator and macswap.
    fn join_macswap(&self) -> Result<Joined<Testpmd>> {
        Joined::macswap(self.place())
    }

    fn found(&mut self, measurement: Measurement) {
        eprintln!("  {}", crate::report::table::line(&measurement));
        self.report.measurements.push(measurement);
    }

    fn skip(&mut self, name: &str, why: String) {
        eprintln!("  skipped: {name}: {why}");
        self.report.skipped.push(Skipped { name: name.into(), why });
    }
}

/// A stream of the clients, its flows in turn, in the smallest frames, to the service of the method.
fn stream(method: Method, kind: Kind, flows: u64) -> Stream {
    let port = if kind == Kind::Udp { 53 } else { 80 };
    Stream {
        kind,
        side: Side::Client,
        to: SocketAddrV4::new(vip(method), port),
        first: 0,
        flows,
        popularity: Popularity::Uniform,
        size: Size::Fixed(60),
        share: 1,
        method,
    }
}

/// A run that sends each flow once and checks every packet, without overflowing a ring: what opens connections.
fn once(stream: &Stream) -> Run {
    let stream =
        Stream { side: Side::Client, popularity: Popularity::Uniform, size: Size::Fixed(60), ..stream.clone() };
    let flows = stream.flows;
    Run { rate: Rate::Outstanding(512), verify: Verify::All, ..Run::of(stream, Until::Packets(flows)) }
}

/// An error if nothing or something wrong came back; with `losses`, also if some did not come back.
fn must_be_right(what: &str, outcome: &Outcome, losses: bool) -> Result<()> {
    let nothing = (outcome.total().received == 0).then(|| format!("nothing came back: {:?}", outcome.total()));
    match outcome.complaint(losses).or(nothing) {
        None => Ok(()),
        Some(said) => Err(LabError::Failed { command: what.into(), status: "wrong packets".into(), said }),
    }
}

/// A number of flows as scenarios are named by: `1`, `64k`, `10M`.
fn count_name(count: u64) -> String {
    match count {
        1_000_000.. => format!("{}M", count / 1_000_000),
        65_536 => "64k".into(),
        1000.. => format!("{}k", count / 1000),
        _ => count.to_string(),
    }
}
