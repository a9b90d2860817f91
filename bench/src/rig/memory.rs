//! The memory of a DPDK process.

/// Where a DPDK process has its memory, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages, MiB.
    Huge(u64),
    /// Ordinary pages, MiB: for tests of what is done, not of how fast.
    Ordinary(u64),
}

impl Memory {
    /// Whether it is hugepages: what zero copy over memif needs.
    pub fn is_huge(self) -> bool {
        matches!(self, Self::Huge(_))
    }

    /// The arguments for the EAL of a process that others connect to. All memory is taken at the start: net_memif closes
    /// a descriptor of the EAL's when a link ends, and the EAL would enlarge whatever file got its number. With virtual
    /// addresses it has no reason to, either: by physical ones, pages that do not follow each other make it look for more.
    pub fn eal(self) -> Vec<String> {
        let words = match self {
            Self::Huge(mib) => {
                format!("--no-pci --no-telemetry --in-memory --single-file-segments --iova-mode=va -m {mib}")
            }
            Self::Ordinary(mib) => format!("--no-pci --no-telemetry --no-huge --no-shconf -m {mib}"),
        };
        words.split(' ').map(str::to_owned).collect()
    }
}
