//! The traffic generator: a DPDK process that plays clients and real servers on two ports, and checks what passes.

mod check;
#[cfg(test)]
mod checker_tests;
pub mod commands;
pub mod flows;
mod frame;
mod memory;
pub mod outcome;
pub mod plan;
mod run;
pub mod search;
mod traffic;

pub use check::Fault;
pub use run::{Generator, GeneratorError};
