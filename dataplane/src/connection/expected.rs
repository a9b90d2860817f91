//! Connections that a control connection has announced and that have not begun: FTP's data connections.
//!
//! Shared by all workers: a data connection has another client port than its control connection, so it may be owned by
//! another worker. An expectation is taken by the first packet of its connection, once; else it goes after two minutes,
//! or with its control connection.
//!
//! A control connection is held by each of its expectations and data connections: while there is one, its timeout does
//! not end it (it is armed again for a minute), as in the reference.

use super::Accounts;
use super::identity::{Endpoint, Identity};
use super::shared::{Change, Key, Refused, SharedTable, Value};
use crate::clock::Milliseconds;
use link::message::{ConnectionRow, ConnectionState};
use link::model::{ForwardMethod, Protocol};
use std::sync::atomic::{AtomicU64, Ordering};

/// How long an expectation stays, milliseconds: the reference's timeout of state LISTEN.
pub const LIFETIME: u64 = 120_000;

/// Names one control connection among those that have been, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its place.
    pub index: u32,
    /// Which of the connections that had the place.
    pub generation: u32,
}

/// Who opens the connection, and so by what it is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// The client, from any port of its address, to the service's end.
    Client,
    /// The real, from its end to the client's end.
    Real,
}

/// An announced connection. NAT, as all that a helper announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Who opens it.
    pub opener: Opener,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The client's end; port 0 if the client opens it.
    pub client: Endpoint,
    /// The service's end.
    pub service: Endpoint,
    /// The real's end.
    pub real: Endpoint,
    /// The real's slot.
    pub real_slot: u32,
    /// The slot's generation.
    pub real_generation: u32,
    /// The connection that announced it.
    pub control: Control,
}

impl Expectation {
    fn key(&self) -> Key {
        match self.opener {
            Opener::Client => client_key(self.protocol, self.client.address, self.service),
            Opener::Real => real_key(self.protocol, self.client, self.real),
        }
    }

    /// What the connection is, once its client's end is known.
    pub fn identity(&self, client: Endpoint) -> Identity {
        Identity {
            protocol: self.protocol,
            method: ForwardMethod::Nat,
            client,
            service: self.service,
            real: self.real,
            real_slot: self.real_slot,
            real_generation: self.real_generation,
        }
    }

    fn to_value(self, deadline: Milliseconds) -> Value {
        let kind = u64::from(self.protocol.number()) << 8 | u64::from(self.opener == Opener::Real);
        [
            deadline,
            pack(self.client) << 16 | kind,
            pack(self.service),
            pack(self.real),
            pair(self.real_slot, self.real_generation),
            pair(self.control.index, self.control.generation),
            0,
        ]
    }

    fn from_value(value: &Value) -> Self {
        let [_, client, service, real, slot, control, _] = *value;
        let is_tcp = client >> 8 & 0xff == u64::from(Protocol::Tcp.number());
        Self {
            opener: if client & 1 == 1 { Opener::Real } else { Opener::Client },
            protocol: if is_tcp { Protocol::Tcp } else { Protocol::Udp },
            client: unpack(client >> 16),
            service: unpack(service),
            real: unpack(real),
            real_slot: (slot >> 32) as u32,
            real_generation: slot as u32,
            control: Control { index: (control >> 32) as u32, generation: control as u32 },
        }
    }
}

fn client_key(protocol: Protocol, client: u32, service: Endpoint) -> Key {
    [1 << 63 | u64::from(protocol.number()) << 32 | u64::from(client), pack(service)]
}

fn real_key(protocol: Protocol, client: Endpoint, real: Endpoint) -> Key {
    [1 << 62 | u64::from(protocol.number()) << 48 | pack(client), pack(real)]
}

fn pack(endpoint: Endpoint) -> u64 {
    u64::from(endpoint.address) << 16 | u64::from(endpoint.port)
}

