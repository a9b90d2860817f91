//! Making the region's file, one dataplane at a path.
//!
//! Who replaces or removes the file at the path holds its dataplane lock, and a new file gets the name by `link`, which
//! fails if there is one. So of two dataplanes that start at the same time one is refused, whatever their timing.

use super::CreateError;
use crate::file::{self, DATAPLANE_LOCK, process_exists};
use crate::layout::{Header, Layout, MAGIC};
use crate::port::{PortDescription, PortRow};
use crate::status::unix_ns;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zerocopy::IntoBytes;

/// How often a name that is in transition is looked at again, and after what pause.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// What is written before the file has its name.
pub(super) struct Contents {
    pub(super) header: Header,
    ports: Vec<PortRow>,
}

impl Contents {
    /// Refuses what does not fit.
    pub(super) fn new(layout: &Layout, ports: &[PortDescription]) -> Result<Self, CreateError> {
        if let Some((what, value, most)) = layout.out_of_range() {
            return Err(CreateError::Layout { what, value, most });
        }
        if ports.len() != usize::from(layout.ports) {
            return Err(CreateError::PortCount { given: ports.len(), expected: layout.ports });
        }
        let row = |(index, port)| PortRow::encode(port).map_err(|error| CreateError::Port { index, error });
        let rows = ports.iter().enumerate().map(row).collect::<Result<_, _>>()?;
        let instance = RandomState::new().hash_one(SystemTime::now()) | 1;
        let header = Header::new(layout, std::process::id(), unix_ns(SystemTime::now()), instance);
        Ok(Self { header, ports: rows })
    }

    /// Fills a new, empty file.
    pub(super) fn write(&self, file: &File, path: &Path) -> Result<(), CreateError> {
        let bytes = self.header.total;
        file::allocate(file, bytes).map_err(|source| CreateError::Space { path: path.to_owned(), bytes, source })?;
        file.write_all_at(self.header.as_bytes(), self.header.sections.header.offset)
            .and_then(|()| file.write_all_at(self.ports.as_bytes(), self.header.sections.ports.offset))
            .map_err(io_error(path, "write the link's header"))
    }
}

/// Removes what a dead dataplane left at the path. Returns also when the path is not what it was a moment ago, for the
/// caller to try again; but the `last` time a locked file is one in use.
fn clear_the_way(path: &Path, last: bool) -> Result<(), CreateError> {
    let there = match OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EISDIR)) => {
            return Err(CreateError::NotARegion { path: path.to_owned() });
        }
        Err(source) => return Err(io_error(path, "open the link that is there")(source)),
    };
    let Some((magic, pid)) = magic_and_pid(&there) else {
        return Err(CreateError::NotARegion { path: path.to_owned() });
    };
    if magic != MAGIC {
        return Err(CreateError::NotARegion { path: path.to_owned() });
    }
    if !file::try_lock(&there, DATAPLANE_LOCK).map_err(io_error(path, "lock the link that is there"))? {
        if last || process_exists(pid) {
            return Err(CreateError::Running { path: path.to_owned(), pid });
        }
        // Locked, but its maker is not to be seen: most likely another dataplane is about to replace it.
        std::thread::sleep(PAUSE);
        return Ok(());
    }
    remove_if_same(path, &there).map_err(io_error(path, "remove the link of a dead dataplane"))
}

/// The first 16 bytes hold the magic number, the ABI version and the pid in every version of the header.
fn magic_and_pid(file: &File) -> Option<(u64, u32)> {
    let mut start = [0; 16];
    file.read_exact_at(&mut start, 0).ok()?;
    let [magic @ .., _, _, _, _, a, b, c, d] = start;
    let [m0, m1, m2, m3, m4, m5, m6, m7] = magic;
    Some((u64::from_ne_bytes([m0, m1, m2, m3, m4, m5, m6, m7]), u32::from_ne_bytes([a, b, c, d])))
}

/// Removes the name if it is still that of `file`, whose dataplane lock the caller holds.
pub(super) fn remove_if_same(path: &Path, file: &File) -> io::Result<()> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) if there.dev() == ours.dev() && there.ino() == ours.ino() => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new region, locked and filled, beside the path it is to have; its provisional name goes with the value.
pub(super) struct Unnamed {
    file: File,
    provisional: PathBuf,
}

impl Unnamed {
    /// Mode 0600, in the directory of `path`.
    pub(super) fn new(path: &Path, contents: &Contents) -> Result<Self, CreateError> {
        let Some(name) = path.file_name() else {
            return Err(CreateError::NotARegion { path: path.to_owned() });
        };
        let unique = RandomState::new().hash_one(0);
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.{unique:016x}", std::process::id()));
        let provisional = path.with_file_name(hidden);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options
            .open(&provisional)
            .map_err(io_error(path, "create the link (its directory must exist and be writable)"))?;
        let unnamed = Self { file, provisional };
        let private = fs::Permissions::from_mode(0o600);
        unnamed.file.set_permissions(private).map_err(io_error(path, "set the link's mode to 0600"))?;
        contents.write(&unnamed.file, path)?;
        match file::try_lock(&unnamed.file, DATAPLANE_LOCK) {
            Ok(true) => Ok(unnamed),
            Ok(false) => Err(io_error(path, "lock the new link")(ErrorKind::WouldBlock.into())),
            Err(source) => Err(io_error(path, "lock the new link")(source)),
        }
    }

    /// The file; the lock lasts until all its clones are closed.
    pub(super) fn file(&self) -> Result<File, CreateError> {
        self.file.try_clone().map_err(io_error(&self.provisional, "keep the new link open"))
    }

    /// Gives the file its name; one that a dead dataplane left there is replaced.
    pub(super) fn publish(self, path: &Path) -> Result<(), CreateError> {
        for left in (0..TRIES).rev() {
            match fs::hard_link(&self.provisional, path) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => clear_the_way(path, left == 0)?,
                Err(source) => return Err(io_error(path, "give the link its name")(source)),
            }
        }
        let source = io::Error::other("what is there changes all the time; are dataplanes being restarted?");
        Err(io_error(path, "give the link its name")(source))
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        // Nothing depends on it: a file left here is found by its name, which begins with a dot.
        let _ = fs::remove_file(&self.provisional);
    }
}

pub(super) fn io_error(path: &Path, what: &'static str) -> impl Fn(io::Error) -> CreateError {
    move |source| CreateError::Io { path: path.to_owned(), what, source }
}
