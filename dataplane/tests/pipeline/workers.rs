//! Pipelines with the exits of real workers: transmit queues, rings to the kernel and to each other.

use crate::rig::{self, Rig, mbuf};
use dataplane::capture::Capture;
use dataplane::pipeline::{Origin, Output};
use dataplane::worker::{Exits, NeighborWish, PortExit};
use link::counters::WorkerTotals;
use rte_rs::{Burst, EthPort, MbufReceiver, Mempool, PortOptions, StartedPort, ring};
use rtrb::{Consumer, RingBuffer};

/// What a test may want small.
#[derive(Clone, Copy)]
pub(crate) struct Rings {
    pub(crate) kernel: u32,
    pub(crate) hand_off: u32,
}

impl Default for Rings {
    fn default() -> Self {
        Self { kernel: 1024, hand_off: 1024 }
    }
}

/// The workers of one director, run in turn by one thread. The ports take every frame and give none.
pub(crate) struct Workers {
    pub(crate) rig: Rig,
    pub(crate) exits: Vec<Exits>,
    inboxes: Vec<MbufReceiver>,
    kernel: MbufReceiver,
    wishes: Vec<Consumer<NeighborWish>>,
    /// What the kernel's end took and gave: the main lcore counts that in a running director.
    pub(crate) to_kernel: u64,
    pub(crate) from_kernel: u64,
    /// Who shows what they see, by worker, if any do.
    pub(crate) captures: Vec<Capture>,
    _ports: Vec<StartedPort>,
}

impl Workers {
    pub(crate) fn new(rig: Rig, pool: &Mempool, rings: Rings) -> Self {
        let workers = rig.pipelines.len();
        let options = PortOptions { tx_queues: workers as u16, ..PortOptions::default() };
        let mut ports: Vec<StartedPort> = ["net_null0,no-rx=1", "net_null1,no-rx=1"]
            .iter()
            .map(|device| EthPort::probe(device).and_then(|port| port.start(&options, pool)).unwrap())
            .collect();
        let (to_kernel, kernel) = ring::many_to_one("kernel", rings.kernel, -1).unwrap();
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|worker| ring::many_to_one(&format!("worker-{worker}"), rings.hand_off, -1).unwrap())
            .unzip();
        let pools = rig::pools(pool);
        let (mut exits, mut wishes) = (Vec::new(), Vec::new());
        for worker in 0..workers {
            let (wish, wished) = RingBuffer::new(16);
            wishes.push(wished);
            let queues = ports.iter_mut().map(|port| PortExit::Queue(port.tx.remove(0))).collect();
            let others = senders.iter().enumerate().map(|(at, sender)| (at != worker).then(|| sender.clone()));
            let counters = rig.counters(worker as u16);
            let kernel = vec![Some(to_kernel.clone()), None];
            exits.push(Exits::new(queues, kernel, others.collect(), wish, pools.clone(), counters));
        }
        Self { rig, exits, inboxes, kernel, wishes, to_kernel: 0, from_kernel: 0, captures: Vec::new(), _ports: ports }
    }

    /// One round of a worker: a burst from a port, then what others handed over.
    pub(crate) fn round(&mut self, worker: usize, port: u16, burst: &mut Burst) {
        let (pipeline, exits) = (&mut self.rig.pipelines[worker], &mut self.exits[worker]);
        let mut capture = self.captures.get_mut(worker).filter(|capture| capture.is_on());
        let mut carry = |burst: &mut Burst, origin| match &mut capture {
            Some(capture) => capture.carry(pipeline, burst, origin, exits),
            None => pipeline.process(burst, origin, exits),
        };
        carry(burst, Origin::Port(port));
        self.inboxes[worker].dequeue(burst);
        carry(burst, Origin::Worker);
        pipeline.expire_fragments(1, exits);
        exits.flush();
        pipeline.expire(64);
        pipeline.send_resets(exits);
        while self.wishes[worker].pop().is_ok() {}
    }

    /// The kernel takes all that waits for it.
    pub(crate) fn drain_kernel(&mut self) {
        let mut burst = Burst::new();
        while self.kernel.dequeue(&mut burst) > 0 {
            self.to_kernel += burst.len() as u64;
            burst.clear();
        }
    }

    /// The kernel sends a frame.
    pub(crate) fn send_from_kernel(&mut self, pool: &Mempool, worker: usize, port: u16, bytes: &[u8]) {
        self.from_kernel += 1;
        self.exits[worker].transmit(port, mbuf(pool, port, bytes));
    }

    /// Lets everything that waits leave.
    pub(crate) fn settle(&mut self) {
        let mut nothing = Burst::new();
        for _ in 0..64 {
            for worker in 0..self.exits.len() {
                self.round(worker, 0, &mut nothing);
            }
            self.drain_kernel();
        }
    }

    /// Every packet ends in exactly one place.
    pub(crate) fn assert_conserved(&self) -> WorkerTotals {
        let totals = self.rig.totals();
        let came = totals.received + self.from_kernel + totals.fragments_created + totals.resets_created;
        let kept = totals.fragments_reassembled + totals.fragments_held;
        let went = totals.transmitted + self.to_kernel + totals.dropped_total();
        assert_eq!(came, went + kept, "from kernel {}, to kernel {}, {totals:#?}", self.from_kernel, self.to_kernel);
        totals
    }
}
