//! Removing connections on request: the main lcore asks, each worker removes its own, a few at a time.

use crate::connection::ConnectionTable;
use link::message::{ConnectionFilter, ConnectionRow};
use link::model::Protocol;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Slab entries looked at in one round of the poll loop, and connections removed: a removal takes about a microsecond.
const STEP: u32 = 256;
const REMOVALS: u32 = 32;

/// The mailbox between main lcore and one worker. The main lcore writes the filter, then the ticket; the worker, when
/// it is through, the number removed, then the ticket it has done.
#[derive(Debug, Default)]
pub struct FlushBox {
    ticket: AtomicU32,
    done: AtomicU32,
    removed: AtomicU64,
    protocol: AtomicU32,
    client: AtomicU64,
    service: AtomicU64,
    real: AtomicU64,
}

/// A value that no packed address has.
const ANY: u64 = u64::MAX;

impl FlushBox {
    /// Main lcore: asks for a flush; the last one must be done.
    pub fn request(&self, filter: &ConnectionFilter) {
        self.protocol.store(filter.protocol.map_or(0, |protocol| u32::from(protocol.number())), Ordering::Relaxed);
        self.client.store(filter.client.map_or(ANY, |address| u64::from(address.to_bits())), Ordering::Relaxed);
        self.service.store(filter.service.map_or(ANY, pack), Ordering::Relaxed);
        self.real.store(filter.real.map_or(ANY, pack), Ordering::Relaxed);
        self.ticket.store(self.ticket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Main lcore: how many the last flush removed, once it is through.
    pub fn removed(&self) -> Option<u64> {
        let done = self.done.load(Ordering::Acquire) == self.ticket.load(Ordering::Relaxed);
        done.then(|| self.removed.load(Ordering::Relaxed))
    }

    fn filter(&self) -> ConnectionFilter {
        let endpoint =
            |cell: &AtomicU64| Some(cell.load(Ordering::Relaxed)).filter(|packed| *packed != ANY).map(unpack);
        let client = self.client.load(Ordering::Relaxed);
        ConnectionFilter {
            protocol: Protocol::from_number(self.protocol.load(Ordering::Relaxed) as u8),
            client: (client != ANY).then(|| Ipv4Addr::from_bits(client as u32)),
            service: endpoint(&self.service),
            real: endpoint(&self.real),
            limit: 0,
        }
    }
}

fn pack(address: SocketAddrV4) -> u64 {
    u64::from(address.ip().to_bits()) << 16 | u64::from(address.port())
}

fn unpack(packed: u64) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from_bits((packed >> 16) as u32), packed as u16)
}

/// Whether a connection is one of those that a filter names; port 0 stands for every port.
pub fn matches(filter: &ConnectionFilter, row: &ConnectionRow) -> bool {
    filter.protocol.is_none_or(|protocol| row.protocol == Some(protocol))
        && filter.client.is_none_or(|client| client == *row.client.ip())
        && filter.service.is_none_or(|service| is_at(row.service, service))
        && filter.real.is_none_or(|real| is_at(row.real, real))
}

fn is_at(endpoint: SocketAddrV4, wanted: SocketAddrV4) -> bool {
    endpoint == wanted || (wanted.port() == 0 && endpoint.ip() == wanted.ip())
}

/// The worker's side: where it is in the slab.
#[derive(Debug, Default)]
pub struct FlushProgress {
    /// The last flush that is through.
    done: u32,
    /// The one under way; a newer one (of a control that took over) starts from the beginning.
    under_way: u32,
    next: u32,
    removed: u64,
}

impl FlushProgress {
    /// One step, if there is something to do. An idle mailbox costs one load of a line that nobody writes.
    #[inline]
    pub fn step(&mut self, mailbox: &FlushBox, connections: &mut ConnectionTable) {
        let ticket = mailbox.ticket.load(Ordering::Acquire);
        if ticket != self.done {
            if ticket != self.under_way {
                *self = Self { done: self.done, under_way: ticket, next: 0, removed: 0 };
            }
            self.remove_some(ticket, mailbox, connections);
        }
    }

    fn remove_some(&mut self, ticket: u32, mailbox: &FlushBox, connections: &mut ConnectionTable) {
        let filter = mailbox.filter();
        let end = self.next.saturating_add(STEP).min(connections.capacity());
        let mut removals = 0;
        while self.next < end && removals < REMOVALS {
            let index = self.next;
            self.next += 1;
            let wanted = connections
                .connection(index)
                .and_then(|connection| connection.row(0, 0))
                .is_some_and(|row| matches(&filter, &row));
            if wanted {
                connections.remove(index);
                self.removed += 1;
                removals += 1;
            }
        }
        if self.next == connections.capacity() {
            mailbox.removed.store(self.removed, Ordering::Relaxed);
            mailbox.done.store(ticket, Ordering::Release);
            self.done = ticket;
        }
    }
}
