//! Ethernet ports: found, described, started.

mod life;
mod start;

pub(crate) use life::PortLife;

use crate::error::describe;
use crate::queue::{RxQueue, TxQueue};
use crate::{eal, eal_log};
use dpdk_sys::{sluice_port_info, sluice_port_statistics};
use std::ffi::{CStr, CString};
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Bits of [`RssOptions::types`] and [`PortCapabilities::rss_types`].
pub mod rss {
    /// IPv4 packets, by their addresses.
    pub const IPV4: u64 = dpdk_sys::SLUICE_RSS_IPV4;
    /// IPv4 fragments, by their addresses.
    pub const IPV4_FRAGMENT: u64 = dpdk_sys::SLUICE_RSS_FRAG_IPV4;
    /// TCP over IPv4, by addresses and ports.
    pub const IPV4_TCP: u64 = dpdk_sys::SLUICE_RSS_IPV4_TCP;
    /// UDP over IPv4, by addresses and ports.
    pub const IPV4_UDP: u64 = dpdk_sys::SLUICE_RSS_IPV4_UDP;
    /// Other protocols over IPv4, by addresses.
    pub const IPV4_OTHER: u64 = dpdk_sys::SLUICE_RSS_IPV4_OTHER;
    /// Of the addresses, the source only.
    pub const L3_SOURCE_ONLY: u64 = dpdk_sys::SLUICE_RSS_L3_SRC_ONLY;
    /// Of the addresses, the destination only.
    pub const L3_DESTINATION_ONLY: u64 = dpdk_sys::SLUICE_RSS_L3_DST_ONLY;
    /// Of the ports, the source only.
    pub const L4_SOURCE_ONLY: u64 = dpdk_sys::SLUICE_RSS_L4_SRC_ONLY;
    /// Of the ports, the destination only.
    pub const L4_DESTINATION_ONLY: u64 = dpdk_sys::SLUICE_RSS_L4_DST_ONLY;
}

/// Why a port can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// There is no DPDK yet.
    #[error("device {device}: the EAL is not started; start it first")]
    EalNotStarted {
        /// As given.
        device: String,
    },
    /// An empty name, or one that can't be handed to C.
    #[error("device {device:?}: a device is a PCI address (0000:01:00.0) or a virtual device (net_tap0,iface=tap0)")]
    Name {
        /// As given.
        device: String,
    },
    /// Opened twice.
    #[error("device {device}: this process uses it already; name each device once")]
    InUse {
        /// As given.
        device: String,
    },
    /// DPDK found no device or no driver, or the driver failed.
    #[error("device {device}: {reason}; {advice}")]
    Probe {
        /// As given.
        device: String,
        /// DPDK's words.
        reason: String,
        /// What to try.
        advice: String,
    },
    /// More queues than the driver has.
    #[error(
        "device {device}: {wanted} {direction} queues wanted, its driver {driver} has at most {allowed}; ask for no more"
    )]
    TooManyQueues {
        /// As given.
        device: String,
        /// Its driver.
        driver: String,
        /// "receive" or "transmit".
        direction: &'static str,
        /// How many were asked for.
        wanted: u16,
        /// How many it has.
        allowed: u16,
    },
    /// A frame of that MTU does not fit into one mbuf.
    #[error(
        "device {device}: MTU {mtu} needs mbufs of {needed} bytes, those of the pool have {data_room}; raise the \
         pool's data room or lower the MTU"
    )]
    MbufTooSmall {
        /// As given.
        device: String,
        /// As wanted.
        mtu: u16,
        /// Bytes of an mbuf.
        needed: u32,
        /// Bytes of an mbuf of the pool.
        data_room: u16,
    },
    /// A step of the start failed.
    #[error("device {device}: {step} failed: {reason}")]
    Refused {
        /// As given.
        device: String,
        /// Which.
        step: &'static str,
        /// The driver's words.
        reason: String,
    },
}

/// What a port can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCapabilities {
    /// The driver's name, e.g. `net_tap` or `net_ice`.
    pub driver: String,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// What it can spread over its receive queues, bits of [`rss`]; 0 = nothing.
    pub rss_types: u64,
    /// Bytes of its key for that; 0 = not known.
    pub rss_key_length: u32,
    /// Entries of its redirection table, from hash to queue; 0 = it has none that can be set.
    pub rss_table_size: u32,
    /// Smallest MTU, bytes.
    pub min_mtu: u16,
    /// Largest MTU, bytes; 65535 if the driver knows no limit.
    pub max_mtu: u16,
    /// NUMA node, -1 if it has none.
    pub socket: i32,
}

