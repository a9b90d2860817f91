//! Whether the machine has the memory that the tables take. Linux grants more than there is, and ends the process when it
//! runs out: better not to start. DPDK's own memory, for packets, is not counted: DPDK says itself when it lacks.

use super::StartError;
use crate::fragment::Reassembly;
use config::Machine;
use config::memory::CONNECTION_BYTES as BYTES_OF_CONNECTION;
use std::fs;

const MEBIBYTE: u64 = 1 << 20;

/// Refuses more than there is memory for, as Linux says it. Where Linux says nothing, nothing is refused.
pub(super) fn check(machine: &Machine) -> Result<(), StartError> {
    match fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text)) {
        Some(available) => fits(machine.dataplane.connections, others(machine), available),
        None => Ok(()),
    }
}

/// Bytes of all tables but those of connections: templates, slots, and the fragments that each worker holds.
fn others(machine: &Machine) -> u64 {
    machine.other_table_bytes() + machine.dataplane.workers.len() as u64 * Reassembly::BYTES
}

/// Bytes that processes can still get (proc_meminfo(5)).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn fits(connections: u32, others: u64, available: u64) -> Result<(), StartError> {
    let needed = u64::from(connections) * BYTES_OF_CONNECTION;
    if needed + others <= available {
        return Ok(());
    }
    Err(StartError::Connections {
        connections,
        needed: needed.div_ceil(MEBIBYTE),
        others: others.div_ceil(MEBIBYTE),
        available: available / MEBIBYTE,
        most: available.saturating_sub(others) / BYTES_OF_CONNECTION,
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
        assert!(fits(6_990_506, 0, 1_048_576_000).is_ok());
        let refused = fits(90_000_000, 0, 1_048_576_000).expect_err("13.5 GB of 1 GB").to_string();
        assert_eq!(
            refused,
            "connections = 90000000 take about 12875 MiB of memory, the other tables 0 MiB, and 1000 MiB are available; \
             lower connections in sluice.toml (at most 6990506 now), or templates, or end what else takes memory"
        );
    }

    #[test]
    fn the_other_tables_take_memory_too() {
        let others = 500 << 20;
        assert!(fits(3_495_253, others, 1_048_576_000).is_ok());
        let refused = fits(3_495_254, others, 1_048_576_000).expect_err("a connection too many").to_string();
        assert!(refused.contains("the other tables 500 MiB") && refused.contains("at most 3495253 now"), "{refused}");
        let refused = fits(1, 2_000 << 20, 1_048_576_000).expect_err("not even the others").to_string();
        assert!(refused.contains("at most 0 now"), "{refused}");
    }

    #[test]
    fn what_the_configuration_asks_for_is_counted_by_its_numbers() {
        let machine = |dataplane: &str| {
            let text =
                format!("[dataplane]\nworkers = [1]\n{dataplane}\n[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n");
            others(&Machine::parse(&text, "sluice.toml").expect("a machine"))
        };
        let plain = machine("templates = 1_000\nmax_services = 100\nmax_reals = 100");
        assert_eq!(plain, 1_000 * 300 + 100 * 64 + 100 * (128 + 64) + Reassembly::BYTES);
        assert_eq!(machine("templates = 2_000\nmax_services = 100\nmax_reals = 100") - plain, 1_000 * 300);
    }
}
