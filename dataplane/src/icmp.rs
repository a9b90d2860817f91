//! ICMP errors about the packets of a connection (RFC 792): who they are about, and their translation on the way to
//! the other end. Pure functions over the bytes from the IPv4 header on; the time to live is the caller's
//! ([`crate::forward::ttl`]).
//!
//! | error from | about | found by | becomes |
//! |---|---|---|---|
//! | client's side, to the VIP | a reply, VIP to client | its quote, reversed | NAT: [`rewrite_for_real`]; tunnel, direct: forwarded as it is |
//! | real's side, to the client | a NATed request, client to real | its quote | [`rewrite_for_client`] |
//! | the way of a tunnel, to the director | the outer packet | the inner quote | [`TunnelError::for_client`] |

use crate::connection::Endpoint;
use crate::forward::tunnel::OVERHEAD;
use crate::reject;
use link::model::Protocol;
use std::net::Ipv4Addr;
use wire::icmp::{Icmp, code, kind};
use wire::ipv4::{Ipv4, protocol};

/// The least MTU of IPv4 (RFC 791 section 3.2).
const MIN_MTU: u16 = 68;

/// Whether messages of this type are translated: destination unreachable, source quench, time exceeded, as the
/// reference. Redirects and parameter problems concern the director's own stack.
#[inline]
pub const fn is_translated(kind: u8) -> bool {
    matches!(kind, kind::DESTINATION_UNREACHABLE | kind::SOURCE_QUENCH | kind::TIME_EXCEEDED)
}

/// A packet of a connection, as a message quotes it: the way the packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where the packet came from.
    pub source: Endpoint,
    /// Where it went.
    pub destination: Endpoint,
}

impl Quoted {
    /// The packets that answer this one. Under them the connection table knows the connection, whoever the error comes
    /// from: about a reply they are the client's to the service, about a NATed request the real's to the client.
    #[inline]
    pub const fn reversed(self) -> Self {
        Self { protocol: self.protocol, source: self.destination, destination: self.source }
    }
}

/// What an ICMP error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// A TCP or UDP packet.
    Flow(Quoted),
    /// A TCP or UDP packet within a tunnel.
    Tunnel(TunnelError<'a>),
}

/// Why an ICMP packet is not about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Not an error of a kind that is translated, or about no packet that a connection can have: a fragment but the
    /// first, another protocol. The kernel's business.
    NotOurs,
    /// The message, or the packet it quotes, is cut short before the ports.
    Malformed,
    /// The ICMP checksum is wrong.
    Checksum,
}

/// Reads an ICMP error.
///
/// # Errors
/// Why it is not about a connection.
pub fn parse(packet: &[u8]) -> Result<About<'_>, Unusable> {
    let outer = Ipv4::parse(packet).map_err(|_| Unusable::Malformed)?;
    if outer.protocol() != protocol::ICMP || outer.is_fragment() {
        return Err(Unusable::NotOurs);
    }
    let message = packet.get(outer.header_len()..outer.total_len()).ok_or(Unusable::Malformed)?;
    let view = Icmp::parse(message).map_err(|_| Unusable::Malformed)?;
    if !is_translated(view.kind()) {
        return Err(Unusable::NotOurs);
    }
    if !view.checksum_is_valid() {
        return Err(Unusable::Checksum);
    }
    let quoted = message.get(wire::icmp::HEADER_LEN..).ok_or(Unusable::Malformed)?;
    let carrier = quoted_packet(quoted)?;
    if carrier.protocol() != protocol::IPIP {
        return Ok(About::Flow(flow(&carrier)?));
    }
    let inner = quoted.get(carrier.header_len()..).ok_or(Unusable::Malformed)?;
    Ok(About::Tunnel(TunnelError {
        kind: view.kind(),
        code: view.code(),
        mtu: view.mtu(),
        source: carrier.source(),
        destination: carrier.destination(),
        flow: flow(&quoted_packet(inner)?)?,
        inner,
    }))
}

fn quoted_packet(quoted: &[u8]) -> Result<Ipv4<&[u8]>, Unusable> {
    let packet = Ipv4::parse_quoted(quoted).map_err(|_| Unusable::Malformed)?;
    if packet.fragment_offset() == 0 { Ok(packet) } else { Err(Unusable::NotOurs) }
}

