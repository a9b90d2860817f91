use super::{SHARES, owner, table, toeplitz_key};

/// The hash of the specification of RSS, bit by bit.
fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
    let bit = |bytes: &[u8], at: usize| u32::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let window = |at: usize| (at..at + 32).fold(0, |window, place| window << 1 | bit(key, place));
    (0..input.len() * 8).filter(|at| bit(input, *at) == 1).fold(0, |hash, at| hash ^ window(at))
}

#[test]
fn the_hash_of_the_test_is_that_of_the_specification() {
    // The first line of its table of IPv4 with TCP: 66.9.149.187:2794 to 161.142.100.80:1766.
    let key: Vec<u8> = (0..40).map(|at| SPECIFIED_KEY[at]).collect();
    let input = [66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6];
    assert_eq!(toeplitz(&key, &input), 0x51cc_c178);
}

const SPECIFIED_KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b,
    0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
    0x01, 0xfa,
];

/// The client's address and port where a card may have them in its input.
fn inputs(address: u32, port: u16) -> [Vec<u8>; 4] {
    let (address, port) = (address.to_be_bytes(), port.to_be_bytes());
    let (no_address, no_port) = ([0; 4], [0; 2]);
    [
        [&address[..], &port].concat(),
        [&port[..], &address].concat(),
        [&address[..], &no_address, &port, &no_port].concat(),
        [&no_address[..], &address, &no_port, &port].concat(),
    ]
}

#[test]
fn a_card_with_key_and_table_finds_the_owner_whichever_end_it_hashes_and_wherever_it_has_it() {
    let mut random = fastrand::Rng::with_seed(5);
    for workers in [2u16, 3, 8, 16] {
        for (size, key_length) in [(128u32, 40), (256, 52), (512, 40)] {
            let (key, table) = (toeplitz_key(key_length), table(size, workers));
            for _ in 0..300 {
                let (address, port) = (random.u32(..), random.u16(..));
                for input in inputs(address, port) {
                    let entry = toeplitz(&key, &input) & (size - 1);
                    assert_eq!(table[entry as usize], owner(address, port, workers), "{input:?}, {size} entries");
                }
            }
        }
    }
}

#[test]
fn one_worker_owns_all() {
    for port in 0..=u16::MAX {
        assert_eq!(owner(0x0a00_0001, port, 1), 0);
    }
}

/// How many of these clients each worker owns.
fn owned(clients: impl Iterator<Item = (u32, u16)>, workers: u16) -> Vec<u32> {
    let mut shares = vec![0u32; usize::from(workers)];
    clients.for_each(|(address, port)| shares[usize::from(owner(address, port, workers))] += 1);
    shares
}

#[test]
fn shares_are_even_over_the_ports_of_one_client_and_the_addresses_of_one_net() {
    for workers in [2u16, 3, 7, 16] {
        let fair = 60_000 / u32::from(workers);
        let by_port = owned((0..60_000).map(|port| (0xc0a8_0105, port)), workers);
        let by_address = owned((0..60_000).map(|n| (0x0a00_0000 + n, 40_000)), workers);
        // Linux gives connecting sockets every second port first.
        let every_second = owned((0..60_000).map(|n| (0xc0a8_0105 + n / 30_000, (n % 30_000 * 2) as u16)), workers);
        for share in by_port.into_iter().chain(by_address).chain(every_second) {
            assert!(share.abs_diff(fair) * 20 < fair, "{workers} workers: {share}, fair {fair}");
        }
    }
}

#[test]
fn a_few_connections_of_one_client_do_not_all_have_one_owner() {
    for step in [1u16, 2, 4, 8] {
        let few = owned((0..16).map(|n| (0xc0a8_0105, 33_000 + n * step)), 2);
        assert!(few.iter().all(|share| (4..=12).contains(share)), "every {step}th port: {few:?}");
    }
}

#[test]
fn every_share_of_the_table_is_dealt_as_evenly_as_can_be() {
    for workers in 1..=64u16 {
        let table = table(u32::from(SHARES), workers);
        let counts: Vec<_> =
            (0..workers).map(|worker| table.iter().filter(|owner| **owner == worker).count()).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{workers} workers: {counts:?}");
    }
}