fn unpack(bits: u64) -> Endpoint {
    Endpoint { address: (bits >> 16) as u32, port: bits as u16 }
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn deadline(value: &Value) -> Milliseconds {
    value.first().copied().unwrap_or(0)
}

/// Set in a control's word while the connection is there; the generation is in the high half, the holds in the low one.
const OPEN: u64 = 1 << 31;
const HOLDS: u64 = OPEN - 1;

/// Places of expectations for so many control connections.
fn places(controls: u32) -> usize {
    controls as usize * 2
}

/// See the module.
#[derive(Debug)]
pub struct Expected {
    table: SharedTable,
    controls: Box<[AtomicU64]>,
    accounts: Accounts,
}

impl Expected {
    /// Room for the expectations of `controls` control connections, over all workers. Nobody outside knows which share a
    /// bucket.
    pub fn new(controls: u32, accounts: Accounts) -> Self {
        Self::over(SharedTable::with_secret(places(controls)), controls, accounts)
    }

    /// The same, where equal uses give equal lists: for a replay.
    pub fn reproducible(controls: u32, accounts: Accounts) -> Self {
        Self::over(SharedTable::new(places(controls)), controls, accounts)
    }

    fn over(table: SharedTable, controls: u32, accounts: Accounts) -> Self {
        Self { table, controls: (0..controls).map(|_| AtomicU64::new(0)).collect(), accounts }
    }

    /// Places of control connections.
    pub fn controls(&self) -> u32 {
        self.controls.len() as u32
    }

    /// Whether nothing is expected: one load of a word that seldom changes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many connections are expected.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Gives a place to a control connection; `None` while it is held by what an earlier one left.
    pub fn open(&self, index: u32) -> Option<Control> {
        let word = self.controls.get(index as usize)?;
        let before = word.load(Ordering::Relaxed);
        let generation = ((before >> 32) as u32).wrapping_add(1);
        let opened = pair(generation, 0) | OPEN;
        let free = before & (OPEN | HOLDS) == 0;
        (free && word.compare_exchange(before, opened, Ordering::Relaxed, Ordering::Relaxed).is_ok())
            .then_some(Control { index, generation })
    }

    /// The control connection is gone. What it announced is to be withdrawn by its owner; its data connections go on.
    pub fn close(&self, control: Control) {
        if let Some(word) = self.word_of(control) {
            word.fetch_and(!OPEN, Ordering::Relaxed);
        }
    }

    /// How many expectations and data connections hold the control connection in this place.
    pub fn holds(&self, index: u32) -> u32 {
        self.controls.get(index as usize).map_or(0, |word| (word.load(Ordering::Relaxed) & HOLDS) as u32)
    }

    /// A data connection has ended.
    pub fn release(&self, index: u32) {
        if let Some(word) = self.controls.get(index as usize) {
            let less = |word: u64| (word & HOLDS != 0).then(|| word - 1);
            let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Announces a connection; said again, it is expected for another two minutes. Where a connection to another real
    /// is expected under the same name, that one stays: false, and the caller may try another port.
    ///
    /// # Errors
    /// When there is no room.
    pub fn announce(&self, expectation: &Expectation, now: Milliseconds) -> Result<bool, Refused> {
        let Some(word) = self.word_of(expectation.control) else { return Ok(false) };
        let value = expectation.to_value(now + LIFETIME);
        let mut replaced = None;
        let merge = |old: &Value, new: &Value| {
            if deadline(old) > now && Expectation::from_value(old).real != expectation.real {
                return *old;
            }
            replaced = Some(*old);
            *new
        };
        let mut stale = None;
        let is_stale = |_: &Key, old: &Value| {
            let is_stale = deadline(old) <= now;
            stale = is_stale.then_some(*old).or(stale);
            is_stale
        };
        // Held before others can take it.
        word.fetch_add(1, Ordering::Relaxed);
        self.accounts.opened(expectation.real_slot, ConnectionState::Listen);
        let put = self.table.put(&expectation.key(), &value, merge, is_stale);
        for gone in [replaced, stale].into_iter().flatten() {
            self.dismiss(&Expectation::from_value(&gone));
        }
        if put != Ok(value) {
            self.dismiss(expectation);
        }
        put.map(|there| there == value)
    }

    /// Takes an expectation back that has not been met.
    pub fn withdraw(&self, expectation: &Expectation) {
        let own = |value: &Value| Expectation::from_value(value).control == expectation.control;
        if self.table.take(&expectation.key(), own).is_some() {
            self.dismiss(expectation);
        }
    }

    /// The expectation that a client's packet to `service` meets. It is gone from here; its hold is the caller's, to be
    /// given to the connection that it makes, or to [`Self::release`].
    pub fn take_from_client(
        &self,
        protocol: Protocol,
        client: Endpoint,
        service: Endpoint,
        now: Milliseconds,
    ) -> Option<Expectation> {
        self.take(&client_key(protocol, client.address, service), now)
    }

    /// The expectation that a real's packet to `client` meets, as [`Self::take_from_client`].
    pub fn take_from_real(
        &self,
        protocol: Protocol,
        real: Endpoint,
        client: Endpoint,
        now: Milliseconds,
    ) -> Option<Expectation> {
        self.take(&real_key(protocol, client, real), now)
    }

    fn take(&self, key: &Key, now: Milliseconds) -> Option<Expectation> {
        if self.is_empty() {
            return None;
        }
        let taken = self.table.take(key, |value| deadline(value) > now)?;
        let expectation = Expectation::from_value(&taken);
        self.accounts.closed(expectation.real_slot, ConnectionState::Listen);
        Some(expectation)
    }

    /// Removes what is over from `count` buckets from `first` on (it goes round); returns where to go on.
    pub fn sweep(&self, first: usize, count: usize, now: Milliseconds) -> usize {
        let buckets = self.table.buckets();
        if self.is_empty() {
            return first;
        }
        for bucket in (first..).take(count.min(buckets)).map(|bucket| bucket % buckets) {
            let is_over = |(key, value): &(Key, Value)| *key != Key::default() && deadline(value) <= now;
            if !self.table.entries(bucket).is_some_and(|entries| entries.iter().any(is_over)) {
                continue;
            }
            self.table.sweep(bucket, |_, value| {
                if deadline(value) > now {
                    return Change::Keep;
                }
                self.dismiss(&Expectation::from_value(value));
                Change::Remove
            });
        }
        first.wrapping_add(count) % buckets
    }

    /// How many positions there are, for [`Self::row`].
    pub fn positions(&self) -> usize {
        if self.is_empty() { 0 } else { self.table.positions() }
    }

    /// What is expected at a position, as a connection in state LISTEN; a client's port that is not known is 0. For lists.
    pub fn row(&self, position: usize, now: Milliseconds) -> Option<ConnectionRow> {
        let (_, value) = self.table.at(position).filter(|(_, value)| deadline(value) > now)?;
        let expectation = Expectation::from_value(&value);
        Some(ConnectionRow {
            protocol: Some(expectation.protocol),
            client: expectation.client.into(),
            service: expectation.service.into(),
            real: expectation.real.into(),
            method: ForwardMethod::Nat,
            state: ConnectionState::Listen,
            expires_in: (deadline(&value) - now) as u32,
            worker: 0,
            template: None,
        })
    }

    /// An expectation has left the table unmet.
    fn dismiss(&self, expectation: &Expectation) {
        self.release(expectation.control.index);
        self.accounts.closed(expectation.real_slot, ConnectionState::Listen);
    }

    fn word_of(&self, control: Control) -> Option<&AtomicU64> {
        let word = self.controls.get(control.index as usize)?;
        let now = word.load(Ordering::Relaxed);
        ((now >> 32) as u32 == control.generation && now & OPEN != 0).then_some(word)
    }
}

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