/// Receive side scaling: which packets are spread over the queues, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RssOptions {
    /// The hash key; `None` = the driver's. A longer one than the port wants is cut.
    pub key: Option<Vec<u8>>,
    /// Bits of [`rss`]. Those that the port can't do are left out, with a warning.
    pub types: u64,
    /// The `ONLY` bits of [`rss`] that the driver takes by flow rules, not by its configuration: of TCP and UDP. Without
    /// these rules it goes on with the whole tuple, with a warning.
    pub fields_by_rule: u64,
    /// The queue of each entry of the redirection table, as many as [`PortCapabilities::rss_table_size`]; empty = the
    /// driver's.
    pub table: Vec<u16>,
}

/// How to start a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOptions {
    /// Receive queues, 1 or more.
    pub rx_queues: u16,
    /// Transmit queues, 1 or more.
    pub tx_queues: u16,
    /// Descriptors of each receive queue; brought to what the driver allows.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit queue; brought to what the driver allows.
    pub tx_descriptors: u16,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// `None` = the port's own.
    pub mac: Option<[u8; 6]>,
    /// Whether to receive frames for other MAC addresses.
    pub promiscuous: bool,
    /// `None` = no spreading.
    pub rss: Option<RssOptions>,
}

impl Default for PortOptions {
    /// One queue each way of 1024 descriptors, MTU 1500, the port's own MAC address, not promiscuous, no RSS.
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
            mac: None,
            promiscuous: false,
            rss: None,
        }
    }
}

/// A port that was found and is not started. Dropping it gives the device back.
#[derive(Debug)]
pub struct EthPort {
    life: Arc<PortLife>,
}

/// A started port: its queues, to be handed to the lcores, and a handle for the rest.
///
/// The port is stopped and closed when the handles and all queues are dropped.
#[derive(Debug)]
pub struct StartedPort {
    /// The port itself.
    pub port: PortHandle,
    /// Receive queues, by number.
    pub rx: Vec<RxQueue>,
    /// Transmit queues, by number.
    pub tx: Vec<TxQueue>,
    /// What is spread over the receive queues, bits of [`rss`]; 0 = nothing.
    pub rss_types: u64,
    /// Whether the redirection table is the one that was asked for.
    pub rss_table_is_set: bool,
    /// What is not as it was asked for, and goes without; one sentence each.
    pub warnings: Vec<String>,
}

/// A handle of a started port, cheap to clone.
#[derive(Clone)]
pub struct PortHandle {
    life: Arc<PortLife>,
    mac: [u8; 6],
    mtu: u16,
}

/// Counters since the port was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStatistics {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets lost because the receive queues were full.
    pub rx_missed: u64,
    /// Packets received with an error, and lost.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets lost because there was no mbuf.
    pub rx_no_mbuf: u64,
}

impl EthPort {
    /// Finds a device and its driver: a PCI address (`0000:01:00.0`) or a virtual device with its arguments
    /// (`net_tap0,iface=wan0`).
    ///
    /// # Errors
    /// [`PortError`]: no such device, no driver for it, or it is in use.
    pub fn probe(device: &str) -> Result<Self, PortError> {
        let owned = || device.to_owned();
        if !eal::is_started() {
            return Err(PortError::EalNotStarted { device: owned() });
        }
        let name = device.split(',').next().unwrap_or_default();
        let (Ok(c_name), Ok(c_device)) = (CString::new(name), CString::new(device)) else {
            return Err(PortError::Name { device: owned() });
        };
        if name.is_empty() {
            return Err(PortError::Name { device: owned() });
        }
        let mut claims = life::claims();
        let id = match life::port_of(&c_name) {
            Some(id) => id,
            None => life::plug(&c_name, &c_device, &claims).map_err(|reason| {
                let advice = advice_for_probe(name);
                PortError::Probe { device: owned(), reason, advice }
            })?,
        };
        if !claims.insert(id) {
            return Err(PortError::InUse { device: owned() });
        }
        Ok(Self { life: Arc::new(PortLife::new(id, device)) })
    }

