//! Receive and transmit queues of a port.

use crate::burst::Burst;
use crate::port::PortLife;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Which queue, and what keeps its port alive.
struct Queue {
    port: u16,
    queue: u16,
    /// The port stays started until the last queue and handle are gone.
    _life: Arc<PortLife>,
    /// A queue may move to another thread, but not be used by two.
    _not_sync: PhantomData<Cell<()>>,
}

/// A receive queue. It can move to the lcore that polls it, and is used there only.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<rte_rs::RxQueue>();
/// ```
pub struct RxQueue(Queue);

/// A transmit queue. It can move to the lcore that fills it, and is used there only.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<rte_rs::TxQueue>();
/// ```
pub struct TxQueue(Queue);

impl Queue {
    fn new(port: u16, queue: u16, life: &Arc<PortLife>) -> Self {
        Self { port, queue, _life: Arc::clone(life), _not_sync: PhantomData }
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("port", &self.port).field("queue", &self.queue).finish()
    }
}

impl RxQueue {
    /// The only handle of that queue, of a started port.
    pub(crate) fn new(port: u16, queue: u16, life: &Arc<PortLife>) -> Self {
        Self(Queue::new(port, queue, life))
    }

    /// Fills what is free of the burst with received packets and returns how many came. Does not wait.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> usize {
        let room = Burst::CAPACITY - burst.len();
        let source = |mbufs| {
            // SAFETY: the port is started and has the queue as long as `_life` lives; this handle is the only one and
            // borrowed for writing, so nobody else polls; `mbufs` has room for `room` pointers.
            usize::from(unsafe { dpdk_sys::sluice_rx_burst(self.0.port, self.0.queue, mbufs, room as u16) })
        };
        // SAFETY: a driver gives the mbufs that it returns up; `room` is what is free.
        unsafe { burst.fill(room, source) }
    }

    /// The id of its port.
    #[inline]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Its number on the port.
    #[inline]
    pub fn queue(&self) -> u16 {
        self.0.queue
    }
}

impl TxQueue {
    /// The only handle of that queue, of a started port.
    pub(crate) fn new(port: u16, queue: u16, life: &Arc<PortLife>) -> Self {
        Self(Queue::new(port, queue, life))
    }

    /// Sends packets from the front of the burst and returns how many the port took. Those are gone, to be freed by the
    /// driver; the others stay in the burst, in order, for the caller to send again or to drop.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        let sink = |mbufs, count| {
            // SAFETY: the port is started and has the queue as long as `_life` lives; this handle is the only one and
            // borrowed for writing; `mbufs` are `count` packets.
            usize::from(unsafe { dpdk_sys::sluice_tx_burst(self.0.port, self.0.queue, mbufs, count as u16) })
        };
        // SAFETY: a driver owns, and frees, as many from the front as it says, and leaves the others alone.
        unsafe { burst.take(sink) }
    }

    /// The id of its port.
    #[inline]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Its number on the port.
    #[inline]
    pub fn queue(&self) -> u16 {
        self.0.queue
    }
}

impl fmt::Debug for RxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("RxQueue", f)
    }
}

impl fmt::Debug for TxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("TxQueue", f)
    }
}
