//! The memory that the dataplane runs on: hugepages where they can be had.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::{LabError, Result};

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const PAGE_MIB: u64 = 2;
/// In a laboratory's folder: how many pages were added to the pool for it.
const ADDED: &str = "hugepages";

/// What memory the dataplane of a laboratory gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hugepages {
    /// 2 MiB pages from the machine's pool.
    Pool {
        /// How many pages were added to the pool, to be taken out again at the end.
        added: u64,
    },
    /// Ordinary pages (`--no-huge`).
    None {
        /// Why there are no hugepages.
        why: String,
    },
}

impl Hugepages {
    /// Ordinary pages, asked for: tests that run side by side do not fight for the pool.
    pub fn not_wanted() -> Self {
        Self::None { why: "not asked for".into() }
    }

    /// Hugepages of `mib` MiB: those that are free, and as many more as that takes, noted in `folder` so that
    /// [`give_back`] takes them out of the pool again.
    ///
    /// # Errors
    /// The note cannot be written. Pages that cannot be had are no error.
    pub fn obtain(mib: u64, folder: &Path) -> Result<Self> {
        let wanted = mib.div_ceil(PAGE_MIB);
        let (Some(free), Some(total)) = (free_pages(), total_pages()) else {
            return Ok(Self::None { why: format!("this kernel has no 2 MiB pages ({POOL} is not there)") });
        };
        let missing = wanted.saturating_sub(free);
        if missing == 0 {
            return Ok(Self::Pool { added: 0 });
        }
        let note = folder.join(ADDED);
        fs::write(&note, missing.to_string()).map_err(LabError::io(format!("writing {}", note.display())))?;
        // A pool that cannot be written is the same as one that did not grow: the next look tells.
        drop(set_total(total + missing));
        if total_pages().unwrap_or(total) < total + missing {
            // Memory is there, but in pieces.
            drop(fs::write("/proc/sys/vm/compact_memory", "1"));
            drop(set_total(total + missing));
        }
        let added = total_pages().unwrap_or(total).saturating_sub(total);
        if added >= missing {
            return Ok(Self::Pool { added });
        }
        fs::write(&note, added.to_string()).map_err(LabError::io(format!("writing {}", note.display())))?;
        give_back(folder)?;
        Ok(Self::None { why: format!("{missing} pages of 2 MiB were asked for and the kernel gave {added}") })
    }

    /// Pages of 2 MiB in the machine's pool; `None` where the kernel has none of that size.
    pub fn in_pool() -> Option<u64> {
        total_pages()
    }

    /// The EAL arguments that make DPDK use this memory, up to `mib` MiB of it.
    pub fn eal_arguments(&self, mib: u64) -> Vec<String> {
        // Both keep EAL from leaving files; --no-huge does not go with --in-memory.
        let kind = match self {
            Self::Pool { .. } => "--in-memory",
            Self::None { .. } => "--no-huge --no-shconf",
        };
        let arguments = format!("--no-pci --no-telemetry {kind} -m {mib}");
        arguments.split(' ').map(str::to_owned).collect()
    }
}

impl fmt::Display for Hugepages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool { added: 0 } => f.write_str("2 MiB hugepages, those that this machine has"),
            Self::Pool { added } => write!(f, "2 MiB hugepages, {added} of them added for this run"),
            Self::None { why } => write!(f, "ordinary pages (--no-huge): {why}"),
        }
    }
}

/// Takes the pages that were added for the laboratory in `folder` out of the pool again.
///
/// # Errors
/// The pool cannot be set.
pub fn give_back(folder: &Path) -> Result<()> {
    // Whoever can rename the note gives the pages back: only one does.
    let note = folder.join(format!("{ADDED}.taken-by-{}", std::process::id()));
    if fs::rename(folder.join(ADDED), &note).is_err() {
        return Ok(());
    }
    let Some(added) = number(&note) else { return Ok(()) };
    let total = total_pages().unwrap_or(0).saturating_sub(added);
    set_total(total).map_err(LabError::io(format!("setting {POOL}/nr_hugepages to {total}")))?;
    fs::remove_file(&note).map_err(LabError::io(format!("removing {}", note.display())))
}

fn total_pages() -> Option<u64> {
    number(&Path::new(POOL).join("nr_hugepages"))
}

fn free_pages() -> Option<u64> {
    number(&Path::new(POOL).join("free_hugepages"))
}

fn set_total(pages: u64) -> std::io::Result<()> {
    fs::write(Path::new(POOL).join("nr_hugepages"), pages.to_string())
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_without_hugepages_says_no_huge() {
        let has = |memory: &Hugepages, word: &str| memory.eal_arguments(256).iter().any(|other| other == word);
        let (without, with) = (Hugepages::not_wanted(), Hugepages::Pool { added: 0 });
        assert!(has(&without, "--no-huge") && !has(&without, "--in-memory"), "EAL refuses both together");
        assert!(has(&with, "--in-memory") && !has(&with, "--no-huge"));
    }
}
