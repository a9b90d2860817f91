//! Services, reals and groups, with their numbers.

use super::{RealHealth, ServiceHealth, key};
use crate::protocol::{Rates, text};
use link::model::{ForwardMethod, Protocol, SchedulerKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

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
    /// How it is; absent: nothing is said of its reals' health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<ServiceHealth>,
    /// Its reals, oldest first; then those removed that still have connections.
    pub reals: Vec<RealRow>,
}

impl ServiceRow {
    /// `tcp 10.0.0.1:80` or `group 7`.
    pub fn key(&self) -> String {
        key(self.protocol, self.address, self.group)
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
    /// How it is; absent: nothing is said of the health of the service's reals, or it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<RealHealth>,
    /// It serves while the service has no quorum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sorry: bool,
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
