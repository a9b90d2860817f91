//! `reset_on_expiry`: when an established connection has idled too long and is forgotten, both its ends are told by a
//! RST, instead of finding out with their next packet.

use super::Pipeline;
use super::forward::packet;
use super::output::{Fate, Output};
use super::parse::{Flow, IPV4_OFFSET};
use crate::connection::{Endpoint, Identity, Lapsed, Progress};
use link::model::Protocol;
use rte_rs::Mbuf;
use std::net::Ipv4Addr;
use wire::ipv4::{self, DONT_FRAGMENT, protocol};
use wire::tcp::{self, Flags, Tcp};

const TTL: u8 = 64;
const LENGTH: usize = ipv4::HEADER_LEN + tcp::HEADER_LEN;

impl Pipeline {
    /// What a client's segment tells of where its connection is.
    #[cold]
    pub(super) fn note_position(&mut self, index: u32, flow: &Flow, mbuf: &Mbuf) {
        if flow.protocol != Protocol::Tcp {
            return;
        }
        let segment = packet(mbuf).get(usize::from(flow.header_len)..).and_then(|bytes| Tcp::parse(bytes).ok());
        if let Some(segment) = segment.filter(|segment| segment.flags().ack() && !segment.flags().rst()) {
            let next = segment.sequence().wrapping_add(segment.sequence_len());
            self.connections.note_position(index, next, segment.acknowledgment());
        }
    }

    /// Tells both ends of the connections that expired or were closed. Their number is bounded by the table.
    #[inline]
    pub fn send_resets<O: Output>(&mut self, out: &mut O) {
        while let Some(Lapsed { identity, position }) = self.connections.take_lapsed() {
            let Some(position) = position else {
                self.send_to_client(&identity, Progress::default(), Flags::ACK, out);
                continue;
            };
            self.send_to_client(&identity, position, Flags::RST | Flags::ACK, out);
            self.reset_real(&identity, position, out);
        }
    }

    /// A RST; or a bare acknowledgment with numbers that are hardly those of the connection: its client answers it with one
    /// that has the right ones (RFC 9293 section 3.10.7.4).
    fn send_to_client<O: Output>(&mut self, identity: &Identity, position: Progress, flags: Flags, out: &mut O) {
        let Identity { client, service, .. } = *identity;
        let segment = segment(service, client, (position.to_client, position.to_real), flags);
        let Some(mut mbuf) = out.new_mbuf() else { return };
        if let Fate::Forward { port } = self.forward_answer(Some(&segment), &mut mbuf, out) {
            self.counters.worker.resets_created.add(1);
            out.transmit(port, mbuf);
        }
    }

    /// As a packet of the client, which takes the way of its connection.
    fn reset_real<O: Output>(&mut self, identity: &Identity, position: Progress, out: &mut O) {
        let has_way = self.tables.way(identity.real_slot).is_some_and(|way| way.hop.is_ok());
        let Some(mut mbuf) = out.new_mbuf().filter(|_| has_way) else { return };
        let numbers = (position.to_real, position.to_client);
        let segment = segment(identity.client, identity.service, numbers, Flags::RST | Flags::ACK);
        let Some(frame) = mbuf.append(IPV4_OFFSET + LENGTH) else { return };
        if let Some(room) = frame.get_mut(IPV4_OFFSET..) {
            room.copy_from_slice(&segment);
        }
        let flow = Flow {
            source: identity.client,
            destination: identity.service,
            length: LENGTH as u16,
            header_len: ipv4::HEADER_LEN as u8,
            tcp_flags: (Flags::RST | Flags::ACK).0,
            protocol: Protocol::Tcp,
        };
        if let Fate::Forward { port } = self.forward_to_real(identity, &flow, &mut mbuf, out) {
            self.counters.worker.resets_created.add(1);
            out.transmit(port, mbuf);
        }
    }
}

/// A segment without data, with these numbers (sequence, acknowledgment), as an IPv4 packet.
fn segment(from: Endpoint, to: Endpoint, (sequence, acknowledgment): (u32, u32), flags: Flags) -> [u8; LENGTH] {
    let (source, destination) = (Ipv4Addr::from_bits(from.address), Ipv4Addr::from_bits(to.address));
    let header = ipv4::Header {
        tos: 0,
        total_len: LENGTH as u16,
        identification: 0,
        flags_and_offset: DONT_FRAGMENT,
        ttl: TTL,
        protocol: protocol::TCP,
        source,
        destination,
    };
    let segment =
        tcp::Header { source_port: from.port, destination_port: to.port, sequence, acknowledgment, flags, window: 0 };
    let mut packet = [0; LENGTH];
    let (network, transport) = packet.split_at_mut(ipv4::HEADER_LEN);
    network.copy_from_slice(&header.emit());
    transport.copy_from_slice(&segment.emit());
    if let Ok(mut segment) = Tcp::parse(transport) {
        segment.fill_checksum(source, destination);
    }
    packet
}
