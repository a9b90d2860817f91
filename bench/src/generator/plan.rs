//! What the generator is told: where it stands, and what to send. As values, and as the JSON of its commands.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Bytes of the smallest frame, checksum (4) not counted: "64 B" on a cable.
pub const SMALLEST: u16 = 60;
/// Bytes of the largest frame, checksum not counted: an IPv4 packet of 1500.
pub const LARGEST: u16 = 1514;
/// The most streams of a run.
pub const MOST_STREAMS: usize = 8;

/// What the packets pass through, and so what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A director by VS/NAT.
    Nat,
    /// A director by VS/TUN.
    Tunnel,
    /// A director by VS/DR.
    Direct,
    /// A machine that swaps the MAC addresses and nothing else.
    Macswap,
    /// Something that is not known: packets are counted, not checked.
    Any,
}

/// A real server, played by the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Real {
    /// Where it listens.
    pub address: SocketAddrV4,
    /// Its MAC address.
    pub mac: [u8; 6],
}

/// The network in which the generator plays the clients, on its first port, and the real servers, on its second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The clients' router: source of frames to the director, destination of those to clients.
    pub router_mac: [u8; 6],
    /// The director towards the clients.
    pub director_wan_mac: [u8; 6],
    /// The director towards the reals.
    pub director_lan_mac: [u8; 6],
    /// The director's address towards the reals: outer source of tunnels.
    pub director_lan: Ipv4Addr,
    /// All real servers.
    pub reals: Vec<Real>,
}

/// What kind of packets a stream has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// UDP, with a sequence number and a time stamp in the payload.
    Udp,
    /// TCP packets with ACK, the sequence number in the header. Their connections must be there.
    Tcp,
    /// TCP packets with SYN.
    Syn,
    /// TCP connections from their beginning to their end: SYN, ACK, data, FIN; [`super::flows::GENERATION`] of them at a
    /// time.
    Life,
    /// The frames of a capture file, in a circle, addressed to the director. Counted only.
    Capture(std::path::PathBuf),
}

/// Who sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The clients, to the virtual address.
    #[default]
    Client,
    /// The reals, to the clients: replies, each from the real that an earlier run saw its flow go to (NAT).
    Real,
}

/// Which flow is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Popularity {
    /// All in turn.
    #[default]
    Uniform,
    /// By Zipf's law with this exponent, 0.1 to 10: the first is asked for most.
    Zipf(f64),
}

/// How long frames are, checksum not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// All the same, 60 to 1514 bytes; through a tunnel 1494 at most.
    Fixed(u16),
    /// Seven of 60, four of 590, one of 1514 bytes, through a tunnel 1494.
    Imix,
}

/// A stream of packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// What kind.
    pub kind: Kind,
    /// Who sends.
    #[serde(default)]
    pub side: Side,
    /// Where clients send to.
    pub to: SocketAddrV4,
    /// The number of its first flow; numbers below 2^34 have addresses (see [`super::flows::client`]).
    #[serde(default)]
    pub first: u64,
    /// How many flows, 1 to 2^32 - 1. After the last comes the first.
    pub flows: u64,
    /// Which of them is next.
    #[serde(default)]
    pub popularity: Popularity,
    /// How long its frames are.
    pub size: Size,
    /// Its share of the bursts, 1 to 64.
    #[serde(default = "one")]
    pub share: u32,
    /// What becomes of its packets.
    pub method: Method,
}

fn one() -> u32 {
    1
}

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rate {
    /// As fast as the port takes packets: what it does not take is sent again, nothing is offered twice.
    Most,
    /// As fast as packets come back: at most so many are on their way. Rings as long as that never overflow.
    Outstanding(u64),
    /// So many packets a second, whether the port takes them or not: what it does not take is lost.
    PerSecond(f64),
}

/// When to stop sending.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// After so many seconds.
    Seconds(f64),
    /// After so many packets; at most a minute.
    Packets(u64),
}

/// Which of the packets that come back are checked. All are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Each one.
    All,
    /// One of each burst that comes in.
    #[default]
    Sample,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What is sent; bursts of the streams in turn, by their shares.
    pub streams: Vec<Stream>,
    /// How fast.
    pub rate: Rate,
    /// How long.
    pub until: Until,
    /// What is checked.
    #[serde(default)]
    pub verify: Verify,
    /// Packets sent at once, 1 to 32.
    #[serde(default = "full_burst")]
    pub burst: usize,
    /// Whether to measure how long packets take (UDP).
    #[serde(default)]
    pub latency: bool,
}

fn full_burst() -> usize {
    rte_rs::Burst::CAPACITY
}

/// A number that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {value}, allowed {allowed}")]
pub struct OutOfRange {
    what: &'static str,
    value: String,
    allowed: &'static str,
}

impl Run {
    /// A run of one stream at full speed, one packet of a burst checked.
    pub fn of(stream: Stream, until: Until) -> Self {
        Self {
            streams: vec![stream],
            rate: Rate::Most,
            until,
            verify: Verify::Sample,
            burst: full_burst(),
            latency: false,
        }
    }

    /// Whether all numbers are possible.
    ///
    /// # Errors
    /// [`OutOfRange`], with the first that is not.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let must = |holds: bool, what, value: &dyn std::fmt::Display, allowed| {
            if holds { Ok(()) } else { Err(OutOfRange { what, value: value.to_string(), allowed }) }
        };
        must((1..=MOST_STREAMS).contains(&self.streams.len()), "the number of streams", &self.streams.len(), "1 to 8")?;
        must((1..=full_burst()).contains(&self.burst), "burst", &self.burst, "1 to 32")?;
        if let Rate::PerSecond(rate) = self.rate {
            must((1.0..=1e9).contains(&rate), "the rate", &rate, "1 to 1000000000 packets a second")?;
        }
        if let Until::Seconds(seconds) = self.until {
            must(seconds > 0.0 && seconds <= 3600.0, "the time", &seconds, "0 to 3600 seconds")?;
        }
        for stream in &self.streams {
            must((1..1 << 32).contains(&stream.flows), "flows", &stream.flows, "1 to 4294967295")?;
            must(stream.first + stream.flows <= 1 << 34, "the last flow", &(stream.first + stream.flows), "2^34")?;
            must((1..=64).contains(&stream.share), "share", &stream.share, "1 to 64")?;
            if let Size::Fixed(size) = stream.size {
                must((SMALLEST..=LARGEST).contains(&size), "size", &size, "60 to 1514 bytes")?;
            }
            if let Popularity::Zipf(exponent) = stream.popularity {
                must((0.1..=10.0).contains(&exponent), "the exponent of zipf", &exponent, "0.1 to 10")?;
            }
        }
        Ok(())
    }
}
