//! Network laboratories: a client, a router, a director and real servers, each in a network namespace of its own, on
//! one machine. Tests and the demo run the real programs in them over real cables.
//!
//! ```no_run
//! # fn main() -> lab::Result<()> {
//! let mut lab = lab::Lab::paper_example()?;
//! lab.start_director(&lab.machine().to_string(), lab::PAPER_SERVICES)?;
//! assert_eq!(lab.client().curl("http://202.103.106.5/")?.status, 200);
//! println!("{}", lab.sluice(["status"])?.stdout);
//! # Ok(())
//! # }
//! ```
//!
//! Everything a laboratory makes (namespaces, processes, its folder, the director's shared memory) is named after the
//! process that made it and is removed when the [`Lab`] is dropped, on SIGINT and SIGTERM, and, after a SIGKILL, by the
//! next laboratory that starts. Every wait has a limit. It needs root.

mod cleanup;
mod command;
mod director;
mod error;
mod http;
mod hugepages;
mod machine;
mod node;
mod paper;
mod process;
mod real;
mod topology;
mod wait;

pub use cleanup::{end_all, left_of, sweep};
pub use command::{COMMAND_LIMIT, Output, run};
pub use director::{has_tables_in_force, program};
pub use error::{LabError, Result};
pub use http::{Answer, Load};
pub use hugepages::{Hugepages, give_back};
pub use machine::Machine;
pub use node::Node;
pub use paper::{
    CLIENT, DIRECT_VIP, DIRECTOR_LAN, DIRECTOR_WAN, NAT_VIP, PAPER_SERVICES, REALS, ROUTER_LAN, ROUTER_WAN, TUNNEL_VIP,
};
pub use process::Process;
pub use rustix::process::Signal;
pub use topology::Lab;
pub use wait::wait_until;
