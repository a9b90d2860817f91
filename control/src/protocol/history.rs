//! What a client asks and is told of the last ten minutes.

use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// Rates of the last ten minutes, by `Request::History`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Seconds from one sample to the next.
    pub period_seconds: u32,
    /// How many samples a series has when it is full.
    pub capacity: u32,
    /// The number of the newest sample; they count up by 1 from 1. 0: none yet. To be given as `since` the next time; a
    /// number below an earlier one tells that sluiced has been restarted.
    pub newest: u64,
    /// Over all services.
    pub total: Series,
    /// Of the services that were asked for, where they are known.
    pub services: Vec<ServiceHistory>,
}

/// A service's rates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceHistory {
    /// Its name.
    pub name: String,
    /// Over its reals.
    pub series: Series,
    /// Each of its reals.
    pub reals: Vec<RealHistory>,
}

/// A real's rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RealHistory {
    /// Its address and port.
    pub address: SocketAddrV4,
    /// Its own.
    pub series: Series,
}

/// Rates, a number each sample, the oldest first and the newest last; null where nothing was measured (no dataplane, or
/// a sluiced that had just started). Younger ones may be shorter than others: they end together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// New connections in a second.
    pub connections: Vec<Option<f32>>,
    /// Packets from clients in a second.
    pub in_packets: Vec<Option<f32>>,
    /// Packets to clients in a second (NAT only: otherwise the director does not see them).
    pub out_packets: Vec<Option<f32>>,
}
