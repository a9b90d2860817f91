//! The coarse clock: milliseconds, read once a round of the poll loop.

use rte_rs::cycles;

/// Milliseconds since the process's clock started; the unit of every deadline in the dataplane.
pub type Milliseconds = u64;

/// Turns the TSC into [`Milliseconds`] without a division: `cycles * scale >> 64`.
#[derive(Clone, Copy, Debug)]
pub struct TscClock {
    start: u64,
    scale: u128,
}

impl TscClock {
    /// A clock that reads zero now. All workers share a copy of one clock, so that their times compare.
    pub fn start() -> Self {
        Self::with_frequency(cycles::tsc(), cycles::tsc_hz())
    }

    fn with_frequency(start: u64, hertz: u64) -> Self {
        Self { start, scale: (1000u128 << 64) / u128::from(hertz.max(1000)) }
    }

    /// The time now.
    #[inline]
    pub fn now(&self) -> Milliseconds {
        self.at(cycles::tsc())
    }

    /// The time at a reading of the TSC.
    #[inline]
    pub fn at(&self, tsc: u64) -> Milliseconds {
        let elapsed = u128::from(tsc.wrapping_sub(self.start));
        ((elapsed * self.scale) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::TscClock;

    #[test]
    fn a_second_of_cycles_is_a_thousand_milliseconds() {
        let clock = TscClock::with_frequency(5_000, 2_600_000_000);
        assert_eq!(clock.at(5_000), 0);
        assert_eq!(clock.at(5_000 + 2_600_000), 0, "rounds down");
        assert_eq!(clock.at(5_000 + 2_600_001), 1);
        assert_eq!(clock.at(5_000 + 2_600_000_001), 1_000);
        let year = 2_600_000_000u64 * 86_400 * 365;
        assert!((clock.at(5_000 + year) as i64 - 86_400_000 * 365).abs() <= 1);
    }
}
