//! The director over capture files: the same pipeline, one worker, and a clock that follows the time stamps. With the
//! same inputs the outputs are the same, byte for byte.

mod capture;
mod report;

use crate::clock::Milliseconds;
use crate::connection::{Accounts, ConnectionTable};
use crate::counters::Counters;
use crate::fragment;
use crate::pipeline::{Origin, Output, Pipeline, Settings};
use crate::publisher::Publisher;
use crate::setup::{self, PortReality};
use crate::worker::Pools;
use capture::{Frame, Inputs, OutputFile};
use config::{Machine, Services};
use link::region::DataplaneLink;
use report::{ConnectionEntry, VerdictLine};
use rte_rs::{Burst, Eal, EalOptions, Mbuf, Mempool, MempoolOptions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest frame that a replay takes.
const MAX_FRAME: u16 = 16_000;
/// Mbufs: a burst of one, and the fragments it may turn into.
const MBUFS: u32 = 1023;

/// What to replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// sluice.toml.
    pub config: PathBuf,
    /// services.toml.
    pub services: PathBuf,
    /// Port name and capture file, in the order in which frames with equal time stamps come in.
    pub inputs: Vec<(String, PathBuf)>,
    /// Port name and the file that gets what leaves there.
    pub outputs: Vec<(String, PathBuf)>,
    /// Seconds after the first frame, and the services file in force from then on.
    pub applies: Vec<(f64, PathBuf)>,
    /// Where the connections at the end go.
    pub connections: Option<PathBuf>,
    /// Where the verdicts go.
    pub verdicts: Option<PathBuf>,
}

/// Why a replay did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A config file was refused.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A port that the config does not have.
    #[error("--{option} {name}: no such port, allowed: {allowed} (the [[port]] names of {config})")]
    UnknownPort {
        /// `in` or `out`.
        option: &'static str,
        /// What was given.
        name: String,
        /// The names there are.
        allowed: String,
        /// The file that has them.
        config: String,
    },
    /// Two files for what leaves on one port.
    #[error("--out {name}: given twice; the frames of a port go to one file")]
    OutputTwice {
        /// The port.
        name: String,
    },
    /// A file.
    #[error("cannot {action} {path}: {reason}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A frame that no mbuf holds.
    #[error("frame {index} into port {port} has {length} bytes, allowed: up to {MAX_FRAME}; cut it in the capture")]
    FrameTooLong {
        /// Its place in its file, from 0.
        index: u64,
        /// Index of the port.
        port: u16,
        /// Bytes.
        length: usize,
    },
    /// DPDK.
    #[error("DPDK: {0}")]
    Dpdk(String),
    /// The services do not fit.
    #[error("{path}: {reason}")]
    Refused {
        /// The services file.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

impl ReplayError {
    fn file(action: &'static str, path: &Path, reason: impl ToString) -> Self {
        Self::File { action, path: path.display().to_string(), reason: reason.to_string() }
    }

    fn dpdk(error: impl ToString) -> Self {
        Self::Dpdk(error.to_string())
    }
}

/// Runs a replay.
///
/// # Errors
/// When a file can't be read, written or is refused, or DPDK does not start.
pub fn run(options: &ReplayOptions) -> Result<(), ReplayError> {
    let machine = Machine::load(&options.config)?;
    let ports = |option, files: &[(String, PathBuf)]| resolve_ports(&machine, options, option, files);
    let mut inputs = Inputs::open(&ports("in", &options.inputs)?)?;
    let outputs = ports("out", &options.outputs)?;
    refuse_twice(&options.outputs)?;
    let mut files: Vec<Option<OutputFile>> = machine.ports.iter().map(|_| None).collect();
    for (port, path) in &outputs {
        if let Some(file) = files.get_mut(usize::from(*port)) {
            *file = Some(OutputFile::create(path, inputs.resolution())?);
        }
    }
    let mut replay = Replay::start(&machine, options)?;
    let mut verdicts = options.verdicts.as_deref().map(create).transpose()?;
    while let Some(frame) = inputs.next()? {
        replay.advance(frame.time)?;
        let sent = replay.process(&frame)?;
        for (port, bytes) in sent {
            if let Some(Some(file)) = files.get_mut(usize::from(port)) {
                file.write(frame.time, &bytes)?;
            }
        }
        if let (Some(file), Some(verdict)) = (&mut verdicts, replay.pipeline.verdict(0)) {
            let name = |port: u16| machine.ports.get(usize::from(port)).map(|port| port.name.as_str());
            let line = VerdictLine::new(name(frame.port).unwrap_or_default(), frame.index, verdict, name);
            write_line(file, &line, options.verdicts.as_deref())?;
        }
    }
    for file in files.into_iter().flatten() {
        file.finish()?;
    }
    if let (Some(mut file), Some(path)) = (verdicts, &options.verdicts) {
        file.flush().map_err(|error| ReplayError::file("write", path, error))?;
    }
    if let Some(path) = &options.connections {
        write_connections(path, &mut replay)?;
    }
    Ok(())
}

fn resolve_ports(
    machine: &Machine,
    options: &ReplayOptions,
    option: &'static str,
    files: &[(String, PathBuf)],
) -> Result<Vec<(u16, PathBuf)>, ReplayError> {
    files
        .iter()
        .map(|(name, path)| match machine.port_index(name) {
            Some(port) => Ok((port, path.clone())),
            None => Err(ReplayError::UnknownPort {
                option,
                name: name.clone(),
                allowed: machine.ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", "),
                config: options.config.display().to_string(),
            }),
        })
        .collect()
}

