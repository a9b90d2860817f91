//! What both daemons of Sluice say to the machine they run on: log lines ([`log`]), and to systemd that they are ready
//! and alive ([`notify`]), of which each judges by what its threads get done ([`progress`]).

#![forbid(unsafe_code)]

pub mod log;
pub mod notify;
pub mod progress;
