//! The builder's TCP, UDP and ICMP.

use super::{Checksum, Frame};
use crate::icmp::kind;
use crate::ipv4::protocol;
use crate::tcp::{Flags, Header};
use alloc::vec::Vec;

/// What an IPv4 packet carries.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) header: TransportHeader,
    pub(super) payload: Vec<u8>,
    pub(super) checksum: Checksum,
}

#[derive(Clone, Debug)]
pub(super) enum TransportHeader {
    Raw,
    Tcp { header: Header, options: Vec<u8>, data_offset: Option<u8> },
    Udp { source: u16, destination: u16, length: Option<u16> },
    Icmp { kind: u8, code: u8, rest: [u8; 4] },
    Ipip,
}

impl Default for Transport {
    fn default() -> Self {
        Self { header: TransportHeader::Raw, payload: Vec::new(), checksum: Checksum::Right }
    }
}

impl TransportHeader {
    /// The protocol field. Raw bytes travel as 253, "use for experimentation" (RFC 3692), unless told otherwise.
    pub(super) fn protocol(&self) -> u8 {
        match self {
            Self::Raw => 253,
            Self::Tcp { .. } => protocol::TCP,
            Self::Udp { .. } => protocol::UDP,
            Self::Icmp { .. } => protocol::ICMP,
            Self::Ipip => protocol::IPIP,
        }
    }
}

/// What the IPv4 packet carries. After [`Frame::ipv4`]; without effect on other frames.
impl Frame {
    /// Carries a TCP segment: no flags, sequence and acknowledgment 0, window 65535.
    pub fn tcp(self, source_port: u16, destination_port: u16) -> Self {
        let header = Header { source_port, destination_port, window: 65_535, ..Header::default() };
        self.with_header(TransportHeader::Tcp { header, options: Vec::new(), data_offset: None })
    }

    /// Sets SYN.
    pub fn syn(self) -> Self {
        self.flags(Flags::SYN)
    }

    /// Sets ACK.
    pub fn ack(self) -> Self {
        self.flags(Flags::ACK)
    }

    /// Sets ACK and the acknowledgment number.
    pub fn acking(self, number: u32) -> Self {
        self.ack().with_tcp(|header| header.acknowledgment = number)
    }

    /// Sets FIN.
    pub fn fin(self) -> Self {
        self.flags(Flags::FIN)
    }

    /// Sets RST.
    pub fn rst(self) -> Self {
        self.flags(Flags::RST)
    }

    /// Sets PSH.
    pub fn psh(self) -> Self {
        self.flags(Flags::PSH)
    }

    /// Sets these TCP flags beside those already set.
    pub fn flags(self, flags: Flags) -> Self {
        self.with_tcp(|header| header.flags = header.flags | flags)
    }

    /// Sets the sequence number.
    pub fn seq(self, number: u32) -> Self {
        self.with_tcp(|header| header.sequence = number)
    }

    /// Sets the window.
    pub fn window(self, window: u16) -> Self {
        self.with_tcp(|header| header.window = window)
    }

    /// Sets the TCP options, padded with zeros to a multiple of 4 bytes; at most 40 are taken.
    pub fn tcp_options(self, bytes: &[u8]) -> Self {
        self.with_transport(|transport| {
            if let TransportHeader::Tcp { options, .. } = &mut transport.header {
                *options = bytes.iter().copied().take(40).collect();
                options.resize(options.len().next_multiple_of(4), 0);
            }
        })
    }

    /// Sets the TCP data offset, in 32-bit words, whatever the header's length is.
    pub fn data_offset(self, words: u8) -> Self {
        self.with_transport(|transport| {
            if let TransportHeader::Tcp { data_offset, .. } = &mut transport.header {
                *data_offset = Some(words);
            }
        })
    }

    /// Carries a UDP datagram.
    pub fn udp(self, source_port: u16, destination_port: u16) -> Self {
        self.with_header(TransportHeader::Udp { source: source_port, destination: destination_port, length: None })
    }

