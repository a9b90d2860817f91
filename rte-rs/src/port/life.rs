//! From the plugging in of a device to its removal.

use dpdk_sys::sluice_port_info;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ports that this process has opened, by id.
static CLAIMS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Locks the list. Held while a device comes or goes: DPDK's port numbers must not move meanwhile.
pub(super) fn claims() -> MutexGuard<'static, BTreeSet<u16>> {
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What keeps a port open. Its handles and queues share it; with the last of them the port is stopped and closed.
pub(crate) struct PortLife {
    pub(super) id: u16,
    /// As given.
    pub(super) device: String,
    started: AtomicBool,
}

impl PortLife {
    /// Of a port that is open and claimed.
    pub(super) fn new(id: u16, device: &str) -> Self {
        Self { id, device: device.to_owned(), started: AtomicBool::new(false) }
    }

    /// Notes that the port was started, to be stopped at the end.
    pub(super) fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }
}

impl Drop for PortLife {
    fn drop(&mut self) {
        let mut claims = claims();
        if self.started.load(Ordering::Acquire) {
            // SAFETY: the port is open and started, and its queues are gone: each holds an Arc of this.
            unsafe { dpdk_sys::rte_eth_dev_stop(self.id) };
        }
        let device = info(self.id).map_or(std::ptr::null_mut(), |info| info.device);
        // SAFETY: the port is open, stopped, and nobody's: see above.
        unsafe { dpdk_sys::rte_eth_dev_close(self.id) };
        let has_sibling = valid_ports().any(|id| info(id).is_ok_and(|info| info.device == device));
        if !device.is_null() && !has_sibling {
            // SAFETY: the device lives until it is removed, which is done with its last port only.
            unsafe { dpdk_sys::rte_dev_remove(device) };
        }
        claims.remove(&self.id);
    }
}

impl fmt::Debug for PortLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortLife").field("id", &self.id).field("device", &self.device).finish_non_exhaustive()
    }
}

/// What DPDK knows about a port; an errno if there is no such port.
pub(super) fn info(id: u16) -> Result<sluice_port_info, i32> {
    let mut raw = MaybeUninit::<sluice_port_info>::uninit();
    // SAFETY: DPDK checks the id; `raw` has room for the structure.
    let result = unsafe { dpdk_sys::sluice_port_info(id, raw.as_mut_ptr()) };
    // SAFETY: 0 says that the structure was written whole.
    if result == 0 { Ok(unsafe { raw.assume_init() }) } else { Err(result) }
}

/// The ports that exist.
fn valid_ports() -> impl Iterator<Item = u16> {
    // SAFETY: DPDK checks the id against its table.
    (0..dpdk_sys::RTE_MAX_ETHPORTS as u16).filter(|&id| unsafe { dpdk_sys::rte_eth_dev_is_valid_port(id) } != 0)
}

/// The port with that name.
pub(super) fn port_of(name: &CStr) -> Option<u16> {
    let mut id = 0;
    // SAFETY: the name is a C string, `id` a place for the answer.
    let result = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) };
    (result == 0).then_some(id)
}

/// Plugs a device in and returns its first port that nobody has; else the reason.
pub(super) fn plug(name: &CStr, device: &CStr, claims: &BTreeSet<u16>) -> Result<u16, String> {
    let before: BTreeSet<u16> = valid_ports().collect();
    // SAFETY: the string is a C string that DPDK copies; the EAL runs (EthPort::probe).
    super::attempt(|| unsafe { dpdk_sys::rte_dev_probe(device.as_ptr()) })?;
    // SAFETY: DPDK checks the id.
    let is_free = |id: &u16| !claims.contains(id) && !unsafe { dpdk_sys::sluice_port_is_owned(*id) };
    port_of(name)
        .or_else(|| valid_ports().find(|id| !before.contains(id) && is_free(id)))
        .ok_or_else(|| "it is not an Ethernet device".to_owned())
}
