//! How reals are, and what happened to them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddrV4;

/// What a real is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It has no check: it serves.
    Unchecked,
    /// Its first check has not ended: it does not serve yet.
    Unknown,
    /// It serves.
    Up,
    /// Its checks fail: it does not serve.
    Down,
    /// It went down too often and stays out for a while, whatever its checks say.
    Held,
    /// It gets no new connections; those that it has end.
    Draining,
    /// Those have ended; it gets none until it is enabled.
    Drained,
}

impl HealthState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Unchecked, Self::Unknown, Self::Up, Self::Down, Self::Held, Self::Draining, Self::Drained];

    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
            Self::Held => "held",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a real is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealHealth {
    /// What it is taken for.
    pub state: HealthState,
    /// Seconds since that began; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_seconds: Option<u64>,
    /// The weight that the dataplane is given now: 0 while it is out, its part during a slow start, with the weights of all
    /// reals of the service multiplied by the same number then.
    pub weight: u32,
    /// The type of its check; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// Why its last check that failed did, in words; absent: none has since it came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds since its last check ended; absent: none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_milliseconds_ago: Option<u64>,
    /// Microseconds that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_microseconds: Option<u64>,
    /// Checks that succeeded, since sluiced started.
    pub checks_passed: u64,
    /// Checks that failed, since sluiced started.
    pub checks_failed: u64,
    /// How often it came up or went down, since sluiced started.
    pub changes: u64,
    /// Percent of its share that it has during its slow start; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start_percent: Option<u32>,
    /// Seconds that it still stays out because it went down too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u64>,
    /// Connections that it still has, of all workers, while it is drained; absent: not known, or not drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Seconds until what is left is closed; absent: it never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
}

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Whether it has its quorum.
    pub quorum: bool,
    /// The operator's weights of the reals in the pool together.
    pub weight: u64,
    /// What these must be at least.
    pub needed: u32,
    /// The server for times without quorum; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorry: Option<SocketAddrV4>,
    /// Reals in the pool.
    pub in_pool: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// When: milliseconds since 1970-01-01 00:00 UTC.
    pub at_unix_milliseconds: u64,
    /// `up`, `down`, `quorum_gained`, `quorum_lost`, `draining`, `drained` or `enabled`.
    pub event: String,
    /// The service's name.
    pub service: String,
    /// What clients know it by, as `tcp 10.0.0.1:80`.
    #[serde(rename = "virtual")]
    pub key: String,
    /// The real; absent: it is about the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<SocketAddrV4>,
    /// More, in words.
    pub text: String,
}
