//! Why a process ended: its own last line. What DPDK's drivers say all the time is not a reason.

use lab::LabError;
use std::fs;
use std::path::Path;

/// How lines begin that DPDK and its drivers print in passing.
const NOISE: [&str; 6] = ["EAL: ", "memif_", "TELEMETRY: ", "ETHDEV: ", "testpmd: ", "Telemetry"];

/// The error for a process that ended: how, its last own line, and where the rest is.
pub(super) fn ended(what: &str, status: String, log: &Path) -> LabError {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let said = last_words(&text).unwrap_or("nothing that is not DPDK's own");
    LabError::Ended { what: what.into(), status, log: format!("{said}\n(all of it: {})", log.display()) }
}

/// The last line that is not noise; of noise only, the last one that names an error.
fn last_words(text: &str) -> Option<&str> {
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let own = lines().find(|line| !NOISE.iter().any(|noise| line.starts_with(noise)));
    let wrong =
        |line: &&str| ["error", "cannot", "can't", "fail"].iter().any(|word| line.to_lowercase().contains(word));
    own.or_else(|| lines().find(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_line_of_its_own() {
        let log = "EAL: Detected CPU lcores: 2\nbench: net_memif0: no memory for 16383 mbufs\nEAL: Releasing\n\n";
        assert_eq!(last_words(log), Some("bench: net_memif0: no memory for 16383 mbufs"));
        assert_eq!(
            last_words("EAL: Cannot get hugepage information\nEAL: bye\n"),
            Some("EAL: Cannot get hugepage information")
        );
        assert_eq!(last_words("EAL: Detected CPU lcores: 2\n"), None);
    }

    #[test]
    fn an_end_is_told_with_how_why_and_where() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("generator.log");
        fs::write(&log, "bench: out of cable\n").unwrap();
        let told = ended("the generator", "signal: 7 (SIGBUS)".into(), &log).to_string();
        assert!(
            told.starts_with("the generator ended (signal: 7 (SIGBUS)); its log ends with:\nbench: out of cable"),
            "{told}"
        );
        assert!(told.contains(&log.display().to_string()), "{told}");
    }
}
