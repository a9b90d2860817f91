//! One worker's connections: where they are found, the slab that they are in, its timer wheel.
//!
//! The worker is the only writer. Other cores read the slab ([`Connection::row`]) and find entries ([`ConnectionReader`]).

use super::accounts::Accounts;
use super::entry::{Connection, Identity};
use super::eviction::Eviction;
use super::index::Index;
use super::positions::{Close, Lapsed, Positions};
use super::shared::Position;
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

/// A connection that was removed, and still counts: its real's slot, its last state.
#[derive(Debug)]
pub(crate) struct Counted {
    slot: u32,
    state: ConnectionState,
}

/// See the module.
pub struct ConnectionTable {
    store: Store,
    wheel: Wheel,
    pub(super) eviction: Eviction,
    positions: Positions,
}

/// All but the timers, so that a timer that fires may change it.
struct Store {
    hasher: Hasher,
    index: Index,
    slab: Slab,
    free: Vec<u32>,
    accounts: Accounts,
    released: u64,
    helpers: Helpers,
    /// Of what the connections of persistent services follow; none: no such service has a place for them.
    templates: Option<Arc<Templates>>,
    /// As of the last expiry.
    now: Milliseconds,
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

/// The connection with this key.
fn find(index: &Index, slab: &[Connection], hash: u64, key: &HashKey) -> Option<Found> {
    index.find(hash, |found| slab.get(found.index as usize).is_some_and(|entry| entry.has_key(key, found.outbound)))
}

impl ConnectionTable {
    /// A table for `capacity` connections, at most 2^31; more are cut off.
    pub fn new(capacity: u32, accounts: Accounts, now: Milliseconds) -> Self {
        let capacity = capacity.min(1 << 31);
        let slab: Slab = Arc::new(rte_rs::huge::slice(capacity as usize, |_| Connection::free()));
        let store = Store {
            hasher: Hasher::new(),
            // Two keys a NAT connection.
            index: Index::new(u64::from(capacity) * 2),
            slab,
            free: (0..capacity).rev().collect(),
            accounts,
            released: 0,
            helpers: Helpers::none(),
            templates: None,
            now,
        };
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

    /// Asks for the line where a connection with this hash is to be found; it comes while other work goes on.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        self.store.index.prefetch(hash);
    }

    /// The number (see [`Found::from_value`]) of the connection that a key with this hash very likely belongs to;
    /// [`Connection::has_key`] is sure.
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: u64) -> Option<u32> {
        self.store.index.candidate(hash)
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
                entry.set_timeout(HELD_AGAIN);
                entry.touch(now);
                return Some(now + u64::from(HELD_AGAIN));
            }
            if entry.state() == ConnectionState::Established && !positions.lapse(index, entry) {
                return Some(now + TICK_MS);
            }
            store.release(index);
            None
        });
    }
}

impl Store {
    fn insert(
        &mut self,
        identity: &Identity,
        state: ConnectionState,
        timeout: u32,
        now: Milliseconds,
    ) -> Result<u32, TableFull> {
        let index = *self.free.last().ok_or(TableFull)?;
        let inbound = identity.inbound_key();
        self.enter(&inbound, Found { index, outbound: false })?;
        let mut displaced = None;
        if let Some(outbound) = identity.outbound_key() {
            match self.enter(&outbound, Found { index, outbound: true }) {
                Ok(before) => displaced = before.filter(|found| found.outbound),
                Err(full) => {
                    self.remove_key(&inbound, Found { index, outbound: false });
                    return Err(full);
                }
            }
        }
        self.free.pop();
        if let Some(entry) = self.slab.get(index as usize) {
            entry.fill(identity, state, timeout, now);
            if let Some(older) = displaced {
                entry.set_displaced(older.index);
            }
        }
        self.accounts.opened(identity.real_slot, state);
        Ok(index)
    }

    /// Whether data connections of this control connection are open or expected.
    fn is_held(&self, entry: &Connection) -> bool {
        entry.helper_state().is_some_and(|place| self.helpers.is_held(place))
    }

    /// Takes an entry out of hash, accounts and slab; not out of the wheel.
    fn release(&mut self, index: u32) {
        if let Some(Counted { slot, state }) = self.leave(index) {
            self.accounts.closed(slot, state);
        }
    }

    /// Takes an entry out of hash and slab, not out of accounts and wheel. `None` if it was free already.
    fn leave(&mut self, index: u32) -> Option<Counted> {
        let entry = self.slab.get(index as usize).filter(|entry| entry.is_live())?;
        let identity = entry.identity();
        let (state, displaced) = (entry.state(), entry.displaced());
        if let Some(place) = entry.helper_state() {
            self.helpers.end(place);
        } else if let Some(control) = entry.control() {
            self.helpers.release(control);
        }
        self.leave_template(entry);
        entry.vacate();
        self.remove_key(&identity.inbound_key(), Found { index, outbound: false });
        if let Some(outbound) = identity.outbound_key()
            && self.remove_key(&outbound, Found { index, outbound: true })
        {
            self.give_back(&outbound, displaced);
        }
        self.free.push(index);
        self.released += 1;
        Some(Counted { slot: identity.real_slot, state })
    }

    fn assure(&self, entry: &Connection) {
        if let (Some(templates), Some(template)) = (&self.templates, entry.template()) {
            templates.assure(template);
            entry.set_assured();
        }
    }

    /// A connection ends: when its time was up, which may be a while ago, or now.
    fn leave_template(&self, entry: &Connection) {
        if let (Some(templates), Some(template)) = (&self.templates, entry.template()) {
            templates.release(template, self.now.saturating_sub(u64::from(entry.overdue(self.now))));
        }
    }

    fn find(&self, hash: u64, key: &HashKey) -> Option<Found> {
        find(&self.index, &self.slab, hash, key)
    }

    /// From now on the key leads to `found`; returns what it led to before.
    fn enter(&mut self, key: &HashKey, found: Found) -> Result<Option<Found>, TableFull> {
        let hash = self.hasher.hash(key);
        let before = self.find(hash, key);
        match before {
            Some(before) => self.index.replace(hash, before, found),
            None => self.index.insert(hash, found).map_err(|_| TableFull)?,
        }
        Ok(before)
    }

    /// Removes a key if it still leads here: a newer connection may have taken it over.
    fn remove_key(&mut self, key: &HashKey, expected: Found) -> bool {
        self.index.remove(self.hasher.hash(key), expected)
    }

    /// Replies go to the connection that had them before, if it is still there.
    fn give_back(&mut self, outbound: &HashKey, displaced: Option<u32>) {
        let Some(index) = displaced else { return };
        let is_heir = self
            .slab
            .get(index as usize)
            .is_some_and(|entry| entry.is_live() && entry.identity().outbound_key().as_ref() == Some(outbound));
        if is_heir {
            // A place was freed a moment ago.
            let _ = self.enter(outbound, Found { index, outbound: true });
        }
    }
}
