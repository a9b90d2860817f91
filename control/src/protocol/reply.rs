//! What `sluiced` answers. A counter that nobody has counted (the dataplane is not running) is absent, never 0.

use super::{Rates, text};
use link::message::ConnectionState;
use link::model::{ForwardMethod, MacAddress, Protocol, SchedulerKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

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

/// Counters of a service or a real, since the dataplane started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections made.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Bytes from clients, IPv4 header on.
    pub in_bytes: u64,
    /// Packets to clients (NAT only: otherwise the director does not see them).
    pub out_packets: u64,
    /// Bytes to clients, IPv4 header on (NAT only).
    pub out_bytes: u64,
}

/// A service with its reals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRow {
    /// Its name.
    pub name: String,
    /// TCP or UDP; absent for the service of a group.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The virtual address and port; absent for the service of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddrV4>,
    /// The number of the group, if it is the service of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// How new connections choose a real.
    #[serde(with = "text")]
    pub scheduler: SchedulerKind,
    /// The method of reals added without one.
    #[serde(with = "text")]
    pub method: ForwardMethod,
    /// Variants of the scheduler, as `sh-port`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduler_flags: Vec<String>,
    /// Seconds of persistence; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<u32>,
    /// Which bits of a client's address count for it; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence_netmask: Option<Ipv4Addr>,
    /// Every datagram by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_packet: bool,
    /// Lowers the maximum segment size to what fits the way to the real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clamp_mss: bool,
    /// Reads the payload: `ftp`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// Timeouts of its own, in seconds by key; absent: none, all are the general ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<String, u64>,
    /// Sum over its reals, those removed too; `None`: the dataplane has no such service or is not running.
    pub traffic: Option<Traffic>,
    /// What is estimated of that in a second; `None` as `traffic`.
    pub rates: Option<Rates>,
    /// Its reals, oldest first; then those removed that still have connections.
    pub reals: Vec<RealRow>,
}

impl ServiceRow {
    /// `tcp 10.0.0.1:80` or `group 7`.
    pub fn key(&self) -> String {
        key(self.protocol, self.address, self.group)
    }
}

/// What identifies a service, in words.
fn key(protocol: Option<Protocol>, address: Option<SocketAddrV4>, group: Option<u32>) -> String {
    match (protocol, address, group) {
        (Some(protocol), Some(address), _) => format!("{protocol} {address}"),
        (None, Some(address), _) => address.to_string(),
        (_, None, number) => format!("group {}", number.unwrap_or(0)),
    }
}

/// A real of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealRow {
    /// Its address and port.
    pub address: SocketAddrV4,
    /// How packets reach it.
    #[serde(with = "text")]
    pub method: ForwardMethod,
    /// 0 to 65535; 0 = no new connections.
    pub weight: u32,
    /// Removed from the service, but some connections still have it.
    pub removed: bool,
    /// Connections that count as active now; `None`: not known.
    pub active: Option<u64>,
    /// Other connections now; `None`: not known.
    pub inactive: Option<u64>,
    /// With so many connections it gets no new ones; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_threshold: Option<u32>,
    /// Below so many it gets new ones again; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_threshold: Option<u32>,
    /// It has reached the upper threshold and gets no new connections.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overloaded: bool,
    /// Clients that persistence ties to it; absent: none, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<u64>,
    /// `None`: the dataplane has no such real or is not running.
    pub traffic: Option<Traffic>,
    /// What is estimated of that in a second; `None` as `traffic`.
    pub rates: Option<Rates>,
}

