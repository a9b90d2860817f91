//! Reading a region: what the dataplane published, as plain values.

use super::{AttachError, Published};
use crate::capture::CaptureClock;
use crate::counters::{PerfTotals, PortTotals, RealTotals, WorkerTotals};
use crate::directory::{RealEntry, ServiceEntry, slot_totals};
use crate::file::{self, DATAPLANE_LOCK};
use crate::layout::{ABI_VERSION, Header, Layout, MAGIC, Sections};
use crate::memory::{Access, Mapping};
use crate::model::ServiceKey;
use crate::port::{PortDescription, PortRow};
use crate::ring::SLOTS;
use crate::status::StatusReport;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zerocopy::{FromZeros, IntoBytes};

/// How often a change of the directory makes a reader begin again.
const CONSISTENT_TRIES: usize = 100;

/// Which dataplane it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started: SystemTime,
    /// A random number, another for each start.
    pub instance: u64,
    /// How many workers, ports and slots it has.
    pub layout: Layout,
}

/// A real with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealReport {
    /// Its slot.
    pub slot: u32,
    /// What it is.
    pub entry: RealEntry,
    /// What it counted since it was added.
    pub totals: RealTotals,
    /// Active connections now.
    pub active: u32,
    /// Inactive connections now.
    pub inactive: u32,
    /// Templates of persistence now.
    pub persistent: u32,
    /// At its upper threshold: gets no new connections.
    pub overloaded: bool,
}

/// A service with its numbers and its reals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceReport {
    /// Its slot.
    pub slot: u32,
    /// What it is.
    pub entry: ServiceEntry,
    /// Sum over its reals, those that left included.
    pub totals: RealTotals,
    /// Active connections now, over its reals.
    pub active: u64,
    /// Inactive connections now, over its reals.
    pub inactive: u64,
    /// Live reals and removed ones that still have connections, by slot.
    pub reals: Vec<RealReport>,
}

/// What a dataplane published, read at the moment of each call. Values of different counters are not of one instant.
#[derive(Debug)]
pub struct View {
    identity: Identity,
    ports: Vec<PortDescription>,
    pub(super) published: Published,
}

impl View {
    /// Which dataplane it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its ports, by index.
    pub fn ports(&self) -> &[PortDescription] {
        &self.ports
    }

    /// Generations, refusals, beat.
    pub fn status(&self) -> StatusReport {
        self.published.status.report()
    }

    /// The counters of each worker.
    pub fn workers(&self) -> Vec<WorkerTotals> {
        let workers = usize::from(self.identity.layout.workers);
        self.published.workers.iter().take(workers).map(|worker| worker.totals()).collect()
    }

    /// Where each worker's cycles went.
    pub fn perf(&self) -> Vec<PerfTotals> {
        self.published.perf.iter().map(|worker| worker.totals()).collect()
    }

    /// The clocks by which what a capture shows is timed; `None` if they are just being set.
    pub fn capture_clock(&self) -> Option<CaptureClock> {
        self.published.capture.clock()
    }

    /// The counters of the main lcore: what it moved between ports and kernel.
    pub fn main_lcore(&self) -> WorkerTotals {
        self.published.workers.last().map(|main| main.totals()).unwrap_or_default()
    }

    /// The counters of all workers and the main lcore together.
    pub fn all_workers(&self) -> WorkerTotals {
        let mut sum = WorkerTotals::default();
        self.published.workers.iter().for_each(|worker| sum.add(&worker.totals()));
        sum
    }

    /// The counters of one port over all workers; `None` if there is no such port.
    pub fn port(&self, port: u16) -> Option<PortTotals> {
        let mut sum = PortTotals::default();
        for worker in &self.published.ports {
            sum.add(&worker.get(usize::from(port))?.totals());
        }
        Some(sum)
    }

    /// The counters of one worker on one port; `None` if there is no such worker or port.
    pub fn port_of_worker(&self, worker: u16, port: u16) -> Option<PortTotals> {
        Some(self.published.ports.get(usize::from(worker))?.get(usize::from(port))?.totals())
    }

    /// What the service in a slot is known by; `None`: there is none, or it is just changing.
    pub fn service_key(&self, slot: u32) -> Option<ServiceKey> {
        self.published.services.get(slot as usize)?.read().map(|entry| entry.key)
    }

    /// Every service with its reals, by slot.
    pub fn services(&self) -> Vec<ServiceReport> {
        self.published.directory_head.consistently(CONSISTENT_TRIES, || self.read_services())
    }

    /// Reals whose service is gone and that still have connections, by slot.
    pub fn orphans(&self) -> Vec<RealReport> {
        self.published.directory_head.consistently(CONSISTENT_TRIES, || {
            let services = &self.published.services;
            let has_service =
                |real: &RealReport| services.get(real.entry.service as usize).and_then(|slot| slot.read());
            self.read_reals().filter(|real| has_service(real).is_none()).collect()
        })
    }

