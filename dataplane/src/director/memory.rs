//! Whether the machine has the memory that the connections take. Linux grants more than there is, and ends the process
//! when it runs out: better not to start.

use super::StartError;
use std::fs;

/// Bytes that a connection takes at most: its state and timer, two keys, a position (conf/sluice.toml says how many each).
const BYTES_OF_CONNECTION: u64 = 150;
const MEBIBYTE: u64 = 1 << 20;

/// Refuses more connections than there is memory for, as Linux says it. Where Linux says nothing, nothing is refused.
pub(super) fn check(connections: u32) -> Result<(), StartError> {
    match fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text)) {
        Some(available) => fits(connections, available),
        None => Ok(()),
    }
}

/// Bytes that processes can still get (proc_meminfo(5)).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn fits(connections: u32, available: u64) -> Result<(), StartError> {
    let needed = u64::from(connections) * BYTES_OF_CONNECTION;
    if needed <= available {
        return Ok(());
    }
    Err(StartError::Connections {
        connections,
        needed: needed.div_ceil(MEBIBYTE),
        available: available / MEBIBYTE,
        most: available / BYTES_OF_CONNECTION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24105000 kB\nMemFree:          100000 kB\nMemAvailable:    1024000 kB\n";

    #[test]
    fn available_memory_is_read_as_linux_writes_it() {
        assert_eq!(available(MEMINFO), Some(1_048_576_000));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: much\n"), None);
    }

    #[test]
    fn more_connections_than_the_memory_holds_are_refused_with_what_it_does_hold() {
        assert!(fits(6_990_506, 1_048_576_000).is_ok());
        let refused = fits(90_000_000, 1_048_576_000).expect_err("13.5 GB of 1 GB").to_string();
        assert_eq!(
            refused,
            "connections = 90000000 take about 12875 MiB of memory, and 1000 MiB are available; lower connections in \
             sluice.toml (at most 6990506 now), or end what else takes memory"
        );
    }
}
