//! What a table is made of: reals and services, as the path of a packet needs them.

use super::Cursors;
use super::slots::{RealState, Slots};
use crate::scheduler::{Candidate, Choice, Load, Newcomer, Scheduler, Start};
use link::model::{ForwardMethod, Phase, ServiceKey, ServiceOptions};

/// A real, as the path of a packet needs it. Half a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub struct RealEntry {
    /// Its address, host byte order.
    pub address: u32,
    /// 0 = quiesced.
    pub weight: u32,
    /// Its weight, or the last one before it was quiesced.
    pub lasting_weight: u32,
    /// Which owner of the slot it is.
    pub generation: u32,
    /// The slot of its service.
    pub service: u32,
    /// The timeouts of its service, see [`ServiceTable::timeout_ms`](super::ServiceTable::timeout_ms).
    pub timeouts: u32,
    /// Its port, host byte order.
    pub port: u16,
    /// How packets reach it.
    pub method: ForwardMethod,
    /// In the table. If not, packets of its connections are not forwarded.
    pub available: bool,
    /// Whether its connections are on their way out.
    pub phase: Phase,
}

const _: () = assert!(size_of::<RealEntry>() == 32);

impl RealEntry {
    const FREE: Self = Self {
        address: 0,
        weight: 0,
        lasting_weight: 0,
        generation: 0,
        service: u32::MAX,
        timeouts: 0,
        port: 0,
        method: ForwardMethod::Direct,
        available: false,
        phase: Phase::Serving,
    };
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Protocol, VIP and port; or a group.
    pub key: ServiceKey,
    /// What it does.
    pub options: ServiceOptions,
    /// Its slot.
    pub slot: u32,
    /// The generation of the table in which its scheduler or its reals last changed.
    pub revision: u64,
    /// Where its round robin begins.
    pub start: Start,
    /// Chooses among the candidates.
    pub scheduler: Scheduler,
    /// Its live reals, newest first.
    pub candidates: Box<[Candidate]>,
}

impl ServiceEntry {
    /// Whether it is the service of a group.
    #[inline]
    pub const fn is_of_group(&self) -> bool {
        matches!(self.key, ServiceKey::Group(_))
    }

    /// The slot of the real that a new connection gets now; `None` if there is none for it.
    #[inline]
    pub fn pick(&self, cursors: &mut Cursors, newcomer: &Newcomer, load: &impl Load) -> Option<u32> {
        let (cursor, memory) = cursors.of_mut(self.slot)?;
        let index = self.scheduler.pick(cursor, memory, &self.choice(newcomer, load))?;
        self.candidates.get(index).map(|candidate| candidate.slot)
    }

    /// What [`ServiceEntry::pick`] would give, changing nothing.
    pub fn peek(&self, cursors: &Cursors, newcomer: &Newcomer, load: &impl Load) -> Option<u32> {
        let (cursor, memory) = cursors.of(self.slot)?;
        let index = self.scheduler.peek(cursor, memory, &self.choice(newcomer, load))?;
        self.candidates.get(index).map(|candidate| candidate.slot)
    }

    fn choice<'a, L: Load>(&'a self, newcomer: &Newcomer, load: &'a L) -> Choice<'a, L> {
        Choice { service: self.slot, start: self.start, candidates: &self.candidates, load, newcomer: *newcomer }
    }
}

/// The reals by slot, without their timeouts.
pub(super) fn real_entries(slots: &Slots) -> Vec<RealEntry> {
    let mut entries = Vec::new();
    for (slot, real) in slots.reals() {
        entries.resize(slot as usize, RealEntry::FREE);
        entries.push(RealEntry {
            address: real.server.address.ip().to_bits(),
            weight: real.server.weight,
            lasting_weight: real.lasting_weight,
            generation: real.generation,
            service: real.service,
            timeouts: 0,
            port: real.server.address.port(),
            method: real.server.method,
            available: real.state == RealState::Live,
            phase: real.server.phase,
        });
    }
    entries
}
