//! What is measured, as processes: the director's real programs, dpdk-testpmd in their place, and the generator.

mod director;
mod generator;
mod memory;
mod testpmd;

pub use director::{Director, Ports, Snapshot, Worker};
pub use generator::GeneratorProcess;
pub use memory::Memory;
pub use testpmd::Testpmd;

use std::path::Path;

/// CPUs of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Of the generator.
    pub generator: u32,
    /// Of the one that is measured: a worker, testpmd's forwarding core.
    pub worker: u32,
    /// Of its main lcore, which sleeps: a core of its own if there is one, else the generator's.
    pub main: u32,
}

impl Cores {
    /// The first cores of this machine; `None` if it has only one.
    pub fn of_this_machine() -> Option<Self> {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (count > 1).then_some(Self { generator: 0, worker: 1, main: if count > 2 { 2 } else { 0 } })
    }
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
