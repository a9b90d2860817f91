//! A way out that shows what leaves.

use crate::pipeline::Output;
use link::capture::{CaptureWriter, FramePlace};
use rte_rs::Mbuf;

/// Before another way out.
pub(super) struct Tap<'a, O> {
    pub(super) out: &'a mut O,
    pub(super) writer: &'a mut CaptureWriter,
    /// Whether it shows anything.
    pub(super) is_open: bool,
    /// The ring had no room for something that left.
    pub(super) has_missed: bool,
}

impl<O> Tap<'_, O> {
    fn show(&mut self, place: FramePlace, port: u16, mbuf: &Mbuf) {
        if self.is_open {
            self.has_missed |= !self.writer.frame(place, port, mbuf.data());
        }
    }
}

impl<O: Output> Output for Tap<'_, O> {
    fn transmit(&mut self, port: u16, mbuf: Mbuf) {
        self.show(FramePlace::Out, port, &mbuf);
        self.out.transmit(port, mbuf);
    }

    fn to_kernel(&mut self, port: u16, mbuf: Mbuf) {
        self.show(FramePlace::Kernel, port, &mbuf);
        self.out.to_kernel(port, mbuf);
    }

    fn hand_off(&mut self, worker: u16, mbuf: Mbuf) {
        self.out.hand_off(worker, mbuf);
    }

    fn want_neighbor(&mut self, port: u16, address: u32) {
        self.out.want_neighbor(port, address);
    }

    fn new_mbuf(&mut self) -> Option<Mbuf> {
        self.out.new_mbuf()
    }

    fn new_large_mbuf(&mut self) -> Option<Mbuf> {
        self.out.new_large_mbuf()
    }
}
