//! Connections, and what would happen to a packet.

use super::key;
use crate::protocol::text;
use link::message::ConnectionState;
use link::model::{ForwardMethod, MacAddress, Protocol, SchedulerKind};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

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
