//! What a client asks. `{"command":"real_add","service":"web","address":"10.0.0.3:80","weight":1}`.

use super::{CaptureRequest, LvsChange, text};
use link::model::{ForwardMethod, Protocol, RealServer, SchedulerKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// A request. Fields that are `Option` may be left out. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the director is: [`super::Status`].
    Status,
    /// Every service: a row [`super::ServiceRow`] each, then [`super::Count`].
    ServiceList,
    /// One service: [`super::ServiceRow`].
    ServiceShow {
        /// Its name.
        service: String,
    },
    /// Adds a service without reals: [`super::Changed`].
    ServiceAdd(ServiceAdd),
    /// Changes a service; fields left out stay: [`super::Changed`].
    ServiceSet {
        /// Its name.
        service: String,
        /// How new connections choose a real.
        #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
        scheduler: Option<SchedulerKind>,
        /// The method of reals added later without one; present reals keep theirs.
        #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
        method: Option<ForwardMethod>,
        /// What else it does. A change of the scheduler takes its flags away, if none are given.
        #[serde(default, skip_serializing_if = "is_default")]
        options: OptionChanges,
    },
    /// Removes a service with its reals: [`super::Changed`].
    ServiceRemove {
        /// Its name.
        service: String,
    },
    /// Adds a real to a service: [`super::Changed`]. Left out: weight 1, the service's method, no thresholds.
    RealAdd(RealChange),
    /// Changes a real; fields left out stay: [`super::Changed`].
    RealSet(RealChange),
    /// Removes a real: [`super::Changed`].
    RealRemove {
        /// The service's name.
        service: String,
        /// The real's address and port.
        address: SocketAddrV4,
    },
    /// Takes a real out: no new connections, also not of clients that persistence ties to it; those that it has end:
    /// [`super::Changed`]. Its weight stays, for when it is enabled again.
    RealDrain(DrainRequest),
    /// Ends a drain: the real may serve again: [`super::Changed`].
    RealEnable {
        /// The service's name.
        service: String,
        /// The real's address and port.
        address: SocketAddrV4,
    },
    /// What happened to reals and services, the oldest first: a row [`super::EventRow`] each, then [`super::Count`]; with
    /// `follow` the answer goes on with what happens then, and does not end.
    Events {
        /// Go on with what happens from now on.
        #[serde(default)]
        follow: bool,
    },
    /// The groups: a list of [`super::GroupRow`] as the result.
    GroupList,
    /// Makes a group, or changes its endpoints: [`super::Changed`].
    GroupSet {
        /// From 1.
        number: u32,
        /// Each as `tcp 10.0.0.1:80`; port 0 = every port.
        endpoints: Vec<String>,
    },
    /// Removes a group: [`super::Changed`].
    GroupRemove {
        /// From 1.
        number: u32,
    },
    /// Connections: a row [`super::ConnectionRow`] each, then [`super::Count`].
    ConnectionList(ConnectionFilter),
    /// How many connections: [`super::Count`].
    ConnectionCount(ConnectionFilter),
    /// Removes connections; `limit` must be 0: [`super::Count`].
    ConnectionFlush(ConnectionFilter),
    /// Counters: a row [`super::ServiceRow`] for each service, then [`super::Totals`].
    Stats {
        /// Only the service of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
    },
    /// Where packets ended: [`super::Drops`].
    Drops,
    /// Rates of the last ten minutes: [`super::History`].
    History {
        /// The services that they are wanted of, by name, beside those of all together.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        services: Vec<String>,
        /// Only samples after the one of this number; 0 = all.
        #[serde(default)]
        since: u64,
    },
    /// The Ethernet ports and their counters: a list of [`super::PortRow`] as the result.
    Ports,
    /// Where the workers' cycles go: [`super::Perf`].
    Perf,
    /// What the director would do with a packet of this flow now, and why; changes nothing: [`super::Explained`].
    Explain {
        /// TCP or UDP.
        #[serde(with = "text")]
        protocol: Protocol,
        /// Where the packet comes from.
        source: SocketAddrV4,
        /// Where it goes.
        destination: SocketAddrV4,
    },
    /// The next packets, before and after their way, with what was decided: a row [`super::CaptureRow`] each, then
    /// [`super::CaptureEnd`]. There is one at a time. It ends too when the client shuts its side of the connection.
    Capture(CaptureRequest),
    /// Makes a services file the running table, as a diff that keeps connections: [`super::Changed`].
    Apply {
        /// The text of the file, TOML.
        text: String,
        /// Its name, for messages only.
        file: String,
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
    /// Applies the services file that `sluiced` was started with, as SIGHUP does: [`super::Changed`].
    Reload {
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
    /// The timeouts in force, in seconds: an object with the twelve keys of `[timeouts]` as the result.
    Timeouts,
    /// The settings in force: a list of [`super::SettingRow`] as the result.
    Settings,
    /// Changes settings; those left out stay: [`super::Changed`].
    SettingsSet {
        /// Key of `[settings]` to value.
        settings: BTreeMap<String, u64>,
    },
    /// Changes timeouts; those left out stay: [`super::Changed`].
    TimeoutsSet {
        /// Key of `[timeouts]` to seconds.
        timeouts: BTreeMap<String, u64>,
    },
    /// Changes in the words of ipvsadm, each done or refused by itself, all together one new version of the table:
    /// [`super::LvsChanged`].
    LvsChange {
        /// In their order.
        changes: Vec<LvsChange>,
    },
    /// Every service as ipvsadm lists it, the newest first: a row [`super::LvsService`] each, then [`super::Count`].
    LvsServices,
    /// The timeouts that ipvsadm knows: [`super::LvsTimeouts`].
    LvsTimeouts,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a service does besides; a field left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptionChanges {
    /// Variants of the scheduler, as `sh-port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_flags: Option<Vec<String>>,
    /// Seconds of persistence; 0 = none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<u32>,
    /// Which bits of a client's address count for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_netmask: Option<Ipv4Addr>,
    /// Every datagram by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_packet: Option<bool>,
    /// Lowers the maximum segment size to what fits the way to the real.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp_mss: Option<bool>,
    /// `ftp` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// Timeouts of its own, key of `[timeouts]` to seconds; 0: as for all services. Those left out stay.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<String, u64>,
}

/// How a real is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// The service's name.
    pub service: String,
    /// The real's address and port.
    pub address: SocketAddrV4,
    /// After so many seconds what is left is closed, both ends told by a RST; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
    /// What is left is closed now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub now: bool,
    /// What becomes of the real when no connection is left.
    #[serde(default, skip_serializing_if = "is_default")]
    pub then: Then,
}

/// What becomes of a real that has been drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays in the table without connections, until it is enabled or removed.
    #[default]
    Keep,
    /// It is removed.
    Remove,
}

/// A real, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealChange {
    /// The service's name.
    pub service: String,
    /// The real's address and port; port 0 with a service on all ports or a group.
    pub address: SocketAddrV4,
    /// 0 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// How packets of new connections reach it.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub method: Option<ForwardMethod>,
    /// With so many connections it gets no new ones; 0 = no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_threshold: Option<u32>,
    /// Below so many it gets new ones again; 0 = three quarters of the upper one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_threshold: Option<u32>,
}

