//! What a burst waits for, measured for who asks: by doing again what is in the cache now, and by touching what is not yet.

use super::{Pipeline, Stopwatch, Wait};
use crate::connection::Found;
use std::hint::black_box;

impl Pipeline {
    /// Between look-up and forwarding of a burst of `count` frames; changes nothing but what is in the cache.
    #[inline(always)]
    pub(super) fn time_waits<S: Stopwatch>(&mut self, count: usize, stopwatch: &mut S) {
        if S::WAITS {
            self.look_up_again(count);
            stopwatch.wait(Wait::LookUpAgain);
            self.touch_connections(count);
            stopwatch.wait(Wait::Connections);
        }
    }

    #[inline(never)]
    fn look_up_again(&mut self, count: usize) {
        self.batch.look_up(0..count, &self.connections);
    }

    #[inline(never)]
    fn touch_connections(&self, count: usize) {
        for (position, packet) in self.batch.packets.iter().enumerate().take(count) {
            if self.batch.found >> position & 1 == 1 {
                let entry = self.connections.connection(Found::from_value(packet.candidate.into()).index);
                black_box(entry.map(|entry| entry.is_live()));
            }
        }
    }
}
