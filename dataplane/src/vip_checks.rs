//! Checks that go the way of clients. A socket of the director's own kernel speaks to a *check address*, which stands for
//! one real; the packet becomes one to the VIP here, and leaves by the real's tunnel or link as a client's would. What the
//! real answers from the VIP becomes an answer of the check address.
//!
//! All of it between the kernel interfaces and the workers, on the main lcore: the workers' packet path knows nothing of it.

use crate::arp;
use crate::connection::Endpoint;
use crate::forward::{nat, ttl, tunnel};
use crate::nexthop::Unreachable;
use crate::pipeline::{IPV4_OFFSET, encapsulate};
use crate::service::VipCheck;
use crate::tables::Tables;
use link::DropReason;
use link::model::{ForwardMethod, Protocol};
use rte_rs::{Mbuf, MbufSender};
use std::sync::Arc;
use wire::ethernet::{Ethernet, ether_type};
use wire::ipv4::Ipv4;

/// Who has the check addresses, for the kernel: a locally administered address (IEEE 802c).
const MAC: [u8; 6] = [0x02, 0x53, 0x4c, 0x43, 0x48, 0x4b];
/// As many as there are ports of one protocol.
const PORTS: usize = 1 << 16;

/// See the module.
pub struct VipChecks {
    tables: Arc<Tables>,
    /// The ways to the workers that send on each port; `None`: the port has no kernel interface.
    senders: Vec<Option<MbufSender>>,
    /// The check address that a port of the director last spoke to (see [`index`]); 0: none.
    asked: Box<[u32]>,
    /// Of the last packet in a tunnel that may be fragmented.
    identification: u16,
}

/// What becomes of a frame from the kernel.
#[derive(Debug)]
pub enum Departure {
    /// It is no check: it goes out on its port as it is.
    Plain(Mbuf),
    /// It was a question that is answered in its place: for the kernel.
    Answer(Mbuf),
    /// It is on its way.
    Sent,
    /// It can't be sent.
    Lost(DropReason),
}

/// What there is to know of a TCP or UDP packet that is whole.
struct Packet {
    source: Endpoint,
    destination: Endpoint,
    header_len: u8,
    protocol: Protocol,
    length: u16,
}

impl VipChecks {
    /// With the ways to the workers that send on each port, by its index.
    pub fn new(tables: Arc<Tables>, senders: Vec<Option<MbufSender>>) -> Self {
        Self { tables, senders, asked: vec![0; 2 * PORTS].into_boxed_slice(), identification: 0 }
    }

    /// These are in force.
    pub fn adopt(&mut self, tables: &Arc<Tables>) {
        if !Arc::ptr_eq(&self.tables, tables) {
            self.tables = Arc::clone(tables);
        }
    }

    /// Takes a frame from the kernel.
    pub fn leave(&mut self, mut mbuf: Mbuf) -> Departure {
        if self.tables.services.vip_checks().is_empty() {
            return Departure::Plain(mbuf);
        }
        let checks = self.tables.services.vip_checks();
        if arp::answer(mbuf.data_mut(), MAC, |address| checks.contains_key(&address)) {
            return Departure::Answer(mbuf);
        }
        let Some(destination) = destination(mbuf.data()) else { return Departure::Plain(mbuf) };
        let Some(check) = checks.get(&destination).copied() else { return Departure::Plain(mbuf) };
        // Such as the kernel's ICMP errors about answers that came too late.
        let Some(packet) = parse(mbuf.data()) else { return Departure::Lost(DropReason::NoService) };
        match self.forward(&check, &packet, &mut mbuf) {
            Ok(port) => self.send(port, mbuf),
            Err(reason) => Departure::Lost(reason),
        }
    }

