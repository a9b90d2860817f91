//! One worker's connections: where they are found, the slab that they are in, its timer wheel.
//!
//! The worker is the only writer. Other cores read the slab ([`Connection::row`]) and find entries ([`ConnectionReader`]).

use super::accounts::Accounts;
use super::entry::Connection;
use super::eviction::Eviction;
use super::identity::Identity;
use super::index::{Buckets, Index};
use super::positions::{Close, Lapsed, Positions};
use super::shared::Position;
use super::store::{Counted, Store, find};
use super::template::Templates;
use super::timer::{TICK_MS, Wheel};
use crate::clock::Milliseconds;
use crate::helper::Helpers;
use link::message::ConnectionState;
use link::model::Protocol;
use rte_rs::{HashKey, Hasher};
use std::sync::Arc;

/// The slab of one worker, shared with those who list it.
pub type Slab = Arc<Box<[Connection]>>;

/// Which half of a connection a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The slab index.
    pub index: u32,
    /// From real to client.
    pub outbound: bool,
}

impl Found {
    /// Its number, below 2^32.
    pub(super) fn to_value(self) -> u64 {
        u64::from(self.index) << 1 | u64::from(self.outbound)
    }

    /// The entry with this number.
    #[inline]
    pub fn from_value(value: u64) -> Self {
        Self { index: (value >> 1) as u32, outbound: value & 1 == 1 }
    }
}

/// Milliseconds that a control connection stays on when its time is up while its data connections are there.
const HELD_AGAIN: u32 = 60_000;

/// No room for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// See the module.
pub struct ConnectionTable {
    store: Store,
    wheel: Wheel,
    pub(super) eviction: Eviction,
    positions: Positions,
}

/// Finds connections from any thread, without a lock.
#[derive(Clone, Debug)]
pub struct ConnectionReader {
    hasher: Hasher,
    index: Index,
    slab: Slab,
}

impl ConnectionReader {
    /// The connection with this key, as of now.
    pub fn lookup(&self, key: &HashKey) -> Option<Found> {
        find(&self.index, &self.slab, self.hasher.hash(key), key)
    }
}

impl ConnectionTable {
    /// A table for `capacity` connections, at most 2^31; more are cut off.
    pub fn new(capacity: u32, accounts: Accounts, now: Milliseconds) -> Self {
        let capacity = capacity.min(1 << 31);
        let store = Store::new(capacity, accounts, now);
        let (eviction, positions) = (Eviction::default(), Positions::new(capacity));
        Self { store, wheel: Wheel::new(capacity, now), eviction, positions }
    }

    /// For other cores: finds connections.
    pub fn reader(&self) -> ConnectionReader {
        let Store { hasher, index, slab, .. } = &self.store;
        ConnectionReader { hasher: *hasher, index: index.clone(), slab: Arc::clone(slab) }
    }

    /// Where the connections' templates are.
    pub fn set_templates(&mut self, templates: &Arc<Templates>) {
        self.store.templates = Some(Arc::clone(templates));
    }

    /// The connection just made belongs to the template at this place, and is counted there.
    pub fn join(&self, index: u32, template: Position) {
        let Some(entry) = self.connection(index) else { return };
        entry.set_template(template);
        if entry.state() == ConnectionState::Established {
            self.assure(index);
        }
    }

    /// The connection shows that its client is served: its template is assured, and stays when there is no room.
    #[cold]
    pub fn assure(&self, index: u32) {
        if let Some(entry) = self.connection(index) {
            self.store.assure(entry);
        }
    }

    /// The slab, for readers on other cores.
    pub fn slab(&self) -> Slab {
        Arc::clone(&self.store.slab)
    }

    /// The states of control connections that have a helper. At first there is no place for any.
    pub fn helpers(&mut self) -> &mut Helpers {
        &mut self.store.helpers
    }

    /// Live connections.
    pub fn len(&self) -> usize {
        self.store.slab.len() - self.store.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another connection.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.store.free.is_empty()
    }

    /// Whether connections that this one controls are open or expected.
    pub(super) fn is_held(&self, entry: &Connection) -> bool {
        self.store.is_held(entry)
    }

    /// How many slab entries there are.
    pub fn capacity(&self) -> u32 {
        self.store.slab.len() as u32
    }

    /// How many have left, timed out or removed, since the last call.
    pub fn take_released(&mut self) -> u64 {
        std::mem::take(&mut self.store.released)
    }

    /// The hash of keys here.
    #[inline]
    pub fn hasher(&self) -> Hasher {
        self.store.hasher
    }