/// The ports alone must be there: 4 bytes, fewer than the 8 that RFC 792 promises, are enough for the reference.
fn flow(packet: &Ipv4<&[u8]>) -> Result<Quoted, Unusable> {
    let protocol = Protocol::from_number(packet.protocol()).ok_or(Unusable::NotOurs)?;
    let &[s0, s1, d0, d1] = packet.payload().first_chunk::<4>().ok_or(Unusable::Malformed)?;
    Ok(Quoted {
        protocol,
        source: Endpoint { address: packet.source().to_bits(), port: u16::from_be_bytes([s0, s1]) },
        destination: Endpoint { address: packet.destination().to_bits(), port: u16::from_be_bytes([d0, d1]) },
    })
}

/// An error about a reply, on its way from the client's side to the real behind VS/NAT: it goes to the real, and quotes
/// the reply as the real sent it. Both header checksums and the ICMP checksum are computed in full, the quoted transport
/// checksum stays. False, and nothing changed, if [`parse`] does not find a flow in the packet.
pub fn rewrite_for_real(packet: &mut [u8], real: Endpoint) -> bool {
    rewrite(packet, |outer, inner| {
        outer.set_destination(Ipv4Addr::from_bits(real.address));
        inner.set_source(Ipv4Addr::from_bits(real.address));
        set_port(inner.payload_mut(), 0, real.port);
    })
}

/// An error about a request, on its way from the real's side to the client: it comes from the service, whoever sent it,
/// and quotes the request as the client sent it. As [`rewrite_for_real`] else.
pub fn rewrite_for_client(packet: &mut [u8], service: Endpoint) -> bool {
    rewrite(packet, |outer, inner| {
        outer.set_source(Ipv4Addr::from_bits(service.address));
        inner.set_destination(Ipv4Addr::from_bits(service.address));
        set_port(inner.payload_mut(), 2, service.port);
    })
}

type View<'a> = Ipv4<&'a mut [u8]>;

fn rewrite(packet: &mut [u8], change: impl FnOnce(&mut View<'_>, &mut View<'_>)) -> bool {
    if !matches!(parse(packet), Ok(About::Flow(_))) {
        return false;
    }
    let Ok(view) = Ipv4::parse(&packet[..]) else { return false };
    let (header_len, total_len) = (view.header_len(), view.total_len());
    let Some((header, message)) =
        packet.get_mut(..total_len).and_then(|packet| packet.split_at_mut_checked(header_len))
    else {
        return false;
    };
    let Ok(mut message) = Icmp::parse(message) else { return false };
    // A header alone states more than is there; `parse_quoted` takes that.
    let (Ok(mut outer), Ok(mut inner)) = (Ipv4::parse_quoted(header), Ipv4::parse_quoted(message.payload_mut())) else {
        return false;
    };
    change(&mut outer, &mut inner);
    inner.fill_checksum();
    outer.fill_checksum();
    message.fill_checksum();
    true
}

fn set_port(transport: &mut [u8], at: usize, port: u16) {
    if let Some(field) = transport.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = port.to_be_bytes();
    }
}

/// An error about the outer packet of a tunnel, sent to the director by a router on the way to the real, or by the real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelError<'a> {
    /// The ICMP type.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The next-hop MTU that the message states, of the tunnel's outer packets; 0 = none.
    pub mtu: u16,
    /// The outer packet's source: the director.
    pub source: Ipv4Addr,
    /// The outer packet's destination: the real.
    pub destination: Ipv4Addr,
    /// The client's packet.
    pub flow: Quoted,
    inner: &'a [u8],
}

impl TunnelError<'_> {
    /// Bytes of the client's packet that it quotes.
    pub fn quoted_len(&self) -> usize {
        self.inner.len()
    }

    /// Whether the way to the real has an MTU smaller than was thought.
    pub fn is_fragmentation_needed(&self) -> bool {
        self.kind == kind::DESTINATION_UNREACHABLE && self.code == code::FRAGMENTATION_NEEDED
    }

    /// Writes the error that the client is sent about its own packet, from the virtual address; returns its length.
    ///
    /// "Fragmentation needed" is told only to a client that set DF, with `path_mtu` (of outer packets, as it is known now)
    /// less the outer header, at least 68. `None`: the client is told nothing, or `out` is too short.
    pub fn for_client(&self, path_mtu: u16, out: &mut [u8]) -> Option<usize> {
        let mut rest = [0; 4];
        if self.is_fragmentation_needed() {
            let inner = Ipv4::parse_quoted(self.inner).ok()?;
            if !inner.dont_fragment() {
                return None;
            }
            let [high, low] = path_mtu.saturating_sub(OVERHEAD).max(MIN_MTU).to_be_bytes();
            rest = [0, 0, high, low];
        }
        let service = Ipv4Addr::from_bits(self.flow.destination.address);
        reject::write_error((self.kind, self.code, rest), self.inner, service, out)
    }
}

#[cfg(test)]
#[path = "icmp_tests.rs"]
mod tests;
