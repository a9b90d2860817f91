//! Connections: who talks to which real, in which state, until when.

pub mod tcp;
pub mod timer;
