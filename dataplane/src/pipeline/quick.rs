//! The quick way: a plain packet of a connection that stays as it is. One pass, with what all packets of a burst read
//! found once. What needs anything else is left as it came, for the stages that know everything; so for a packet that
//! goes this way, this does what they do.

use super::Pipeline;
use super::forward::{encapsulate, leave, packet_mut};
use super::output::{Fate, Output, Verdict};
use super::plain::Plain;
use crate::clock::Milliseconds;
use crate::connection::{Connection, Found};
use crate::counters::Counters;
use crate::forward::{quick, ttl, tunnel};
use crate::nexthop::Hop;
use crate::tables::{Tables, Way};
use link::model::{ForwardMethod, Protocol};
use rte_rs::burst::Drain;
use rte_rs::{Burst, HashKey, Mbuf};
use wire::tcp::Flags;

/// What all packets of a burst read.
struct Road<'a> {
    connections: &'a [Connection],
    tables: &'a Tables,
    counters: &'a Counters,
    now: Milliseconds,
    /// A router has told how narrow the way of some tunnel is.
    has_narrow_ways: bool,
    next_hops_version: u32,
    identification: &'a mut u16,
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
    /// Sends packets from `position` on the quick way, until one can't take it: that one is given back, and `position` is
    /// its own.
    #[inline(never)]
    pub(super) fn carry_quickly<O: Output>(
        &mut self,
        frames: &mut Drain<'_>,
        position: &mut usize,
        out: &mut O,
    ) -> Option<Mbuf> {
        let batch = &mut self.batch;
        let quick = if batch.stale || self.defence.notes_positions { 0 } else { batch.quick & batch.found };
        let mut road = Road {
            connections: self.connections.entries(),
            tables: &self.tables,
            counters: &self.counters,
            now: self.now,
            has_narrow_ways: self.settings.path_mtus.knows_any(self.now),
            next_hops_version: self.tables.next_hops.version(),
            identification: &mut self.identification,
        };
        for mut mbuf in frames {
            let place = *position % Burst::CAPACITY;
            let (true, Some(plain), Some(key), Some(found), Some(verdict)) = (
                quick >> place & 1 == 1,
                batch.plain.get(place),
                batch.keys.get(place),
                batch.candidates.get(place),
                batch.verdicts.get_mut(place),
            ) else {
                return Some(mbuf);
            };
            let Some(port) = road.carry(Found::from_value((*found).into()), key, *plain, &mut mbuf) else {
                return Some(mbuf);
            };
            out.transmit(port, mbuf);
            *verdict = Verdict::Forwarded { port };
            *position += 1;
        }
        None
    }
}

impl Road<'_> {
    /// Forwards a packet of the connection that was found, if that is so: the port it leaves on. `None`, and nothing done:
    /// it needs more.
    #[inline(always)]
    fn carry(&mut self, found: Found, key: &HashKey, plain: Plain, mbuf: &mut Mbuf) -> Option<u16> {
        let connection = self.connections.get(found.index as usize)?;
        let slot = connection.real_slot();
        let way = self.tables.way(slot)?;
        let real = self.counters.real(slot)?;
        // Whatever goes on in the usual state, by the tables of either direction and with either rules, stays in it.
        let (state, timeout) = way.usual_state(plain.protocol);
        if !connection.has_key(key, found.outbound)
            || !way.is_of(connection.real_generation())
            || connection.is_helped()
            || !connection.rests_in(state, timeout)
        {
            return None;
        }
        let port;
        if found.outbound {
            port = self.towards_client(connection, plain, mbuf)?;
            real.out_packets.add(1);
            real.out_bytes.add(u64::from(plain.length));
        } else {
            port = self.towards_real(connection, way, plain, mbuf)?;
            connection.count_inbound();
            real.in_packets.add(1);
            real.in_bytes.add(u64::from(plain.length));
        }
        connection.touch(self.now);
        Some(port)
    }

    #[inline(always)]
    fn towards_real(&mut self, connection: &Connection, way: &Way, plain: Plain, mbuf: &mut Mbuf) -> Option<u16> {
        let hop = way.hop.as_ref().ok()?;
        let method = connection.method();
        let room = if method == ForwardMethod::Tunnel { hop.mtu.saturating_sub(tunnel::OVERHEAD) } else { hop.mtu };
        if plain.length > room {
            return None;
        }
        match method {
            ForwardMethod::Nat => {
                if !quick::translate::<false>(mbuf.data_mut(), plain.protocol, connection.real()) {
                    return None;
                }
            }
            ForwardMethod::Direct => ttl::decrement(packet_mut(mbuf)),
            ForwardMethod::Tunnel => {
                if self.has_narrow_ways || mbuf.headroom() < usize::from(tunnel::OVERHEAD) {
                    return None;
                }
                ttl::decrement(packet_mut(mbuf));
                encapsulate(mbuf, way, self.identification);
            }
        }
        port_of(leave(mbuf, hop, false))
    }

    #[inline(always)]
    fn towards_client(&self, connection: &Connection, plain: Plain, mbuf: &mut Mbuf) -> Option<u16> {
        let way = connection.reply_way(self.next_hops_version)?;
        if plain.protocol == Protocol::Udp && connection.owes_assurance() {
            return None;
        }
        let next_hops = &self.tables.next_hops;
        match next_hops.gateway(way) {
            Some(hop) => reply(connection, plain, mbuf, hop),
            None => reply(connection, plain, mbuf, &next_hops.hop(way, connection.client().address).ok()?),
        }
    }
}

#[inline(always)]
fn reply(connection: &Connection, plain: Plain, mbuf: &mut Mbuf, hop: &Hop) -> Option<u16> {
    if plain.length > hop.mtu || !quick::translate::<true>(mbuf.data_mut(), plain.protocol, connection.service()) {
        return None;
    }
    port_of(leave(mbuf, hop, false))
}

#[inline(always)]
const fn port_of(fate: Fate) -> Option<u16> {
    match fate {
        Fate::Forward { port } => Some(port),
        _ => None,
    }
}
