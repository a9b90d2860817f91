//! The control process `sluiced`.

pub mod kernel;
pub mod mirror;
pub mod netlink;
pub mod running;
pub mod saved;
