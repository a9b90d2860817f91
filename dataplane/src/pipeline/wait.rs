//! What a burst waits for, measured for who asks: by doing again what is in the cache now, and by touching what is not yet.

use super::{Pipeline, Stopwatch, Wait};
use crate::connection::Found;
use std::hint::black_box;

impl Pipeline {
    /// Between look-up and forwarding; changes nothing but what is in the cache.
    #[inline(always)]
    pub(super) fn time_waits<S: Stopwatch>(&mut self, stopwatch: &mut S) {
        if S::WAITS {
            self.look_up_again();
            stopwatch.wait(Wait::LookUpAgain);
            self.touch_connections();
            stopwatch.wait(Wait::Connections);
        }
    }

    #[inline(never)]
    fn look_up_again(&mut self) {
        let batch = &mut self.batch;
        if let Some(keys) = batch.keys.get(..batch.key_count).filter(|keys| !keys.is_empty()) {
            self.connections.lookup_bulk(keys, &mut batch.values);
        }
    }

    #[inline(never)]
    fn touch_connections(&self) {
        for (key, value) in self.batch.values.iter().enumerate() {
            if self.batch.found >> key & 1 == 1 {
                let entry = self.connections.connection(Found::from_value(*value).index);
                black_box(entry.map(|entry| entry.is_live()));
            }
        }
    }
}
