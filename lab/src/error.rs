//! What can go wrong in a laboratory.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The result of a step of a laboratory.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

/// Why a step of a laboratory failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A signal ends this process: its laboratories are being removed.
    #[error("this process is ending and removes its laboratories")]
    Ending,
    /// Namespaces need root.
    #[error("a network laboratory makes network namespaces and needs root: run this as root or with sudo")]
    NotRoot,
    /// A program that this machine lacks.
    #[error("program {program} not found: run `make setup`, which installs what is missing")]
    MissingProgram {
        /// Its name or path.
        program: String,
    },
    /// A binary of this workspace that is not built.
    #[error("{name} is not in {}: build it with `cargo build --workspace --bins` in the same profile", folder.display())]
    NotBuilt {
        /// The binary's name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A command ended with another exit code than 0.
    #[error("`{command}` ended with {status}: {}", said.trim())]
    Failed {
        /// The command line.
        command: String,
        /// How it ended: `exit code 1`, `signal 9`.
        status: String,
        /// What it printed: standard error, else standard output.
        said: String,
    },
    /// Something did not happen in the time allowed.
    #[error("waited {} ms for {what}: it did not happen{}", limit.as_millis(), if seen.is_empty() { String::new() } else { format!("; {seen}") })]
    TimedOut {
        /// What was waited for.
        what: String,
        /// The time allowed.
        limit: Duration,
        /// What was seen instead, may be empty.
        seen: String,
    },
    /// A program that should run on ended.
    #[error("{what} ended ({status}); its log ends with:\n{log}")]
    Ended {
        /// The program's label.
        what: String,
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// What a program printed is not what this laboratory can read.
    #[error("{what}: cannot read {text:?}")]
    Unreadable {
        /// Who printed it.
        what: String,
        /// The text.
        text: String,
    },
    /// A call to the operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path or program.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl LabError {
    /// Names what was being done when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
