//! Lots for schedulers: a small generator of one worker, quick and even, of no use for secrets.

/// xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of the worker with this number: the same sequence each time, another one for each worker.
    pub(super) fn new(worker: u16) -> Self {
        // An odd factor: no two workers have one state, and none has 0, in which the generator would stay.
        Self((u64::from(worker) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `bound`; 0 if that is 0.
    #[inline]
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }
}