/// The end of a list, or the answer to a count or a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Rows listed, counted or removed.
    pub count: u64,
}

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The result for people: `Added real 10.0.0.3:80 to web.` Says so where the dataplane is not running.
    pub message: String,
    /// The changes, one a line: `+ real 10.0.0.3:80 of web, nat, weight 1`. Empty: nothing had to change.
    pub changes: Vec<String>,
    /// Whether the dataplane has it. False for a dry run, and where the dataplane is not running (it gets the table as
    /// soon as it is).
    pub in_force: bool,
    /// The version of the service table that has it; 0 where `in_force` is false.
    pub generation: u64,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Its number.
    pub number: u32,
    /// Each as `tcp 10.0.0.1:80`.
    pub endpoints: Vec<String>,
    /// The name of the service over it; absent: none, so that its packets are nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// TCP or UDP; absent for a template of a group, which is for both.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The client's end.
    pub client: SocketAddrV4,
    /// The service's end.
    #[serde(rename = "virtual")]
    pub service: SocketAddrV4,
    /// The real's end.
    pub real: SocketAddrV4,
    /// How packets reach the real.
    #[serde(with = "text")]
    pub method: ForwardMethod,
    /// Its state, as `ESTABLISHED`; of a template `NONE` or `ASSURED`.
    pub state: String,
    /// It is no connection but a template: persistence remembers the client's real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
    /// Milliseconds until it is removed if no packet comes.
    pub expires_in_milliseconds: u32,
    /// The worker that owns it.
    pub worker: u16,
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
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Sent on.
    Forwarded,
    /// Handed to the kernel.
    Kernel,
    /// Answered with a RST or an ICMP error.
    Answered,
    /// Dropped.
    Dropped,
}

/// What the director would do with a packet of a flow now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The flow's protocol.
    #[serde(with = "text")]
    pub protocol: Protocol,
    /// Where the packet comes from.
    pub source: SocketAddrV4,
    /// Where it goes.
    pub destination: SocketAddrV4,
    /// What happens to it.
    pub outcome: Outcome,
    /// The drop reason, for `answered` and `dropped`.
    pub reason: Option<String>,
    /// The reason in one sentence.
    pub reason_help: Option<String>,
    /// The worker that owns the flow.
    pub worker: u16,
    /// The service it belongs to.
    pub service: Option<ExplainedService>,
    /// The connection that exists; `None`: a packet that may start one would make one.
    pub connection: Option<ExplainedConnection>,
    /// The client has a template: persistence gives a new connection that real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
    /// The packet goes from real to client.
    pub outbound: bool,
    /// The real that has the connection, or that the scheduler would choose now.
    pub real: Option<ExplainedReal>,
    /// Where the frame goes.
    pub next_hop: Option<ExplainedHop>,
    /// Version of the service table that was asked.
    pub generation: u64,
}

/// A service, in an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedService {
    /// Its name; `None`: it has just been removed.
    pub name: Option<String>,
    /// The virtual address and port; absent for the service of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddrV4>,
    /// The number of the group, if it is the service of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// How it chooses a real; `None`: it has just been removed.
    #[serde(with = "text::option")]
    pub scheduler: Option<SchedulerKind>,
}

impl ExplainedService {
    /// `tcp 10.0.0.1:80` or `group 7`; `protocol` is that of the flow.
    pub fn key(&self, protocol: Protocol) -> String {
        key(Some(protocol), self.address, self.group)
    }
}

/// A connection, in an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedConnection {
    /// Its state, as `ESTABLISHED`.
    #[serde(with = "state")]
    pub state: ConnectionState,
    /// Milliseconds until it is removed if no packet comes.
    pub expires_in_milliseconds: u32,
}

/// A real, in an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedReal {
    /// Its address and port.
    pub address: SocketAddrV4,
    /// How packets reach it.
    #[serde(with = "text")]
    pub method: ForwardMethod,
    /// Its weight; `None`: it is not in the service any more.
    pub weight: Option<u32>,
}

/// A next hop, in an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedHop {
    /// The port's name in sluice.toml.
    pub port: String,
    /// The neighbour.
    pub address: Ipv4Addr,
    /// Its MAC address.
    #[serde(with = "text")]
    pub mac: MacAddress,
}

/// [`ConnectionState`] by its name.
mod state {
    use link::message::ConnectionState;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &ConnectionState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ConnectionState, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = ConnectionState::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| D::Error::custom(format_args!("connection state {name:?} is not known")))
    }
}
