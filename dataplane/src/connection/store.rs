//! Connections without their timers: the slab, where its entries are found, and what is counted and held with each.

use super::accounts::Accounts;
use super::entry::Connection;
use super::identity::Identity;
use super::index::Index;
use super::table::{Found, Slab, TableFull};
use super::template::Templates;
use crate::clock::Milliseconds;
use crate::helper::Helpers;
use link::message::ConnectionState;
use rte_rs::{HashKey, Hasher};
use std::sync::Arc;

/// A connection that was removed, and still counts: its real's slot, its last state.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(super) slot: u32,
    pub(super) state: ConnectionState,
}

/// All but the timers, so that a timer that fires may change it.
pub(super) struct Store {
    pub(super) hasher: Hasher,
    pub(super) index: Index,
    pub(super) slab: Slab,
    pub(super) free: Vec<u32>,
    pub(super) accounts: Accounts,
    pub(super) released: u64,
    pub(super) helpers: Helpers,
    /// Of what the connections of persistent services follow; none: no such service has a place for them.
    pub(super) templates: Option<Arc<Templates>>,
    /// As of the last expiry.
    pub(super) now: Milliseconds,
}

/// The connection with this key.
pub(super) fn find(index: &Index, slab: &[Connection], hash: u64, key: &HashKey) -> Option<Found> {
    index.find(hash, |found| slab.get(found.index as usize).is_some_and(|entry| entry.has_key(key, found.outbound)))
}

impl Store {
    /// For so many connections.
    pub(super) fn new(capacity: u32, accounts: Accounts, now: Milliseconds) -> Self {
        Self {
            hasher: Hasher::new(),
            // Two keys a NAT connection.
            index: Index::new(u64::from(capacity) * 2),
            slab: Arc::new(rte_rs::huge::slice(capacity as usize, |_| Connection::free())),
            free: (0..capacity).rev().collect(),
            accounts,
            released: 0,
            helpers: Helpers::none(),
            templates: None,
            now,
        }
    }

    pub(super) fn insert(
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
    pub(super) fn is_held(&self, entry: &Connection) -> bool {
        entry.helper_state().is_some_and(|place| self.helpers.is_held(place))
    }

    /// Takes an entry out of hash, accounts and slab; not out of the wheel.
    pub(super) fn release(&mut self, index: u32) {
        if let Some(Counted { slot, state }) = self.leave(index) {
            self.accounts.closed(slot, state);
        }
    }

    /// Takes an entry out of hash and slab, not out of accounts and wheel. `None` if it was free already.
    pub(super) fn leave(&mut self, index: u32) -> Option<Counted> {
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

    pub(super) fn assure(&self, entry: &Connection) {
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

    pub(super) fn find(&self, hash: u64, key: &HashKey) -> Option<Found> {
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
