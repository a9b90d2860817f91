//! The quick way: a plain packet of a connection that stays as it is. One pass, with what all packets of a burst read
//! found once. What needs anything else is left as it came, for the stages that know everything; so for a packet that
//! goes this way, this does what they do.

use super::Pipeline;
use super::batch::Packet;
use super::output::{Output, Verdict};
use super::plain::Plain;
use crate::clock::Milliseconds;
use crate::connection::{Connection, Found, Kind};
use crate::forward::{quick, tunnel};
use crate::nexthop::{Hop, NextHops};
use crate::tables::Way;
use link::counters::RealCounters;
use link::model::{ForwardMethod, Protocol};
use rte_rs::burst::Drain;
use rte_rs::{Burst, Mbuf};
use wire::tcp::Flags;

const CAPACITY: usize = Burst::CAPACITY;

/// What all packets of a burst read, and what each writes.
struct Road<'a> {
    /// Those that may go this way, by position.
    quick: u32,
    packets: &'a [Packet; CAPACITY],
    connections: &'a [Connection],
    ways: &'a [Way],
    reals: &'a [RealCounters],
    next_hops: &'a NextHops,
    next_hops_version: u32,
    now: Milliseconds,
    /// A router has told how narrow the way of some tunnel is.
    has_narrow_ways: bool,
    identification: &'a mut u16,
    verdicts: &'a mut [Verdict; CAPACITY],
}

/// The ways of packets, each with a loop of its own: what one needs stays in registers.
mod lane {
    pub(super) const NAT_IN: u8 = 0;
    pub(super) const NAT_OUT: u8 = 1;
    pub(super) const TUNNEL: u8 = 2;
    pub(super) const DIRECT: u8 = 3;
}

/// Whether a packet may go the quick way, as far as it tells itself: not at its last hop, and of TCP neither beginning nor
/// end.
#[inline(always)]
pub(super) const fn is_quick(plain: Plain, time_to_live: u8) -> bool {
    const TELLING: u8 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0;
    let goes_on = match plain.protocol {
        Protocol::Udp => true,
        Protocol::Tcp => plain.tcp_flags & TELLING == Flags::ACK.0,
    };
    goes_on && time_to_live > 1
}

impl Pipeline {
    /// Sends packets from `position` up to `end` on the quick way, until one can't take it: that one is given back, and
    /// `position` is its own. There is one at `position`.
    #[inline(always)]
    pub(super) fn carry_quickly<O: Output>(
        &mut self,
        frames: &mut Drain<'_>,
        position: &mut usize,
        end: usize,
        out: &mut O,
    ) -> Option<Mbuf> {
        let batch = &mut self.batch;
        let mut road = Road {
            quick: if batch.stale || self.defence.notes_positions { 0 } else { batch.quick & batch.found },
            packets: &batch.packets,
            connections: self.connections.entries(),
            ways: self.tables.ways(),
            reals: self.counters.reals(),
            next_hops: &self.tables.next_hops,
            next_hops_version: self.tables.next_hops.version(),
            now: self.now,
            has_narrow_ways: self.settings.path_mtus.knows_any(self.now),
            identification: &mut self.identification,
            verdicts: &mut batch.verdicts,
        };
        let mut mbuf = frames.next()?;
        loop {
            let before = *position;
            mbuf = match road.lane(before) {
                Some(lane::NAT_IN) => road.run::<{ lane::NAT_IN }, O>(mbuf, frames, position, end, out)?,
                Some(lane::NAT_OUT) => road.run::<{ lane::NAT_OUT }, O>(mbuf, frames, position, end, out)?,
                Some(lane::TUNNEL) => road.run::<{ lane::TUNNEL }, O>(mbuf, frames, position, end, out)?,
                Some(_) => road.run::<{ lane::DIRECT }, O>(mbuf, frames, position, end, out)?,
                None => return Some(mbuf),
            };
            if *position == before {
                return Some(mbuf);
            }
        }
    }
}

