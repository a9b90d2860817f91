//! What is measured, as processes: the director's real programs, dpdk-testpmd in their place, and the generator.

mod cores;
mod director;
mod generator;
mod joined;
mod last_words;
mod memory;
mod testpmd;

pub(crate) use cores::pin;
pub use cores::{Cores, ENOUGH};
pub use director::{Director, Ports, Snapshot, Worker};
pub use generator::GeneratorProcess;
pub use joined::{Joined, Measured, Place};
pub use memory::Memory;
pub use testpmd::Testpmd;

use std::path::Path;
use std::process::Command;

/// The same command at the highest priority: whatever else the machine has to do waits, since it is not what is measured.
fn before_others(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "-19"]).arg(command.get_program()).args(command.get_args());
    nice
}

/// The generator's memif devices (it is the server), clients' side first; its socket is in `folder`.
pub fn memif_servers(folder: &Path) -> [String; 2] {
    [0, 1].map(|id| memif(folder, id, "role=server"))
}

/// The other ends of these cables. With `zero_copy`, which needs hugepages, their owner neither copies nor is copied
/// for: the generator does all copying.
pub fn memif_clients(folder: &Path, zero_copy: bool) -> [String; 2] {
    let role = if zero_copy { "role=client,zero-copy=yes" } else { "role=client" };
    [0, 1].map(|id| memif(folder, id, role))
}

fn memif(folder: &Path, id: u8, role: &str) -> String {
    format!("net_memif{id},id={id},{role},socket={}/memif.sock,socket-abstract=no", folder.display())
}
