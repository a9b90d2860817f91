//! Where the workers' cycles go.

use serde::{Deserialize, Serialize};

/// The answer to `perf`: counters since the dataplane started; the difference of two tells of the time between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perf {
    /// When it was read: microseconds of a clock that only goes forward.
    pub at_microseconds: u64,
    /// The run of the dataplane, in hex; another one counts from 0.
    pub instance: String,
    /// By worker.
    pub workers: Vec<PerfRow>,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerfRow {
    /// Its index, from 0.
    pub worker: u16,
    /// Cycles of the TSC in a second.
    pub cycles_per_second: u64,
    /// Cycles in rounds that found a packet.
    pub busy_cycles: u64,
    /// Rounds of the poll loop.
    pub loops: u64,
    /// Of these, those that found no packet.
    pub empty_polls: u64,
    /// Naps taken, with `idle = "sleep"`.
    pub sleeps: u64,
    /// Packets from receive queues.
    pub received: u64,
    /// Packets from other workers.
    pub taken_over: u64,
    /// Packets handed to other workers.
    pub handed_off: u64,
    /// Bursts from receive queues, by their number of packets: the first number counts bursts of one.
    pub bursts: Vec<u64>,
    /// Rounds that were timed.
    pub timed_rounds: u64,
    /// Packets of these.
    pub timed_packets: u64,
    /// What they took, in the order of a packet's way.
    pub stages: Vec<StageCycles>,
}

/// One stage, over all rounds that were timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCycles {
    /// `receive`, `parse`, `look-up`, `forward`, `transmit`, `hand-off`, `house`.
    pub stage: String,
    /// Cycles of the TSC.
    pub cycles: u64,
    /// Of these, those that it waited for memory; absent: it is not measured for this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
}
