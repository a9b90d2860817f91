//! Why a replay fails.

use super::MAX_FRAME;
use std::path::Path;

/// Why a replay did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A config file was refused.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A port that the config does not have.
    #[error("--{option} {name}: no such port, allowed: {allowed} (the [[port]] names of {config})")]
    UnknownPort {
        /// `in` or `out`.
        option: &'static str,
        /// What was given.
        name: String,
        /// The names there are.
        allowed: String,
        /// The file that has them.
        config: String,
    },
    /// Two files for what leaves on one port.
    #[error("--out {name}: given twice; the frames of a port go to one file")]
    OutputTwice {
        /// The port.
        name: String,
    },
    /// A file.
    #[error("cannot {action} {path}: {reason}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A frame that no mbuf holds.
    #[error("frame {index} into port {port} has {length} bytes, allowed: up to {MAX_FRAME}; cut it in the capture")]
    FrameTooLong {
        /// Its place in its file, from 0.
        index: u64,
        /// Index of the port.
        port: u16,
        /// Bytes.
        length: usize,
    },
    /// DPDK.
    #[error("DPDK: {0}")]
    Dpdk(String),
    /// The services do not fit.
    #[error("{path}: {reason}")]
    Refused {
        /// The services file.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

impl ReplayError {
    pub(super) fn file(action: &'static str, path: &Path, reason: impl ToString) -> Self {
        Self::File { action, path: path.display().to_string(), reason: reason.to_string() }
    }

    pub(super) fn dpdk(error: impl ToString) -> Self {
        Self::Dpdk(error.to_string())
    }
}
