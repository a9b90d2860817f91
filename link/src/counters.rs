//! Counters: one writer per lcore, own cache lines, plain add; summed by the reader and never reset by it.

use crate::drop_reason::DropReason;
pub use crate::memory::Handle;
use crate::memory::Shared;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of an array: of [`DropReason`]s, known or to come, or by the packets of a burst.
pub const REASONS: usize = 64;

const _: () = assert!(DropReason::COUNT <= REASONS, "the region has no counter left for a new drop reason");

/// One counter. It has one writer; anyone reads it at any time.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. A load and a store, no locked instruction: only the one writer may call it.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Replaces the value: for gauges.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares a block of counters in shared memory, and the plain struct that a reader sums blocks into.
macro_rules! counters {
    (
        $(#[$cells_doc:meta])* cells $cells:ident;
        $(#[$totals_doc:meta])* totals $totals:ident;
        each { $($name:ident $help:literal,)+ }
        reserved $reserved:literal;
        $($(#[$array_doc:meta])* array $array:ident;)*
    ) => {
        $(#[$cells_doc])*
        #[derive(Debug)]
        #[repr(C, align(64))]
        pub struct $cells {
            $(#[doc = $help] pub $name: Counter,)+
            reserved: [Counter; $reserved],
            $($(#[$array_doc])* pub $array: [Counter; REASONS],)*
        }

        // SAFETY: repr(C), counters (atomics of eight bytes) only, and the assert below shows that `reserved` fills
        // the last cache line, so there is no padding; the alignment is a cache line.
        unsafe impl Shared for $cells {}

        const _: () = {
            let words = [$(stringify!($name)),+].len() + $reserved $(+ { let _ = stringify!($array); REASONS })*;
            assert!(size_of::<$cells>() == words * 8 && words.is_multiple_of(8));
        };

        impl $cells {
            /// The values now, each read by itself.
            pub fn totals(&self) -> $totals {
                $totals {
                    $($name: self.$name.value(),)+
                    $($array: std::array::from_fn(|index| self.$array[index].value()),)*
                }
            }
        }

        $(#[$totals_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $totals {
            $(#[doc = $help] pub $name: u64,)+
            $($(#[$array_doc])* pub $array: [u64; REASONS],)*
        }

        impl Default for $totals {
            fn default() -> Self {
                Self { $($name: 0,)+ $($array: [0; REASONS],)* }
            }
        }

        impl $totals {
            /// Name and value of each single counter, in order; the arrays are not among them.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }

            /// Name and one sentence of each single counter, in the order of [`Self::entries`].
            pub const HELP: &'static [(&'static str, &'static str)] = &[$((stringify!($name), $help)),+];

            /// Adds `other`, counter by counter.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.wrapping_add(other.$name);)+
                $(for (sum, value) in self.$array.iter_mut().zip(other.$array) {
                    *sum = sum.wrapping_add(value);
                })*
            }

            /// What `other` lacks, counter by counter, wrapping: added to it, it gives this.
            pub fn less(&self, other: &Self) -> Self {
                Self {
                    $($name: self.$name.wrapping_sub(other.$name),)+
                    $($array: std::array::from_fn(|index| self.$array[index].wrapping_sub(other.$array[index])),)*
                }
            }

            /// What came since `earlier`, counter by counter; 0 where `earlier` is ahead.
            pub fn since(&self, earlier: &Self) -> Self {
                Self {
                    $($name: self.$name.saturating_sub(earlier.$name),)+
                    $($array: std::array::from_fn(|index| {
                        self.$array[index].saturating_sub(earlier.$array[index])
                    }),)*
                }
            }
        }
    };
}

counters! {
    /// What one worker counts. Written by that worker only.
    cells WorkerCounters;
    /// [`WorkerCounters`], read; of one worker or summed over several.
    totals WorkerTotals;
    each {
        received "Packets from the ports' receive queues.",
        received_from_kernel "Packets from the kernel interfaces, to be sent out.",
        transmitted "Packets that a port's transmit queue took, answers among them.",
        to_kernel "Packets handed to a kernel interface.",
        handed_off "Packets passed to the worker that owns their connection.",
        taken_over "Packets that came from other workers because this one owns their connection.",
        connections_created "Connections entered into this worker's table.",
        connections_expired "Connections that left this worker's table, timed out or removed.",
        connections "Connections in this worker's table now (a gauge).",
        answers_suppressed "RSTs and ICMP errors not sent because of the rate limit.",
        fragments_created "IPv4 fragments made from packets too large for their way out, or that came in fragments.",
        bursts "Bursts received that held a packet.",
        empty_polls "Polls of a receive queue that found nothing.",
        busy_cycles "TSC cycles spent in loops that found a packet.",
        loops "Rounds of the poll loop.",
        tables_picked_up "Table generations this worker switched to.",
        fragments_reassembled "IPv4 fragments that were put together, but for one a packet, which is counted as the packet.",
        fragments_held "IPv4 fragments that wait for others of their packets now (a gauge).",
        helper_announced "Connections that control connections announced, such as FTP's for data.",
        helper_replaced "Lines of reals in which a helper put the service's address or port.",
        helper_refused "Lines that a helper refused: another's address, a port or text that can't be, too many at once.",
        helper_exhausted "Control connections left without their helper, as all states were in use.",
        connections_evicted "Connections removed before their time, by drop_entry or to make room in a full table.",
        resets_created "RSTs made because connections expired (reset_on_expiry) or were closed (a drain's end), and questions to silent clients before.",
        pressure "1 while this worker's connections, or the templates of all workers, are so many that the automatic modes of the settings are on (a gauge).",
    }
    reserved 7;
    /// Packets dropped, by [`DropReason::index`].
    array dropped;
    /// Packets answered with a RST or an ICMP error, by [`DropReason::index`].
    array answered;
}

impl WorkerCounters {
    /// The counter of packets dropped for `reason`.
    #[inline]
    pub fn dropped(&self, reason: DropReason) -> &Counter {
        &self.dropped[reason.index() % REASONS]
    }

    /// The counter of packets answered for `reason`.
    #[inline]
    pub fn answered(&self, reason: DropReason) -> &Counter {
        &self.answered[reason.index() % REASONS]
    }
}

impl WorkerTotals {
    /// Packets dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().copied().fold(0, u64::wrapping_add)
    }
}

counters! {
    /// Where one worker's cycles go. Written by that worker only. Cycles are of the TSC, in the rounds that were timed.
    cells PerfCounters;
    /// [`PerfCounters`], read; of one worker or summed over several.
    totals PerfTotals;
    each {
        tsc_hz "Cycles of the TSC in a second (a gauge).",
        sleeps "Naps taken, with `idle = \"sleep\"`.",
        timed_rounds "Rounds of the poll loop that found packets and were timed.",
        timed_packets "Packets of these rounds.",
        receive_cycles "Polling receive queues and rings.",
        parse_cycles "Validating headers and finding the owner.",
        parse_wait_cycles "Of these, waiting for the frames to come into the cache.",
        look_up_cycles "Looking connections up.",
        look_up_wait_cycles "Of these, waiting for the table to come into the cache.",
        forward_cycles "Following or opening connections, rewriting packets, making answers.",
        forward_wait_cycles "Of these, waiting for the connections to come into the cache.",
        transmit_cycles "Handing packets to transmit queues.",
        hand_off_cycles "Handing packets to other workers and to the kernel.",
        house_cycles "Timers, tables and requests of the main lcore, once a round.",
    }
    reserved 2;
    /// Bursts from receive queues, by how many packets were in them, 1 to 32. All rounds, not only those timed.
    array fills;
}

impl PerfCounters {
    /// A burst of so many packets came from a receive queue.
    #[inline]
    pub fn filled(&self, packets: usize) {
        self.fills[packets % REASONS].add(1);
    }
}

counters! {
    /// What one worker counts on one port. Written by that worker only.
    cells PortCounters;
    /// [`PortCounters`], read; of one worker or summed over several.
    totals PortTotals;
    each {
        rx_packets "Packets received.",
        rx_bytes "Bytes received, Ethernet header included, frame check sequence not.",
        tx_packets "Packets that the transmit queue took.",
        tx_bytes "Bytes that the transmit queue took, counted as in `rx_bytes`.",
        tx_unsent "Packets that the transmit queue did not take.",
        to_kernel "Packets handed to the port's kernel interface.",
        from_kernel "Packets taken from the port's kernel interface.",
        rx_missed "Packets that the device lost: no worker fetched them in time, or no buffer was left (its own count).",
        rx_errors "Packets received with an error, and lost (the device's own count).",
        tx_errors "Packets that the device could not send (its own count, which the main lcore copies, as those two).",
        handed_off "Of the packets received, those passed to the worker that owns their connection.",
    }
    reserved 5;
}

counters! {
    /// What one worker counts of one real server, by the real's slot. Written by that worker only.
    cells RealCounters;
    /// [`RealCounters`], read; also the sums kept for a service.
    totals RealTotals;
    each {
        connections "Connections scheduled to it.",
        in_packets "Packets from clients to it.",
        in_bytes "IPv4 bytes from clients to it.",
        out_packets "Packets from it to clients (seen with NAT only).",
        out_bytes "IPv4 bytes from it to clients (seen with NAT only).",
    }
    reserved 3;
}

const _: () = assert!(size_of::<RealCounters>() == 64);

/// Processors fetch cache lines in pairs: what two workers write is that far apart.
const PAIR: usize = 128;
const _: () = assert!(size_of::<WorkerCounters>().is_multiple_of(PAIR));
const _: () = assert!(size_of::<PerfCounters>().is_multiple_of(PAIR));
const _: () = assert!(size_of::<PortCounters>().is_multiple_of(PAIR));

impl RealTotals {
    /// The five values in the order of their declaration.
    pub(crate) const fn to_words(self) -> [u64; 5] {
        [self.connections, self.in_packets, self.in_bytes, self.out_packets, self.out_bytes]
    }

    /// The inverse of [`RealTotals::to_words`].
    pub(crate) const fn from_words([connections, in_packets, in_bytes, out_packets, out_bytes]: [u64; 5]) -> Self {
        Self { connections, in_packets, in_bytes, out_packets, out_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, RealTotals, WorkerTotals};

    #[test]
    fn a_counter_adds_and_wraps() {
        let counter = Counter::default();
        counter.add(u64::MAX);
        counter.add(3);
        assert_eq!(counter.value(), 2);
    }

    #[test]
    fn totals_add_and_subtract_by_counter_and_never_go_below_zero() {
        let mut sum = RealTotals { connections: 1, in_packets: 5, ..RealTotals::default() };
        sum.add(&RealTotals { connections: 2, out_bytes: 7, ..RealTotals::default() });
        assert_eq!(sum, RealTotals { connections: 3, in_packets: 5, out_bytes: 7, ..RealTotals::default() });
        let baseline = RealTotals { in_packets: 9, connections: 1, ..RealTotals::default() };
        assert_eq!(sum.since(&baseline), RealTotals { connections: 2, out_bytes: 7, ..RealTotals::default() });
        assert_eq!(RealTotals::from_words(sum.to_words()), sum);
    }

    #[test]
    fn entries_and_help_name_the_same_counters() {
        let names: Vec<_> = WorkerTotals::default().entries().map(|(name, _)| name).collect();
        let helped: Vec<_> = WorkerTotals::HELP.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, helped);
        assert_eq!(names.first(), Some(&"received"));
    }
}
