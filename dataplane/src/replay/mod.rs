//! The director over capture files: the same pipeline, one worker, and a clock that follows the time stamps. With the
//! same inputs the outputs are the same, byte for byte.

mod capture;
mod error;
mod report;
mod state;

use crate::clock::Milliseconds;
use crate::connection::{Accounts, ConnectionTable, Expected, Templates};
use crate::counters::Counters;
use crate::fragment;
use crate::pipeline::{Origin, Output, Pipeline, Settings};
use crate::publisher::Publisher;
use crate::setup::{self, PortReality};
use crate::sweeper::Sweeper;
use crate::worker::Pools;
use capture::{Frame, Inputs, OutputFile};
use config::{Machine, Services};
pub use error::ReplayError;
use link::PortQueues;
use link::region::DataplaneLink;
use report::VerdictLine;
use rte_rs::{Burst, Eal, EalOptions, Mbuf, Mempool, MempoolOptions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// Seconds after the first frame, and where connections and counts of that moment go.
    pub states: Vec<(f64, PathBuf)>,
}

/// Runs a replay in a process that does nothing else with DPDK.
///
/// # Errors
/// When a file can't be read, written or is refused, or DPDK does not start.
pub fn run(options: &ReplayOptions) -> Result<(), ReplayError> {
    Replayer::start()?.run(options)
}

/// What replays of one process share: DPDK, which starts once in a process, and its mbufs.
pub struct Replayer {
    pools: Pools,
}

impl Replayer {
    /// Starts DPDK.
    ///
    /// # Errors
    /// When DPDK does not start, or has been started in this process before.
    pub fn start() -> Result<Self, ReplayError> {
        let eal = Eal::start(&EalOptions {
            program: "sluice-replay".to_owned(),
            main_lcore: 0,
            workers: Vec::new(),
            arguments: setup::private_eal_arguments(),
        });
        eal.map_err(ReplayError::dpdk)?;
        let options = MempoolOptions { mbufs: MBUFS, cache: 0, data_room: MAX_FRAME, socket: -1 };
        let frames = Mempool::new("replay", options).map_err(ReplayError::dpdk)?;
        Ok(Self { pools: Pools { frames, large: setup::large_pool(1).map_err(ReplayError::dpdk)? } })
    }

    /// Runs a replay; nothing is left of earlier ones.
    ///
    /// # Errors
    /// When a file can't be read, written or is refused.
    pub fn run(&self, options: &ReplayOptions) -> Result<(), ReplayError> {
        run_in(options, &self.pools)
    }
}

fn run_in(options: &ReplayOptions, pools: &Pools) -> Result<(), ReplayError> {
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
    let mut replay = Replay::start(&machine, options, pools)?;
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
    replay.finish()?;
    match &options.connections {
        Some(path) => state::write_connections(path, &mut replay.pipeline, replay.now),
        None => Ok(()),
    }
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

fn port_reality((index, port): (usize, &config::Port)) -> PortReality {
    let mac = port.mac.map_or_else(|| setup::replay_mac(index), |mac| mac.0);
    PortReality { mac, mtu: port.mtu, driver: "capture file".to_owned(), queues: PortQueues::default() }
}

/// What happens between two frames.
struct Happening {
    at: Milliseconds,
    path: PathBuf,
    what: What,
}

enum What {
    /// These services take effect.
    Change(Services),
    /// The file is written.
    State,
}

/// Changes and states, the last one first; at the same time the change comes first. The files of all changes are read
/// before the first frame: a mistake in one is found even if its time never comes.
fn happenings(options: &ReplayOptions) -> Result<Vec<Happening>, ReplayError> {
    let at = |seconds: f64| (seconds * 1000.0).round() as Milliseconds;
    let change = |(seconds, path): &(f64, PathBuf)| {
        Ok(Happening { at: at(*seconds), path: path.clone(), what: What::Change(Services::load(path)?) })
    };
    let mut happenings = options.applies.iter().map(change).collect::<Result<Vec<_>, ReplayError>>()?;
    let state =
        |(seconds, path): &(f64, PathBuf)| Happening { at: at(*seconds), path: path.clone(), what: What::State };
    happenings.extend(options.states.iter().map(state));
    happenings.sort_by_key(|happening| happening.at);
    happenings.reverse();
    Ok(happenings)
}

/// A director whose ports are files.
struct Replay<'a> {
    pipeline: Pipeline,
    publisher: Publisher,
    pools: &'a Pools,
    /// What time itself has caused to leave since the last frame.
    meanwhile: Vec<(u16, Vec<u8>)>,
    sweeper: Sweeper,
    /// Holds the counters' memory.
    link: DataplaneLink,
    /// What is to come, the last one first.
    happenings: Vec<Happening>,
    first: Option<Duration>,
    now: Milliseconds,
}

