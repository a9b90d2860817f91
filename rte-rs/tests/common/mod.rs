//! What the tests share: an EAL without hugepages and without network cards, and small pools. Each test is a process of
//! its own (cargo nextest), since DPDK starts once in a process.

#![allow(dead_code, reason = "no test uses all of it")]

use rte_rs::{Burst, Eal, EalOptions, EthPort, Mbuf, Mempool, MempoolOptions, PortOptions, StartedPort};

/// Starts the EAL on the first two cores of this machine.
pub(crate) fn eal() -> &'static Eal {
    let arguments = ["--no-huge", "--no-pci", "--in-memory", "--no-telemetry", "-m", "256"];
    let options = EalOptions {
        program: "rte-rs-test".into(),
        main_lcore: 0,
        workers: vec![1],
        arguments: arguments.map(str::to_owned).to_vec(),
    };
    Eal::start(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// Puts this thread, and what it starts from now on, into a network namespace of its own. Before the EAL starts.
pub(crate) fn own_network() {
    // SAFETY: unshare with CLONE_NEWNET changes which network this thread sees, and no memory.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "a network namespace needs root");
}

/// A pool of so many mbufs, none of them cached, so that its counts are exact.
pub(crate) fn pool(mbufs: u32) -> Mempool {
    Mempool::new("test", MempoolOptions { mbufs, cache: 0, ..MempoolOptions::default() }).unwrap()
}

/// Probes and starts a device.
pub(crate) fn start(device: &str, options: &PortOptions, pool: &Mempool) -> StartedPort {
    EthPort::probe(device).and_then(|port| port.start(options, pool)).unwrap_or_else(|error| panic!("{error}"))
}

/// A packet with these bytes.
pub(crate) fn packet(pool: &Mempool, bytes: &[u8]) -> Mbuf {
    let mut mbuf = pool.alloc().expect("the pool is empty");
    mbuf.append(bytes.len()).expect("no tailroom").copy_from_slice(bytes);
    mbuf
}

/// A frame of 60 bytes to everybody, that carries a number.
pub(crate) fn frame(number: u8) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].fill(0xff);
    frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    frame[14] = number;
    frame
}

/// `count` packets, numbered from `first` in byte 14.
pub(crate) fn burst(pool: &Mempool, first: u8, count: u8) -> Burst {
    let mut burst = Burst::new();
    for number in 0..count {
        burst.push(packet(pool, &frame(first + number))).unwrap();
    }
    burst
}

/// The numbers of a burst's packets.
pub(crate) fn numbers(burst: &Burst) -> Vec<u8> {
    burst.iter().map(|mbuf| mbuf.data()[14]).collect()
}
