//! What the main lcore asks of a worker, and the answers: a word each, no lock, no allocation.

use super::flush::FlushBox;
use crate::pipeline::Pipeline;
use std::sync::atomic::{AtomicU32, Ordering};

/// The mailbox between main lcore and one worker.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Mailbox {
    /// Removing connections.
    pub flush: FlushBox,
    /// Asking a scheduler.
    pub peek: PeekBox,
}

/// "Which real would the next new connection of this service get?"
#[derive(Debug, Default)]
pub struct PeekBox {
    ticket: AtomicU32,
    done: AtomicU32,
    service: AtomicU32,
    chosen: AtomicU32,
}

/// No real.
const NONE: u32 = u32::MAX;

impl PeekBox {
    /// Main lcore: asks for a service slot; the last question must be answered.
    pub fn ask(&self, service: u32) {
        self.service.store(service, Ordering::Relaxed);
        self.ticket.store(self.ticket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Main lcore: the answer, once it is there: the real's slot, or that there is none.
    pub fn answer(&self) -> Option<Option<u32>> {
        let done = self.done.load(Ordering::Acquire) == self.ticket.load(Ordering::Relaxed);
        done.then(|| Some(self.chosen.load(Ordering::Relaxed)).filter(|chosen| *chosen != NONE))
    }

    /// Worker: answers what was asked.
    #[inline]
    pub(super) fn step(&self, pipeline: &Pipeline) {
        let ticket = self.ticket.load(Ordering::Acquire);
        if ticket != self.done.load(Ordering::Relaxed) {
            let chosen = pipeline.peek(self.service.load(Ordering::Relaxed)).unwrap_or(NONE);
            self.chosen.store(chosen, Ordering::Relaxed);
            self.done.store(ticket, Ordering::Release);
        }
    }
}
