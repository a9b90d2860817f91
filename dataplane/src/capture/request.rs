//! What the main lcore asks of a worker that is to show packets: words, no lock, no allocation.

use super::filter::Filter;
use link::capture::{CaptureOptions, Instruction, MAX_INSTRUCTIONS, Program};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

const INCOMING: u32 = 1;
const OUTGOING: u32 = 2;
const DROPS_ONLY: u32 = 4;
const HAND_OFFS: u32 = 8;

/// The part of a mailbox for captures.
#[derive(Debug)]
pub struct CaptureBox {
    /// Of what is to be shown; 0 = nothing, or what is to be shown is being written.
    ticket: AtomicU32,
    snaplen: AtomicU32,
    flags: AtomicU32,
    length: AtomicU32,
    packets: AtomicU64,
    program: [AtomicU64; MAX_INSTRUCTIONS],
}

impl Default for CaptureBox {
    fn default() -> Self {
        Self {
            ticket: AtomicU32::new(0),
            snaplen: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            length: AtomicU32::new(0),
            packets: AtomicU64::new(0),
            program: [const { AtomicU64::new(0) }; MAX_INSTRUCTIONS],
        }
    }
}

/// What one worker is to show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) snaplen: u32,
    pub(super) packets: u64,
    pub(super) incoming: bool,
    pub(super) outgoing: bool,
    pub(super) drops_only: bool,
    pub(super) hand_offs: bool,
}

impl CaptureBox {
    /// Main lcore: asks for packets.
    pub(super) fn start(&self, options: &CaptureOptions, program: &Program) {
        self.stop();
        for (word, instruction) in self.program.iter().zip(program.instructions()) {
            word.store(to_word(*instruction), Ordering::Relaxed);
        }
        let flag = |present, flag| if present { flag } else { 0 };
        let flags = flag(options.incoming, INCOMING)
            | flag(options.outgoing, OUTGOING)
            | flag(options.drops_only, DROPS_ONLY)
            | flag(options.hand_offs, HAND_OFFS);
        self.flags.store(flags, Ordering::Relaxed);
        self.snaplen.store(options.snaplen, Ordering::Relaxed);
        self.packets.store(options.packets, Ordering::Relaxed);
        self.length.store(program.instructions().len() as u32, Ordering::Relaxed);
        self.ticket.store(options.ticket, Ordering::Release);
    }

    /// Main lcore: asks for none.
    pub(super) fn stop(&self) {
        self.ticket.store(0, Ordering::Relaxed);
        // What is written next must not be seen under the old ticket.
        fence(Ordering::Release);
    }

    /// Worker: the ticket.
    #[inline]
    pub(super) fn ticket(&self) -> u32 {
        self.ticket.load(Ordering::Acquire)
    }

    /// Worker: what goes with a ticket that was read; `None`: another has taken its place.
    pub(super) fn read(&self, ticket: u32, filter: &mut Filter) -> Option<Wanted> {
        let flags = self.flags.load(Ordering::Relaxed);
        let wanted = Wanted {
            snaplen: self.snaplen.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            incoming: flags & INCOMING != 0,
            outgoing: flags & OUTGOING != 0,
            drops_only: flags & DROPS_ONLY != 0,
            hand_offs: flags & HAND_OFFS != 0,
        };
        let length = self.length.load(Ordering::Relaxed) as usize;
        filter.load(self.program.iter().take(length).map(|word| from_word(word.load(Ordering::Relaxed))));
        fence(Ordering::Acquire);
        (self.ticket.load(Ordering::Relaxed) == ticket).then_some(wanted)
    }
}

fn to_word(Instruction { code, jt, jf, k }: Instruction) -> u64 {
    u64::from(code) | u64::from(jt) << 16 | u64::from(jf) << 24 | u64::from(k) << 32
}

fn from_word(word: u64) -> Instruction {
    Instruction { code: word as u16, jt: (word >> 16) as u8, jf: (word >> 24) as u8, k: (word >> 32) as u32 }
}
