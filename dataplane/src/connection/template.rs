//! Templates of persistence: which real a client has, for its next connections. One table for all workers, touched when
//! a connection of a persistent service begins, and by words of its own when one ends; never for other packets.
//!
//! As in the reference a template has a timer, which each new connection restarts. When it runs out while connections
//! of the template are there, it is set again, to [`HELD_AGAIN`] from then on. A template whose real can't be used any
//! more is *retired*: nothing finds it, it only waits for its timer.
//!
//! Timers are lazy: who looks at a template works out what its timer has done (`Entry::run_timer`); the main lcore
//! sweeps for those that nobody looks at. That needs to know until when there were connections: `Use::held_until`.
//!
//! # Who changes what
//! An entry is changed with its bucket claimed (see [`super::shared`]), so of two workers that find no template and
//! each choose a real one is first, and the other gets its real. `Use` is beside the entries, for words that are
//! changed without a claim, so that the end of a connection never waits: `controlled` is raised only under the claim
//! that finds or makes the template, and a template is taken out, or its place given to another, only under a claim
//! that saw `controlled` at 0. So a connection that counts keeps its template where it is, and may refer to it by
//! position alone.

#[path = "template/entry.rs"]
mod entry;

pub use entry::HELD_AGAIN;

use super::Endpoint;
use super::shared::{Claimed, Key, Position, SharedTable, Value, WAYS};
use crate::clock::Milliseconds;
use entry::{Entry, RETIRED_PORT, is_retired, retired};
use link::counters::Handle;
use link::directory::RealSlot;
use link::message::{ConnectionRow, ConnectionState, Template};
use link::model::{ForwardMethod, Protocol};
use std::cmp::Reverse;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What a template is found by. A group's: no protocol, its number in the place of the service's address, port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateKey {
    /// TCP or UDP; `None`: any.
    pub protocol: Option<Protocol>,
    /// The client's address, as far as the service's netmask wants it.
    pub client: u32,
    /// The service's address, or the group's number.
    pub service: u32,
    /// The service's port; 0: every port.
    pub port: u16,
}

/// The real of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateReal {
    /// Its slot.
    pub slot: u32,
    /// The slot's generation.
    pub generation: u32,
    /// Its address, and its port where the template is for one port only, else 0.
    pub end: Endpoint,
    /// How packets reach it.
    pub method: ForwardMethod,
}

/// A template that a new connection follows. The connection counts: [`Templates::release`] when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Its place.
    pub position: Position,
    /// Its real.
    pub real: TemplateReal,
}

/// There is no room: the key's bucket holds templates that are assured or have connections, or stays busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// See the module.
#[derive(Debug)]
pub struct Templates {
    table: SharedTable,
    /// By position.
    uses: Box<[Use]>,
    reals: Handle<[RealSlot]>,
}

/// What is changed without a claim.
#[derive(Debug, Default)]
struct Use {
    /// When the last connection that ended did so.
    held_until: AtomicU64,
    /// Connections of the template.
    controlled: AtomicU32,
    /// One of its connections was established.
    assured: AtomicBool,
}

impl Templates {
    /// Room for `capacity` clients; counts them in the real slots of the directory. Allocates 150 to 300 bytes each, so
    /// that with so many clients one in fifty at most finds its bucket full. Nobody outside knows which share a bucket.
    pub fn new(capacity: u32, reals: Handle<[RealSlot]>) -> Self {
        Self::over(SharedTable::with_secret(places(capacity)), reals)
    }

    /// The same, where equal uses give equal lists: for a replay.
    pub fn reproducible(capacity: u32, reals: Handle<[RealSlot]>) -> Self {
        Self::over(SharedTable::new(places(capacity)), reals)
    }

    fn over(table: SharedTable, reals: Handle<[RealSlot]>) -> Self {
        let uses = (0..table.positions()).map(|_| Use::default()).collect();
        Self { table, uses, reals }
    }

    /// Follows the client's template, if it has one and `is_valid` says that its real can be used; else a template there
    /// was is retired. Restarts its timer.
    ///
    /// # Errors
    /// When the bucket stays busy.
    pub fn follow(
        &self,
        key: &TemplateKey,
        now: Milliseconds,
        is_valid: impl Fn(&TemplateReal) -> bool,
    ) -> Result<Option<Followed>, NoRoom> {
        let key = key.words();
        let claimed = self.table.claim(&key).ok_or(NoRoom)?;
        Ok(self.follow_claimed(&claimed, &key, now, is_valid))
    }

