//! Control's end of the link.

use super::view::{map, open};
use super::{AttachError, CONTROL_PID_OFFSET, ControlWords, DataplaneWords, Garbage, View};
use crate::capture::CaptureReader;
use crate::file::{self, CONTROL_LOCK, DATAPLANE_LOCK};
use crate::layout::Header;
use crate::memory::{Access, Handle, Mapping};
use crate::message::{Reply, Request};
use crate::record::{Address, Record};
use crate::ring::{Consumer, Index, Producer, Ring, RingFull, SLOTS};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Control's end: sends requests, reads replies, looks at the rest. One control at a time.
#[derive(Debug)]
pub struct ControlLink {
    /// Holds the control lock.
    file: File,
    view: View,
    pub(super) requests: Producer,
    replies: Consumer,
    capture_heads: Handle<[Index]>,
    session: u32,
    sequence: u32,
}

impl ControlLink {
    /// Attaches to the region of the dataplane that runs at `path`. Whatever an earlier control left in the rings is
    /// void: the first request must be a [`Request::Hello`], replies from before are not seen.
    pub fn attach(path: &Path) -> Result<Self, AttachError> {
        let (file, header) = open(path, true)?;
        let io = |what| move |source| AttachError::Io { path: path.to_owned(), what, source };
        if !file::is_locked(&file, DATAPLANE_LOCK).map_err(io("see whether the dataplane runs"))? {
            return Err(AttachError::NotRunning { path: path.to_owned(), pid: header.pid });
        }
        if !file::try_lock(&file, CONTROL_LOCK).map_err(io("lock the link"))? {
            let pid = control_pid(&file, &header).map_err(io("read who is attached"))?;
            return Err(AttachError::Controlled { path: path.to_owned(), pid });
        }
        let view = map(path, &file, &header)?;
        let (own, theirs) = map_rings(&file, &header).map_err(io("map the link"))?;
        own.pid.store(std::process::id());
        let session = own.session.load().wrapping_add(1).max(1);
        own.session.store(session);
        let capture_heads = own.capture_heads;
        let requests = Producer::new(Ring { tail: own.request_tail, head: theirs.request_head, slots: own.requests });
        let replies = Consumer::new(Ring { tail: theirs.reply_tail, head: own.reply_head, slots: theirs.replies });
        Ok(Self { file, view, requests, replies, capture_heads, session, sequence: 0 })
    }

    /// Sends a request; the result is its sequence number, which its replies carry.
    pub fn send(&mut self, request: &Request) -> Result<u32, RingFull> {
        let sequence = self.sequence.wrapping_add(1).max(1);
        self.requests.push(&Record::from_request(Address { session: self.session, sequence }, request))?;
        self.sequence = sequence;
        Ok(sequence)
    }

    /// Takes the next reply, if there is one, with the sequence number of its request (0: nobody asked). Replies to
    /// earlier sessions are skipped.
    pub fn receive(&mut self) -> Option<Result<(u32, Reply), Garbage>> {
        // Bounded, should the other side fill the ring as fast as it is read.
        for _ in 0..SLOTS {
            let record = match self.replies.pop()? {
                Ok(record) => record,
                Err(index) => return Some(Err(Garbage::Index(index))),
            };
            if record.session == self.session {
                let from = record.address();
                let reply = Reply::try_from(&record).map_err(|error| Garbage::Record { from, error });
                return Some(reply.map(|reply| (from.sequence, reply)));
            }
        }
        None
    }

    /// The end of worker `worker`'s capture ring that reads what is written from now on; `None` for a number beyond. There
    /// is to be one at a time.
    pub fn capture_reader(&self, worker: u16) -> Option<CaptureReader> {
        self.view.published.capture.reader(worker, &self.capture_heads)
    }

    /// What the dataplane published.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// This attachment's number.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// Whether the dataplane that made this region still runs. Once `false` it stays so: attach anew.
    pub fn dataplane_is_alive(&self) -> bool {
        file::is_locked(&self.file, DATAPLANE_LOCK).unwrap_or(false)
    }
}

/// The `control` section for writing, the `dataplane` section for reading.
fn map_rings(file: &File, header: &Header) -> io::Result<(ControlWords, DataplaneWords)> {
    let map = |section: crate::layout::Section, access| {
        Mapping::new(file.as_fd(), section.offset(), section.length(), access).map(Arc::new)
    };
    let own = map(header.sections.control, Access::Write)?;
    let theirs = map(header.sections.dataplane, Access::Read)?;
    let too_short = || io::Error::other("a section is too short for its ring");
    let own = ControlWords::new(&own, 0, header.workers).ok_or_else(too_short)?;
    let theirs = DataplaneWords::new(&theirs, 0).ok_or_else(too_short)?;
    Ok((own, theirs))
}

/// The pid that the attached control wrote.
fn control_pid(file: &File, header: &Header) -> io::Result<u32> {
    let mut pid = [0; 4];
    file.read_exact_at(&mut pid, header.sections.control.offset + CONTROL_PID_OFFSET)?;
    Ok(u32::from_ne_bytes(pid))
}
