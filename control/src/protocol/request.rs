//! What a client asks. `{"command":"real_add","service":"web","address":"10.0.0.3:80","weight":1}`.

use super::text;
use link::model::{ForwardMethod, Protocol, SchedulerKind};
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
    },
    /// Removes a service with its reals: [`super::Changed`].
    ServiceRemove {
        /// Its name.
        service: String,
    },
    /// Adds a real to a service: [`super::Changed`].
    RealAdd {
        /// The service's name.
        service: String,
        /// The real's address and port.
        address: SocketAddrV4,
        /// 0 to 65535; 1 if left out.
        #[serde(default = "one")]
        weight: u32,
        /// How packets reach it; the service's if left out.
        #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
        method: Option<ForwardMethod>,
    },
    /// Changes a real; fields left out stay: [`super::Changed`].
    RealSet {
        /// The service's name.
        service: String,
        /// The real's address and port.
        address: SocketAddrV4,
        /// 0 to 65535.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<u32>,
        /// How packets of new connections reach it.
        #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
        method: Option<ForwardMethod>,
    },
    /// Removes a real: [`super::Changed`].
    RealRemove {
        /// The service's name.
        service: String,
        /// The real's address and port.
        address: SocketAddrV4,
    },
    /// Sets a real's weight to 0, so that it gets no new connections and keeps those it has: [`super::Changed`].
    RealDrain {
        /// The service's name.
        service: String,
        /// The real's address and port.
        address: SocketAddrV4,
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
    /// The Ethernet ports and their counters: a list of [`super::PortRow`] as the result.
    Ports,
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
    /// Changes timeouts; those left out stay: [`super::Changed`].
    TimeoutsSet {
        /// Key of `[timeouts]` to seconds.
        timeouts: BTreeMap<String, u64>,
    },
}

const fn one() -> u32 {
    1
}

/// A service to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAdd {
    /// Its name: 1 to 64 of letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// TCP or UDP.
    #[serde(with = "text")]
    pub protocol: Protocol,
    /// The virtual address (VIP) and port.
    pub address: SocketAddrV4,
    /// How new connections choose a real; `wlc` if left out.
    #[serde(default = "default_scheduler", with = "text")]
    pub scheduler: SchedulerKind,
    /// The method of reals added without one; `nat` if left out.
    #[serde(default = "default_method", with = "text")]
    pub method: ForwardMethod,
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
