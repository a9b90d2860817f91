//! Taking reals out, and back in.

use super::book::{Book, Now, about};
use super::kept::{DrainState, KeptDrain, service_text};
use super::target::RealKey;
use crate::protocol::EventRow;
use config::{NamedService, Services};
use std::net::SocketAddrV4;
use std::time::Duration;

/// How long clients of connections that are being closed have to say where they are, so that RSTs with the right numbers
/// can be made; then what is left is removed without.
const CLOSING: u64 = 5_000;

/// What is to be done about a drain now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its deadline is over: what is left is closed. The table changes.
    Close(RealKey),
    /// What could not be told is removed. The table changes.
    Drop(RealKey),
    /// Nothing is left: it stays at 0.
    Keep(RealKey),
    /// Nothing is left: it is to be removed.
    Remove(RealKey),
}

impl Book {
    /// Begins to drain a real, or changes how; `deadline`: after so long what is left is closed.
    pub fn drain(&mut self, key: RealKey, deadline: Option<Duration>, remove: bool, now: Now) {
        let milliseconds = now.unix_milliseconds();
        let after = |wait: Duration| milliseconds.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let since = self.drains.get(&key).map_or(milliseconds, |known| known.since);
        let drain = KeptDrain {
            service: service_text(&key.service),
            real: key.real,
            since,
            deadline: deadline.map(after),
            remove,
            state: DrainState::Draining,
        };
        self.drains.insert(key, drain);
        self.unsaved = true;
    }

    /// Ends the drain of a real; false: there is none.
    pub fn enable(&mut self, key: &RealKey) -> bool {
        let was = self.drains.remove(key).is_some();
        self.unsaved |= was;
        was
    }

    /// How a real is drained, if it is: to put it back when a change could not be made.
    pub fn drain_of(&self, key: &RealKey) -> Option<KeptDrain> {
        self.drains.get(key).cloned()
    }

    /// Puts back what [`Self::drain_of`] said.
    pub fn put_back(&mut self, key: RealKey, drain: Option<KeptDrain>) {
        match drain {
            Some(drain) => drop(self.drains.insert(key, drain)),
            None => drop(self.drains.remove(&key)),
        }
        self.unsaved = true;
    }

    /// Whether some drain has not ended yet.
    pub fn drains(&self) -> bool {
        self.drains.values().any(|drain| drain.state != DrainState::Drained)
    }

    /// What is due, where `left` says how many connections a real still has, if that is known.
    pub fn due(&self, left: impl Fn(&RealKey) -> Option<u64>, now: Now) -> Vec<Step> {
        let milliseconds = now.unix_milliseconds();
        let mut steps = Vec::new();
        for (key, drain) in &self.drains {
            let Some(left) = left(key).filter(|_| drain.state != DrainState::Drained) else { continue };
            match drain.state {
                _ if left == 0 && drain.remove => steps.push(Step::Remove(*key)),
                _ if left == 0 => steps.push(Step::Keep(*key)),
                DrainState::Draining if drain.deadline.is_some_and(|deadline| deadline <= milliseconds) => {
                    steps.push(Step::Close(*key));
                }
                DrainState::Closing { since } if since.saturating_add(CLOSING) <= milliseconds => {
                    steps.push(Step::Drop(*key));
                }
                _ => {}
            }
        }
        steps
    }

    /// Notes that a step is done.
    pub fn stepped(&mut self, step: Step, now: Now) {
        let (key, state) = match step {
            Step::Close(key) => (key, DrainState::Closing { since: now.unix_milliseconds() }),
            Step::Drop(key) => (key, DrainState::Removing),
            Step::Keep(key) => (key, DrainState::Drained),
            Step::Remove(_) => return,
        };
        if let Some(drain) = self.drains.get_mut(&key) {
            drain.state = state;
            self.unsaved = true;
        }
    }
}

/// An event about a real.
pub fn event(services: &Services, key: &RealKey, event: &str, text: String, now: Now) -> Option<EventRow> {
    let named: &NamedService = services.services.iter().find(|named| named.service.key == key.service)?;
    let real: Option<SocketAddrV4> = Some(key.real);
    Some(EventRow { real, ..about(named, event, text, now) })
}