    fn read_reals(&self) -> impl Iterator<Item = RealReport> {
        (0u32..).zip(self.published.reals.iter()).filter_map(|(slot, cell)| {
            let entry = cell.read()?;
            let (active, inactive) = cell.connections();
            let totals = slot_totals(&self.published.real_counters, slot).since(&entry.baseline);
            let persistent = cell.persistent.load(Ordering::Relaxed);
            let overloaded = cell.overloaded.load(Ordering::Relaxed) != 0;
            Some(RealReport { slot, entry, totals, active, inactive, persistent, overloaded })
        })
    }

    fn read_services(&self) -> Vec<ServiceReport> {
        let mut places = vec![None; self.published.services.len()];
        let mut reports = Vec::new();
        for ((slot, cell), place) in (0u32..).zip(self.published.services.iter()).zip(&mut places) {
            if let Some(entry) = cell.read() {
                *place = Some(reports.len());
                let totals = entry.retired;
                reports.push(ServiceReport { slot, entry, totals, active: 0, inactive: 0, reals: Vec::new() });
            }
        }
        for real in self.read_reals() {
            let place = places.get(real.entry.service as usize).copied().flatten();
            if let Some(service) = place.and_then(|place| reports.get_mut(place)) {
                service.totals.add(&real.totals);
                service.active += u64::from(real.active);
                service.inactive += u64::from(real.inactive);
                service.reals.push(real);
            }
        }
        reports
    }
}

/// Looks at a region without a part in the link: takes no lock, writes nothing. For tools and tests.
#[derive(Debug)]
pub struct Viewer {
    file: File,
    view: View,
}

impl Viewer {
    /// Opens the region at `path`; that of a dead dataplane, too.
    pub fn open(path: &Path) -> Result<Self, AttachError> {
        let (file, header) = open(path, false)?;
        let view = map(path, &file, &header)?;
        Ok(Self { file, view })
    }

    /// What the dataplane published.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether the dataplane that made this region still runs.
    pub fn dataplane_is_alive(&self) -> bool {
        file::is_locked(&self.file, DATAPLANE_LOCK).unwrap_or(false)
    }
}

/// Opens the file and validates its header.
pub(super) fn open(path: &Path, write: bool) -> Result<(File, Header), AttachError> {
    let file = match OpenOptions::new().read(true).write(write).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(AttachError::Missing { path: path.to_owned() });
        }
        Err(source) => return Err(AttachError::Io { path: path.to_owned(), what: "open the link", source }),
    };
    let header = read_header(path, &file)?;
    Ok((file, header))
}

fn read_header(path: &Path, file: &File) -> Result<Header, AttachError> {
    let io = |source| AttachError::Io { path: path.to_owned(), what: "read the link's header", source };
    let not_a_region = |what: String| AttachError::NotARegion { path: path.to_owned(), what };
    let size = file.metadata().map_err(io)?.len();
    if size < size_of::<Header>() as u64 {
        return Err(not_a_region(format!("{size} bytes are too few")));
    }
    let mut header = Header::new_zeroed();
    file.read_exact_at(header.as_mut_bytes(), 0).map_err(io)?;
    if header.magic != MAGIC {
        return Err(not_a_region("it does not begin with SLUICELK".to_owned()));
    }
    if header.abi != ABI_VERSION {
        return Err(AttachError::Version { path: path.to_owned(), theirs: header.abi, ours: ABI_VERSION });
    }
    let layout = header.layout();
    if let Some((what, value, most)) = layout.out_of_range() {
        return Err(not_a_region(format!("{value} {what}, allowed: 1 to {most}")));
    }
    let (sections, total) = Sections::of(&layout);
    if header.total != total || header.sections != sections || header.ring_slots != SLOTS {
        return Err(not_a_region("its sections are not where its counts put them".to_owned()));
    }
    if size != total {
        return Err(not_a_region(format!("it has {size} bytes, its header says {total}")));
    }
    Ok(header)
}

/// Maps the file read-only and reads what does not change.
pub(super) fn map(path: &Path, file: &File, header: &Header) -> Result<View, AttachError> {
    let io = |what| move |source| AttachError::Io { path: path.to_owned(), what, source };
    let not_a_region = |what: String| AttachError::NotARegion { path: path.to_owned(), what };
    let mut rows = vec![PortRow::new_zeroed(); usize::from(header.ports)];
    file.read_exact_at(rows.as_mut_bytes(), header.sections.ports.offset).map_err(io("read the link's ports"))?;
    let ports = rows
        .iter()
        .enumerate()
        .map(|(index, row)| row.decode().map_err(|error| not_a_region(format!("port {index}: {error}"))));
    let ports = ports.collect::<Result<_, _>>()?;
    let total = usize::try_from(header.total).unwrap_or(usize::MAX);
    let mapping = Mapping::new(file.as_fd(), 0, total, Access::Read).map(Arc::new).map_err(io("map the link"))?;
    let published =
        Published::new(&mapping, header).ok_or_else(|| not_a_region("its sections do not fit its size".to_owned()))?;
    let identity = Identity {
        pid: header.pid,
        started: UNIX_EPOCH + Duration::from_nanos(header.started_unix_ns),
        instance: header.instance,
        layout: header.layout(),
    };
    Ok(View { identity, ports, published })
}