    /// Where connections are found by their hashes: for many look-ups, one after the other.
    #[inline(always)]
    pub(crate) fn buckets(&self) -> Buckets<'_> {
        self.store.index.buckets()
    }

    /// The connection with this key.
    pub fn lookup(&self, key: &HashKey) -> Option<Found> {
        self.store.find(self.store.hasher.hash(key), key)
    }

    /// The slab's entries.
    #[inline]
    pub fn entries(&self) -> &[Connection] {
        &self.store.slab
    }

    /// The entry at a slab index.
    #[inline]
    pub fn connection(&self, index: u32) -> Option<&Connection> {
        self.store.slab.get(index as usize)
    }

    /// Makes a connection that may idle for `timeout` milliseconds. Where another NAT connection has the same reply tuple
    /// (one client port used towards two services with one real), replies go to the newer one, as in the reference.
    ///
    /// # Errors
    /// When slab or hash are full.
    pub fn insert(
        &mut self,
        identity: &Identity,
        state: ConnectionState,
        timeout: u32,
        now: Milliseconds,
    ) -> Result<u32, TableFull> {
        let index = self.store.insert(identity, state, timeout, now)?;
        self.wheel.arm(index, now + u64::from(timeout));
        Ok(index)
    }

    /// Removes a connection before its time, for want of room; a template that was never served goes with its last one.
    pub(super) fn evict(&mut self, index: u32) {
        let template = self.connection(index).and_then(Connection::template);
        self.remove(index);
        if let (Some(templates), Some(template)) = (&self.store.templates, template) {
            templates.drop_unserved(template);
        }
    }

    /// Removes a connection now.
    pub fn remove(&mut self, index: u32) {
        if let Some(counted) = self.remove_counted(index) {
            self.uncount(counted);
        }
    }

    /// Removes a connection now, but it counts as one of its real's until [`ConnectionTable::uncount`].
    #[must_use]
    pub(crate) fn remove_counted(&mut self, index: u32) -> Option<Counted> {
        let counted = self.store.leave(index)?;
        self.wheel.disarm(index);
        Some(counted)
    }

    /// Takes a connection that was removed out of its real's count.
    pub(crate) fn uncount(&mut self, Counted { slot, state }: Counted) {
        self.store.accounts.closed(slot, state);
    }

    /// A packet of this connection leads to `state`, in which it may idle for `timeout` milliseconds. The wheel is
    /// touched only where that is less time than it waits for; a longer life is found when it fires.
    #[inline(always)]
    pub fn enter_state(&mut self, index: u32, state: ConnectionState, timeout: u32, now: Milliseconds) {
        let Some(entry) = self.store.slab.get(index as usize) else { return };
        entry.touch(now);
        let before = entry.state();
        if before != state {
            entry.set_state(state);
            self.store.accounts.moved(entry.real_slot(), before, state);
            if state == ConnectionState::Established && entry.owes_assurance() {
                self.store.assure(entry);
            }
        }
        let armed = entry.timeout();
        if timeout != armed {
            entry.set_timeout(timeout);
            if timeout < armed {
                self.wheel.arm(index, now + u64::from(timeout));
            }
        }
    }

    /// Whether established connections that expire are kept for [`ConnectionTable::take_lapsed`]: those whose position
    /// was noted.
    pub fn keep_lapsed(&mut self, keep: bool) {
        self.positions.set_on(keep);
    }

    /// A client's segment has brought its connection up to `next`, and expects `expected`.
    pub fn note_position(&mut self, index: u32, next: u32, expected: u32) {
        if let Some(connection) = self.store.slab.get(index as usize) {
            self.positions.note(index, connection, next, expected);
        }
    }

    /// Removes a connection and has its ends told, where they have to be: TCP that is not over.
    pub fn close(&mut self, index: u32) -> Close {
        let Some(entry) = self.connection(index).filter(|entry| entry.is_live()) else { return Close::Done };
        let is_over = matches!(entry.state(), ConnectionState::TimeWait | ConnectionState::Close);
        if entry.identity().protocol == Protocol::Tcp && !is_over {
            let told = match self.store.slab.get(index as usize) {
                Some(entry) => self.positions.close(index, entry),
                None => Close::Done,
            };
            if told != Close::Done {
                return told;
            }
        }
        self.remove(index);
        Close::Done
    }

    /// Has the client of a connection asked where it is. False: there is no room for it yet; it is to be tried again.
    pub fn ask_client(&mut self, index: u32) -> bool {
        match self.store.slab.get(index as usize) {
            Some(entry) => self.positions.ask(entry),
            None => true,
        }
    }

    /// A connection that expired while it was established, was closed, or whose client is to be asked.
    #[inline]
    pub fn take_lapsed(&mut self) -> Option<Lapsed> {
        self.positions.take()
    }

    /// Removes connections whose time is up; looks at no more than `budget` timers.
    pub fn expire(&mut self, now: Milliseconds, budget: usize) {
        let (store, positions) = (&mut self.store, &mut self.positions);
        store.now = now;
        self.wheel.expire(now, budget, |index| {
            let entry = store.slab.get(index as usize).filter(|entry| entry.is_live())?;
            let (timeout, idle) = (entry.timeout(), entry.idle(now));
            if idle < timeout {
                return Some(now + u64::from(timeout - idle));
            }
            if store.is_held(entry) {
                // From when its time was up, whenever somebody looks.
                let due = now - u64::from(idle - timeout);
                entry.set_timeout(HELD_AGAIN);
                entry.touch(due);
                return Some(due + u64::from(HELD_AGAIN));
            }
            if entry.state() == ConnectionState::Established && !positions.lapse(index, entry) {
                return Some(now + TICK_MS);
            }
            store.release(index);
            None
        });
    }
}
