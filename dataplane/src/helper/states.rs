//! The control connections of one worker that have a helper: their states, from a pool that is made at the start.

use super::ftp::Ftp;
use super::segment::Conversation;
use super::{Announce, Ends, Helper, Side};
use crate::clock::Milliseconds;
use crate::connection::expected::{Control, Expectation, Expected, Opener};
use crate::connection::{Endpoint, Identity};
use link::model::Protocol;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a control connection may have announced at one time; a further one takes the place of the oldest.
pub const ANNOUNCED: usize = 4;
/// Ports tried for an announced one that is taken.
const PORTS_TRIED: u16 = 8;
/// Places looked at for a new control connection; those of closed ones may still be held.
const PLACES_TRIED: usize = 8;

/// One control connection.
#[derive(Clone, Debug)]
pub struct State {
    control: Control,
    ftp: Ftp,
    /// Its two streams.
    pub conversation: Conversation,
    announced: [Option<Expectation>; ANNOUNCED],
    oldest: u8,
}

/// See the module.
#[derive(Debug)]
pub struct Helpers {
    expected: Option<Arc<Expected>>,
    /// The place of the first state among those of all workers.
    first: u32,
    states: Box<[Option<State>]>,
    free: VecDeque<u32>,
    swept: usize,
}

impl Helpers {
    /// No helper has a place.
    pub fn none() -> Self {
        Self { expected: None, first: 0, states: Box::default(), free: VecDeque::new(), swept: 0 }
    }

    /// The share of `worker` in the control connections that `expected` has places for.
    pub fn of_worker(expected: &Arc<Expected>, worker: u16, workers: u16) -> Self {
        let count = expected.controls() / u32::from(workers.max(1));
        Self {
            expected: Some(Arc::clone(expected)),
            first: count * u32::from(worker),
            states: (0..count).map(|_| None).collect(),
            free: (0..count).collect(),
            swept: 0,
        }
    }

    /// Makes a state for a control connection. Returns its place, counted over all workers; `None` if all are taken.
    pub fn begin(&mut self) -> Option<u32> {
        let expected = self.expected.as_ref()?;
        for _ in 0..PLACES_TRIED.min(self.free.len()) {
            let place = self.free.pop_front()?;
            match expected.open(self.first + place) {
                Some(control) => {
                    *self.states.get_mut(place as usize)? = Some(State {
                        control,
                        ftp: Ftp::default(),
                        conversation: Conversation::default(),
                        announced: [None; ANNOUNCED],
                        oldest: 0,
                    });
                    return Some(self.first + place);
                }
                None => self.free.push_back(place),
            }
        }
        None
    }

    /// The control connection has ended: what it announced is withdrawn.
    pub fn end(&mut self, index: u32) {
        let place = index.wrapping_sub(self.first);
        let (Some(expected), Some(state)) = (&self.expected, self.states.get_mut(place as usize)) else { return };
        if let Some(state) = state.take() {
            expected.close(state.control);
            state.announced.iter().flatten().for_each(|expectation| expected.withdraw(expectation));
            self.free.push_back(place);
        }
    }

    /// A data connection of the control connection in this place, perhaps another worker's, has ended.
    pub fn release(&self, index: u32) {
        if let Some(expected) = &self.expected {
            expected.release(index);
        }
    }

    /// Whether connections are expected of the control connection in this place, or open.
    pub fn is_held(&self, index: u32) -> bool {
        self.expected.as_ref().is_some_and(|expected| expected.holds(index) > 0)
    }

    /// The state in this place, with what its helper needs to read lines.
    pub fn reader(
        &mut self,
        index: u32,
        identity: &Identity,
        now: Milliseconds,
    ) -> Option<(&mut Conversation, Lines<'_>)> {
        let expected = self.expected.as_ref()?;
        let state = self.states.get_mut(index.wrapping_sub(self.first) as usize)?.as_mut()?;
        let announcer = Announcer {
            expected,
            identity: *identity,
            control: state.control,
            announced: &mut state.announced,
            oldest: &mut state.oldest,
            now,
            asked: 0,
            count: 0,
        };
        let ends = Ends { client: identity.client, service: identity.service, real: identity.real };
        Some((&mut state.conversation, Lines { ftp: &mut state.ftp, announcer, ends }))
    }

