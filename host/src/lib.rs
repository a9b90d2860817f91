//! What both daemons of Sluice say to the machine they run on: log lines ([`log`]), and to systemd that they are ready
//! and alive ([`notify`]).

#![forbid(unsafe_code)]

pub mod log;
pub mod notify;