impl<'a> Replay<'a> {
    fn start(machine: &Machine, options: &ReplayOptions, pools: &'a Pools) -> Result<Self, ReplayError> {
        let services = Services::load(&options.services)?;
        let happenings = happenings(options)?;
        let real: Vec<PortReality> = machine.ports.iter().enumerate().map(port_reality).collect();
        let descriptions = setup::port_descriptions(machine, &real);
        let link = DataplaneLink::private(&setup::layout(machine, 1), &descriptions).map_err(ReplayError::dpdk)?;
        let mut publisher = Publisher::new(setup::port_interfaces(machine, &real), link.directory(), 0);
        publisher
            .apply_next_hops(1, &setup::static_next_hops(machine))
            .map_err(|(reason, _)| refused(&options.config, reason))?;
        publisher.apply_services(1, &services.table(), 0).map_err(|reason| refused(&options.services, reason))?;
        let accounts = Accounts::new(link.directory().reals.clone());
        let expected = Arc::new(Expected::reproducible(setup::control_connections(machine), accounts.clone()));
        let connections = ConnectionTable::new(machine.dataplane.connections, accounts, 0);
        let counters = Counters::of_worker(&link, 0, real.len() as u16)
            .ok_or_else(|| ReplayError::dpdk("the counters' region is too small"))?;
        let settings = Settings {
            worker: 0,
            workers: 1,
            ports: setup::port_facts(machine, &real),
            unmatched: machine.dataplane.unmatched,
            answer_rate: machine.dataplane.reject_rate,
            path_mtus: Arc::default(),
            expected,
            templates: Arc::new(Templates::reproducible(machine.dataplane.templates, link.directory().reals.clone())),
        };
        let tables = publisher.tables();
        let pipeline = Pipeline::new(settings, connections, counters, tables, link.directory(), 0);
        Ok(Self {
            pipeline,
            publisher,
            pools,
            meanwhile: Vec::new(),
            link,
            happenings,
            first: None,
            now: 0,
            sweeper: Sweeper::default(),
        })
    }

    /// Brings the clock to `time`: tables change and connections expire on the way, each at its moment.
    fn advance(&mut self, time: Duration) -> Result<(), ReplayError> {
        let first = *self.first.get_or_insert(time);
        // A frame that is older than the one before it, within one file, comes at that one's time.
        let now = (time.saturating_sub(first).as_millis() as Milliseconds).max(self.now);
        while let Some(next) = self.happenings.pop_if(|next| next.at <= now) {
            self.set_time(next.at.max(self.now));
            self.happen(next)?;
        }
        self.set_time(now);
        Ok(())
    }

    /// Goes on, after the last frame, to the last state that is asked for.
    fn finish(&mut self) -> Result<(), ReplayError> {
        while self.happenings.iter().any(|next| matches!(next.what, What::State)) {
            if let Some(next) = self.happenings.pop() {
                self.set_time(next.at.max(self.now));
                self.happen(next)?;
            }
        }
        Ok(())
    }

    fn happen(&mut self, Happening { path, what, .. }: Happening) -> Result<(), ReplayError> {
        let What::Change(services) = what else {
            return state::write(&path, &mut self.pipeline, &self.link, self.now);
        };
        let generation = self.publisher.tables().services.generation() + 1;
        self.publisher
            .apply_services(generation, &services.table(), self.now)
            .map_err(|reason| refused(&path, reason))?;
        self.pipeline.adopt(&self.publisher.tables());
        Ok(())
    }

    fn set_time(&mut self, now: Milliseconds) {
        self.now = now;
        self.pipeline.set_time(now);
        self.pipeline.expire(usize::MAX);
        let templates = self.pipeline.templates();
        let services = &self.pipeline.tables().services;
        if Sweeper::goes_early(services.settings()) {
            let pressure = self.pipeline.counters().worker.pressure.value() != 0;
            self.sweeper.step(templates, services, pressure, templates.buckets(), now);
        }
        let mut sent = Sent { pools: self.pools, frames: std::mem::take(&mut self.meanwhile) };
        self.pipeline.send_resets(&mut sent);
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
        let mut sent = Sent { pools: self.pools, frames: std::mem::take(&mut self.meanwhile) };
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