impl RealChange {
    /// Nothing said of the real.
    pub const fn new(service: String, address: SocketAddrV4) -> Self {
        Self { service, address, weight: None, method: None, upper_threshold: None, lower_threshold: None }
    }

    /// `before` with what is said; no rule is checked.
    pub fn over(&self, before: &RealServer) -> RealServer {
        RealServer {
            address: before.address,
            method: self.method.unwrap_or(before.method),
            weight: self.weight.unwrap_or(before.weight),
            upper_threshold: self.upper_threshold.unwrap_or(before.upper_threshold),
            lower_threshold: self.lower_threshold.unwrap_or(before.lower_threshold),
            phase: before.phase,
            check_address: before.check_address,
        }
    }
}

/// A service to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAdd {
    /// Its name: 1 to 64 of letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// TCP or UDP; left out for the service of a group.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The virtual address (VIP) and port; port 0 = every port. Left out for the service of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddrV4>,
    /// The number of the group that it is for, in the place of protocol and address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// How new connections choose a real; `wlc` if left out.
    #[serde(default = "default_scheduler", with = "text")]
    pub scheduler: SchedulerKind,
    /// The method of reals added without one; `nat` if left out.
    #[serde(default = "default_method", with = "text")]
    pub method: ForwardMethod,
    /// What else it does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: OptionChanges,
}

const fn default_scheduler() -> SchedulerKind {
    SchedulerKind::WeightedLeastConnection
}

const fn default_method() -> ForwardMethod {
    ForwardMethod::Nat
}

/// Which connections; a field left out matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionFilter {
    /// TCP or UDP.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Ipv4Addr>,
    /// A service's name, or a virtual address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The real's address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real: Option<SocketAddrV4>,
    /// At most so many rows; 0 = all.
    pub limit: u32,
}
