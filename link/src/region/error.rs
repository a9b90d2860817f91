//! What can be wrong with a region, in words for the operator.

use crate::port::PortError;
use crate::record::{Address, RecordError};
use crate::ring::ImpossibleIndex;
use std::io;
use std::path::PathBuf;

/// Why the dataplane could not create its region.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A count of the layout is out of range.
    #[error("link region: {value} {what}, allowed: 1 to {most}")]
    Layout {
        /// Workers, ports, services or reals.
        what: &'static str,
        /// How many.
        value: u32,
        /// The largest allowed.
        most: u32,
    },
    /// Not as many descriptions as ports.
    #[error("link region: {given} ports described, allowed: {expected}, the number in the layout")]
    PortCount {
        /// Descriptions.
        given: usize,
        /// Ports in the layout.
        expected: u16,
    },
    /// A description does not fit.
    #[error("link region: port {index}: {error}")]
    Port {
        /// Which, from 0.
        index: usize,
        /// What about it.
        error: PortError,
    },
    /// Another dataplane has the region.
    #[error(
        "{path}: a sluice-dataplane already runs with this link (pid {pid}); stop it, or give this one another [control] link"
    )]
    Running {
        /// The file.
        path: PathBuf,
        /// The other dataplane.
        pid: u32,
    },
    /// A file of another kind is in the way; it is left as it is.
    #[error("{path}: the file exists and is not a Sluice link; remove it, or choose another [control] link")]
    NotARegion {
        /// The file.
        path: PathBuf,
    },
    /// There is not enough memory for the file.
    #[error(
        "{path}: no room for {bytes} bytes ({source}); free memory (or enlarge the file system with mount -o remount,size=...), or lower max_services and max_reals"
    )]
    Space {
        /// The file.
        path: PathBuf,
        /// What is needed.
        bytes: u64,
        /// What the system says.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{path}: cannot {what}: {source}; check [control] link, and what this user may do there")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Why control could not attach.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no such file.
    #[error("{path}: no such link; start sluice-dataplane, or give [control] link the value it has there")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is no region, or not a whole one.
    #[error("{path}: not a Sluice link: {what}; give [control] link the path that sluice-dataplane uses")]
    NotARegion {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is of another version.
    #[error(
        "{path}: the dataplane has link version {theirs}, this program {ours}; install both from one release and restart the older"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The dataplane's.
        theirs: u32,
        /// This program's.
        ours: u32,
    },
    /// The dataplane that made it has ended.
    #[error("{path}: its sluice-dataplane (pid {pid}) does not run any more; start it again")]
    NotRunning {
        /// The file.
        path: PathBuf,
        /// The dead dataplane.
        pid: u32,
    },
    /// Another control is attached.
    #[error("{path}: another sluiced is attached (pid {pid}); stop it first")]
    Controlled {
        /// The file.
        path: PathBuf,
        /// The other control, as it wrote it itself.
        pid: u32,
    },
    /// A system call failed.
    #[error("{path}: cannot {what}: {source}; check [control] link, and what this user may do there")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Something in a ring that is no message. The reader counts it and goes on with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// An index that cannot be.
    #[error(transparent)]
    Index(#[from] ImpossibleIndex),
    /// A record that is no message.
    #[error("{error} (request {} of session {})", from.sequence, from.session)]
    Record {
        /// What its head says; not validated.
        from: Address,
        /// What is wrong.
        error: RecordError,
    },
    /// A valid request that is not of the session that said hello last, or not newer than the last one taken: a slot
    /// that was not written for this place in the ring.
    #[error(
        "request {} of session {} comes after request {} of session {}, allowed: a hello, or a later request of that session",
        from.sequence, from.session, last.sequence, last.session
    )]
    OutOfSequence {
        /// Its head.
        from: Address,
        /// The last request taken; zeros before the first hello.
        last: Address,
    },
}
