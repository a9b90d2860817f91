//! The dataplane's end of the link.

use super::create::{Contents, Unnamed, io_error, remove_if_same};
use super::{ControlWords, CreateError, DataplaneWords, Garbage, Published};
use crate::capture::{CaptureClock, CaptureWriter};
use crate::counters::{PerfCounters, PortCounters, RealCounters, WorkerCounters};
use crate::directory::Directory;
use crate::file::{self, CONTROL_LOCK};
use crate::layout::Layout;
use crate::memory::{Access, Handle, Mapping};
use crate::message::{Reply, Request};
use crate::port::PortDescription;
use crate::record::{Address, Record};
use crate::ring::{Consumer, Index, Producer, Ring};
use crate::status::Status;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A request and where the replies to it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// For [`DataplaneLink::reply`].
    pub from: Address,
    /// What control wants.
    pub request: Request,
}

/// The dataplane's end: it owns the region. Belongs to the main lcore; workers get [`Handle`]s. Dropping it removes
/// the file; handles stay valid.
#[derive(Debug)]
pub struct DataplaneLink {
    /// `None` for a private region.
    path: Option<PathBuf>,
    /// Holds the dataplane lock.
    file: File,
    requests: Consumer,
    replies: Producer,
    published: Published,
    capture_heads: Handle<[Index]>,
    /// The last request taken; session 0 before the first hello.
    last: Address,
}

impl DataplaneLink {
    /// Creates the region at `path` for control to attach to, mode 0600. There is one dataplane at a path: a second is
    /// refused with the first's pid, and what a dead one left is replaced.
    pub fn create(path: &Path, layout: &Layout, ports: &[PortDescription]) -> Result<Self, CreateError> {
        let contents = Contents::new(layout, ports)?;
        let unnamed = Unnamed::new(path, &contents)?;
        let mut link = Self::over(unnamed.file()?, &contents, path)?;
        unnamed.publish(path)?;
        link.path = Some(path.to_owned());
        Ok(link)
    }

    /// A region without a name, to which nobody can attach: for replay and tests.
    pub fn private(layout: &Layout, ports: &[PortDescription]) -> Result<Self, CreateError> {
        let path = Path::new("(private link)");
        let contents = Contents::new(layout, ports)?;
        let file = file::memfd().map_err(io_error(path, "create a memory file"))?;
        contents.write(&file, path)?;
        Self::over(file, &contents, path)
    }

    fn over(file: File, contents: &Contents, path: &Path) -> Result<Self, CreateError> {
        let header = &contents.header;
        let total = usize::try_from(header.total).unwrap_or(usize::MAX);
        let mapping = Mapping::new(file.as_fd(), 0, total, Access::WritePopulated)
            .map(Arc::new)
            .map_err(io_error(path, "map the link"))?;
        let too_short = || io_error(path, "map the link")(io::Error::other("its sections do not fit its size"));
        let control =
            ControlWords::new(&mapping, header.sections.control.offset(), header.workers).ok_or_else(too_short)?;
        let own = DataplaneWords::new(&mapping, header.sections.dataplane.offset()).ok_or_else(too_short)?;
        let published = Published::new(&mapping, header).ok_or_else(too_short)?;
        Ok(Self {
            path: None,
            file,
            requests: Consumer::new(Ring {
                tail: control.request_tail,
                head: own.request_head,
                slots: control.requests,
            }),
            replies: Producer::new(Ring { tail: own.reply_tail, head: control.reply_head, slots: own.replies }),
            published,
            capture_heads: control.capture_heads,
            last: Address::default(),
        })
    }

    /// Takes the next request, if there is one; constant time. The session is that of the last
    /// [`Request::Hello`] and requests of others are garbage, so the first request of a control must be that.
    pub fn receive(&mut self) -> Option<Result<Received, Garbage>> {
        let result = match self.requests.pop()? {
            Ok(record) => self.accept(&record),
            Err(index) => Err(Garbage::Index(index)),
        };
        let status = &self.published.status;
        let counter = if result.is_ok() { &status.requests } else { &status.garbage };
        counter.add(1);
        Some(result)
    }

    fn accept(&mut self, record: &Record) -> Result<Received, Garbage> {
        let from = record.address();
        let request = Request::try_from(record).map_err(|error| Garbage::Record { from, error })?;
        let ahead = from.sequence.wrapping_sub(self.last.sequence);
        let newer = from.session == self.last.session && (1..1 << 31).contains(&ahead);
        if !newer && !matches!(request, Request::Hello { .. }) {
            return Err(Garbage::OutOfSequence { from, last: self.last });
        }
        self.last = from;
        Ok(Received { from, request })
    }

    /// Sends a reply; `false` if the ring is full: try later. A reply to a control that is gone is dropped and counts
    /// as sent.
    pub fn reply(&mut self, to: Address, reply: &Reply) -> bool {
        if to.session != self.last.session || to.session == 0 {
            return true;
        }
        let sent = self.replies.push(&Record::from_reply(to, reply)).is_ok();
        if sent {
            self.published.status.replies.add(1);
        }
        sent
    }

    /// Where replies go that nobody asked for; `None` before the first hello.
    pub fn unasked(&self) -> Option<Address> {
        (self.last.session != 0).then_some(Address { session: self.last.session, sequence: 0 })
    }

    /// The status section, to be written by the main lcore.
    pub fn status(&self) -> &Status {
        &self.published.status
    }

    /// The counters that worker `worker` writes, or the main lcore, which has the number behind the last worker's;
    /// `None` for a number beyond.
    pub fn worker_counters(&self, worker: u16) -> Option<Handle<WorkerCounters>> {
        self.published.workers.element(usize::from(worker))
    }

    /// What worker `worker` writes about its cycles; `None` for a number beyond.
    pub fn perf_counters(&self, worker: u16) -> Option<Handle<PerfCounters>> {
        self.published.perf.element(usize::from(worker))
    }

    /// The counters that worker `worker` writes for port `port`; `None` if the layout has fewer of either.
    pub fn port_counters(&self, worker: u16, port: u16) -> Option<Handle<PortCounters>> {
        self.published.ports.get(usize::from(worker))?.element(usize::from(port))
    }

    /// The counters that worker `worker` writes, by real slot; `None` if the layout has fewer workers.
    pub fn real_counters(&self, worker: u16) -> Option<Handle<[RealCounters]>> {
        self.published.real_counters.get(usize::from(worker)).cloned()
    }

    /// The end of a worker's capture ring that writes, to be taken once; `None` for a number beyond.
    pub fn capture_writer(&self, worker: u16) -> Option<CaptureWriter> {
        self.published.capture.writer(worker, &self.capture_heads)
    }

    /// Says how the time stamp counters of captured packets become times.
    pub fn set_capture_clock(&self, clock: CaptureClock) {
        self.published.capture.set_clock(clock);
    }

    /// Whether a control is attached: it is there, whatever it does.
    pub fn is_controlled(&self) -> bool {
        file::is_locked(&self.file, CONTROL_LOCK).unwrap_or(false)
    }

    /// The directory of slots.
    pub fn directory(&self) -> Directory {
        Directory {
            head: self.published.directory_head.clone(),
            services: self.published.services.clone(),
            reals: self.published.reals.clone(),
            counters: self.published.real_counters.clone(),
        }
    }
}

impl Drop for DataplaneLink {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Best effort: a file that stays is recognised as stale by the next dataplane.
            let _ = remove_if_same(path, &self.file);
        }
    }
}