    /// Removes expectations that are over, from `count` buckets of their table.
    #[inline]
    pub fn sweep(&mut self, count: usize, now: Milliseconds) {
        if let Some(expected) = self.expected.as_ref().filter(|expected| !expected.is_empty()) {
            self.swept = expected.sweep(self.swept, count, now);
        }
    }
}

/// A helper with all that it needs to read a line.
pub struct Lines<'a> {
    ftp: &'a mut Ftp,
    announcer: Announcer<'a>,
    ends: Ends,
}

impl Lines<'_> {
    /// Connections announced since it was made.
    pub fn announced(&self) -> u8 {
        self.announcer.count
    }

    pub(super) fn line(&mut self, from: Side, line: &[u8]) -> super::Action {
        self.ftp.line(from, line, &self.ends, &mut self.announcer)
    }

    pub(super) fn may_replace(&self, from: Side, beginning: &[u8]) -> Option<usize> {
        self.ftp.may_replace(from, beginning)
    }

    pub(super) fn concerns(&self, from: Side, beginning: &[u8]) -> bool {
        self.ftp.concerns(from, beginning)
    }
}

/// Announces for one control connection.
struct Announcer<'a> {
    expected: &'a Expected,
    identity: Identity,
    control: Control,
    announced: &'a mut [Option<Expectation>; ANNOUNCED],
    oldest: &'a mut u8,
    now: Milliseconds,
    /// Lines of this segment that announced something, whether or not there was room for it.
    asked: usize,
    count: u8,
}

impl Announcer<'_> {
    fn expectation(&self, opener: Opener, client: Endpoint, service_port: u16, real_port: u16) -> Expectation {
        Expectation {
            opener,
            protocol: Protocol::Tcp,
            client,
            service: Endpoint { address: self.identity.service.address, port: service_port },
            real: Endpoint { address: self.identity.real.address, port: real_port },
            real_slot: self.identity.real_slot,
            real_generation: self.identity.real_generation,
            control: self.control,
        }
    }

    /// Whether a further line of this segment may announce: of more than are kept, the first would be withdrawn at
    /// once, and a segment would cost as much as its length allows.
    fn may_ask(&mut self) -> bool {
        self.asked += 1;
        self.asked <= ANNOUNCED
    }

    /// `Some(false)` if another has it.
    fn announce(&mut self, expectation: &Expectation) -> Option<bool> {
        if !self.expected.announce(expectation, self.now).ok()? {
            return Some(false);
        }
        self.count = self.count.saturating_add(1);
        if self.announced.contains(&Some(*expectation)) {
            return Some(true);
        }
        let place = usize::from(*self.oldest) % ANNOUNCED;
        *self.oldest = self.oldest.wrapping_add(1);
        if let Some(oldest) = self.announced.get_mut(place).and_then(|place| place.replace(*expectation)) {
            self.expected.withdraw(&oldest);
        }
        Some(true)
    }
}

impl Announce for Announcer<'_> {
    fn expect_client(&mut self, port: u16) -> Option<u16> {
        if !self.may_ask() {
            return None;
        }
        let client = Endpoint { address: self.identity.client.address, port: 0 };
        for step in 0..PORTS_TRIED {
            let announced = port.checked_add(step).unwrap_or(1024 + step);
            let expectation = self.expectation(Opener::Client, client, announced, port);
            if self.announce(&expectation)? {
                return Some(announced);
            }
        }
        None
    }

    fn expect_real(&mut self, port: u16) -> bool {
        if !self.may_ask() {
            return false;
        }
        let client = Endpoint { address: self.identity.client.address, port };
        let Identity { service, real, .. } = self.identity;
        let expectation =
            self.expectation(Opener::Real, client, service.port.wrapping_sub(1), real.port.wrapping_sub(1));
        self.announce(&expectation) == Some(true)
    }
}

#[cfg(test)]
#[path = "states_tests.rs"]
mod tests;
