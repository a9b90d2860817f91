//! The error of what is made once, at start-up: pools, rings, hashes, readers.

use crate::{eal_log, hugepages};
use std::ffi::{CStr, CString};
use std::ptr::NonNull;

/// Why a pool, ring, hash or reader could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its memory comes from the EAL, and that does not run.
    #[error("{what} \"{name}\": the EAL is not started; start it first")]
    EalNotStarted {
        /// Kind of object.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// DPDK keeps names in small C strings.
    #[error("{what} \"{name}\": a name has 1 to {allowed} bytes and no NUL; choose another")]
    Name {
        /// Kind of object.
        what: &'static str,
        /// Its name.
        name: String,
        /// Bytes.
        allowed: usize,
    },
    /// A size that makes no sense.
    #[error("{what} \"{name}\": {field} is {value}, allowed {allowed}")]
    Size {
        /// Kind of object.
        what: &'static str,
        /// Its name.
        name: String,
        /// Which of its sizes.
        field: &'static str,
        /// What was asked for.
        value: u64,
        /// What can be had.
        allowed: &'static str,
    },
    /// Another object of this kind has the name.
    #[error("{what} \"{name}\": the name is taken; choose another")]
    NameTaken {
        /// Kind of object.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// DPDK's memory does not suffice.
    #[error("{what} \"{name}\": not enough memory for {entries} entries; {advice}")]
    NoMemory {
        /// Kind of object.
        what: &'static str,
        /// Its name.
        name: String,
        /// How many it should hold.
        entries: u32,
        /// The state of the hugepages and the command that gives more.
        advice: String,
    },
    /// DPDK said no for another reason.
    #[error("{what} \"{name}\": {reason}")]
    Refused {
        /// Kind of object.
        what: &'static str,
        /// Its name.
        name: String,
        /// DPDK's words.
        reason: String,
    },
    /// All places for readers of an RCU variable are taken.
    #[error("RCU: all {readers} reader places are taken; make it with more")]
    TooManyReaders {
        /// Places.
        readers: u32,
    },
}

/// A kind of named DPDK object, to word its errors.
pub(crate) struct Kind {
    pub(crate) what: &'static str,
    pub(crate) name_bytes: usize,
}

impl Kind {
    /// The name as DPDK wants it, once the EAL runs.
    pub(crate) fn name(&self, name: &str) -> Result<CString, Error> {
        if !crate::eal::is_started() {
            return Err(Error::EalNotStarted { what: self.what, name: name.to_owned() });
        }
        let refused = || Error::Name { what: self.what, name: name.to_owned(), allowed: self.name_bytes };
        if name.is_empty() || name.len() > self.name_bytes {
            return Err(refused());
        }
        CString::new(name).map_err(|_| refused())
    }

    /// Makes an object that holds `entries` in about `bytes`; `make` is DPDK's call, which returns NULL and sets
    /// `rte_errno` if it can't.
    pub(crate) fn create<T>(
        &self,
        name: &str,
        entries: u32,
        bytes: u64,
        make: impl FnOnce() -> *mut T,
    ) -> Result<NonNull<T>, Error> {
        eal_log::capture(|| NonNull::new(make()).ok_or_else(last_errno)).map_err(|(errno, log)| {
            let (what, name) = (self.what, name.to_owned());
            match errno {
                libc::EEXIST => Error::NameTaken { what, name },
                libc::ENOMEM => Error::NoMemory { what, name, entries, advice: hugepages::advice_for(bytes) },
                _ if log.is_empty() => Error::Refused { what, name, reason: describe(errno) },
                _ => Error::Refused { what, name, reason: format!("{}: {log}", describe(errno)) },
            }
        })
    }

    pub(crate) fn size(&self, name: &str, field: &'static str, value: u64, allowed: &'static str) -> Error {
        Error::Size { what: self.what, name: name.to_owned(), field, value, allowed }
    }
}

/// `rte_errno` of this thread.
pub(crate) fn last_errno() -> i32 {
    // SAFETY: reads a thread-local variable of DPDK; it has no precondition.
    unsafe { dpdk_sys::sluice_errno() }
}

/// Words for an errno value of either sign, system or DPDK.
pub(crate) fn describe(errno: i32) -> String {
    // SAFETY: any number is allowed; the text is in thread-local or static memory of DPDK.
    let text = unsafe { dpdk_sys::rte_strerror(errno.wrapping_abs()) };
    if text.is_null() {
        return format!("error {errno}");
    }
    // SAFETY: rte_strerror returns a NUL-terminated string that stays until this thread's next call of it.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}
