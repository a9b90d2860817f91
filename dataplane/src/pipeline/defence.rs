//! Defence against floods: what the settings `secure_tcp`, `drop_entry` and `drop_packet` do, always or under pressure.
//!
//! Pressure is a matter of each worker: its connection table, or the table of templates that all share, is as full as
//! `pressure_percent` says. Modes 1 and 2 mean
//! the same, "under pressure"; the reference shows by the number whether it is on (2) or not (1). All the work that goes
//! round the table is done in small steps between bursts.

use super::Pipeline;
use crate::clock::Milliseconds;
use crate::connection::tcp::Rules;

/// The mode that needs no pressure.
const ALWAYS: u32 = 3;
/// `drop_entry` looks at one of so many entries a second, as the reference.
const ROUND_SECONDS: u64 = 32;
/// Entries looked at for each timer that a round may handle: a look is cheaper.
const LOOKS_PER_TIMER: usize = 4;
/// Connections removed in one round: a removal takes about a microsecond.
pub(super) const REMOVALS: u32 = 32;

/// What the settings ask of one worker now.
#[derive(Debug, Default)]
pub(super) struct Defence {
    /// The TCP tables in use.
    pub(super) rules: Rules,
    /// `reset_on_expiry` is on, or a real is being drained: where connections are is noted with each packet of a client.
    pub(super) notes_positions: bool,
    /// A real's connections are on their way out.
    pub(super) drains: bool,
    /// A table is nearly full.
    pressure: bool,
    /// `drop_entry` is on.
    evicts: bool,
    /// Packets that may open a connection until one of them is dropped.
    until_drop: u64,
    /// What `drop_entry` has still to look at, in entries times milliseconds of a round.
    owed: u64,
    /// Up to when that was counted.
    counted_to: Milliseconds,
    sweep: Sweep,
    /// The entry that is looked at next for one that is to be closed; `None`: nothing to do.
    pub(super) closing: Option<u32>,
}

/// Removing the connections of reals that are gone (`expire_nodest_conn`).
#[derive(Debug, Default)]
struct Sweep {
    /// The last table that took a real away, as far as this worker has seen.
    removed_at: u64,
    /// The entry looked at next; `None`: nothing to do.
    next: Option<u32>,
}

/// Whether a mode is on.
pub(crate) const fn is_on(mode: u32, pressure: bool) -> bool {
    mode == ALWAYS || (mode != 0 && pressure)
}

impl Pipeline {
    /// Takes new settings and a new table of reals into account.
    pub(super) fn adopt_defence(&mut self) {
        let services = &self.tables.services;
        let sweep = &mut self.defence.sweep;
        if services.removed_at() != sweep.removed_at {
            sweep.removed_at = services.removed_at();
            if services.settings().expire_nodest_conn != 0 {
                sweep.next = Some(0);
            }
        }
        self.adopt_drains();
        self.judge_pressure();
        self.obey_modes();
    }

    /// What of the defence is due between two bursts; the work is bounded by `budget`, in timers.
    #[inline]
    pub(super) fn defend(&mut self, budget: usize) {
        if self.judge_pressure() {
            self.obey_modes();
        }
        self.connections.look_ahead(looks(budget), self.now);
        if self.defence.evicts {
            self.evict_due(budget);
        }
        if self.defence.sweep.next.is_some() {
            self.sweep_removed(budget);
        }
        if self.defence.closing.is_some() {
            self.close_some(looks(budget));
        }
    }

    /// `drop_packet`: one of so many packets that would open a connection is dropped. Under pressure the more, the less is
    /// left of the room that there was when it began.
    pub(super) fn drop_rate(&self) -> Option<u64> {
        let settings = self.tables.services.settings();
        match settings.drop_packet {
            0 => None,
            ALWAYS => Some(settings.am_droprate.into()),
            _ => self.defence.pressure.then(|| {
                let rate = |(used, places): (u64, u64)| {
                    let began = places - places * u64::from(settings.pressure_percent) / 100;
                    began / began.saturating_sub(places.saturating_sub(used)).max(1)
                };
                let [connections, templates] = self.occupancy().map(rate);
                connections.min(templates)
            }),
        }
    }

