//! The director's three programs.

use super::last_words::ended;
use super::{Cores, Measured, Memory, before_others};
use crate::generator::plan::Network;
use crate::network::ports_and_neighbours;
use lab::{COMMAND_LIMIT, LabError, Process, Result};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a start may take: tables of ten million connections are zeroed before.
const START: Duration = Duration::from_secs(90);

/// The director's ports and the size of its tables.
#[derive(Clone, Debug)]
pub struct Ports<'a> {
    /// Clients' side, reals' side: DPDK devices.
    pub devices: [String; 2],
    /// Addresses.
    pub network: &'a Network,
    /// Capacity for connections.
    pub connections: u64,
    /// Mbufs; `None` = as many as it wants.
    pub mbufs: Option<u32>,
    /// Workers on cores, and where they run: with one, that of [`Cores`]; else further EAL arguments map them.
    pub workers: Vec<u32>,
    /// Its main lcore.
    pub main: u32,
    /// EAL arguments that map lcores to cores; empty = by number.
    pub lcores: Option<String>,
    /// The CPUs that it may run on, as a list for taskset.
    pub cpus: String,
}

impl<'a> Ports<'a> {
    /// One worker, on its core.
    pub fn one_worker(devices: [String; 2], network: &'a Network, connections: u64, cores: Cores) -> Self {
        Self {
            devices,
            network,
            connections,
            mbufs: None,
            workers: vec![cores.worker],
            main: cores.main,
            lcores: None,
            cpus: cores.list(),
        }
    }
}

/// A running director. It ends when this is dropped.
#[derive(Debug)]
pub struct Director {
    folder: PathBuf,
    link: PathBuf,
    // Control first: it would complain about a dataplane that is gone.
    control: Process,
    dataplane: Process,
}

/// Counters at a moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When they were asked for.
    pub at: Instant,
    /// Each worker.
    pub workers: Vec<Worker>,
}

/// Counters of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// Its number; `None` for the main lcore.
    pub worker: Option<u32>,
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub transmitted: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Packets handed to another worker.
    pub handed_off: u64,
    /// Connections made.
    pub connections_created: u64,
    /// Connections that ended.
    pub connections_expired: u64,
    /// Connections removed to make room.
    pub connections_evicted: u64,
    /// Connections that there are.
    pub connections: u64,
    /// Cycles of the time stamp counter in rounds with packets.
    pub busy_cycles: u64,
    /// Rounds.
    pub loops: u64,
    /// Rounds without packets.
    pub empty_polls: u64,
}

#[derive(Deserialize)]
struct Stats {
    totals: Totals,
}

#[derive(Deserialize)]
struct Totals {
    workers: Vec<Worker>,
}

impl Director {
    /// Starts it with these services (the text of services.toml); all its files are in `folder`. It forwards when this
    /// returns.
    ///
    /// # Errors
    /// A program is not built, ended, or is not ready in time; the message ends with its log.
    pub fn start(folder: &Path, ports: &Ports<'_>, memory: Memory, services: &str) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let link = Path::new("/dev/shm").join(format!("{name}.link"));
        let config = write(folder, "sluice.toml", &machine(folder, &link, ports, memory))?;
        let services = write(folder, "services.toml", services)?;
        let socket = folder.join("control.sock");
        for old in ["control.sock", "control.sock.running.toml", "control.sock.lock"] {
            drop(fs::remove_file(folder.join(old)));
        }
        let mut dataplane = spawn("sluice-dataplane", folder, Some(ports.cpus.as_str()), |command| {
            command.arg("--config").arg(&config)
        })?;
        lab::wait_until("the dataplane to start", START, || {
            check(&mut dataplane)?;
            Ok(link.exists().then_some(()))
        })?;
        let mut control = spawn("sluiced", folder, None, |command| {
            command.arg("--config").arg(&config).arg("--services").arg(&services)
        })?;
        lab::wait_until("sluiced to have its tables in force", START, || {
            check(&mut control)?;
            check(&mut dataplane)?;
            if !socket.exists() {
                return Ok(None);
            }
            let Ok(status) = sluice(folder, &["--format", "json", "status"]) else { return Ok(None) };
            Ok(lab::has_tables_in_force(&status).then_some(()))
        })?;
        Ok(Self { folder: folder.to_owned(), link, control, dataplane })
    }

    /// Runs the command line; returns what it printed.
    ///
    /// # Errors
    /// It refused, or did not end in 30 s.
    pub fn sluice(&self, arguments: &[&str]) -> Result<String> {
        sluice(&self.folder, arguments)
    }

    /// Applies other services (the text of services.toml); returns how long that took.
    ///
    /// # Errors
    /// They are refused.
    pub fn apply(&self, services: &str) -> Result<Duration> {
        let file = write(&self.folder, "applied.toml", services)?;
        let start = Instant::now();
        self.sluice(&["apply", &file.to_string_lossy()])?;
        Ok(start.elapsed())
    }

    /// Removes all connections and waits until they are gone.
    ///
    /// # Errors
    /// They are still there after some time.
    pub fn flush(&self) -> Result<()> {
        self.sluice(&["connection", "flush", "--all"])?;
        lab::wait_until("the connections to be flushed", START, || {
            let left: u64 = self.snapshot()?.workers.iter().map(|worker| worker.connections).sum();
            Ok((left == 0).then_some(()))
        })
    }

