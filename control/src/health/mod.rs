//! Health of reals: what is checked ([`target`]), how ([`probe`]), when ([`runner`]), what follows from the results for
//! one real ([`judge`]), for the table that the dataplane gets ([`pool`]), and who is told ([`hooks`]).
//!
//! ```text
//!  services --- target --> runner (a thread: sockets, programs) -- result --> judge (a real) --> pool (a service) --> table
//!                                                                               |                 |
//!                                                                            events, hooks ------+
//! ```
//!
//! The operator's weights are never touched: [`pool`] makes a copy of the services for the dataplane.

pub mod book;
pub mod drain;
mod entry;
pub mod hooks;
pub mod judge;
pub mod kept;
pub mod pool;
pub mod probe;
mod report;
pub mod runner;
pub mod target;
