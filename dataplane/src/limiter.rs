//! A token bucket for the answers that the dataplane makes itself (RST, ICMP errors).

use crate::clock::Milliseconds;

/// Allows `rate` events a second on average, and at most one second's worth at once.
#[derive(Clone, Copy, Debug)]
pub struct Limiter {
    /// Thousandths of an event, so that small rates refill each millisecond.
    tokens: u64,
    rate: u64,
    refilled: Milliseconds,
}

impl Limiter {
    /// A full bucket of `rate` events a second; 0 allows none.
    pub fn new(rate: u32, now: Milliseconds) -> Self {
        let rate = u64::from(rate);
        Self { tokens: rate * 1000, rate, refilled: now }
    }

    /// Takes one event out of the bucket, if there is one.
    #[inline]
    pub fn allow(&mut self, now: Milliseconds) -> bool {
        let elapsed = now.saturating_sub(self.refilled).min(1000);
        self.refilled = self.refilled.max(now);
        self.tokens = (self.tokens + elapsed * self.rate).min(self.rate * 1000);
        let allowed = self.tokens >= 1000;
        if allowed {
            self.tokens -= 1000;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::Limiter;

    #[test]
    fn a_second_holds_the_rate_and_no_more() {
        let mut limiter = Limiter::new(1000, 0);
        assert_eq!((0..5000).filter(|_| limiter.allow(0)).count(), 1000);
        assert_eq!((0..5000).filter(|_| limiter.allow(100)).count(), 100);
        assert_eq!((0..5000).filter(|_| limiter.allow(100_000)).count(), 1000, "idle time is not saved up");
    }

    #[test]
    fn zero_allows_none_and_time_that_steps_back_gives_nothing() {
        let mut never = Limiter::new(0, 0);
        assert!(!never.allow(10_000));
        let mut limiter = Limiter::new(1, 5_000);
        assert!(limiter.allow(5_000));
        assert!(!limiter.allow(1_000));
        assert!(!limiter.allow(5_999));
        assert!(limiter.allow(6_000));
    }
}