    /// Holds the dataplane where it is: its worker's core is free.
    ///
    /// # Errors
    /// It ended.
    pub fn hold(&mut self) -> Result<()> {
        self.dataplane.signal(lab::Signal::STOP)
    }

    /// Lets it go on. The round that it was in counts as busy for as long as it was held.
    ///
    /// # Errors
    /// It ended.
    pub fn go_on(&mut self) -> Result<()> {
        self.dataplane.signal(lab::Signal::CONT)
    }

    /// The workers' counters.
    ///
    /// # Errors
    /// Control does not answer.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let text = self.sluice(&["--format", "json", "stats"])?;
        let stats: Stats = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let workers = stats.totals.workers.into_iter().filter(|worker| worker.worker.is_some()).collect();
        Ok(Snapshot { at: Instant::now(), workers })
    }

    /// Processor time of its main lcore so far, in all.
    pub fn main_lcore_time(&self) -> Option<Duration> {
        // utime and stime, in units of 10 ms, are the 14th and 15th field; the 2nd may have spaces but ends with ")".
        let stat = fs::read_to_string(format!("/proc/{0}/task/{0}/stat", self.dataplane.pid())).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }

    /// Memory of the dataplane outside of hugepages, bytes, as the kernel counts it.
    pub fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.dataplane.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }
}

impl Measured for Director {
    fn check_running(&mut self) -> Result<()> {
        check(&mut self.dataplane)?;
        check(&mut self.control)
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        drop(self.dataplane.signal(lab::Signal::TERM));
        drop(self.go_on());
        if self.dataplane.wait(Duration::from_secs(20)).is_err() {
            drop(self.dataplane.kill());
        }
        drop(fs::remove_file(&self.link));
    }
}

impl Snapshot {
    /// What one worker did since an earlier moment.
    pub fn since(&self, earlier: &Self, worker: usize) -> Worker {
        let now = self.workers.get(worker).copied().unwrap_or_default();
        let then = earlier.workers.get(worker).copied().unwrap_or_default();
        Worker {
            worker: now.worker,
            received: now.received.saturating_sub(then.received),
            transmitted: now.transmitted.saturating_sub(then.transmitted),
            dropped: now.dropped.saturating_sub(then.dropped),
            handed_off: now.handed_off.saturating_sub(then.handed_off),
            connections_created: now.connections_created.saturating_sub(then.connections_created),
            connections_expired: now.connections_expired.saturating_sub(then.connections_expired),
            connections_evicted: now.connections_evicted.saturating_sub(then.connections_evicted),
            connections: now.connections,
            busy_cycles: now.busy_cycles.saturating_sub(then.busy_cycles),
            loops: now.loops.saturating_sub(then.loops),
            empty_polls: now.empty_polls.saturating_sub(then.empty_polls),
        }
    }
}

impl Worker {
    /// Cycles for each packet received.
    pub fn cycles_a_packet(&self) -> f64 {
        self.busy_cycles as f64 / self.received.max(1) as f64
    }
}

fn machine(folder: &Path, link: &Path, ports: &Ports<'_>, memory: Memory) -> String {
    let mut eal = memory.eal();
    eal.extend(ports.lcores.iter().map(|map| format!("--lcores={map}")));
    let mbufs = ports.mbufs.map(|mbufs| format!("mbufs = {mbufs}\n")).unwrap_or_default();
    let [wan, lan] = &ports.devices;
    format!(
        "[dataplane]\nmain_lcore = {}\nworkers = {:?}\neal = {eal:?}\nconnections = {}\ntemplates = 1024\n{mbufs}idle = \
         \"spin\"\n{}[control]\nsocket = \"{}/control.sock\"\nlink = \"{}\"\n",
        ports.main,
        ports.workers,
        ports.connections,
        ports_and_neighbours(wan, lan, ports.network),
        folder.display(),
        link.display()
    )
}

/// An error, with its last words, if it ended.
fn check(process: &mut Process) -> Result<()> {
    process.check_running().map_err(|error| match error {
        LabError::Ended { what, status, .. } => ended(&what, status, process.log_path()),
        other => other,
    })
}

/// Starts a program of this workspace; on these cores and before others, where it is what is measured.
fn spawn<'a>(
    name: &str,
    folder: &Path,
    cpus: Option<&str>,
    with: impl FnOnce(&mut Command) -> &mut Command + 'a,
) -> Result<Process> {
    let log = folder.join(format!("{name}.log"));
    drop(fs::remove_file(&log));
    let program = lab::program(name)?;
    let mut command = match cpus {
        Some(cpus) => before_others(Command::new("taskset").args(["--cpu-list", cpus]).arg(program)),
        None => Command::new(program),
    };
    with(&mut command);
    Process::spawn(command, name, log)
}

fn sluice(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(lab::program("sluice")?);
    command.arg("--socket").arg(folder.join("control.sock")).args(arguments);
    Ok(lab::run(command, "", COMMAND_LIMIT)?.stdout)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    fs::write(&file, text).map_err(|source| LabError::Io { what: format!("writing {}", file.display()), source })?;
    Ok(file)
}

fn failed(said: String) -> LabError {
    LabError::Failed { command: "sluice stats".into(), status: "an error".into(), said }
}
