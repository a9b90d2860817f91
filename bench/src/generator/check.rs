//! The checker: is what comes back what was sent, altered as the method alters it and not otherwise?
//!
//! It takes a frame apart, finds out by its addresses and its payload which packet it was, builds the frame that was
//! sent, does what the method does, and compares all bytes.

use super::flows;
use super::frame::{Frames, Mark, Packet, field};
use super::memory::{Memory, Sequel};
use super::plan::{Kind, Method, Network, Side, Stream};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use wire::ethernet::{Ethernet, ether_type};
use wire::ipv4::{Ipv4, protocol};
use wire::tcp::{Flags, Tcp};
use wire::udp::Udp;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No packet of ours: another protocol, or a client or stream that there is not.
    Foreign,
    /// Headers that are no headers.
    Malformed,
    /// The checksum of an IP header, the outer one of a tunnel too.
    IpChecksum,
    /// The TCP or UDP checksum.
    TransportChecksum,
    /// To or from another MAC address than it should be.
    WrongMac,
    /// To or from an address and port that is no real's.
    WrongReal,
    /// To another real than the flow's earlier packets.
    OtherReal,
    /// A byte is not as it should be.
    Altered,
    /// A later packet of its flow came before it.
    Reordered,
    /// It has come before.
    Duplicated,
}

/// Checks the packets of one stream.
#[derive(Debug)]
pub(super) struct Checker {
    first: u64,
    flows: u64,
    side: Side,
    kind: Kind,
    method: Method,
    to: std::net::SocketAddrV4,
    frames: Frames,
    scratch: Vec<u8>,
}

/// A received packet, taken apart.
struct Seen<'a> {
    destination_mac: [u8; 6],
    source_mac: [u8; 6],
    /// Of a tunnel.
    outer: Option<(Ipv4Addr, Ipv4Addr)>,
    packet: Ipv4<&'a [u8]>,
    source_port: u16,
    destination_port: u16,
    sequence: u64,
    stamp: u64,
}

impl Checker {
    pub(super) fn new(run: u16, number: usize, stream: &Stream, network: &Network) -> Self {
        Self {
            first: stream.first,
            flows: stream.flows,
            side: stream.side,
            kind: stream.kind.clone(),
            method: stream.method,
            to: stream.to,
            frames: Frames::new(run, number, stream, network),
            scratch: Vec::new(),
        }
    }

    /// Checks a frame that came in; `sent` is the number of packets sent so far.
    ///
    /// # Errors
    /// The first fault.
    pub(super) fn check(
        &mut self,
        frame: &[u8],
        network: &Network,
        memory: &mut Memory,
        sent: u64,
    ) -> Result<(), Fault> {
        if self.method == Method::Any || matches!(self.kind, Kind::Capture(_)) {
            return Ok(());
        }
        let mut seen = Seen::parse(frame, self.method == Method::Tunnel && self.side == Side::Client)?;
        if self.kind != Kind::Udp {
            // The lower half of a number that is not above `sent`.
            seen.sequence = sent - u64::from((sent as u32).wrapping_sub(seen.sequence as u32));
        }
        let (address, port) = match self.side {
            Side::Client => (seen.packet.source(), seen.source_port),
            Side::Real => (seen.packet.destination(), seen.destination_port),
        };
        let flow = self.flow(address, port).ok_or(Fault::Foreign)?;
        let real = self.real(&seen, network, memory, flow)?;
        self.compare(&seen, network, flow, real)?;
        match memory.note(flow, seen.sequence, real) {
            Sequel::Follows => Ok(()),
            Sequel::Overtaken => Err(Fault::Reordered),
            Sequel::Twice => Err(Fault::Duplicated),
            Sequel::OtherReal => Err(Fault::OtherReal),
        }
    }

    /// Whether a frame is the director's reset of a TCP life of which no packet has come: its SYN was lost on the way, and
    /// the director answers segments without a connection so. Once a packet of the flow has come, a reset is a fault.
    pub(super) fn is_answer_to_loss(&self, frame: &[u8], network: &Network, memory: &Memory) -> bool {
        if self.kind != Kind::Life || frame.get(field::TCP_FLAGS).is_none_or(|flags| flags & Flags::RST.0 == 0) {
            return false;
        }
        let Ok(seen) = Seen::parse(frame, false) else { return false };
        seen.packet.protocol() == protocol::TCP
            && seen.destination_mac == network.router_mac
            && seen.source_mac == network.director_wan_mac
            && (seen.packet.source(), seen.source_port) == (*self.to.ip(), self.to.port())
            && self
                .flow(seen.packet.destination(), seen.destination_port)
                .is_some_and(|flow| memory.real(flow).is_none())
    }

    /// The client's flow in this stream, from 0.
    fn flow(&self, client: Ipv4Addr, port: u16) -> Option<u64> {
        let flow = flows::flow_of(client.to_bits(), port)?.checked_sub(self.first)?;
        (flow < self.flows).then_some(flow)
    }

