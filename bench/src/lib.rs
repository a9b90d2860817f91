//! How fast the director is: a traffic generator that checks what comes back, scenarios that run it against the real
//! binaries, and a report.

pub mod calibration;
pub mod generator;
pub mod neighbours;
pub mod network;
pub mod report;
pub mod rig;
pub mod stages;
pub mod suite;
