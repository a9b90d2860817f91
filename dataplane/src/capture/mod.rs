//! Packets for `sluice capture` and `sluice trace`, from a worker: those that a filter lets pass are taken through the
//! pipeline one by one, before and after is copied into a ring that control reads, with what was decided. The others of
//! their burst go as ever, in the same order.
//!
//! A worker that shows nothing pays a load a round and a test a burst. One that does never waits: what the ring has no
//! room for is counted, and goes its way. docs/capture.md has the cost.

mod desk;
mod filter;
mod request;
mod tap;

pub use desk::Desk;
pub use filter::Filter;
pub use request::CaptureBox;

use crate::pipeline::{Origin, Output, Pipeline, Verdict, came_as};
use link::capture::{CaptureWriter, FramePlace};
use request::Wanted;
use rte_rs::{Burst, Mbuf, cycles};
use tap::Tap;

/// A worker's part.
pub struct Capture {
    /// Of what was asked for last.
    ticket: u32,
    is_on: bool,
    parts: Box<Parts>,
}

struct Parts {
    writer: CaptureWriter,
    filter: Filter,
    wanted: Wanted,
    /// Packets that do not pass, until one comes that does.
    others: Burst,
    /// One that does.
    one: Burst,
}

impl Capture {
    /// Shows what is asked for in this ring.
    pub fn new(writer: CaptureWriter) -> Self {
        let parts = Parts {
            writer,
            filter: Filter::default(),
            wanted: Wanted::default(),
            others: Burst::new(),
            one: Burst::new(),
        };
        Self { ticket: 0, is_on: false, parts: Box::new(parts) }
    }

    /// Looks for what the main lcore asks; once a round.
    #[inline]
    pub fn pick_up(&mut self, mailbox: &CaptureBox) {
        let ticket = mailbox.ticket();
        if ticket != self.ticket {
            self.adopt(mailbox, ticket);
        }
    }

    /// Whether packets are looked at.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    #[cold]
    #[inline(never)]
    fn adopt(&mut self, mailbox: &CaptureBox, ticket: u32) {
        (self.ticket, self.is_on) = (0, false);
        if ticket == 0 {
            return;
        }
        let parts = &mut *self.parts;
        if let Some(wanted) = mailbox.read(ticket, &mut parts.filter) {
            parts.wanted = wanted;
            parts.writer.begin(ticket, wanted.snaplen);
            (self.ticket, self.is_on) = (ticket, true);
        }
    }

    /// Takes a burst to its end, as [`Pipeline::process`] does.
    #[cold]
    #[inline(never)]
    pub fn carry<O: Output>(&mut self, pipeline: &mut Pipeline, burst: &mut Burst, origin: Origin, out: &mut O) {
        burst.prefetch();
        let parts = &mut *self.parts;
        parts.writer.counts().seen.add(burst.len() as u64);
        for mbuf in burst.drain() {
            if self.is_on && parts.filter.passes(came_as(&mbuf, origin).1) {
                pipeline_rest(pipeline, &mut parts.others, origin, out);
                parts.show(mbuf, pipeline, origin, out);
                self.is_on = parts.wanted.packets == 0 || parts.writer.shown() < parts.wanted.packets;
            } else {
                drop(parts.others.push(mbuf));
            }
        }
        pipeline_rest(pipeline, &mut parts.others, origin, out);
    }
}

/// The packets that are not shown, those before one that is.
fn pipeline_rest<O: Output>(pipeline: &mut Pipeline, others: &mut Burst, origin: Origin, out: &mut O) {
    if !others.is_empty() {
        pipeline.process(others, origin, out);
    }
}

impl Parts {
    /// Takes one packet to its end, and shows it.
    fn show<O: Output>(&mut self, mbuf: Mbuf, pipeline: &mut Pipeline, origin: Origin, out: &mut O) {
        let Self { writer, wanted, one, .. } = self;
        writer.counts().matched.add(1);
        let tsc = cycles::tsc();
        let (port, frame) = came_as(&mbuf, origin);
        let sight = pipeline.look(port, frame);
        let mut has_missed = wanted.incoming && !writer.frame(FramePlace::In, port, frame);
        drop(one.push(mbuf));
        let mut tap = Tap { out, writer, is_open: wanted.outgoing && !has_missed, has_missed: false };
        pipeline.process(one, origin, &mut tap);
        has_missed |= tap.has_missed;
        let verdict = pipeline.verdict(0).unwrap_or(Verdict::Kernel);
        let decision = pipeline.decision(&sight, verdict);
        let is_handed_off = matches!(verdict, Verdict::HandedOff { .. });
        if (wanted.drops_only && decision.verdict.reason().is_none()) || (is_handed_off && !wanted.hand_offs) {
            writer.abandon();
        } else if has_missed || !writer.finish(tsc, &decision) {
            writer.abandon();
            writer.counts().missed.add(1);
        }
    }
}
