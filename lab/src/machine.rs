//! The machine configuration (`sluice.toml`) of a laboratory's director.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Hugepages;
use crate::paper::{DIRECTOR_LAN, DIRECTOR_WAN};

/// The kernel end of the director's WAN port: the interface that becomes the router's.
pub(crate) const WAN_CABLE: &str = "wan0";
/// The kernel end of the director's LAN port: the interface that becomes a port of the segment's bridge.
pub(crate) const LAN_CABLE: &str = "lan0";
/// The kernel path of the WAN port, in the director's own namespace.
pub(crate) const WAN_KERNEL_INTERFACE: &str = "sluice-wan";
/// The kernel path of the LAN port.
pub(crate) const LAN_KERNEL_INTERFACE: &str = "sluice-lan";

/// A `sluice.toml` with the laboratory's two ports; [`Display`](fmt::Display) writes it out as TOML.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The CPU of housekeeping.
    pub main_lcore: u32,
    /// The CPUs that forward.
    pub workers: Vec<u32>,
    /// The memory that DPDK runs on.
    pub memory: Hugepages,
    /// How much of it, MiB.
    pub memory_mib: u64,
    /// Further EAL arguments.
    pub eal: Vec<String>,
    /// Capacity of the connection tables.
    pub connections: u32,
    /// What a worker does between empty polls: `spin`, `pause` or `sleep`.
    pub idle: String,
    /// Whether the ports have kernel interfaces. Without, the dataplane answers ARP itself, and next hops are those of
    /// `more`.
    pub kernel_path: bool,
    /// MTU of both ports, bytes.
    pub mtu: u16,
    /// Further lines of the `[dataplane]` table.
    pub dataplane: String,
    /// Further tables, at the end.
    pub more: String,
    name: String,
    link: PathBuf,
    socket: PathBuf,
}

impl Machine {
    pub(crate) fn new(name: &str, link: PathBuf, socket: PathBuf) -> Self {
        Self {
            main_lcore: 0,
            workers: vec![1],
            memory: Hugepages::not_wanted(),
            memory_mib: 512,
            eal: Vec::new(),
            connections: 100_000,
            idle: "sleep".into(),
            kernel_path: true,
            mtu: 1500,
            dataplane: String::new(),
            more: String::new(),
            name: name.into(),
            link,
            socket,
        }
    }

    /// The file of the link between dataplane and control.
    pub fn link(&self) -> &Path {
        &self.link
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { main_lcore, workers, connections, idle, mtu, dataplane, more, link, socket, .. } = self;
        let mut eal = self.memory.eal_arguments(self.memory_mib);
        eal.extend(["--file-prefix".into(), self.name.clone()]);
        eal.extend(self.eal.iter().cloned());
        let kernel_interface = |name: &str| match self.kernel_path {
            true => format!("kernel_interface = {name:?}"),
            false => String::new(),
        };
        let (wan_kernel, lan_kernel) = (kernel_interface(WAN_KERNEL_INTERFACE), kernel_interface(LAN_KERNEL_INTERFACE));
        let (link, socket) = (link.display().to_string(), socket.display().to_string());
        write!(
            f,
            r#"[dataplane]
main_lcore = {main_lcore}
workers = {workers:?}
eal = {eal:?}
connections = {connections}
idle = {idle:?}
{dataplane}

[[port]]
name = "wan"
device = "net_tap0,iface={WAN_CABLE}"
mac = "02:00:00:00:01:01"
addresses = ["{DIRECTOR_WAN}/24"]
{wan_kernel}
mtu = {mtu}

[[port]]
name = "lan"
device = "net_tap1,iface={LAN_CABLE}"
mac = "02:00:00:00:01:02"
addresses = ["{DIRECTOR_LAN}/24"]
{lan_kernel}
mtu = {mtu}

[control]
socket = {socket:?}
link = {link:?}

{more}
"#
        )
    }
}
