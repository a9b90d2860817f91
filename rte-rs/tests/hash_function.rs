//! The hash of a connection key can't be steered from outside.

use rte_rs::{HashKey, Hasher};
use std::collections::HashMap;

/// A key as the connection table has it: the attacker chooses source address and port.
fn key(source: u32, port: u16) -> HashKey {
    let mut bytes = [0; 16];
    bytes[0..4].copy_from_slice(&source.to_be_bytes());
    bytes[4..8].copy_from_slice(&[202, 103, 106, 5]);
    bytes[8..10].copy_from_slice(&port.to_be_bytes());
    bytes[10..13].copy_from_slice(&[0, 80, 6]);
    HashKey(bytes)
}

/// CRC32C (polynomial 0x1EDC6F41, reflected), the usual hash of such tables, without its constants: linear.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

/// Sources whose keys differ from the first only by what a CRC does not see: found by elimination over the 48 bits.
fn sources_that_collide_under_crc() -> Vec<HashKey> {
    let bit = |n: u32| if n < 32 { key(1 << n, 0) } else { key(0, 1 << (n - 32)) };
    let zero = crc(&key(0, 0).0);
    let mut basis: Vec<(u32, u64)> = Vec::new();
    let mut kernel: Vec<u64> = Vec::new();
    for n in 0..48 {
        let (mut image, mut from) = (crc(&bit(n).0) ^ zero, 1u64 << n);
        for (other, combination) in &basis {
            if image ^ other < image {
                image ^= other;
                from ^= combination;
            }
        }
        if image == 0 {
            kernel.push(from)
        } else {
            basis.push((image, from))
        }
        basis.sort_unstable_by_key(|(image, _)| std::cmp::Reverse(*image));
    }
    let combine = |choice: usize| {
        kernel.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1).fold(0, |sum, (_, bits)| sum ^ bits)
    };
    (0..1usize << kernel.len().min(12)).map(combine).map(|bits| key(bits as u32, (bits >> 32) as u16)).collect()
}

fn largest_group(hashes: impl Iterator<Item = u32>) -> usize {
    let mut groups = HashMap::new();
    hashes.for_each(|hash| *groups.entry(hash).or_insert(0usize) += 1);
    groups.into_values().max().unwrap_or(0)
}

#[test]
fn keys_that_all_collide_under_a_crc_are_spread() {
    let keys = sources_that_collide_under_crc();
    assert_eq!(keys.len(), 4096);
    assert_eq!(largest_group(keys.iter().map(|key| crc(&key.0))), 4096, "the attack works against a CRC");
    assert!(largest_group(keys.iter().map(HashKey::hash)) <= 3);
}

#[test]
fn hash_computed_in_place_is_the_one_of_the_tables() {
    let hasher = Hasher::new();
    for n in 0..10_000u32 {
        let key = key(n.wrapping_mul(0x9e37_79b9), n as u16);
        assert_eq!(Hasher::half(hasher.hash(&key)), key.hash());
    }
}

#[test]
fn neighbouring_clients_are_spread_over_buckets_and_signatures() {
    let hashes: Vec<u32> = (0..65_536u32).map(|n| key(0x0a00_0000 + n / 256, n as u16).hash()).collect();
    // 65,536 keys in 65,536 places: the fullest place of a random function holds about 8.
    assert!(largest_group(hashes.iter().map(|hash| hash & 0xffff)) <= 12);
    assert!(largest_group(hashes.iter().map(|hash| hash >> 16)) <= 12);
}
