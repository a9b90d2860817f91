//! The packet path does not allocate: neither for connections that exist, nor for new ones, expiry, answers, errors,
//! fragments, the kernel's packets or hand-offs.

#[path = "pipeline/rig.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod rig;
#[path = "pipeline/traffic.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod traffic;
#[path = "pipeline/workers.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod workers;

use rig::{LAN, Rig, WAN, mbuf};
use rte_rs::{Burst, Mempool};
use traffic::Incoming;
use workers::{Rings, Workers};

const PACKETS: u64 = 1_000_000;
/// Where the source port is in a frame with a plain IPv4 header.
const SOURCE_PORT: usize = 34;

/// Frames for one port, over and over.
struct Source {
    port: u16,
    frames: Vec<Incoming>,
    next: usize,
    /// The source port of the next frame, where each is of a new flow.
    client: Option<u16>,
}

impl Source {
    fn new(port: u16, frames: Vec<Incoming>, client: Option<u16>) -> Self {
        let frames = frames.into_iter().filter(|(of_port, _)| *of_port == port).collect();
        Self { port, frames, next: 0, client }
    }

    fn fill(&mut self, burst: &mut Burst, pool: &Mempool) {
        while !burst.is_full() {
            let mut mbuf = mbuf(pool, self.port, &self.frames[self.next].1);
            self.next = (self.next + 1) % self.frames.len();
            if let (Some(client), Some(field)) =
                (&mut self.client, mbuf.data_mut().get_mut(SOURCE_PORT..SOURCE_PORT + 2))
            {
                *client = client.wrapping_add(1);
                field.copy_from_slice(&client.to_be_bytes());
            }
            burst.push(mbuf).expect("room for one");
        }
    }
}

#[test]
fn packet_path_does_not_allocate() {
    let pool = rig::start(8191);
    let mut workers = Workers::new(Rig::new(1, rig::machine(2, 2_000)), &pool, Rings::default());
    let every_kind = traffic::all(&[1000, 1001, 1002, 1003]);
    // To services with and without persistence, and by one-packet scheduling.
    let new_flows = vec![
        (WAN, traffic::tcp(1, 80).syn().bytes()),
        (WAN, traffic::udp(1, 53).bytes()),
        (WAN, traffic::tcp(1, 88).syn().bytes()),
        (WAN, traffic::udp(1, 88).bytes()),
    ];
    let mut sources = [
        Source::new(WAN, every_kind.clone(), None),
        Source::new(LAN, every_kind, None),
        Source::new(WAN, new_flows, Some(0)),
    ];
    let mut now = 0;
    let allocated = allocation_counter::measure(|| {
        let mut burst = Burst::new();
        let mut count = 0;
        while count < PACKETS {
            for source in &mut sources {
                source.fill(&mut burst, &pool);
                count += burst.len() as u64;
                let worker = (count / 32 % 2) as usize;
                workers.round(worker, source.port, &mut burst);
                workers.round(1 - worker, source.port, &mut burst);
            }
            workers.drain_kernel();
            now += 300;
            workers.rig.pipelines.iter_mut().for_each(|pipeline| pipeline.set_time(now));
        }
    });
    workers.settle();
    let totals = workers.assert_conserved();
    assert_eq!((allocated.count_total, allocated.bytes_total), (0, 0), "{totals:#?}");
    // Each part of the path was taken, thousands of times.
    let parts = [
        ("forwarded", totals.transmitted),
        ("to the kernel", workers.to_kernel),
        ("dropped", totals.dropped_total()),
        ("answered", totals.answered.iter().sum()),
        ("new connections", totals.connections_created),
        ("handed over", totals.taken_over),
        ("fragments", totals.fragments_created),
        ("put together", totals.fragments_reassembled),
    ];
    for (part, packets) in parts {
        assert!(packets > 5_000, "{part}: {packets}");
    }
    let expired: u64 = workers.rig.pipelines.iter_mut().map(|worker| worker.connections().take_released()).sum();
    assert!(expired > 5_000, "expired: {expired}");
}
