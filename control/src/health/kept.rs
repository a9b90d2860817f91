//! What a sluiced that is restarted goes on with: `<socket>.health.json`, what was known of reals and which are drained.

use super::target::RealKey;
use config::rules::parse_endpoint;
use link::model::ServiceKey;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Reals with a result.
    pub reals: Vec<KeptReal>,
    /// Reals that are drained.
    pub drains: Vec<KeptDrain>,
    /// Services with a quorum, and without.
    pub quorums: Vec<KeptQuorum>,
}

/// What was known of a checked real.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReal {
    /// As `tcp 10.0.0.1:80` or `group 7`.
    pub service: String,
    /// Its address and port.
    pub real: SocketAddrV4,
    /// Whether it served.
    pub up: bool,
    /// Since when, milliseconds since 1970.
    pub since: u64,
    /// Why its last check failed.
    pub reason: Option<String>,
    /// The weight that its check gave it.
    pub weight: Option<u32>,
}

/// A real that is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDrain {
    /// As `tcp 10.0.0.1:80` or `group 7`.
    pub service: String,
    /// Its address and port.
    pub real: SocketAddrV4,
    /// Since when, milliseconds since 1970.
    pub since: u64,
    /// When what is left is closed, milliseconds since 1970; `None`: never.
    pub deadline: Option<u64>,
    /// Whether it is removed in the end.
    pub remove: bool,
    /// How far it is.
    pub state: DrainState,
}

/// How far a drain is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainState {
    /// Connections end by themselves.
    Draining,
    /// They are closed, both ends told.
    Closing {
        /// Since when, milliseconds since 1970.
        since: u64,
    },
    /// Those that could not be told are removed.
    Removing,
    /// None is left.
    Drained,
}

/// Whether a service had its quorum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptQuorum {
    /// As `tcp 10.0.0.1:80` or `group 7`.
    pub service: String,
    /// It had.
    pub has: bool,
}

impl KeptReal {
    /// Which real.
    pub fn key(&self) -> Option<RealKey> {
        Some(RealKey { service: service_key(&self.service)?, real: self.real })
    }
}

impl KeptDrain {
    /// Which real.
    pub fn key(&self) -> Option<RealKey> {
        Some(RealKey { service: service_key(&self.service)?, real: self.real })
    }
}

/// A service's key as text.
pub fn service_text(key: &ServiceKey) -> String {
    key.to_string()
}

/// A service's key of its text.
pub fn service_key(text: &str) -> Option<ServiceKey> {
    match text.strip_prefix("group ") {
        Some(number) => number.parse().ok().map(ServiceKey::Group),
        None => parse_endpoint(text).ok().map(ServiceKey::Endpoint),
    }
}

/// The file of the sluiced that serves this socket.
pub fn beside(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".health.json");
    path.into()
}

/// What is in the file; nothing where there is none, or none that can be read.
pub fn load(path: &Path) -> Kept {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Kept::default(),
        Err(error) => {
            log::warn!(
                "{} can't be read ({error}): nothing is known of the reals' health until they are checked; see what this user may do there",
                path.display()
            );
            return Kept::default();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        log::warn!(
            "{} is not understood ({error}): nothing is known of the reals' health until they are checked, and it is written anew",
            path.display()
        );
        Kept::default()
    })
}

/// Replaces the file, mode 0600.
///
/// # Errors
/// Those of the file system.
pub fn save(path: &Path, kept: &Kept) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    fs::rename(&temporary, path)
}