    /// Makes a template for a client that has none, with a connection of it, and follows it; or the one that another
    /// worker made meanwhile. It stays for `timeout` milliseconds.
    ///
    /// # Errors
    /// When there is no room, see [`NoRoom`].
    pub fn remember(
        &self,
        key: &TemplateKey,
        real: &TemplateReal,
        timeout: u32,
        now: Milliseconds,
        is_valid: impl Fn(&TemplateReal) -> bool,
    ) -> Result<Followed, NoRoom> {
        let key = key.words();
        let claimed = self.table.claim(&key).ok_or(NoRoom)?;
        if let Some(followed) = self.follow_claimed(&claimed, &key, now, is_valid) {
            return Ok(followed);
        }
        let position = claimed.free().or_else(|| self.make_room(&claimed, now)).ok_or(NoRoom)?;
        let entry = Entry { real: *real, deadline: now + u64::from(timeout), timeout };
        let place = self.uses.get(position as usize).ok_or(NoRoom)?;
        place.held_until.store(0, Ordering::Relaxed);
        place.assured.store(false, Ordering::Relaxed);
        place.controlled.store(1, Ordering::Relaxed);
        claimed.set(position, &key, &entry.words());
        if let Some(real) = self.reals.get(real.slot as usize) {
            real.persistent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Followed { position, real: *real })
    }

    /// A connection of the template ended at `at`, or was not made after all.
    pub fn release(&self, position: Position, at: Milliseconds) {
        if let Some(place) = self.uses.get(position as usize) {
            place.held_until.fetch_max(at, Ordering::Relaxed);
            place.controlled.fetch_sub(1, Ordering::Release);
        }
    }

    /// A connection of the template was established.
    pub fn assure(&self, position: Position) {
        if let Some(place) = self.uses.get(position as usize) {
            place.assured.store(true, Ordering::Relaxed);
        }
    }

    /// A connection of the template was taken away before its time: a template that is not assured goes with the last of
    /// them, as in the reference.
    pub fn drop_unserved(&self, position: Position) {
        let bucket = position as usize / WAYS;
        let Some(claimed) = self.table.claim_bucket(bucket) else { return };
        let entry = claimed.entries().find(|(of, ..)| *of == position);
        if let Some((_, _, value)) = entry.filter(|_| self.is_idle(position) && !self.is_assured(position)) {
            self.take_out(&claimed, position, &value);
        }
    }

    /// The real of the client's template, if it has one; changes nothing.
    pub fn find(&self, key: &TemplateKey, now: Milliseconds) -> Option<TemplateReal> {
        let (position, value) = self.table.locate(&key.words())?;
        let mut entry = Entry::from_words(&value);
        self.run_timer(position, &mut entry, now).then_some(entry.real)
    }

    /// How many there are, those whose time is up but which nobody has looked at included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many places there are, for [`Self::row`].
    pub fn positions(&self) -> usize {
        self.table.positions()
    }

    /// How many buckets there are, for [`Self::sweep`].
    pub fn buckets(&self) -> usize {
        self.table.buckets()
    }

    /// The template at a position, for lists.
    pub fn row(&self, position: usize, now: Milliseconds) -> Option<ConnectionRow> {
        let (key, value) = self.table.at(position)?;
        self.row_of(position as Position, &key, &value, now)
    }

    /// Takes the templates of a bucket out whose time is up; of those without connections also the ones that `early` names
    /// by their real and by whether they are assured. Reads only, if there is none of them.
    pub fn sweep(&self, bucket: usize, now: Milliseconds, early: impl Fn(&TemplateReal, bool) -> bool) {
        let goes = |position, value: &Value| {
            let mut entry = Entry::from_words(value);
            let ended = !self.run_timer(position, &mut entry, now);
            ended || (self.is_idle(position) && early(&entry.real, self.is_assured(position)))
        };
        let first = (bucket * WAYS) as Position;
        let Some(seen) = self.table.entries(bucket) else { return };
        if !(first..).zip(&seen).any(|(position, (key, value))| *key != Key::default() && goes(position, value)) {
            return;
        }
        let Some(claimed) = self.table.claim_bucket(bucket) else { return };
        for (position, _, value) in claimed.entries().filter(|(position, _, value)| goes(*position, value)) {
            self.take_out(&claimed, position, &value);
        }
    }

