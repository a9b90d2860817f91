//! What memory a dataplane takes by its configuration: for the dataplane, which does not start where there is too little,
//! and for `sluice doctor`, which says so before.

use crate::Machine;

/// Bytes of ordinary memory that a connection takes at most: its state and timer, two keys, a position
/// (conf/sluice.toml says how many each).
pub const CONNECTION_BYTES: u64 = 150;
/// Bytes of ordinary memory that a template takes at most.
const TEMPLATE_BYTES: u64 = 300;
/// Bytes of shared memory of a service's slot, of a real's, and of a real's counters for each worker.
const SERVICE_BYTES: u64 = 64;
const REAL_BYTES: u64 = 128;
const REAL_COUNTER_BYTES: u64 = 64;

/// Bytes that an mbuf takes in its pool beside the packet.
const MBUF_OVERHEAD: u64 = 384;
/// Bytes of the smallest packet's room.
const LEAST_ROOM: u64 = 2048;
/// MiB of DPDK's memory for all else: rings, what each worker puts packets together in, drivers.
const BASE_MIB: u64 = 64;

const MEBIBYTE: u64 = 1 << 20;

impl Machine {
    /// MiB of ordinary memory that the tables take: connections, templates, slots of services and reals.
    pub fn table_mib(&self) -> u64 {
        let connections = u64::from(self.dataplane.connections) * CONNECTION_BYTES;
        (connections + self.other_table_bytes()).div_ceil(MEBIBYTE)
    }

    /// Bytes of the tables beside that of connections: templates, slots of services and reals.
    pub fn other_table_bytes(&self) -> u64 {
        let dataplane = &self.dataplane;
        let workers = dataplane.workers.len() as u64;
        u64::from(dataplane.templates) * TEMPLATE_BYTES
            + u64::from(dataplane.max_services) * SERVICE_BYTES
            + u64::from(dataplane.max_reals) * (REAL_BYTES + workers * REAL_COUNTER_BYTES)
    }

    /// MiB of DPDK's memory, in hugepages unless `--no-huge`: what `-m` or `--socket-mem` in `[dataplane] eal` say, which
    /// DPDK takes at its start whether it is needed or not; at least what packets take, about.
    pub fn packet_mib(&self) -> u64 {
        let largest = self.ports.iter().map(|port| u64::from(port.mtu) + 64).max().unwrap_or(0).max(LEAST_ROOM);
        let packets = u64::from(self.mbufs_at_most()) * (largest + MBUF_OVERHEAD) / MEBIBYTE;
        self.asked_mib().unwrap_or(0).max(BASE_MIB + packets)
    }

    /// As many mbufs as the dataplane makes, if each port has a queue for each worker both ways.
    fn mbufs_at_most(&self) -> u32 {
        const QUEUE: u32 = 1024;
        let (workers, ports) = (self.dataplane.workers.len() as u32, self.ports.len() as u32);
        let needed = (2 * workers * ports + workers + ports) * QUEUE + (workers + 1) * 512;
        self.dataplane.mbufs.unwrap_or_else(|| needed.next_power_of_two() - 1)
    }

    /// What the EAL's arguments ask for, in all.
    fn asked_mib(&self) -> Option<u64> {
        let eal = &self.dataplane.eal;
        let after = |name: &str| {
            let joined = eal.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='));
            joined.or_else(|| eal.iter().skip_while(|argument| *argument != name).nth(1).map(String::as_str))
        };
        let sum = |list: &str| list.split(',').filter_map(|mib| mib.trim().parse::<u64>().ok()).sum();
        after("--socket-mem").map(sum).or_else(|| after("-m")?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use crate::Machine;

    fn machine(dataplane: &str) -> Machine {
        let text =
            format!("[dataplane]\nworkers = [1]\n{dataplane}\n[[port]]\nname = \"wan\"\ndevice = \"net_null0\"\n");
        Machine::parse(&text, "sluice.toml").expect("a machine")
    }

    #[test]
    fn tables_take_what_their_capacities_say() {
        let few = "templates = 1024\nmax_services = 16384\nmax_reals = 131072";
        let (one, two) = (format!("connections = 10_000_000\n{few}"), format!("connections = 20_000_000\n{few}"));
        assert_eq!(machine(&one).table_mib(), 1456);
        assert_eq!(machine(&two).table_mib() - machine(&one).table_mib(), 1431);
    }

    #[test]
    fn dpdk_takes_what_it_is_told_to_and_no_less_than_its_packets() {
        assert_eq!(machine("").packet_mib(), 82, "8191 mbufs");
        assert_eq!(machine("mbufs = 1_048_575").packet_mib(), 2495);
        for (eal, mib) in [
            (r#"["-m", "1024"]"#, 1024),
            (r#"["--socket-mem", "512,1024"]"#, 1536),
            (r#"["--socket-mem=512,512"]"#, 1024),
            (r#"["-m", "10"]"#, 82),
        ] {
            assert_eq!(machine(&format!("eal = {eal}")).packet_mib(), mib, "{eal}");
        }
    }
}
