//! A template as the words of a table: what it is found by, what it holds, and what its timer does.

use super::{TemplateKey, TemplateReal};
use crate::clock::Milliseconds;
use crate::connection::Endpoint;
use crate::connection::shared::{Key, Position, VALUE_WORDS, Value};
use link::model::{ForwardMethod, Protocol};

/// Milliseconds that a template stays on when its time is up while connections of it are there.
pub const HELD_AGAIN: u32 = 60_000;
/// The port of a retired template's ends, as the reference shows it.
pub(super) const RETIRED_PORT: u16 = 0xffff;

/// A template, as the words of a value hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) real: TemplateReal,
    pub(super) deadline: Milliseconds,
    /// Milliseconds that a new connection gives it.
    pub(super) timeout: u32,
}

impl Entry {
    pub(super) fn words(&self) -> Value {
        let TemplateReal { slot, generation, end, method } = self.real;
        let mut words = [0; VALUE_WORDS];
        let real = u64::from(end.address) | u64::from(end.port) << 32 | (method as u64) << 48;
        words[..4].copy_from_slice(&[
            u64::from(slot) | u64::from(generation) << 32,
            real,
            self.deadline,
            u64::from(self.timeout),
        ]);
        words
    }

    pub(super) fn from_words([owner, real, deadline, timeout, ..]: &Value) -> Self {
        let end = Endpoint { address: *real as u32, port: (real >> 32) as u16 };
        let method = ForwardMethod::ALL.get((real >> 48) as usize).copied().unwrap_or(ForwardMethod::Direct);
        let real = TemplateReal { slot: *owner as u32, generation: (owner >> 32) as u32, end, method };
        Self { real, deadline: *deadline, timeout: *timeout as u32 }
    }

    /// What the timer did if there were connections until `held_until`: it ran out and was set again while there were.
    pub(super) fn run_timer(&mut self, held_until: Milliseconds) {
        if self.deadline <= held_until {
            let again = u64::from(HELD_AGAIN);
            self.deadline += ((held_until - self.deadline) / again + 1) * again;
            self.timeout = HELD_AGAIN;
        }
    }
}

/// Bits of a key's second word: port 16, protocol 8, kind 2; a retired template's position in the upper half makes its
/// key unlike any other.
mod kind {
    pub(super) const LIVE: u64 = 1 << 24;
    pub(super) const RETIRED: u64 = 2 << 24;
}

impl TemplateKey {
    pub(super) fn words(&self) -> Key {
        let protocol = self.protocol.map_or(0, |protocol| u64::from(protocol.number()));
        let ends = u64::from(self.client) << 32 | u64::from(self.service);
        [ends, u64::from(self.port) | protocol << 16 | kind::LIVE]
    }

    pub(super) fn from_words([ends, rest]: &Key) -> Self {
        let protocol = Protocol::from_number((rest >> 16) as u8);
        Self { protocol, client: (ends >> 32) as u32, service: *ends as u32, port: *rest as u16 }
    }
}

pub(super) fn retired([ends, rest]: &Key, position: Position) -> Key {
    let protocol = rest & 0xff << 16;
    [*ends, u64::from(RETIRED_PORT) | protocol | kind::RETIRED | u64::from(position) << 32]
}

pub(super) fn is_retired([_, rest]: &Key) -> bool {
    rest & kind::RETIRED != 0
}