/// Frames of a port go to one file.
fn refuse_twice(outputs: &[(String, PathBuf)]) -> Result<(), ReplayError> {
    let is_first = |at: usize, name: &String| outputs.iter().position(|(other, _)| other == name) == Some(at);
    match outputs.iter().enumerate().find(|(at, (name, _))| !is_first(*at, name)) {
        Some((_, (name, _))) => Err(ReplayError::OutputTwice { name: name.clone() }),
        None => Ok(()),
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, ReplayError> {
    File::create(path).map(BufWriter::new).map_err(|error| ReplayError::file("write", path, error))
}

fn write_line(file: &mut BufWriter<File>, line: &VerdictLine<'_>, path: Option<&Path>) -> Result<(), ReplayError> {
    let written =
        serde_json::to_writer(&mut *file, line).map_err(std::io::Error::from).and_then(|()| file.write_all(b"\n"));
    written.map_err(|error| ReplayError::file("write", path.unwrap_or(Path::new("verdicts")), error))
}

fn write_connections(path: &Path, replay: &mut Replay) -> Result<(), ReplayError> {
    let now = replay.now;
    let slab = replay.pipeline.connections().slab();
    let entries: Vec<ConnectionEntry> =
        slab.iter().filter_map(|entry| entry.row(now, 0)).map(ConnectionEntry::from).collect();
    let mut file = create(path)?;
    let written = serde_json::to_writer_pretty(&mut file, &entries).map_err(std::io::Error::from);
    let written = written.and_then(|()| file.write_all(b"\n")).and_then(|()| file.flush());
    written.map_err(|error| ReplayError::file("write", path, error))
}

fn port_reality((index, port): (usize, &config::Port)) -> PortReality {
    let mac = port.mac.map_or_else(|| setup::replay_mac(index), |mac| mac.0);
    PortReality { mac, mtu: port.mtu, driver: "capture file".to_owned() }
}

/// Services that take effect in the course of a replay.
struct Change {
    at: Milliseconds,
    path: PathBuf,
    services: Services,
}

/// Reads the files of all changes before the first frame: a mistake in one is found even if its time never comes.
fn load_changes(applies: &[(f64, PathBuf)]) -> Result<Vec<Change>, ReplayError> {
    let load = |(seconds, path): &(f64, PathBuf)| {
        let at = (seconds * 1000.0).round() as Milliseconds;
        Ok(Change { at, path: path.clone(), services: Services::load(path)? })
    };
    let mut changes = applies.iter().map(load).collect::<Result<Vec<_>, ReplayError>>()?;
    changes.sort_by_key(|change| change.at);
    changes.reverse();
    Ok(changes)
}

/// A director whose ports are files.
struct Replay {
    pipeline: Pipeline,
    publisher: Publisher,
    pools: Pools,
    /// What time itself has caused to leave since the last frame.
    meanwhile: Vec<(u16, Vec<u8>)>,
    /// Keeps the counters' memory.
    _link: DataplaneLink,
    /// Changes to come, the last one first.
    applies: Vec<Change>,
    first: Option<Duration>,
    now: Milliseconds,
}

impl Replay {
    fn start(machine: &Machine, options: &ReplayOptions) -> Result<Self, ReplayError> {
        let services = Services::load(&options.services)?;
        let applies = load_changes(&options.applies)?;
        let eal = Eal::start(&EalOptions {
            program: "sluice-replay".to_owned(),
            main_lcore: 0,
            workers: Vec::new(),
            arguments: setup::private_eal_arguments(machine.dataplane.connections),
        });
        eal.map_err(ReplayError::dpdk)?;
        let pool_options = MempoolOptions { mbufs: MBUFS, cache: 0, data_room: MAX_FRAME, socket: -1 };
        let frames = Mempool::new("replay", pool_options).map_err(ReplayError::dpdk)?;
        let pools = Pools { frames, large: setup::large_pool(1).map_err(ReplayError::dpdk)? };
        let real: Vec<PortReality> = machine.ports.iter().enumerate().map(port_reality).collect();
        let descriptions = setup::port_descriptions(machine, &real);
        let link = DataplaneLink::private(&setup::layout(machine, 1), &descriptions).map_err(ReplayError::dpdk)?;
        let mut publisher = Publisher::new(setup::port_interfaces(machine, &real), link.directory(), 0);
        publisher
            .apply_next_hops(1, &setup::static_next_hops(machine))
            .map_err(|(reason, _)| refused(&options.config, reason))?;
        publisher.apply_services(1, &services.table(), 0).map_err(|reason| refused(&options.services, reason))?;
        let accounts = Accounts::new(link.directory().reals.clone());
        let (connections, _) =
            ConnectionTable::create(0, machine.dataplane.connections, -1, accounts, 0).map_err(ReplayError::dpdk)?;
        let counters = Counters::of_worker(&link, 0, real.len() as u16)
            .ok_or_else(|| ReplayError::dpdk("the counters' region is too small"))?;
        let settings = Settings {
            worker: 0,
            workers: 1,
            ports: setup::port_facts(machine, &real),
            unmatched: machine.dataplane.unmatched,
            answer_rate: machine.dataplane.reject_rate,
        };
        let tables = publisher.tables();
        let pipeline = Pipeline::new(settings, connections, counters, tables, link.directory(), 0);
        Ok(Self { pipeline, publisher, pools, meanwhile: Vec::new(), _link: link, applies, first: None, now: 0 })
    }

    /// Brings the clock to `time`: tables change and connections expire on the way, each at its moment.
    fn advance(&mut self, time: Duration) -> Result<(), ReplayError> {
        let first = *self.first.get_or_insert(time);
        // A frame that is older than the one before it, within one file, comes at that one's time.
        let now = (time.saturating_sub(first).as_millis() as Milliseconds).max(self.now);
        while let Some(Change { at, path, services }) = self.applies.pop_if(|change| change.at <= now) {
            self.set_time(at.max(self.now));
            let generation = self.publisher.tables().services.generation() + 1;
            self.publisher
                .apply_services(generation, &services.table(), self.now)
                .map_err(|reason| refused(&path, reason))?;
            self.pipeline.adopt(&self.publisher.tables());
        }
        self.set_time(now);
        Ok(())
    }

    fn set_time(&mut self, now: Milliseconds) {
        self.now = now;
        self.pipeline.set_time(now);
        self.pipeline.expire(usize::MAX);
        let mut sent = Sent { pools: &self.pools, frames: std::mem::take(&mut self.meanwhile) };
        self.pipeline.expire_fragments(fragment::SETS, &mut sent);
        self.meanwhile = sent.frames;
        self.publisher.reclaim(now);
        self.publisher.settle();
    }

    /// Runs one frame through the pipeline; gives what left, in order, and before it what left since the last frame
    /// because of the time.
    fn process(&mut self, frame: &Frame) -> Result<Vec<(u16, Vec<u8>)>, ReplayError> {
        let too_long = || ReplayError::FrameTooLong { index: frame.index, port: frame.port, length: frame.bytes.len() };
        let mut mbuf = self.pools.frames.alloc().ok_or_else(|| ReplayError::dpdk("out of mbufs"))?;
        mbuf.append(frame.bytes.len()).ok_or_else(too_long)?.copy_from_slice(&frame.bytes);
        let mut burst = Burst::new();
        drop(burst.push(mbuf));
        let mut sent = Sent { pools: &self.pools, frames: std::mem::take(&mut self.meanwhile) };
        self.pipeline.process(&mut burst, Origin::Port(frame.port), &mut sent);
        Ok(sent.frames)
    }
}

fn refused(path: &Path, reason: link::message::Refusal) -> ReplayError {
    ReplayError::Refused { path: path.display().to_string(), reason: reason.help() }
}

/// Collects what leaves.
struct Sent<'a> {
    pools: &'a Pools,
    frames: Vec<(u16, Vec<u8>)>,
}

impl Output for Sent<'_> {
    fn transmit(&mut self, port: u16, mbuf: Mbuf) {
        self.frames.push((port, mbuf.data().to_vec()));
    }

    fn to_kernel(&mut self, _port: u16, mbuf: Mbuf) {
        drop(mbuf);
    }

    fn hand_off(&mut self, _worker: u16, mbuf: Mbuf) {
        drop(mbuf);
    }

    fn want_neighbor(&mut self, _port: u16, _address: u32) {}

    fn new_mbuf(&mut self) -> Option<Mbuf> {
        self.pools.frames.alloc()
    }

    fn new_large_mbuf(&mut self) -> Option<Mbuf> {
        self.pools.large.alloc()
    }
}