    /// The port's id, as [`crate::Mbuf::port`] gives it.
    pub fn id(&self) -> u16 {
        self.life.id
    }

    /// What it can do.
    ///
    /// # Errors
    /// [`PortError::Refused`] if the driver does not tell.
    pub fn capabilities(&self) -> Result<PortCapabilities, PortError> {
        self.life.info().map(|info| PortCapabilities::from(&info))
    }
}

impl PortHandle {
    /// The port's id, as [`crate::Mbuf::port`] gives it.
    pub fn id(&self) -> u16 {
        self.life.id
    }

    /// The device, as given.
    pub fn device(&self) -> &str {
        &self.life.device
    }

    /// Its MAC address: the one to answer to and to send from.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The MTU in force, bytes.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Whether the link is up, as far as the driver knows without waiting.
    pub fn link_is_up(&self) -> bool {
        // SAFETY: the port is open as long as `life` lives.
        unsafe { dpdk_sys::sluice_port_link_up(self.life.id) == 1 }
    }

    /// Its counters; `None` if the driver has none.
    pub fn statistics(&self) -> Option<PortStatistics> {
        let mut raw = MaybeUninit::<sluice_port_statistics>::uninit();
        // SAFETY: the port is open as long as `life` lives; `raw` has room for the structure.
        let result = unsafe { dpdk_sys::sluice_port_statistics(self.life.id, raw.as_mut_ptr()) };
        // SAFETY: 0 says that the structure was written whole.
        (result == 0).then(|| PortStatistics::from(&unsafe { raw.assume_init() }))
    }
}

fn advice_for_probe(name: &str) -> String {
    if name.contains(':') {
        return format!(
            "see dpdk-devbind.py --status, bind it with dpdk-devbind.py --bind=vfio-pci {name} (not needed for mlx5), \
             and start the EAL without --no-pci"
        );
    }
    "a virtual device is a driver's name, a number and its arguments, as net_tap0,iface=tap0".to_owned()
}

impl From<&sluice_port_info> for PortCapabilities {
    fn from(info: &sluice_port_info) -> Self {
        let driver = if info.driver.is_null() {
            String::new()
        } else {
            // SAFETY: the driver's name is a C string in the driver, which is never unloaded.
            unsafe { CStr::from_ptr(info.driver) }.to_string_lossy().into_owned()
        };
        Self {
            driver,
            max_rx_queues: info.max_rx_queues,
            max_tx_queues: info.max_tx_queues,
            rss_types: info.rss_types,
            rss_key_length: info.rss_key_length,
            rss_table_size: info.rss_table_size,
            min_mtu: info.min_mtu,
            max_mtu: info.max_mtu,
            socket: info.socket,
        }
    }
}

impl From<&sluice_port_statistics> for PortStatistics {
    fn from(raw: &sluice_port_statistics) -> Self {
        Self {
            rx_packets: raw.rx_packets,
            tx_packets: raw.tx_packets,
            rx_bytes: raw.rx_bytes,
            tx_bytes: raw.tx_bytes,
            rx_missed: raw.rx_missed,
            rx_errors: raw.rx_errors,
            tx_errors: raw.tx_errors,
            rx_no_mbuf: raw.rx_no_mbuf,
        }
    }
}

impl PortLife {
    fn refused(&self, step: &'static str, errno: i32) -> PortError {
        PortError::Refused { device: self.device.clone(), step, reason: describe(errno) }
    }

    fn info(&self) -> Result<sluice_port_info, PortError> {
        life::info(self.id).map_err(|errno| self.refused("asking for its capabilities", errno))
    }
}

impl fmt::Debug for PortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortHandle").field("id", &self.id()).field("device", &self.device()).finish_non_exhaustive()
    }
}

/// Runs a step of DPDK; its log explains the failure.
fn attempt(step: impl FnOnce() -> i32) -> Result<(), String> {
    eal_log::capture(|| match step() {
        result if result < 0 => Err(result),
        _ => Ok(()),
    })
    .map_err(|(errno, log)| if log.is_empty() { describe(errno) } else { format!("{}: {log}", describe(errno)) })
}
