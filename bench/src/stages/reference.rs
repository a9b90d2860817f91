//! DPDK's own hash table with the keys of connections, for comparison: what finding a connection would cost there.

use super::Setting;
use super::flows::{self, Draw, Popularity, VIP, VIP_PORT};
use super::report::{Figure, TableFigures};
use dataplane::connection::{Endpoint, key};
use link::model::Protocol;
use rte_rs::cycles::tsc;
use rte_rs::hash::{self, BULK};
use rte_rs::{HashKey, HashOptions, Hasher};

const BURSTS: usize = 2_000;

/// Look-ups in bursts of 32 among so many keys, both of each NAT connection, in a table four fifths full. What DPDK has no
/// memory for is said and left out.
pub(super) fn measure_all(connections: &[u32], setting: &mut Setting<'_>) -> Vec<TableFigures> {
    let sizes = connections.iter().filter(|count| **count <= 1_000_000);
    let measured = sizes.map(|count| measure(*count, setting).inspect_err(|why| eprintln!("skipped: rte_hash: {why}")));
    measured.filter_map(Result::ok).collect()
}

fn key_of(flow: u32, outbound: bool) -> HashKey {
    let (address, port) = flows::client(flow);
    let client = Endpoint { address, port };
    let service = Endpoint { address: u32::from_be_bytes(VIP), port: VIP_PORT };
    if outbound { key::key(Protocol::Udp, service, client) } else { key::key(Protocol::Udp, client, service) }
}

fn measure(connections: u32, setting: &mut Setting<'_>) -> Result<TableFigures, String> {
    let options = HashOptions { entries: (connections / 2 * 5).max(64), socket: -1 };
    let (mut writer, _reader) = hash::create("reference", &options).map_err(|error| error.to_string())?;
    for flow in 0..connections {
        for outbound in [false, true] {
            let value = u64::from(flow) << 1 | u64::from(outbound);
            writer.insert(&key_of(flow, outbound), value).map_err(|error| error.to_string())?;
        }
    }
    let (hasher, mut draw) = (Hasher::new(), Draw::new(connections, Popularity::Uniform));
    let (mut hashes, mut values) = ([0; BULK], [0; BULK]);
    let mut look_ups = || {
        let mut total = 0;
        for _ in 0..BURSTS {
            let keys: [HashKey; BULK] = std::array::from_fn(|_| key_of(draw.next(), false));
            let begin = tsc();
            hashes.iter_mut().zip(&keys).for_each(|(hash, key)| *hash = Hasher::half(hasher.hash(key)));
            let found = writer.lookup_bulk(&keys, &mut hashes, &mut values);
            total += tsc().wrapping_sub(begin);
            if found != u64::from(u32::MAX) {
                return Err("the reference table lost a key".to_owned());
            }
        }
        Ok(total as f64 / (BURSTS * BULK) as f64)
    };
    let cycles = setting.neighbours.runs(setting.runs, &mut look_ups)?;
    let name = format!("rte_hash look-up, {connections} connections");
    Ok(TableFigures { name, services: 0, cycles: Figure::of(cycles.runs, cycles.disturbed) })
}