    /// The place of the real that the packet went to or came from. With macswap there is none: 0.
    fn real(&self, seen: &Seen<'_>, network: &Network, memory: &Memory, flow: u64) -> Result<usize, Fault> {
        let is = |holds: bool, fault| if holds { Ok(()) } else { Err(fault) };
        if self.method == Method::Macswap {
            is(seen.destination_mac == network.router_mac, Fault::WrongMac)?;
            is(seen.source_mac == network.director_wan_mac, Fault::WrongMac)?;
            return Ok(0);
        }
        if self.side == Side::Real {
            is(seen.destination_mac == network.router_mac, Fault::WrongMac)?;
            is(seen.source_mac == network.director_wan_mac, Fault::WrongMac)?;
            is((seen.packet.source(), seen.source_port) == (*self.to.ip(), self.to.port()), Fault::WrongReal)?;
            return memory.real(flow).ok_or(Fault::WrongReal);
        }
        let place = network.reals.iter().position(|real| match (self.method, seen.outer) {
            (Method::Nat, _) => {
                (*real.address.ip(), real.address.port()) == (seen.packet.destination(), seen.destination_port)
            }
            (Method::Tunnel, Some((source, destination))) => {
                source == network.director_lan && destination == *real.address.ip()
            }
            _ => real.mac == seen.destination_mac,
        });
        let place = place.ok_or(Fault::WrongReal)?;
        is(network.reals.get(place).is_some_and(|real| real.mac == seen.destination_mac), Fault::WrongMac)?;
        is(seen.source_mac == network.director_lan_mac, Fault::WrongMac)?;
        Ok(place)
    }

    /// Compares all bytes with those that were sent, altered as the method does.
    fn compare(&mut self, seen: &Seen<'_>, network: &Network, flow: u64, real: usize) -> Result<(), Fault> {
        let step = Mark::of(seen.packet.identification()).ok_or(Fault::Altered)?.step;
        let packet = Packet {
            flow: self.first + flow,
            step,
            sequence: seen.sequence,
            stamp: seen.stamp,
            real: (self.side == Side::Real).then(|| network.reals.get(real).copied()).flatten(),
        };
        let length = (field::IP + seen.packet.total_len()).max(wire::ethernet::MIN_LEN);
        self.frames.rebuild(length, &packet, &mut self.scratch).ok_or(Fault::Altered)?;
        let came = seen.packet.packet();
        let sent = self.scratch.get_mut(field::IP..field::IP + came.len()).ok_or(Fault::Altered)?;
        if self.method != Method::Macswap {
            // What may differ. The checksums were proved right before.
            let from_ip = |range: std::ops::Range<usize>| range.start - field::IP..range.end - field::IP;
            let mut may_differ = vec![from_ip(field::IP_CHECKSUM)];
            if let Some(ttl) = sent.get_mut(field::TTL - field::IP) {
                *ttl -= 1;
            }
            if self.method == Method::Nat {
                let (address, port) = match self.side {
                    Side::Client => (field::DESTINATION, field::DESTINATION_PORT),
                    Side::Real => (field::SOURCE, field::SOURCE_PORT),
                };
                let sum = if self.kind == Kind::Udp { field::UDP_CHECKSUM } else { field::TCP_CHECKSUM };
                may_differ.extend([address, port, sum].map(from_ip));
            }
            for range in may_differ {
                if let (Some(to), Some(from)) = (sent.get_mut(range.clone()), came.get(range)) {
                    to.copy_from_slice(from);
                }
            }
        }
        if sent == came { Ok(()) } else { Err(Fault::Altered) }
    }
}

impl<'a> Seen<'a> {
    fn parse(frame: &'a [u8], tunnelled: bool) -> Result<Self, Fault> {
        let ethernet = Ethernet::parse(frame).map_err(|_| Fault::Malformed)?;
        if ethernet.ether_type() != ether_type::IPV4 {
            return Err(Fault::Foreign);
        }
        let (destination_mac, source_mac) = (ethernet.destination(), ethernet.source());
        let bytes = frame.get(wire::ethernet::HEADER_LEN..).unwrap_or_default();
        let mut packet = ip(bytes)?;
        let mut outer = None;
        if tunnelled {
            if packet.protocol() != protocol::IPIP {
                return Err(Fault::Foreign);
            }
            outer = Some((packet.source(), packet.destination()));
            let inner = bytes.get(packet.header_len()..packet.total_len()).unwrap_or_default();
            packet = ip(inner)?;
        }
        let bytes = packet.into_inner();
        let packet = ip(bytes)?;
        let segment = bytes.get(packet.header_len()..packet.total_len()).unwrap_or_default();
        let (source, destination) = (packet.source(), packet.destination());
        let bad = |_| Fault::Malformed;
        let (valid, source_port, destination_port, sequence, stamp) = match packet.protocol() {
            protocol::UDP => {
                let udp = Udp::parse(segment).map_err(bad)?;
                let number = |at: usize| udp.payload().get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
                let (Some(sequence), Some(stamp)) = (number(0), number(8)) else { return Err(Fault::Foreign) };
                let valid = udp.checksum() != 0 && udp.checksum_is_valid(source, destination);
                let (sequence, stamp) = (u64::from_be_bytes(sequence), u64::from_be_bytes(stamp));
                (valid, udp.source_port(), udp.destination_port(), sequence, stamp)
            }
            protocol::TCP => {
                let tcp = Tcp::parse(segment).map_err(bad)?;
                let valid = tcp.checksum_is_valid(source, destination);
                (valid, tcp.source_port(), tcp.destination_port(), u64::from(tcp.sequence()), 0)
            }
            _ => return Err(Fault::Foreign),
        };
        if !valid {
            return Err(Fault::TransportChecksum);
        }
        Ok(Self { destination_mac, source_mac, outer, packet, source_port, destination_port, sequence, stamp })
    }
}

fn ip(bytes: &[u8]) -> Result<Ipv4<&[u8]>, Fault> {
    let packet = Ipv4::parse(bytes).map_err(|_| Fault::Malformed)?;
    if packet.checksum_is_valid() { Ok(packet) } else { Err(Fault::IpChecksum) }
}
