//! The main lcore's part of captures: takes the filter in, starts and ends them.

use crate::clock::Milliseconds;
use crate::worker::Mailbox;
use link::capture::{CaptureClock, CaptureOptions, CaptureRefusal, Instruction, MAX_INSTRUCTIONS, Program};
use link::message::FilterPart;
use link::region::DataplaneLink;
use rte_rs::cycles;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The one capture that there can be.
#[derive(Debug, Default)]
pub struct Desk {
    /// As far as its parts have come.
    filter: Vec<Instruction>,
    /// When the running one ends by itself.
    ends: Option<Milliseconds>,
}

impl Desk {
    /// A part of the next filter.
    pub fn add(&mut self, part: &FilterPart) {
        if part.first == 0 {
            self.filter.clear();
        }
        // One out of its place is found to be missing when the capture starts.
        if self.filter.len() == usize::from(part.first) && self.filter.len() < MAX_INSTRUCTIONS {
            self.filter.extend(part.instructions.iter().take(part.count.into()));
        }
    }

    /// Starts a capture in the place of another; says why not.
    pub fn start(
        &mut self,
        options: &CaptureOptions,
        mailboxes: &[Arc<Mailbox>],
        link: &DataplaneLink,
        now: Milliseconds,
    ) -> Option<CaptureRefusal> {
        let filter = std::mem::take(&mut self.filter);
        if filter.len() != usize::from(options.instructions) {
            return Some(CaptureRefusal::FilterIncomplete);
        }
        let Ok(program) = Program::new(&filter) else { return Some(CaptureRefusal::FilterInvalid) };
        if options.worker.is_some_and(|worker| usize::from(worker) >= mailboxes.len()) {
            return Some(CaptureRefusal::UnknownWorker);
        }
        self.stop(mailboxes);
        set_clock(link);
        for (mailbox, worker) in mailboxes.iter().zip(0u16..) {
            if options.worker.is_none_or(|only| only == worker) {
                mailbox.capture.start(options, &program);
            }
        }
        self.ends = Some(now + u64::from(options.milliseconds));
        log::info!("capture {} begins, for {} ms at most", options.ticket, options.milliseconds);
        None
    }

    /// Ends the capture that runs, if one does.
    pub fn stop(&mut self, mailboxes: &[Arc<Mailbox>]) {
        if self.ends.take().is_some() {
            mailboxes.iter().for_each(|mailbox| mailbox.capture.stop());
            log::info!("the capture has ended");
        }
    }

    /// Ends one whose time is up, or that nobody reads any more: to be called several times a second.
    pub fn keep_house(&mut self, mailboxes: &[Arc<Mailbox>], link: &DataplaneLink, now: Milliseconds) {
        let Some(ends) = self.ends else { return };
        if now >= ends || !link.is_controlled() {
            self.stop(mailboxes);
        } else {
            set_clock(link);
        }
    }
}

fn set_clock(link: &DataplaneLink) {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ns = u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX);
    link.set_capture_clock(CaptureClock { tsc: cycles::tsc(), unix_ns, hertz: cycles::tsc_hz() });
}
