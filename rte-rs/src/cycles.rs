//! The time stamp counter: the clock of the packet path, read without a system call.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time stamp counter of this core, in cycles of [`tsc_hz`]. Steady across cores on the machines DPDK supports.
#[inline]
pub fn tsc() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 processor has RDTSC, and Linux leaves it enabled for user space.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: reads a counter register; it has no precondition.
    unsafe {
        dpdk_sys::sluice_tsc()
    }
}

/// Cycles a second of [`tsc`]: what the EAL measured, or, before it runs, a measurement of 20 ms at the first call.
pub fn tsc_hz() -> u64 {
    static HZ: OnceLock<u64> = OnceLock::new();
    *HZ.get_or_init(|| {
        // SAFETY: reads a variable of DPDK that its start sets; 0 before.
        let hz = unsafe { dpdk_sys::rte_get_tsc_hz() };
        if hz != 0 { hz } else { measure() }
    })
}

fn measure() -> u64 {
    let (begin, begin_tsc) = (Instant::now(), tsc());
    std::thread::sleep(Duration::from_millis(20));
    let (nanoseconds, cycles) = (begin.elapsed().as_nanos().max(1), tsc().wrapping_sub(begin_tsc));
    u64::try_from(u128::from(cycles) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_second_has_some_hundred_million_cycles() {
        assert!((100_000_000..20_000_000_000).contains(&super::tsc_hz()), "{}", super::tsc_hz());
    }

    #[test]
    fn the_counter_does_not_run_backwards() {
        let first = super::tsc();
        assert!(super::tsc() >= first);
    }
}