    /// Takes those templates of a bucket out that `which` names. One that has connections is retired. Returns how many.
    pub fn flush(&self, bucket: usize, now: Milliseconds, which: impl Fn(&ConnectionRow) -> bool) -> u64 {
        let Some(claimed) = self.table.claim_bucket(bucket) else { return 0 };
        let mut count = 0;
        for (position, key, value) in claimed.entries() {
            if !self.row_of(position, &key, &value, now).is_some_and(|row| which(&row)) {
                continue;
            }
            count += 1;
            if self.is_idle(position) {
                self.take_out(&claimed, position, &value);
            } else {
                claimed.set(position, &retired(&key, position), &value);
            }
        }
        count
    }

    fn follow_claimed(
        &self,
        claimed: &Claimed<'_>,
        key: &Key,
        now: Milliseconds,
        is_valid: impl Fn(&TemplateReal) -> bool,
    ) -> Option<Followed> {
        let (position, value) = claimed.find(key)?;
        let mut entry = Entry::from_words(&value);
        if !self.run_timer(position, &mut entry, now) {
            self.take_out(claimed, position, &value);
            return None;
        }
        if !is_valid(&entry.real) {
            claimed.set(position, &retired(key, position), &entry.words());
            return None;
        }
        entry.deadline = now + u64::from(entry.timeout);
        self.uses.get(position as usize)?.controlled.fetch_add(1, Ordering::Relaxed);
        claimed.set(position, key, &entry.words());
        Some(Followed { position, real: entry.real })
    }

    /// Takes a template out that may go: one whose time is up, else of those without connections one that is retired or
    /// not assured, the one that would go first.
    fn make_room(&self, claimed: &Claimed<'_>, now: Milliseconds) -> Option<Position> {
        let goes = |(position, key, value): (Position, Key, Value)| {
            let mut entry = Entry::from_words(&value);
            let ended = !self.run_timer(position, &mut entry, now);
            let may_go = ended || (self.is_idle(position) && (is_retired(&key) || !self.is_assured(position)));
            may_go.then_some((Reverse(ended), entry.deadline, position, value))
        };
        let (_, _, position, value) = claimed.entries().filter_map(goes).min_by_key(|(ended, at, ..)| (*ended, *at))?;
        self.take_out(claimed, position, &value);
        Some(position)
    }

    fn take_out(&self, claimed: &Claimed<'_>, position: Position, value: &Value) {
        claimed.remove(position);
        if let Some(real) = self.reals.get(Entry::from_words(value).real.slot as usize) {
            real.persistent.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Brings the timer of an entry up to `now`; false if it has run out.
    fn run_timer(&self, position: Position, entry: &mut Entry, now: Milliseconds) -> bool {
        let held = self.uses.get(position as usize);
        let held_until = held.map_or(0, |held| match held.controlled.load(Ordering::Acquire) {
            0 => held.held_until.load(Ordering::Relaxed),
            _ => now,
        });
        entry.run_timer(held_until);
        now < entry.deadline
    }

    fn is_idle(&self, position: Position) -> bool {
        self.uses.get(position as usize).is_some_and(|place| place.controlled.load(Ordering::Acquire) == 0)
    }

    fn is_assured(&self, position: Position) -> bool {
        self.uses.get(position as usize).is_some_and(|place| place.assured.load(Ordering::Relaxed))
    }

    fn row_of(&self, position: Position, words: &Key, value: &Value, now: Milliseconds) -> Option<ConnectionRow> {
        let mut entry = Entry::from_words(value);
        if !self.run_timer(position, &mut entry, now) {
            return None;
        }
        let key = TemplateKey::from_words(words);
        let mut real = entry.real.end;
        if is_retired(words) {
            real.port = RETIRED_PORT;
        }
        Some(ConnectionRow {
            protocol: key.protocol,
            template: Some(if self.is_assured(position) { Template::Assured } else { Template::Fresh }),
            client: SocketAddrV4::from(Endpoint { address: key.client, port: 0 }),
            service: SocketAddrV4::from(Endpoint { address: key.service, port: key.port }),
            real: SocketAddrV4::from(real),
            method: entry.real.method,
            state: ConnectionState::None,
            expires_in: u32::try_from(entry.deadline - now).unwrap_or(u32::MAX),
            worker: 0,
        })
    }
}

/// Buckets of seven with four entries, on the whole.
fn places(capacity: u32) -> usize {
    capacity as usize + capacity as usize / 4 * 3
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
