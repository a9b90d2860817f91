//! The frames of a stream: a template for each size, into which each packet writes what is its own.

use super::flows;
use super::plan::{Kind, LARGEST, Method, Network, Real, Side, Size, Stream};
use std::net::{Ipv4Addr, SocketAddrV4};
use wire::{checksum, ethernet, ipv4, tcp};

/// Where things are in the frames that are sent: no VLAN tag, no IP options.
pub(super) mod field {
    use std::ops::Range;

    pub(in crate::generator) const DESTINATION_MAC: Range<usize> = 0..6;
    pub(in crate::generator) const SOURCE_MAC: Range<usize> = 6..12;
    pub(in crate::generator) const IP: usize = 14;
    pub(in crate::generator) const IDENTIFICATION: usize = 18;
    pub(in crate::generator) const TTL: usize = 22;
    pub(in crate::generator) const IP_CHECKSUM: Range<usize> = 24..26;
    pub(in crate::generator) const SOURCE: Range<usize> = 26..30;
    pub(in crate::generator) const DESTINATION: Range<usize> = 30..34;
    pub(in crate::generator) const SOURCE_PORT: Range<usize> = 34..36;
    pub(in crate::generator) const DESTINATION_PORT: Range<usize> = 36..38;
    pub(in crate::generator) const TCP_SEQUENCE: Range<usize> = 38..42;
    pub(in crate::generator) const TCP_FLAGS: usize = 47;
    pub(in crate::generator) const TCP_CHECKSUM: Range<usize> = 50..52;
    pub(in crate::generator) const UDP_CHECKSUM: Range<usize> = 40..42;
    pub(in crate::generator) const UDP_SEQUENCE: Range<usize> = 42..50;
    pub(in crate::generator) const UDP_STAMP: Range<usize> = 50..58;
    /// All of the above.
    pub(in crate::generator) const ALL: usize = 58;
}

/// Sizes in the order in which they come: 7 of 60, 4 of 590, 1 of 1514 bytes.
const IMIX: [u16; 12] = [60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 60, 590];
/// The frames' identification: in its first four bits that they are ours, then five of the run's number, three of the
/// stream's, and, in the last two, the step.
const IDENTIFICATION: u16 = 0x5000;
const RUN_SHIFT: u32 = 7;
/// Runs that are told apart.
pub(super) const RUNS: u16 = 32;
const TTL: u8 = 64;
const FILLER: u8 = b'x';
/// Flags of the four packets of a life.
const LIFE_FLAGS: [tcp::Flags; flows::LIFE as usize] =
    [tcp::Flags::SYN, tcp::Flags::ACK, tcp::Flags(0x18), tcp::Flags(0x11)];

/// What one packet has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// The number of the flow, of all.
    pub(super) flow: u64,
    /// Which packet of its life it is, else 0.
    pub(super) step: u16,
    /// Its number. TCP carries the lower half.
    pub(super) sequence: u64,
    /// The time stamp counter, UDP only.
    pub(super) stamp: u64,
    /// Who sends it, if a real does.
    pub(super) real: Option<Real>,
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The run, modulo [`RUNS`].
    pub(super) run: u16,
    /// The stream's number in the run.
    pub(super) stream: usize,
    /// Which packet of its life it is.
    pub(super) step: u16,
}

impl Mark {
    /// What an identification says; `None` if the packet is not ours.
    #[inline]
    pub(super) fn of(identification: u16) -> Option<Self> {
        (identification & 0xf000 == IDENTIFICATION).then_some(Self {
            run: identification >> RUN_SHIFT & (RUNS - 1),
            stream: usize::from(identification >> 4 & 7),
            step: identification & 3,
        })
    }
}

/// The frames of one stream.
#[derive(Debug)]
pub(super) struct Frames {
    /// In the order in which they come.
    templates: Vec<Template>,
    next: usize,
    side: Side,
    tcp: bool,
    life: bool,
}

#[derive(Clone, Debug)]
struct Template {
    bytes: Vec<u8>,
    /// Sum of the IP header without its own fields.
    ip_sum: u32,
    /// Sum of the pseudo header and the segment without its own fields.
    segment_sum: u32,
}

impl Frames {
    /// Those of the stream with this number, in the run with that number.
    pub(super) fn new(run: u16, number: usize, stream: &Stream, network: &Network) -> Self {
        let mark = (run % RUNS) << RUN_SHIFT | (number as u16) << 4;
        let sizes = match &stream.size {
            Size::Fixed(size) => std::slice::from_ref(size),
            Size::Imix => &IMIX,
        };
        let templates =
            sizes.iter().map(|&size| Template::new(mark, stream, network, size.min(largest(stream)))).collect();
        let tcp = matches!(stream.kind, Kind::Tcp | Kind::Syn | Kind::Life);
        Self { templates, next: 0, side: stream.side, tcp, life: stream.kind == Kind::Life }
    }

    /// The length of the next frame.
    #[inline]
    pub(super) fn next_len(&self) -> usize {
        self.templates.get(self.next).map_or(0, |template| template.bytes.len())
    }

    /// Writes the next frame into `out`, which has its length.
    #[inline]
    pub(super) fn write_next(&mut self, out: &mut [u8], packet: &Packet) {
        if let Some(template) = self.templates.get(self.next) {
            self.write(template, out, packet);
        }
        self.next = if self.next + 1 >= self.templates.len() { 0 } else { self.next + 1 };
    }

    /// The frame of that length that this packet was sent in; `None` if there are none of that length.
    pub(super) fn rebuild(&self, length: usize, packet: &Packet, out: &mut Vec<u8>) -> Option<()> {
        let template = self.templates.iter().find(|template| template.bytes.len() == length)?;
        out.resize(length, 0);
        self.write(template, out, packet);
        Some(())
    }

