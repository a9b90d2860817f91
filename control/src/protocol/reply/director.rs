//! The director as a whole: processes, workers, ports, settings, drops.

use crate::protocol::text;
use link::model::MacAddress;
use serde::{Deserialize, Serialize};

/// How the director is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of `sluiced`.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The machine file it was started with.
    pub machine_file: String,
    /// The services file it was started with.
    pub services_file: String,
    /// Services in the running table.
    pub services: u64,
    /// Reals in the running table.
    pub reals: u64,
    /// The dataplane; `None`: not running.
    pub dataplane: Option<DataplaneStatus>,
    /// For how many seconds there has been no dataplane; absent: there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_seconds: Option<u64>,
    /// What `reload` would change: the running table against the services file. Empty: they are the same.
    pub differences: Vec<String>,
    /// Why the services file can't be loaded now, if it can't.
    pub services_file_error: Option<String>,
    /// What an operator should know, a sentence each: the last refused transaction, kernel interfaces that are missing.
    pub warnings: Vec<String>,
}

/// How the dataplane is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataplaneStatus {
    /// Its process id.
    pub pid: u32,
    /// Which run of it, in hex; changes when it restarts.
    pub instance: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Whether `sluiced` has a session with it that answers.
    pub connected: bool,
    /// Version of the service table in force; 0 = none yet.
    pub services_generation: u64,
    /// Version of the next-hop table in force; 0 = none yet.
    pub next_hops_generation: u64,
    /// Why the last transaction was refused, in words; `None`: it was not.
    pub last_refusal: Option<String>,
    /// How many workers forward.
    pub workers: u16,
    /// Connections now.
    pub connections: u64,
}

/// The end of `stats`: the director as a whole, since the dataplane started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// When it was read: milliseconds of a clock that only goes forward. Two samples make a rate.
    pub at_milliseconds: u64,
    /// By worker, then the main lcore; empty: the dataplane is not running.
    pub workers: Vec<WorkerRow>,
}

/// Counters of a worker, or of the main lcore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Its index, from 0; null: the main lcore, which serves the kernel interfaces.
    pub worker: Option<u16>,
    /// Packets received from the Ethernet ports.
    pub received: u64,
    /// Packets received from the kernel interfaces.
    pub received_from_kernel: u64,
    /// Packets sent.
    pub transmitted: u64,
    /// Packets handed to the kernel.
    pub to_kernel: u64,
    /// Packets dropped, all reasons.
    pub dropped: u64,
    /// Connections made.
    pub connections_created: u64,
    /// Connections removed because they ended or timed out.
    pub connections_expired: u64,
    /// Of these, those removed before their time, by `drop_entry` or to make room in a full table.
    pub connections_evicted: u64,
    /// Connections now.
    pub connections: u64,
    /// Packets handed to the worker that owns their connection.
    pub handed_off: u64,
    /// TSC cycles spent on packets.
    pub busy_cycles: u64,
    /// Cycles of the TSC in a second; 0: the main lcore, whose cycles are not counted.
    pub cycles_per_second: u64,
    /// Rounds of the poll loop.
    pub loops: u64,
    /// Rounds that found no packet.
    pub empty_polls: u64,
    /// Connections that control connections announced.
    pub helper_announced: u64,
    /// Lines of reals in which a helper put the service's address or port.
    pub helper_replaced: u64,
    /// Lines that a helper refused.
    pub helper_refused: u64,
    /// Control connections left without their helper.
    pub helper_exhausted: u64,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// Its key in `[settings]`.
    pub name: String,
    /// Its value. Of the automatic modes 1 and 2 it is 2 while a worker is under pressure, else 1, as in LVS.
    pub value: u32,
    /// The value it has if nobody sets it.
    pub default: u32,
    /// The smallest value.
    pub least: u32,
    /// The largest value.
    pub most: u32,
}

/// Where packets ended, all workers, since the dataplane started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Received from Ethernet ports and kernel interfaces.
    pub received: u64,
    /// Sent.
    pub transmitted: u64,
    /// Handed to the kernel.
    pub to_kernel: u64,
    /// Answers (RST, ICMP errors) not sent because of `reject_rate`; those packets are among the dropped.
    pub answers_suppressed: u64,
    /// A row for each reason, in the order of docs/drop-reasons.md, those at 0 too.
    pub reasons: Vec<DropRow>,
}

/// One drop reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRow {
    /// Its name, as in docs/drop-reasons.md.
    pub reason: String,
    /// What happened, one sentence.
    pub help: String,
    /// Packets dropped.
    pub dropped: u64,
    /// Packets answered with a RST or an ICMP error.
    pub answered: u64,
}

/// An Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRow {
    /// Its name in sluice.toml.
    pub name: String,
    /// PCI address or vdev.
    pub device: String,
    /// The DPDK driver.
    pub driver: String,
    /// Its MAC address.
    #[serde(with = "text")]
    pub mac: MacAddress,
    /// Bytes, IPv4 header on.
    pub mtu: u32,
    /// The TAP interface in the kernel.
    pub kernel_interface: Option<String>,
    /// The director's own addresses on it, `10.0.1.1/24`.
    pub addresses: Vec<String>,
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that the transmit queue did not take.
    pub tx_unsent: u64,
    /// Packets handed to its kernel interface.
    pub to_kernel: u64,
    /// Packets from its kernel interface.
    pub from_kernel: u64,
    /// Packets that the device lost because no worker fetched them in time, or no buffer was left.
    pub rx_missed: u64,
    /// Packets received with an error, and lost by the device.
    pub rx_errors: u64,
    /// Packets that the device could not send.
    pub tx_errors: u64,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// How packets get to the worker that owns their connection: `one worker`, `rss client-affine`, `rss, hand-off`,
    /// `hand-off`.
    pub steering: String,
    /// Frames received that were passed to another worker.
    pub handed_off: u64,
    /// The same by worker.
    pub workers: Vec<PortOfWorker>,
}

/// What one worker had of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortOfWorker {
    /// Its index.
    pub worker: u16,
    /// Frames that it received.
    pub rx_packets: u64,
    /// Of these, those that it passed to another worker.
    pub handed_off: u64,
}