    /// What is in use of how much: of this worker's connection table, and of the templates of all workers.
    #[inline]
    fn occupancy(&self) -> [(u64, u64); 2] {
        let templates = &self.settings.templates;
        [
            (self.connections.len() as u64, self.connections.capacity().into()),
            (templates.len() as u64, templates.positions() as u64),
        ]
    }

    /// Looks how full the tables are; true if that changes something.
    #[inline]
    fn judge_pressure(&mut self) -> bool {
        let percent = u64::from(self.tables.services.settings().pressure_percent);
        let pressure = self.occupancy().iter().any(|(used, places)| used * 100 >= places * percent);
        let changed = pressure != self.defence.pressure;
        self.defence.pressure = pressure;
        changed
    }

    fn obey_modes(&mut self) {
        let settings = self.tables.services.settings();
        let pressure = self.defence.pressure;
        self.defence.rules = if is_on(settings.secure_tcp, pressure) { Rules::Secure } else { Rules::Plain };
        let evicts = is_on(settings.drop_entry, pressure);
        if evicts && !self.defence.evicts {
            (self.defence.owed, self.defence.counted_to) = (0, self.now);
        }
        self.defence.evicts = evicts;
        self.defence.notes_positions = settings.reset_on_expiry != 0 || self.defence.drains;
        self.connections.keep_lapsed(settings.reset_on_expiry != 0);
        self.counters.worker.pressure.set(pressure.into());
    }

    /// Goes on round the table, as fast as `drop_entry` does.
    fn evict_due(&mut self, budget: usize) {
        /// What one entry costs.
        const ENTRY: u64 = ROUND_SECONDS * 1000;
        let capacity = u64::from(self.connections.capacity());
        let elapsed = self.now.saturating_sub(self.defence.counted_to);
        self.defence.counted_to = self.now;
        let owed = self.defence.owed + elapsed.min(ENTRY) * capacity;
        // Whoever is more than a round behind has looked at everything once.
        let owed = owed.min(ENTRY * capacity);
        let entries = (owed / ENTRY).min(looks(budget).into()) as u32;
        self.defence.owed = owed - u64::from(entries) * ENTRY;
        let evicted = self.connections.evict_some(entries, self.now);
        self.counters.worker.connections_evicted.add(evicted);
    }

    /// Removes connections whose real is gone, so that they need not wait for a packet.
    fn sweep_removed(&mut self, budget: usize) {
        let Some(first) = self.defence.sweep.next else { return };
        let end = first.saturating_add(looks(budget)).min(self.connections.capacity());
        let (mut next, mut removals) = (first, 0);
        while next < end && removals < REMOVALS {
            let index = next;
            next += 1;
            let gone = self.connections.connection(index).is_some_and(|entry| {
                entry.is_live() && self.real(entry.real_slot(), entry.real_generation()).is_none()
            });
            if gone {
                self.connections.remove(index);
                removals += 1;
            }
        }
        self.defence.sweep.next = (next < self.connections.capacity()).then_some(next);
    }
}

impl Defence {
    /// Whether this packet is the one of `rate` that is dropped. The first of all is, as in the reference; a new rate
    /// counts from the next one that is.
    pub(super) fn chooses(&mut self, rate: u64) -> bool {
        self.until_drop = self.until_drop.saturating_sub(1);
        let chosen = self.until_drop == 0;
        if chosen {
            self.until_drop = rate;
        }
        chosen
    }
}

fn looks(budget: usize) -> u32 {
    u32::try_from(budget.saturating_mul(LOOKS_PER_TIMER)).unwrap_or(u32::MAX)
}