    #[inline]
    fn write(&self, template: &Template, out: &mut [u8], packet: &Packet) {
        if out.len() != template.bytes.len() {
            return;
        }
        out.copy_from_slice(&template.bytes);
        let Some(head) = out.first_chunk_mut::<{ field::ALL }>() else { return };
        let (address, port) = flows::client(packet.flow);
        let mut addresses = (address >> 16) + (address & 0xffff);
        let mut segment = template.segment_sum + u32::from(port);
        match (self.side, packet.real) {
            (Side::Client, _) => {
                head[field::SOURCE].copy_from_slice(&address.to_be_bytes());
                head[field::SOURCE_PORT].copy_from_slice(&port.to_be_bytes());
            }
            (Side::Real, Some(real)) => {
                let from = real.address.ip().to_bits();
                addresses += (from >> 16) + (from & 0xffff);
                segment += u32::from(real.address.port());
                head[field::SOURCE_MAC].copy_from_slice(&real.mac);
                head[field::SOURCE].copy_from_slice(&from.to_be_bytes());
                head[field::SOURCE_PORT].copy_from_slice(&real.address.port().to_be_bytes());
                head[field::DESTINATION].copy_from_slice(&address.to_be_bytes());
                head[field::DESTINATION_PORT].copy_from_slice(&port.to_be_bytes());
            }
            (Side::Real, None) => return,
        }
        segment += addresses;
        let mut ip = template.ip_sum + addresses;
        if self.life {
            head[field::IDENTIFICATION + 1] |= packet.step as u8;
            ip += u32::from(packet.step);
            let flags = LIFE_FLAGS.get(usize::from(packet.step)).map_or(0, |flags| flags.0);
            head[field::TCP_FLAGS] = flags;
            segment += u32::from(flags);
        }
        head[field::IP_CHECKSUM].copy_from_slice(&checksum::of_sum(ip).to_be_bytes());
        if self.tcp {
            let sequence = packet.sequence as u32;
            head[field::TCP_SEQUENCE].copy_from_slice(&sequence.to_be_bytes());
            segment += (sequence >> 16) + (sequence & 0xffff);
            head[field::TCP_CHECKSUM].copy_from_slice(&checksum::of_sum(segment).to_be_bytes());
        } else {
            head[field::UDP_SEQUENCE].copy_from_slice(&packet.sequence.to_be_bytes());
            head[field::UDP_STAMP].copy_from_slice(&packet.stamp.to_be_bytes());
            segment += words(packet.sequence) + words(packet.stamp);
            let sum = checksum::udp_field(checksum::of_sum(segment));
            head[field::UDP_CHECKSUM].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// Through a tunnel fits what leaves room for the outer header.
fn largest(stream: &Stream) -> u16 {
    if stream.method == Method::Tunnel { LARGEST - ipv4::HEADER_LEN as u16 } else { LARGEST }
}

/// The sum of the four words of a number.
#[inline]
fn words(value: u64) -> u32 {
    let pairs = (value >> 32) + (value & 0xffff_ffff);
    ((pairs >> 32) + (pairs >> 16 & 0xffff) + (pairs & 0xffff)) as u32
}

impl Template {
    fn new(mark: u16, stream: &Stream, network: &Network, size: u16) -> Self {
        let nowhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let (source_mac, destination_mac, to) = match stream.side {
            Side::Client => (network.router_mac, network.director_wan_mac, stream.to),
            Side::Real => ([0; 6], network.director_lan_mac, nowhere),
        };
        let tcp = stream.kind != Kind::Udp;
        // A TCP packet without data is padded to the smallest frame.
        let packet_len = if tcp && size < 64 { 40 } else { size - ethernet::HEADER_LEN as u16 };
        let ip = ipv4::Header {
            tos: 0,
            total_len: packet_len,
            identification: IDENTIFICATION | mark,
            flags_and_offset: ipv4::DONT_FRAGMENT,
            ttl: TTL,
            protocol: if tcp { ipv4::protocol::TCP } else { ipv4::protocol::UDP },
            source: Ipv4Addr::UNSPECIFIED,
            destination: *to.ip(),
        };
        let segment_len = packet_len - ipv4::HEADER_LEN as u16;
        let mut bytes = Vec::with_capacity(usize::from(size));
        bytes.extend_from_slice(&destination_mac);
        bytes.extend_from_slice(&source_mac);
        bytes.extend_from_slice(&ethernet::ether_type::IPV4.to_be_bytes());
        bytes.extend_from_slice(&ip.emit());
        bytes.get_mut(field::IP_CHECKSUM).into_iter().for_each(|sum| sum.fill(0));
        if tcp {
            let flags = match stream.kind {
                Kind::Syn => tcp::Flags::SYN,
                Kind::Life => tcp::Flags(0),
                _ => tcp::Flags::ACK,
            };
            let header = tcp::Header {
                source_port: 0,
                destination_port: to.port(),
                sequence: 0,
                acknowledgment: 1,
                flags,
                window: 65_535,
            };
            bytes.extend_from_slice(&header.emit());
        } else {
            bytes.extend_from_slice(&wire::udp::header(0, to.port(), segment_len));
            bytes.extend_from_slice(&[0; 16]);
        }
        bytes.resize(field::IP + usize::from(packet_len), FILLER);
        let segment = bytes.get(field::IP + ipv4::HEADER_LEN..).unwrap_or_default();
        let segment_sum =
            checksum::pseudo_header(ip.source, ip.destination, ip.protocol, segment_len) + checksum::sum(segment);
        let ip_sum = checksum::sum(bytes.get(field::IP..field::IP + ipv4::HEADER_LEN).unwrap_or_default());
        bytes.resize(usize::from(size), 0);
        Self { bytes, ip_sum, segment_sum }
    }
}
