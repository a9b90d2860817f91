//! Flows: computed from their numbers, not stored.

use super::plan::{Kind, Popularity, Stream};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The address of the first client; those of the others follow.
const FIRST_CLIENT: u32 = u32::from_be_bytes([10, 64, 0, 0]);
/// Addresses of clients.
const CLIENTS: u32 = 1 << 22;
/// The first port of each client.
const FIRST_PORT: u16 = 16_384;
/// Ports of each client, as a power of two.
const PORT_BITS: u32 = 12;
/// Connections of [`Kind::Life`] that are open at a time.
pub const GENERATION: u64 = 1024;
/// Packets of such a connection.
pub const LIFE: u64 = 4;
/// Draws of an uneven popularity that are made before a run, and repeated.
const DRAWS: usize = 1 << 20;

/// The client of a flow: address (host byte order) and port. 4,096 flows have one address.
#[inline]
pub fn client(flow: u64) -> (u32, u16) {
    let port = FIRST_PORT + (flow as u16 & ((1 << PORT_BITS) - 1));
    (FIRST_CLIENT.wrapping_add((flow >> PORT_BITS) as u32), port)
}

/// The client of a flow, to print it.
pub fn endpoint(flow: u64) -> SocketAddrV4 {
    let (address, port) = client(flow);
    SocketAddrV4::new(Ipv4Addr::from(address), port)
}

/// The flow of a client; `None` if no flow has it.
#[inline]
pub fn flow_of(address: u32, port: u16) -> Option<u64> {
    let client = address.wrapping_sub(FIRST_CLIENT);
    let port = port.wrapping_sub(FIRST_PORT);
    (client < CLIENTS && port < 1 << PORT_BITS).then(|| u64::from(client) << PORT_BITS | u64::from(port))
}

/// The order in which the flows of a stream come.
#[derive(Debug)]
pub struct Order {
    flows: u64,
    /// In turn: the next one.
    next: u64,
    /// Of an uneven popularity; else empty.
    draws: Vec<u32>,
    life: bool,
    /// Packets so far.
    count: u64,
}

impl Order {
    /// The order of this stream. Equal streams have equal orders.
    pub fn new(stream: &Stream) -> Self {
        let draws = match stream.popularity {
            Popularity::Uniform => Vec::new(),
            Popularity::Zipf(exponent) => zipf(stream.flows, exponent),
        };
        Self { flows: stream.flows, next: 0, draws, life: stream.kind == Kind::Life, count: 0 }
    }

    /// The next packet: its flow, from 0, and, of a life, which packet of its connection it is, 0 to 3.
    #[inline]
    pub fn next_packet(&mut self) -> (u64, u64) {
        let count = self.count;
        self.count += 1;
        if self.life {
            let generation = count / (GENERATION * LIFE);
            let flow = generation * GENERATION + count % GENERATION;
            return (flow % self.flows, count / GENERATION % LIFE);
        }
        if !self.draws.is_empty() {
            let draw = self.draws.get(count as usize % DRAWS).copied().unwrap_or_default();
            return (u64::from(draw), 0);
        }
        let flow = self.next;
        self.next = if flow + 1 == self.flows { 0 } else { flow + 1 };
        (flow, 0)
    }
}

fn zipf(flows: u64, exponent: f64) -> Vec<u32> {
    let mut random = SmallRng::seed_from_u64(flows);
    match Zipf::new(flows as f64, exponent) {
        Ok(zipf) => (0..DRAWS).map(|_| (random.sample(zipf) as u64 - 1).min(flows - 1) as u32).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::plan::{Method, Side, Size};

    fn stream(kind: Kind, flows: u64, popularity: Popularity) -> Stream {
        Stream {
            kind,
            side: Side::Client,
            to: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53),
            first: 0,
            flows,
            popularity,
            size: Size::Fixed(60),
            share: 1,
            method: Method::Nat,
        }
    }

    #[test]
    fn a_flow_is_found_by_its_client_and_no_two_have_the_same() {
        for flow in (0..100_000_000).step_by(99_991) {
            let (address, port) = client(flow);
            assert_eq!(flow_of(address, port), Some(flow));
        }
        assert_eq!(flow_of(FIRST_CLIENT - 1, FIRST_PORT), None);
        assert_eq!(flow_of(FIRST_CLIENT, FIRST_PORT - 1), None);
        assert_eq!(flow_of(FIRST_CLIENT + CLIENTS, FIRST_PORT), None);
    }

    #[test]
    fn uniform_flows_come_in_turn() {
        let mut order = Order::new(&stream(Kind::Udp, 3, Popularity::Uniform));
        let flows: Vec<u64> = (0..7).map(|_| order.next_packet().0).collect();
        assert_eq!(flows, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn the_first_of_zipfs_flows_come_most_and_none_is_out_of_range() {
        let mut order = Order::new(&stream(Kind::Udp, 1000, Popularity::Zipf(1.0)));
        let mut counts = vec![0u32; 1000];
        for _ in 0..100_000 {
            counts[order.next_packet().0 as usize] += 1;
        }
        // Of 1000 flows with exponent 1, the first has 1 / 7.485 of all.
        assert!((12_400..14_400).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[9] && counts[9] > counts[99]);
    }

    #[test]
    fn each_connection_of_a_life_has_its_four_packets_in_order() {
        let mut order = Order::new(&stream(Kind::Life, 1 << 20, Popularity::Uniform));
        let mut steps = vec![0; 2 * GENERATION as usize];
        for _ in 0..2 * GENERATION * LIFE {
            let (flow, step) = order.next_packet();
            assert_eq!(steps[flow as usize], step);
            steps[flow as usize] += 1;
        }
        assert!(steps.iter().all(|&step| step == LIFE));
    }
}