impl Road<'_> {
    /// The way that the packet at `position` takes if it can take a quick one.
    #[inline(always)]
    fn lane(&self, position: usize) -> Option<u8> {
        let place = position % CAPACITY;
        if self.quick >> place & 1 == 0 {
            return None;
        }
        let found = Found::from_value(self.packets.get(place)?.candidate.into());
        let connection = self.connections.get(found.index as usize)?;
        Some(match (found.outbound, connection.method()) {
            (true, _) => lane::NAT_OUT,
            (false, ForwardMethod::Nat) => lane::NAT_IN,
            (false, ForwardMethod::Tunnel) => lane::TUNNEL,
            (false, ForwardMethod::Direct) => lane::DIRECT,
        })
    }

    /// Sends packets that take one way, from this one on; the first that can't is given back.
    #[inline(never)]
    fn run<const LANE: u8, O: Output>(
        &mut self,
        mut mbuf: Mbuf,
        frames: &mut Drain<'_>,
        position: &mut usize,
        end: usize,
        out: &mut O,
    ) -> Option<Mbuf> {
        let mut at = *position;
        while let Some(port) = self.carry::<LANE>(at % CAPACITY, &mut mbuf) {
            out.transmit(port, mbuf);
            at += 1;
            *position = at;
            if at >= end {
                return None;
            }
            mbuf = frames.next()?;
        }
        Some(mbuf)
    }

    /// Forwards a packet of the connection that was found, if that is so: the port it leaves on. `None`, and nothing done:
    /// it needs more.
    #[inline(always)]
    fn carry<const LANE: u8>(&mut self, place: usize, mbuf: &mut Mbuf) -> Option<u16> {
        let Packet { key, plain, candidate, .. } = self.packets.get(place)?;
        let (plain, found) = (*plain, Found::from_value((*candidate).into()));
        let connection = self.connections.get(found.index as usize)?;
        let slot = connection.real_slot() as usize;
        let (way, real) = (self.ways.get(slot)?, self.reals.get(slot)?);
        let outbound = LANE == lane::NAT_OUT;
        let method = match LANE {
            lane::TUNNEL => ForwardMethod::Tunnel,
            lane::DIRECT => ForwardMethod::Direct,
            _ => ForwardMethod::Nat,
        };
        let is_its_own = if outbound { connection.has_ends::<true>(key) } else { connection.has_ends::<false>(key) };
        // Whatever goes on in the usual state, by the tables of either direction and with either rules, stays in it.
        let (state, timeout) = way.usual_state(plain.protocol);
        if self.quick >> place & 1 == 0
            || found.outbound != outbound
            || !is_its_own
            || !connection.rests_as(Kind::new(plain.protocol, method, state), timeout)
            || !way.is_of(connection.real_generation())
        {
            return None;
        }
        let port;
        if outbound {
            port = self.towards_client(connection, plain, mbuf)?;
            real.out_packets.add(1);
            real.out_bytes.add(u64::from(plain.length));
        } else {
            port = self.towards_real(method, connection, way, plain, mbuf)?;
            connection.count_inbound();
            real.in_packets.add(1);
            real.in_bytes.add(u64::from(plain.length));
        }
        connection.touch(self.now);
        *self.verdicts.get_mut(place)? = Verdict::Forwarded { port };
        Some(port)
    }

    #[inline(always)]
    fn towards_real(
        &mut self,
        method: ForwardMethod,
        connection: &Connection,
        way: &Way,
        plain: Plain,
        mbuf: &mut Mbuf,
    ) -> Option<u16> {
        let hop = way.hop.as_ref().ok()?;
        let overhead = if method == ForwardMethod::Tunnel { tunnel::OVERHEAD } else { 0 };
        if plain.length > hop.mtu.saturating_sub(overhead) {
            return None;
        }
        let is_done = match method {
            ForwardMethod::Nat => {
                quick::translate::<false>(mbuf.data_mut(), plain.protocol, connection.real(), &hop.ethernet)
            }
            ForwardMethod::Direct => quick::pass_on(mbuf.data_mut(), &hop.ethernet),
            ForwardMethod::Tunnel => {
                let room = usize::from(tunnel::OVERHEAD);
                if self.has_narrow_ways || mbuf.len() + room < quick::ENCAPSULATED {
                    return None;
                }
                mbuf.prepend(room)?;
                let head = mbuf.data_mut().first_chunk_mut()?;
                quick::encapsulate(head, &way.outer, self.identification, &hop.ethernet);
                true
            }
        };
        is_done.then_some(hop.port)
    }

    #[inline(always)]
    fn towards_client(&self, connection: &Connection, plain: Plain, mbuf: &mut Mbuf) -> Option<u16> {
        let way = connection.reply_way(self.next_hops_version)?;
        if plain.protocol == Protocol::Udp && connection.owes_assurance() {
            return None;
        }
        match self.next_hops.gateway(way) {
            Some(hop) => reply(connection, plain, mbuf, hop),
            None => reply(connection, plain, mbuf, &self.next_hops.hop(way, connection.client().address).ok()?),
        }
    }
}

#[inline(always)]
fn reply(connection: &Connection, plain: Plain, mbuf: &mut Mbuf, hop: &Hop) -> Option<u16> {
    if plain.length > hop.mtu {
        return None;
    }
    quick::translate::<true>(mbuf.data_mut(), plain.protocol, connection.service(), &hop.ethernet).then_some(hop.port)
}
