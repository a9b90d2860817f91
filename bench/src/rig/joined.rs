//! A generator and what it measures, joined by two memif cables.

use super::{Cable, Cores, Director, GeneratorProcess, Memory, Ports, Testpmd, memif_clients};
use crate::generator::outcome::Outcome;
use crate::generator::plan::{Network, Run};
use crate::generator::search::{Found, Search};
use lab::Result;
use std::path::Path;

/// Mbufs of testpmd: two rings each way, and what it has in hand.
const TESTPMD_MBUFS: u32 = 16_384;

/// What can be measured: it may end when it should not.
pub trait Measured {
    /// # Errors
    /// It ended: how, its last words, and where its log is.
    fn check_running(&mut self) -> Result<()>;
}

/// Both ends, running. They end when this is dropped.
#[derive(Debug)]
pub struct Joined<M> {
    /// What is measured. It ends first.
    pub measured: M,
    /// The other end of both cables.
    pub generator: GeneratorProcess,
}

/// Where the processes of a measurement are: their files, their memory, their cores.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Sockets, configuration and logs.
    pub folder: &'a Path,
    /// The generator's memory.
    pub generator: Memory,
    /// That of what is measured.
    pub measured: Memory,
    /// Their cores.
    pub cores: Cores,
    /// What joins them.
    pub cable: Cable,
}

/// How often both ends are started until they have a link: net_memif never tries again.
const STARTS: u32 = 3;

impl Joined<Director> {
    /// A director with this network, room for so many connections and these services.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn director(place: Place<'_>, network: &Network, connections: u64, services: &str) -> Result<Self> {
        let reals = network.reals.len() as u8;
        let devices = memif_clients(place.folder, place.cable);
        let ports =
            Ports { mbufs: place.cable.mbufs(), ..Ports::one_worker(devices, network, connections, place.cores) };
        Self::start(place, reals, || Director::start(place.folder, &ports, place.measured, services))
    }
}

impl Joined<Testpmd> {
    /// testpmd in macswap.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn macswap(place: Place<'_>) -> Result<Self> {
        let devices = memif_clients(place.folder, place.cable);
        let mut joined = Self::start(place, 2, || {
            let mut testpmd = Testpmd::start(place.folder, &devices, place.measured, place.cores, TESTPMD_MBUFS)?;
            testpmd.wait_until_its_ports_are_started()?;
            Ok(testpmd)
        })?;
        joined.measured.wait_until_it_forwards()?;
        Ok(joined)
    }
}

impl<M> Joined<M> {
    /// `measured` returns when both its ports have asked for a connection. The generator answers them together: as soon as
    /// one port of a process is connected, net_memif of DPDK 22.11 closes the descriptor of the EAL's memory, and a port
    /// that connects later hands over whatever file has that number by then.
    fn start(place: Place<'_>, reals: u8, measured: impl Fn() -> Result<M>) -> Result<Self> {
        let mut starts = 1;
        loop {
            let generator = GeneratorProcess::start(place.folder, place.generator, place.cores, reals)?;
            generator.hold();
            let measured = measured();
            generator.go_on();
            let mut joined = Self { measured: measured?, generator };
            match joined.generator.wait_for_link() {
                Ok(()) => return Ok(joined),
                Err(error) if starts == STARTS => return Err(error),
                Err(error) => eprintln!("  started again: {error}"),
            }
            starts += 1;
        }
    }
}

impl<M: Measured> Joined<M> {
    /// Does one run.
    ///
    /// # Errors
    /// It is not possible, or one of the two ended.
    pub fn run(&mut self, run: &Run) -> Result<Outcome> {
        let outcome = self.generator.run(run);
        self.measured.check_running()?;
        outcome
    }

    /// Searches the highest rate without loss.
    ///
    /// # Errors
    /// As [`Joined::run`].
    pub fn search(&mut self, search: &Search) -> Result<Found> {
        let found = self.generator.search(search);
        self.measured.check_running()?;
        found
    }
}
