//! What memory there is, and what connections take of it.

use super::rig::Rig;
use rte_rs::{Eal, EalOptions};
use std::fs;

/// Bytes to set aside for a flow, with the tables a fifth larger than they are full.
const BYTES_A_FLOW: u64 = 200;
/// For everything else, bytes.
const BASE: u64 = 256 << 20;
/// Megabytes of DPDK's own memory: the mbufs, and the table that is measured for comparison.
const OF_DPDK: u64 = 640;
/// Connections of the table whose memory is looked at.
const SAMPLE: u32 = 1 << 20;

/// What the measurement can use.
pub(super) struct Memory {
    /// DPDK has hugepages.
    pub(super) hugepages: bool,
    /// Bytes for tables.
    available: u64,
}

impl Memory {
    pub(super) fn suffices_for(&self, flows: u32) -> bool {
        needed(flows) <= self.available
    }

    pub(super) fn lacking_for(&self, flows: u32) -> String {
        format!("they take {} MB of memory, {} MB are free", needed(flows) >> 20, self.available >> 20)
    }
}

fn needed(flows: u32) -> u64 {
    BASE + u64::from(flows) * BYTES_A_FLOW
}

/// Starts the EAL: with hugepages, if enough are free.
pub(super) fn start() -> Result<Memory, String> {
    let hugepages = hugepages("free_hugepages") * HUGEPAGE >= OF_DPDK << 20;
    let mut arguments = vec!["--no-pci".to_owned(), "--in-memory".to_owned(), "--no-telemetry".to_owned()];
    if !hugepages {
        arguments.extend(["--no-huge".to_owned(), "-m".to_owned(), OF_DPDK.to_string()]);
    }
    let options = EalOptions { program: "bench-stages".into(), main_lcore: 0, workers: vec![], arguments };
    Eal::start(&options).map_err(|error| error.to_string())?;
    Ok(Memory { hugepages, available: meminfo("MemAvailable:") / 4 * 3 })
}

/// Bytes that a table of connections takes for each, when it is full: process memory, and hugepages if it has any.
pub(super) fn bytes_a_connection() -> Result<f64, String> {
    let taken = |connections| {
        let before = in_use();
        let rig = Rig::new(&super::rig::one_service("udp", "nat", 1), connections)?;
        let taken = in_use().saturating_sub(before);
        drop(rig);
        Ok::<_, String>(taken)
    };
    // What every director takes, however few connections it has room for.
    let small = taken(1_024)?;
    Ok(taken(SAMPLE)?.saturating_sub(small) as f64 / f64::from(SAMPLE))
}

const HUGEPAGE: u64 = 2 << 20;

fn hugepages(file: &str) -> u64 {
    let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{file}");
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Bytes of the process's own memory and of hugepages that somebody uses.
fn in_use() -> u64 {
    let huge = hugepages("nr_hugepages").saturating_sub(hugepages("free_hugepages")) * HUGEPAGE;
    huge + field("/proc/self/status", "VmRSS:")
}

fn meminfo(name: &str) -> u64 {
    field("/proc/meminfo", name)
}

/// A line of a file of /proc that is given in kB, in bytes.
fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok());
    kib.unwrap_or(0) * 1024
}
