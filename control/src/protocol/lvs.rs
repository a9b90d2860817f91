//! The table as ipvsadm sees and changes it: the vocabulary of Linux IPVS, for clients that speak it.

use super::{Traffic, text};
use link::model::{ForwardMethod, Protocol, SchedulerKind, ServiceKey};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

/// One change. Each is done or refused by itself, with the words of the reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LvsChange {
    /// Removes every service.
    Clear,
    /// Adds a service without reals.
    AddService {
        /// Which.
        #[serde(with = "key")]
        service: ServiceKey,
        /// How it balances.
        options: LvsServiceOptions,
    },
    /// Gives a service these options, all of them: what is not said gets its default.
    EditService {
        /// Which.
        #[serde(with = "key")]
        service: ServiceKey,
        /// How it balances.
        options: LvsServiceOptions,
    },
    /// Removes a service with its reals.
    DeleteService {
        /// Which.
        #[serde(with = "key")]
        service: ServiceKey,
    },
    /// Adds a real to a service.
    AddServer {
        /// The service.
        #[serde(with = "key")]
        service: ServiceKey,
        /// The real.
        real: LvsReal,
    },
    /// Gives the real with this address these values, all of them.
    EditServer {
        /// The service.
        #[serde(with = "key")]
        service: ServiceKey,
        /// The real.
        real: LvsReal,
    },
    /// Removes a real.
    DeleteServer {
        /// The service.
        #[serde(with = "key")]
        service: ServiceKey,
        /// The real's address.
        address: SocketAddrV4,
    },
    /// Changes timeouts.
    SetTimeouts(LvsTimeouts),
    /// Begins the counters and rates that [`LvsService`] shows anew.
    Zero {
        /// Of one service and its reals; absent: of all.
        #[serde(default, with = "key::option", skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
    },
}

/// The most changes that one request may carry: while they are done nobody else is answered.
pub const MAX_LVS_CHANGES: usize = 10_000;

/// How a service balances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LvsServiceOptions {
    /// The scheduler's name; it need not exist.
    pub scheduler: String,
    /// The scheduler's flags, as bits.
    pub flags: u8,
    /// Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<LvsPersistence>,
    /// Each datagram by itself.
    #[serde(default)]
    pub one_packet: bool,
    /// The name of a persistence engine; none exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// Persistence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LvsPersistence {
    /// Seconds.
    pub timeout: u32,
    /// Which bits of a client's address count.
    pub netmask: Ipv4Addr,
}

/// A real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LvsReal {
    /// Its address and port; port 0 keeps the packet's.
    pub address: SocketAddrV4,
    /// How packets reach it.
    #[serde(with = "text")]
    pub method: ForwardMethod,
    /// Its share.
    pub weight: u32,
    /// Connections at which it gets no more; 0: no bound.
    pub upper_threshold: u32,
    /// Connections below which it gets some again; 0: three quarters of the upper one.
    pub lower_threshold: u32,
}

/// The three timeouts that ipvsadm knows, in seconds. In a change 0 leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LvsTimeouts {
    /// TCP ESTABLISHED.
    pub tcp: u32,
    /// TCP FIN_WAIT.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// The answer to changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsChanged {
    /// For each change, in their order, why it was refused; null: it was done.
    pub refusals: Vec<Option<String>>,
}

/// A service as ipvsadm lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsService {
    /// Which.
    #[serde(with = "key")]
    pub key: ServiceKey,
    /// How it chooses a real.
    #[serde(with = "text")]
    pub scheduler: SchedulerKind,
    /// The scheduler's flags, as bits.
    pub flags: u8,
    /// Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<LvsPersistence>,
    /// Each datagram by itself.
    pub one_packet: bool,
    /// Sum over its reals, former ones too, since it was last zeroed.
    pub traffic: Traffic,
    /// As estimated now.
    pub rates: Rates,
    /// Its reals, the newest first.
    pub reals: Vec<LvsServer>,
}

/// A real as ipvsadm lists it. Where no dataplane runs there are no connections and no traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsServer {
    /// What it was given.
    pub real: LvsReal,
    /// Connections that count as active now.
    pub active: u32,
    /// Other connections now.
    pub inactive: u32,
    /// Templates of persistence now.
    pub persistent: u32,
    /// Since it was last zeroed.
    pub traffic: Traffic,
    /// As estimated now.
    pub rates: Rates,
}

/// Packets and connections of a service or a real, a second: an average that every 2 s moves a quarter of the way to
/// what these 2 s had, as the reference estimates them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Connections made.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
}

/// A [`ServiceKey`] as text: `tcp 10.0.0.1:80`, `group 7`.
pub(crate) mod key {
    use super::{Protocol, ServiceKey, SocketAddrV4};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(key: &ServiceKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ServiceKey, D::Error> {
        read(&String::deserialize(deserializer)?)
    }

    fn read<E: Error>(text: &str) -> Result<ServiceKey, E> {
        let key = match text.split_once(' ') {
            Some(("group", number)) => number.parse().ok().map(ServiceKey::Group),
            Some((protocol, address)) => protocol
                .parse::<Protocol>()
                .ok()
                .zip(address.parse::<SocketAddrV4>().ok())
                .map(|(protocol, address)| ServiceKey::new(protocol, address)),
            None => None,
        };
        key.ok_or_else(|| E::custom(format_args!("service {text:?}, allowed as \"tcp 10.0.0.1:80\" or \"group 7\"")))
    }

    /// The same for an `Option`; an absent field is `None`.
    pub(super) mod option {
        use super::{Deserialize, Deserializer, Serializer, ServiceKey, read};

        pub(in super::super) fn serialize<S: Serializer>(
            key: &Option<ServiceKey>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match key {
                Some(key) => serializer.collect_str(key),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<ServiceKey>, D::Error> {
            Option::<String>::deserialize(deserializer)?.map(|text| read(&text)).transpose()
        }
    }
}
