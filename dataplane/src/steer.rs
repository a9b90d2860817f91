//! Which worker owns a connection.
//!
//! Owner = f(client address, client port), in both directions: both halves of a NAT connection meet on one worker, and
//! nothing is shared. The client is the source of a packet to a virtual address and the destination of any other.

use crate::connection::Endpoint;
use crate::fragment::PacketKey;
use crate::pipeline::{Origin, Settings};
use crate::tables::Tables;

/// The worker, of `workers`, that owns the connections of this client endpoint (host byte order).
#[inline]
pub fn owner(address: u32, port: u16, workers: u16) -> u16 {
    let client = u64::from(address) << 16 | u64::from(port);
    // Fibonacci hashing spreads neighbouring ports and addresses; the multiplication maps to the range without a division.
    let hash = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((hash * u64::from(workers)) >> 32) as u16
}

/// The worker, of `workers`, where the fragments of a packet meet (addresses in host byte order). They have no ports, but
/// for the first: the owner of the connection is known when they are together.
#[inline]
pub fn meeting_place(key: &PacketKey, workers: u16) -> u16 {
    let rest = u32::from(key.identification) << 8 | u32::from(key.protocol);
    owner(key.source ^ key.destination.rotate_left(16) ^ rest.rotate_left(4), key.identification, workers)
}

/// Decides for the packets of one burst whether they belong to another worker.
#[derive(Clone, Copy)]
pub struct Steering<'a> {
    tables: &'a Tables,
    worker: u16,
    /// 1: all that comes stays.
    workers: u16,
}

impl<'a> Steering<'a> {
    /// What was handed over by another worker stays: a packet changes workers at most once.
    #[inline]
    pub fn of(settings: &Settings, tables: &'a Tables, origin: Origin) -> Self {
        let workers = if origin == Origin::Worker { 1 } else { settings.workers };
        Self { tables, worker: settings.worker, workers }
    }

    /// Whether there is no other worker that could own what came.
    #[inline]
    pub fn keeps_all(&self) -> bool {
        self.workers == 1
    }

    /// The worker that owns packets of this tuple (host byte order), if it is not this one.
    #[inline]
    pub fn elsewhere(&self, source: Endpoint, destination: Endpoint) -> Option<u16> {
        if self.keeps_all() {
            return None;
        }
        let client = if self.tables.services.is_virtual(destination.address) { source } else { destination };
        let owner = owner(client.address, client.port, self.workers);
        (owner != self.worker).then_some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn one_worker_owns_all() {
        for port in 0..=u16::MAX {
            assert_eq!(owner(0x0a00_0001, port, 1), 0);
        }
    }

    #[test]
    fn shares_are_even_over_the_ports_of_one_client_and_the_addresses_of_one_net() {
        for workers in [2u16, 3, 7, 16] {
            let mut by_port = vec![0u32; usize::from(workers)];
            let mut by_address = vec![0u32; usize::from(workers)];
            for n in 0..60_000u32 {
                by_port[usize::from(owner(0xc0a8_0105, n as u16, workers))] += 1;
                by_address[usize::from(owner(0x0a00_0000 + n, 40_000, workers))] += 1;
            }
            let fair = 60_000 / u32::from(workers);
            for share in by_port.into_iter().chain(by_address) {
                assert!(share.abs_diff(fair) * 20 < fair, "{workers} workers: {share}, fair {fair}");
            }
        }
    }
}
