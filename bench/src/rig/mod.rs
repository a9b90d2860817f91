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

/// What the owner of the other ends of the cables does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    /// It copies, as the generator does.
    Copying,
    /// It neither copies nor is copied for: the generator does all copying. Needs hugepages.
    ZeroCopy,
    /// The same with rings of 8,192 packets instead of 1,024: at moderate rates they hold what comes while the machine does
    /// something else on its core.
    LongRings,
}

impl Cable {
    /// Mbufs for both rings of two such cables, and as many again in hand; `None`: what is usual is enough.
    pub(crate) fn mbufs(self) -> Option<u32> {
        (self == Self::LongRings).then_some((1 << 16) - 1)
    }
}

/// The other ends of these cables.
pub fn memif_clients(folder: &Path, cable: Cable) -> [String; 2] {
    let role = match cable {
        Cable::Copying => "role=client",
        Cable::ZeroCopy => "role=client,zero-copy=yes",
        Cable::LongRings => "role=client,zero-copy=yes,rsize=13",
    };
    [0, 1].map(|id| memif(folder, id, role))
}

fn memif(folder: &Path, id: u8, role: &str) -> String {
    format!("net_memif{id},id={id},{role},socket={}/memif.sock,socket-abstract=no", folder.display())
}
