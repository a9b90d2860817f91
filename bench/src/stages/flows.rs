//! The flows of a measurement: which clients there are, and which of them comes next.

use clap::ValueEnum;
use serde::Serialize;
use wire::build::{Frame, eth};

/// Which way packets take through the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// VS/NAT, client to real.
    NatIn,
    /// VS/NAT, real to client.
    NatOut,
    /// VS/TUN.
    Tunnel,
    /// VS/DR.
    Direct,
}

impl Method {
    /// All.
    pub const ALL: [Self; 4] = [Self::NatIn, Self::NatOut, Self::Tunnel, Self::Direct];

    /// As services.toml calls it.
    pub(super) const fn config_name(self) -> &'static str {
        match self {
            Self::NatIn | Self::NatOut => "nat",
            Self::Tunnel => "tunnel",
            Self::Direct => "direct",
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NatIn => "nat-in",
            Self::NatOut => "nat-out",
            Self::Tunnel => "tunnel",
            Self::Direct => "direct",
        })
    }
}

/// How often each flow comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Popularity {
    /// All alike.
    Uniform,
    /// The n-th as often as 1/n (Zipf's law, exponent 1).
    Zipf,
}

impl std::fmt::Display for Popularity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
        })
    }
}

/// Chooses flows below a number, the same ones in each process.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    state: u64,
    flows: u32,
    popularity: Popularity,
}

impl Draw {
    pub(super) fn new(flows: u32, popularity: Popularity) -> Self {
        Self { state: 0x2545_f491_4f6c_dd1d, flows, popularity }
    }

    /// Another 64 bits by chance (xorshift64*, Vigna 2016).
    fn bits(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The flow of the next packet.
    pub(super) fn next(&mut self) -> u32 {
        let bits = self.bits() >> 32;
        match self.popularity {
            Popularity::Uniform => ((bits * u64::from(self.flows)) >> 32) as u32,
            // The inverse of the distribution function of a density of 1/x between 1 and flows + 1.
            Popularity::Zipf => {
                let share = bits as f64 / f64::from(u32::MAX);
                let place = f64::from(self.flows).ln_1p().mul_add(share, 0.0).exp() - 1.0;
                (place as u32).min(self.flows - 1)
            }
        }
    }
}

/// Clients' ports begin here; each address has so many.
const PORTS: u32 = 32_000;
const FIRST_PORT: u32 = 1_024;
/// The first client: 202.0.0.1.
const FIRST_CLIENT: u32 = 0xca00_0001;

/// Address (host byte order) and port of a flow's client. Neighbours differ by address, so that keys are as mixed as on a
/// real network.
pub(super) fn client(flow: u32) -> (u32, u16) {
    let addresses = 4_096;
    let (row, column) = (flow / addresses, flow % addresses);
    // Rows beyond the ports of one address go to further addresses.
    let (block, port) = (row / PORTS, row % PORTS);
    (FIRST_CLIENT + block * addresses + column, (FIRST_PORT + port) as u16)
}

/// Bytes of a frame of 64 bytes without its check sequence.
pub(super) const FRAME: usize = 60;
/// The VIP and its port.
pub(super) const VIP: [u8; 4] = [202, 103, 106, 5];
pub(super) const VIP_PORT: u16 = 53;
/// The port of each real.
pub(super) const REAL_PORT: u16 = 5_353;

/// A client's frame to the service, or (`reply_from`: the real's address) a real's frame to a client.
pub(super) fn frame(flow: u32, tcp: bool, reply_from: Option<[u8; 4]>) -> Vec<u8> {
    let (address, port) = client(flow);
    let client = address.to_be_bytes();
    let padding = if tcp { FRAME - 54 } else { FRAME - 42 };
    let fill = |frame: Frame| frame.payload_len(padding).bytes();
    let ends = |link: Frame, from: ([u8; 4], u16), to: ([u8; 4], u16)| {
        let packet = link.ipv4(from.0, to.0);
        fill(if tcp { packet.tcp(from.1, to.1).acking(1) } else { packet.udp(from.1, to.1) })
    };
    match reply_from {
        None => ends(eth().from("02:00:00:00:01:fe").to("02:00:00:00:01:01"), (client, port), (VIP, VIP_PORT)),
        Some(real) => ends(eth().from("02:00:00:00:02:02").to("02:00:00:00:02:01"), (real, REAL_PORT), (client, port)),
    }
}

/// The SYN that opens a client's TCP connection.
pub(super) fn syn(flow: u32) -> Vec<u8> {
    segment(flow).syn().payload_len(FRAME - 54).bytes()
}

/// The client's FIN.
pub(super) fn fin(flow: u32) -> Vec<u8> {
    segment(flow).acking(1).fin().payload_len(FRAME - 54).bytes()
}

fn segment(flow: u32) -> Frame {
    let (address, port) = client(flow);
    let link = eth().from("02:00:00:00:01:fe").to("02:00:00:00:01:01");
    link.ipv4(address.to_be_bytes(), VIP).tcp(port, VIP_PORT)
}

#[cfg(test)]
mod tests {
    use super::{Draw, Popularity, client};
    use std::collections::HashSet;

    #[test]
    fn clients_differ() {
        let clients: HashSet<_> = (0..1_000_000).map(client).collect();
        assert_eq!(clients.len(), 1_000_000);
    }

    #[test]
    fn flows_of_a_uniform_draw_come_alike_and_of_zipf_the_first_most() {
        let count = |popularity| {
            let mut draw = Draw::new(1_000, popularity);
            let mut counts = vec![0u32; 1_000];
            (0..100_000).for_each(|_| counts[draw.next() as usize] += 1);
            counts
        };
        let uniform = count(Popularity::Uniform);
        assert!(uniform.iter().all(|count| (40..180).contains(count)), "{uniform:?}");
        let zipf = count(Popularity::Zipf);
        assert!(zipf[0] > 5_000 && zipf[0] > zipf[10] * 4 && zipf[999] < 60, "{zipf:?}");
    }
}
