//! DPDK, as far as a layer-4 director needs it, behind types that make its classic bugs impossible:
//!
//! - an [`Mbuf`] is sent or freed exactly once: sending moves it away, dropping frees it;
//! - a queue is used by one thread at a time: [`RxQueue`] and [`TxQueue`] can be moved to an lcore, not shared;
//! - a value that readers may still see is not freed: [`rcu::Subscriber`] lends it for as long as its reader says so.
//!
//! Everything lives as long as its owners, except what DPDK wants to keep for the whole process: the [`Eal`] and each
//! [`Mempool`].
//!
//! ```no_run
//! use rte_rs::{Burst, Eal, EalOptions, EthPort, Mempool, MempoolOptions, PortOptions};
//!
//! let options = EalOptions { program: "forward".into(), main_lcore: 0, workers: vec![1], arguments: vec![] };
//! let eal = Eal::start(&options)?;
//! let pool = Mempool::new("pool", MempoolOptions::default())?;
//! let mut started = EthPort::probe("0000:01:00.0")?.start(&PortOptions::default(), &pool)?;
//! let (mut rx, mut tx) = (started.rx.remove(0), started.tx.remove(0));
//! let task = eal.launch(1, move || {
//!     let mut burst = Burst::new();
//!     for _ in 0..1_000_000 {
//!         rx.receive(&mut burst);
//!         tx.send(&mut burst);
//!     }
//! })?;
//! task.join();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod burst;
pub mod cycles;
pub mod eal;
mod eal_log;
pub mod error;
pub mod hash;
pub mod huge;
mod hugepages;
pub mod lcore;
pub mod mbuf;
pub mod mempool;
pub mod port;
pub mod queue;
pub mod rcu;
pub mod ring;
pub mod tap;

pub use burst::Burst;
pub use eal::{Eal, EalError, EalOptions};
pub use error::Error;
pub use hash::{HashKey, HashOptions, HashReader, HashSection, HashWriter, Hasher, TableFull};
pub use lcore::{LaunchError, LcoreTask};
pub use mbuf::{HEADROOM, Mbuf};
pub use mempool::{Mempool, MempoolOptions};
pub use port::{
    EthPort, PortCapabilities, PortError, PortHandle, PortOptions, PortStatistics, RssOptions, StartedPort,
};
pub use queue::{RxQueue, TxQueue};
pub use rcu::{Rcu, RcuReader, RcuToken};
pub use ring::{MbufReceiver, MbufSender, MbufSoleSender};
pub use tap::Tap;

/// The DPDK that this program is linked with and runs on, as `DPDK 22.11.11`.
pub fn version() -> &'static str {
    // SAFETY: rte_version has no precondition; it formats a constant into static memory.
    let version = unsafe { dpdk_sys::rte_version() };
    // SAFETY: what it gives is a string ended by a zero in static memory; DPDK writes the same bytes with each call.
    let version = unsafe { std::ffi::CStr::from_ptr(version) };
    version.to_str().unwrap_or("DPDK of an unreadable version")
}

/// Asks for the cache line at `place`; it comes while other work goes on.
#[inline]
pub fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint that touches no memory the program can see; any address is allowed.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