    /// As a client's packet to the VIP, to the real: the port that it leaves on.
    fn forward(&mut self, check: &VipCheck, packet: &Packet, mbuf: &mut Mbuf) -> Result<u16, DropReason> {
        let way = self.tables.way(check.slot).copied().ok_or(DropReason::RealRemoved)?;
        let hop = way.hop.map_err(|why| match why {
            Unreachable::NoRoute => DropReason::NoRoute,
            Unreachable::NoNeighbor { .. } => DropReason::NoNeighbor,
        })?;
        let overhead = if check.method == ForwardMethod::Tunnel { tunnel::OVERHEAD } else { 0 };
        if packet.length > hop.mtu.saturating_sub(overhead) {
            return Err(DropReason::FragmentationNeeded);
        }
        let bytes = mbuf.data_mut().get_mut(IPV4_OFFSET..).unwrap_or(&mut []);
        ttl::decrement(bytes);
        let vip = Endpoint { address: check.vip, port: packet.destination.port };
        nat::rewrite_destination(bytes, packet.header_len, packet.protocol, vip);
        if check.method == ForwardMethod::Tunnel && !encapsulate(mbuf, &way, &mut self.identification) {
            return Err(DropReason::NoHeadroom);
        }
        if let Some(header) = mbuf.data_mut().first_chunk_mut() {
            *header = hop.ethernet;
        }
        if let Some(asked) = self.asked.get_mut(index(packet.protocol, packet.source.port)) {
            *asked = packet.destination.address;
        }
        Ok(hop.port)
    }

    fn send(&self, port: u16, mbuf: Mbuf) -> Departure {
        match self.senders.get(usize::from(port)) {
            Some(Some(sender)) => match sender.enqueue_one(mbuf) {
                Ok(()) => Departure::Sent,
                Err(_) => Departure::Lost(DropReason::KernelQueueFull),
            },
            _ => Departure::Lost(DropReason::NoKernelPath),
        }
    }

    /// Takes a frame for the kernel: what a VIP answers to a check comes from the check's address, in place.
    pub fn arrive(&self, frame: &mut [u8]) {
        if self.tables.services.vip_checks().is_empty() {
            return;
        }
        let Some(packet) = parse(frame) else { return };
        let asked = self.asked.get(index(packet.protocol, packet.destination.port)).copied().unwrap_or(0);
        let is_of_it = |check: &&VipCheck| check.vip == packet.source.address;
        if self.tables.services.vip_checks().get(&asked).filter(is_of_it).is_none() {
            return;
        }
        let source = Endpoint { address: asked, port: packet.source.port };
        let bytes = frame.get_mut(IPV4_OFFSET..).unwrap_or(&mut []);
        nat::rewrite_source(bytes, packet.header_len, packet.protocol, source);
    }
}

/// Of a port of the director: those of TCP come before those of UDP.
fn index(protocol: Protocol, port: u16) -> usize {
    match protocol {
        Protocol::Tcp => usize::from(port),
        Protocol::Udp => PORTS + usize::from(port),
    }
}

/// Where an IPv4 packet goes (host byte order).
fn destination(frame: &[u8]) -> Option<u32> {
    let frame = Ethernet::parse(frame).ok().filter(|frame| frame.ether_type() == ether_type::IPV4)?;
    Some(Ipv4::parse(frame.payload()).ok()?.destination().to_bits())
}

/// TCP or UDP in IPv4, whole.
fn parse(frame: &[u8]) -> Option<Packet> {
    let frame = Ethernet::parse(frame).ok().filter(|frame| frame.ether_type() == ether_type::IPV4)?;
    let packet = Ipv4::parse(frame.payload()).ok().filter(|packet| !packet.is_fragment())?;
    let (protocol, least) = match packet.protocol() {
        wire::ipv4::protocol::TCP => (Protocol::Tcp, wire::tcp::HEADER_LEN),
        wire::ipv4::protocol::UDP => (Protocol::Udp, wire::udp::HEADER_LEN),
        _ => return None,
    };
    let &[s0, s1, d0, d1, ..] = packet.payload().first_chunk::<8>().filter(|_| packet.payload().len() >= least)?;
    Some(Packet {
        source: Endpoint { address: packet.source().to_bits(), port: u16::from_be_bytes([s0, s1]) },
        destination: Endpoint { address: packet.destination().to_bits(), port: u16::from_be_bytes([d0, d1]) },
        header_len: u8::try_from(packet.header_len()).ok()?,
        protocol,
        length: u16::try_from(packet.total_len()).ok()?,
    })
}
