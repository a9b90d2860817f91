//! One worker's counters in the region that control reads.

use crate::pipeline::Origin;
use link::counters::{Handle, PortCounters, RealCounters, WorkerCounters};
use link::region::DataplaneLink;

/// The cells that one worker writes.
#[derive(Clone, Debug)]
pub struct Counters {
    /// What the worker counts of itself.
    pub worker: Handle<WorkerCounters>,
    ports: Vec<Handle<PortCounters>>,
    reals: Handle<[RealCounters]>,
}

impl Counters {
    /// The cells of worker `worker`; `None` if the region has none for it.
    pub fn of_worker(link: &DataplaneLink, worker: u16, ports: u16) -> Option<Self> {
        Some(Self {
            worker: link.worker_counters(worker)?,
            ports: (0..ports).map(|port| link.port_counters(worker, port)).collect::<Option<_>>()?,
            reals: link.real_counters(worker)?,
        })
    }

    /// The cells of the reals, by slot.
    #[inline]
    pub fn reals(&self) -> &[RealCounters] {
        &self.reals
    }

    /// The cells of a real, by slot.
    #[inline]
    pub fn real(&self, slot: u32) -> Option<&RealCounters> {
        self.reals.get(slot as usize)
    }

    /// The cells of a port, by index.
    #[inline]
    pub fn port(&self, port: u16) -> Option<&PortCounters> {
        self.ports.get(usize::from(port)).map(|cells| &**cells)
    }

    /// A burst came in.
    #[inline]
    pub fn received(&self, origin: Origin, packets: usize, bytes: usize) {
        match origin {
            Origin::Port(port) => {
                self.worker.received.add(packets as u64);
                self.worker.bursts.add(1);
                if let Some(port) = self.port(port) {
                    port.rx_packets.add(packets as u64);
                    port.rx_bytes.add(bytes as u64);
                }
            }
            Origin::Worker => self.worker.taken_over.add(packets as u64),
        }
    }
}