    /// Sets the UDP length field, whatever the length is.
    pub fn udp_length(self, bytes: u16) -> Self {
        self.with_transport(|transport| {
            if let TransportHeader::Udp { length, .. } = &mut transport.header {
                *length = Some(bytes);
            }
        })
    }

    /// Carries an ICMP message of any type and code.
    pub fn icmp(self, kind: u8, code: u8) -> Self {
        self.with_header(TransportHeader::Icmp { kind, code, rest: [0; 4] })
    }

    /// Carries an ICMP echo request.
    pub fn echo_request(self, identifier: u16, sequence: u16) -> Self {
        self.icmp(kind::ECHO_REQUEST, 0).echo_numbers(identifier, sequence)
    }

    /// Carries an ICMP echo reply.
    pub fn echo_reply(self, identifier: u16, sequence: u16) -> Self {
        self.icmp(kind::ECHO_REPLY, 0).echo_numbers(identifier, sequence)
    }

    /// Sets the four bytes after the ICMP checksum.
    pub fn rest_of_header(self, bytes: [u8; 4]) -> Self {
        self.with_transport(|transport| {
            if let TransportHeader::Icmp { rest, .. } = &mut transport.header {
                *rest = bytes;
            }
        })
    }

    /// Sets the next-hop MTU of an ICMP error, in bytes.
    pub fn mtu(self, mtu: u16) -> Self {
        let [high, low] = mtu.to_be_bytes();
        self.rest_of_header([0, 0, high, low])
    }

    /// Makes the IPv4 packet of another frame the payload: what an ICMP error quotes.
    pub fn quoting(self, frame: &Self) -> Self {
        self.payload(&frame.packet())
    }

    /// As [`Frame::quoting`], cut off after the header and 8 bytes: the least that RFC 792 allows.
    pub fn quoting_briefly(self, frame: &Self) -> Self {
        let packet = frame.packet();
        let header_len = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
        self.payload(packet.get(..header_len + 8).unwrap_or(&packet))
    }

    /// Carries the IPv4 packet of another frame (RFC 2003).
    pub fn ipip(self, inner: &Self) -> Self {
        self.with_header(TransportHeader::Ipip).payload(&inner.packet())
    }

    /// Sets what follows the transport header, or the IPv4 header if there is none.
    pub fn payload(self, bytes: &[u8]) -> Self {
        self.with_transport(|transport| transport.payload = bytes.to_vec())
    }

    /// A payload of `len` bytes that count up, so that a misplaced one shows.
    pub fn payload_len(self, len: usize) -> Self {
        self.with_transport(|transport| transport.payload = (0..len).map(|index| index as u8).collect())
    }

    /// Makes the TCP, UDP or ICMP checksum wrong.
    pub fn bad_checksum(self) -> Self {
        self.with_transport(|transport| transport.checksum = Checksum::Wrong)
    }

    /// Leaves the TCP, UDP or ICMP checksum 0: for UDP, "none".
    pub fn no_checksum(self) -> Self {
        self.with_transport(|transport| transport.checksum = Checksum::None)
    }

    fn echo_numbers(self, identifier: u16, sequence: u16) -> Self {
        let ([i0, i1], [s0, s1]) = (identifier.to_be_bytes(), sequence.to_be_bytes());
        self.rest_of_header([i0, i1, s0, s1])
    }

    fn with_header(self, header: TransportHeader) -> Self {
        self.with_transport(|transport| transport.header = header)
    }

    fn with_transport(self, change: impl FnOnce(&mut Transport)) -> Self {
        self.with_packet(|packet| change(&mut packet.transport))
    }

    fn with_tcp(self, change: impl FnOnce(&mut Header)) -> Self {
        self.with_transport(|transport| {
            if let TransportHeader::Tcp { header, .. } = &mut transport.header {
                change(header);
            }
        })
    }
}
