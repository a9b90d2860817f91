//! The few calls on files that the standard library lacks: open file description locks, memfd, fallocate.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The byte that a running dataplane holds locked for as long as it runs.
pub(crate) const DATAPLANE_LOCK: i64 = 0;
/// The byte that the attached control holds locked.
pub(crate) const CONTROL_LOCK: i64 = 1;

/// Locks one byte for this open file, until it is closed, which the kernel does for a process that dies. `false`:
/// another open file has it. (Open file description locks, unlike POSIX ones, also exclude within one process and do
/// not vanish when an unrelated descriptor of the file is closed.)
pub(crate) fn try_lock(file: &File, byte: i64) -> io::Result<bool> {
    let mut lock = one_byte(byte);
    // SAFETY: F_OFD_SETLK takes a pointer to a flock, which `lock` is for the length of the call; the descriptor is
    // open because it is borrowed.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut lock) };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

/// Whether another open file has the byte locked.
pub(crate) fn is_locked(file: &File, byte: i64) -> io::Result<bool> {
    let mut lock = one_byte(byte);
    // SAFETY: F_OFD_GETLK takes a pointer to a flock that it may change, which `lock` is for the length of the call;
    // the descriptor is open because it is borrowed.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn one_byte(byte: i64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

/// A file in memory that has no name, closed when the process executes another program.
pub(crate) fn memfd() -> io::Result<File> {
    // SAFETY: the name is a C string that lives for ever.
    let descriptor = unsafe { libc::memfd_create(c"sluice-link".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: memfd_create returned a new descriptor that nobody else has.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(File::from(owned))
}

/// Makes the file `length` zero bytes long and takes the memory for all of them now, so that no later store can fail
/// for lack of it.
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: posix_fallocate takes no pointers; the descriptor is open because it is borrowed.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Whether a process with this id exists, as far as this process may know.
pub(crate) fn process_exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: kill with signal 0 sends nothing and takes no pointers.
    let result = unsafe { libc::kill(pid, 0) };
    pid > 0 && (result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM))
}
