//! What the main lcore asks of a worker, and the answers: a word each, no lock, no allocation.

use super::flush::FlushBox;
use crate::capture::CaptureBox;
use crate::connection::Endpoint;
use crate::pipeline::Pipeline;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The mailbox between main lcore and one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Mailbox {
    /// Removing connections.
    pub flush: FlushBox,
    /// Asking a scheduler.
    pub peek: PeekBox,
    /// Showing packets.
    pub capture: CaptureBox,
}

/// "Which real would a new connection of this service, between these ends, get?"
#[derive(Debug, Default)]
pub struct PeekBox {
    ticket: AtomicU32,
    done: AtomicU32,
    service: AtomicU32,
    /// Addresses and ports of client and service; host byte order.
    source: AtomicU64,
    destination: AtomicU64,
    chosen: AtomicU32,
}

/// No real.
const NONE: u32 = u32::MAX;

impl PeekBox {
    /// Main lcore: asks for a service slot and a flow to it; the last question must be answered.
    pub fn ask(&self, service: u32, source: Endpoint, destination: Endpoint) {
        self.service.store(service, Ordering::Relaxed);
        self.source.store(to_word(source), Ordering::Relaxed);
        self.destination.store(to_word(destination), Ordering::Relaxed);
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
            let end = |word: &AtomicU64| from_word(word.load(Ordering::Relaxed));
            let service = self.service.load(Ordering::Relaxed);
            let chosen = pipeline.peek(service, end(&self.source), end(&self.destination));
            self.chosen.store(chosen.unwrap_or(NONE), Ordering::Relaxed);
            self.done.store(ticket, Ordering::Release);
        }
    }
}

fn to_word(end: Endpoint) -> u64 {
    u64::from(end.address) << 16 | u64::from(end.port)
}

fn from_word(word: u64) -> Endpoint {
    Endpoint { address: (word >> 16) as u32, port: word as u16 }
}
