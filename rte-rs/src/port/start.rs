//! The start of a port, step by step.

use super::{
    EthPort, PortCapabilities, PortError, PortHandle, PortLife, PortOptions, RssOptions, StartedPort, attempt, rss,
};
use crate::error::describe;
use crate::mempool::Mempool;
use crate::queue::{RxQueue, TxQueue};
use dpdk_sys::{rte_ether_addr, sluice_port_config, sluice_port_info};
use std::mem::MaybeUninit;

/// Bytes of a frame around its IP packet: Ethernet header, two VLAN tags, checksum.
const FRAME_OVERHEAD: u32 = 14 + 2 * 4 + 4;

impl EthPort {
    /// Configures the port, gives its receive queues mbufs of the pool, and starts it.
    ///
    /// What a driver can't do and a director can do without (a MAC address of its own, another MTU, RSS) does not stop
    /// the start: see [`StartedPort::warnings`].
    ///
    /// # Errors
    /// [`PortError`], with the step that failed. The port is closed then.
    pub fn start(self, options: &PortOptions, pool: &Mempool) -> Result<StartedPort, PortError> {
        let life = self.life;
        let info = life.info()?;
        let mut start =
            Start { capabilities: PortCapabilities::from(&info), info, life: &life, options, warnings: Vec::new() };
        let mtu = start.choose_mtu(pool)?;
        start.check_queues()?;
        let mut rss_types = start.configure(mtu, pool)?;
        let mtu = start.set_mtu(mtu);
        let mac_is_set = start.set_mac()?;
        start.run()?;
        rss_types |= start.select_fields(rss_types);
        let rss_table_is_set = start.set_table(rss_types);
        start.set_promiscuous(mac_is_set)?;
        start.take_multicast();
        let mac = if mac_is_set { None } else { options.mac }.map_or_else(|| start.mac(), Ok)?;
        let warnings = start.warnings;
        Ok(StartedPort {
            rx: (0..options.rx_queues).map(|queue| RxQueue::new(life.id, queue, &life)).collect(),
            tx: (0..options.tx_queues).map(|queue| TxQueue::new(life.id, queue, &life)).collect(),
            port: PortHandle { life, mac, mtu },
            rss_types,
            rss_table_is_set,
            warnings,
        })
    }
}

struct Start<'a> {
    life: &'a PortLife,
    options: &'a PortOptions,
    info: sluice_port_info,
    capabilities: PortCapabilities,
    warnings: Vec<String>,
}

impl Start<'_> {
    fn warn(&mut self, what: &str) {
        self.warnings.push(format!("device {} ({}): {what}", self.life.device, self.capabilities.driver));
    }

    fn check(&self, step: &'static str, run: impl FnOnce() -> i32) -> Result<(), PortError> {
        attempt(run).map_err(|reason| PortError::Refused { device: self.life.device.clone(), step, reason })
    }

    /// The wanted MTU, within what the driver can do; refused if its frames don't fit into one mbuf.
    fn choose_mtu(&mut self, pool: &Mempool) -> Result<u16, PortError> {
        let wanted = self.options.mtu;
        let (min, max) = (self.capabilities.min_mtu, self.capabilities.max_mtu.max(self.capabilities.min_mtu));
        let mtu = wanted.clamp(min, max);
        if mtu != wanted {
            self.warn(&format!("MTU {wanted} is not possible, allowed {min} to {max}; it runs with {mtu}"));
        }
        let (needed, data_room) = (u32::from(mtu) + FRAME_OVERHEAD, pool.data_room());
        if needed > u32::from(data_room) {
            return Err(PortError::MbufTooSmall { device: self.life.device.clone(), mtu, needed, data_room });
        }
        Ok(mtu)
    }

    fn check_queues(&self) -> Result<(), PortError> {
        let PortCapabilities { max_rx_queues, max_tx_queues, .. } = self.capabilities;
        for (direction, wanted, allowed) in
            [("receive", self.options.rx_queues, max_rx_queues), ("transmit", self.options.tx_queues, max_tx_queues)]
        {
            if wanted > allowed {
                let (device, driver) = (self.life.device.clone(), self.capabilities.driver.clone());
                return Err(PortError::TooManyQueues { device, driver, direction, wanted, allowed });
            }
        }
        Ok(())
    }

    /// Sets the port and its queues up; returns what is spread over them.
    fn configure(&mut self, mtu: u16, pool: &Mempool) -> Result<u64, PortError> {
        let id = self.life.id;
        let mut chosen = Rss::default();
        if let Some(wanted) = &self.options.rss {
            chosen = Rss::negotiate(wanted, &self.capabilities);
            for warning in std::mem::take(&mut chosen.warnings) {
                self.warn(&warning);
            }
        }
        let mut config = sluice_port_config {
            rx_queues: self.options.rx_queues,
            tx_queues: self.options.tx_queues,
            rx_descriptors: self.options.rx_descriptors,
            tx_descriptors: self.options.tx_descriptors,
            mtu: u32::from(mtu),
            rss_hash_offload: self.info.rss_hash_offload,
            rss_types: chosen.types,
            rss_key: chosen.key.as_mut().map_or(std::ptr::null_mut(), |key| key.as_mut_ptr()),
            rss_key_length: chosen.key.as_ref().map_or(0, |key| key.len() as u32),
        };
        // SAFETY: the port is open and not started; the structure and the key it points to live through the call, which
        // copies both.
        self.check("configuring it", || unsafe { dpdk_sys::sluice_port_configure(id, &raw mut config) })?;
        for queue in 0..config.rx_queues {
            // SAFETY: the port is open, configured with that queue and not started; the pool is never freed.
            let setup = || unsafe { dpdk_sys::sluice_port_rx_queue(id, queue, config.rx_descriptors, pool.as_ptr()) };
            self.check("setting a receive queue up", setup)?;
        }
        for queue in 0..config.tx_queues {
            // SAFETY: the port is open, configured with that queue and not started.
            let setup = || unsafe { dpdk_sys::sluice_port_tx_queue(id, queue, config.tx_descriptors) };
            self.check("setting a transmit queue up", setup)?;
        }
        Ok(chosen.types)
    }

    /// Tells the driver the MTU; returns the one in force.
    fn set_mtu(&mut self, mtu: u16) -> u16 {
        let id = self.life.id;
        // SAFETY: the port is open and not started.
        let Err(reason) = attempt(|| unsafe { dpdk_sys::rte_eth_dev_set_mtu(id, mtu) }) else { return mtu };
        let mut present = 0;
        // SAFETY: the port is open; `present` is a place for the answer.
        let result = unsafe { dpdk_sys::rte_eth_dev_get_mtu(id, &raw mut present) };
        if result == 0 && present == mtu {
            return mtu;
        }
        self.warn(&format!("MTU {mtu} can't be set ({reason}); the device keeps its own"));
        if result == 0 { mtu.min(present) } else { mtu }
    }

    /// Tells the driver the MAC address; `false` if it does not take one.
    fn set_mac(&mut self) -> Result<bool, PortError> {
        let Some(wanted) = self.options.mac else { return Ok(true) };
        if self.mac()? == wanted {
            return Ok(true);
        }
        let mut address = MaybeUninit::<rte_ether_addr>::zeroed();
        // SAFETY: an rte_ether_addr is the six bytes of the address and nothing else.
        unsafe { address.as_mut_ptr().cast::<[u8; 6]>().write(wanted) };
        let id = self.life.id;
        // SAFETY: the port is open; the address was written above and is only read.
        let set = || unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(id, address.as_mut_ptr()) };
        let Err(reason) = attempt(set) else { return Ok(true) };
        self.warn(&format!("it can't take another MAC address ({reason}); it receives all frames instead"));
        Ok(false)
    }

    /// The MAC address that the driver has.
    fn mac(&self) -> Result<[u8; 6], PortError> {
        let mut address = MaybeUninit::<rte_ether_addr>::zeroed();
        // SAFETY: the port is open; `address` is a place for the answer.
        let result = unsafe { dpdk_sys::rte_eth_macaddr_get(self.life.id, address.as_mut_ptr()) };
        if result != 0 {
            return Err(self.life.refused("asking for its MAC address", result));
        }
        // SAFETY: an rte_ether_addr is the six bytes of the address, zeroed above and then written.
        Ok(unsafe { address.as_ptr().cast::<[u8; 6]>().read() })
    }

    fn run(&self) -> Result<(), PortError> {
        let id = self.life.id;
        // SAFETY: the port is open and configured, with all its queues set up.
        self.check("starting it", || unsafe { dpdk_sys::rte_eth_dev_start(id) })?;
        self.life.set_started();
        Ok(())
    }

    /// Has the hash take some fields only, by flow rules; returns the bits of those in force.
    fn select_fields(&mut self, types: u64) -> u64 {
        let fields = self.options.rss.as_ref().map_or(0, |wanted| wanted.fields_by_rule);
        if types == 0 || fields == 0 {
            return 0;
        }
        let id = self.life.id;
        for kind in [rss::IPV4_TCP, rss::IPV4_UDP].into_iter().filter(|kind| types & kind != 0) {
            // SAFETY: the port is open and started; the call takes numbers only.
            if let Err(reason) = attempt(|| unsafe { dpdk_sys::sluice_port_rss_rule(id, kind | fields) }) {
                self.warn(&format!("its flow rules do not take RSS by fields {fields:#x} ({reason})"));
                return 0;
            }
        }
        fields
    }

    /// Sets the redirection table, if one is wanted; whether it is in force.
    fn set_table(&mut self, types: u64) -> bool {
        let table = self.options.rss.as_ref().map_or(&[][..], |wanted| &wanted.table);
        let Ok(count) = u16::try_from(table.len()) else { return false };
        if types == 0 || count == 0 {
            return false;
        }
        let id = self.life.id;
        // SAFETY: the port is open and started; `table` has `count` entries, which the call reads.
        let set = attempt(|| unsafe { dpdk_sys::sluice_port_rss_table(id, table.as_ptr(), count) });
        if let Err(reason) = &set {
            self.warn(&format!("its RSS table of {count} entries can't be set ({reason})"));
        }
        set.is_ok()
    }

    /// Frames for another MAC address are received if that is wanted, or if the port could not take the one it was to
    /// have; in the second case it must work.
    fn set_promiscuous(&mut self, mac_is_set: bool) -> Result<(), PortError> {
        let id = self.life.id;
        if !self.options.promiscuous && mac_is_set {
            // SAFETY: the port is open and started. Some drivers can't but receive all: not an error.
            unsafe { dpdk_sys::rte_eth_promiscuous_disable(id) };
            return Ok(());
        }
        // SAFETY: the port is open and started.
        let enabled = attempt(|| unsafe { dpdk_sys::rte_eth_promiscuous_enable(id) });
        // SAFETY: the port is open; reads a variable.
        if enabled.is_ok() || unsafe { dpdk_sys::rte_eth_promiscuous_get(id) } == 1 {
            return Ok(());
        }
        let reason = enabled.err().unwrap_or_default();
        if mac_is_set || is_point_to_point(&self.capabilities.driver) {
            self.warn(&format!("it can't be made promiscuous ({reason}); it receives what its driver gives it"));
            return Ok(());
        }
        let step = "setting its MAC address, or receiving frames for another,";
        Err(PortError::Refused { device: self.life.device.clone(), step, reason })
    }

    /// Routing protocols and VRRP speak to groups, and only Linux knows which of them it wants: all are received. A driver
    /// that has no such choice gives what it gives.
    fn take_multicast(&mut self) {
        let id = self.life.id;
        // SAFETY: the port is open and started.
        let result = unsafe { dpdk_sys::rte_eth_allmulticast_enable(id) };
        if result < 0 && result != -libc::ENOTSUP {
            let reason = describe(result);
            self.warn(&format!("it does not receive all multicast ({reason}): VRRP and OSPF may miss packets"));
        }
    }
}

/// Drivers without a notion of addresses, that receive whatever comes.
fn is_point_to_point(driver: &str) -> bool {
    ["net_ring", "net_null", "net_pcap", "net_memif"].contains(&driver)
}

/// What of the wanted RSS the port can do.
#[derive(Default)]
struct Rss {
    types: u64,
    key: Option<Vec<u8>>,
    warnings: Vec<String>,
}

impl Rss {
    fn negotiate(wanted: &RssOptions, port: &PortCapabilities) -> Self {
        let types = wanted.types & port.rss_types;
        let mut warnings = Vec::new();
        if types != wanted.types {
            let missing = wanted.types & !port.rss_types;
            warnings.push(format!("RSS types {missing:#x} of {:#x} are not possible; left out", wanted.types));
        }
        let length = port.rss_key_length as usize;
        let mut key = wanted.key.clone().filter(|_| types != 0);
        if let Some(bytes) = key.as_mut().filter(|_| length > 0) {
            if bytes.len() < length {
                warnings
                    .push(format!("the RSS key has {} bytes, {length} are needed; the driver's is used", bytes.len()));
                key = None;
            } else {
                bytes.truncate(length);
            }
        }
        Self { types, key, warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(rss_types: u64, rss_key_length: u32) -> PortCapabilities {
        PortCapabilities {
            driver: "net_test".into(),
            max_rx_queues: 1,
            max_tx_queues: 1,
            rss_types,
            rss_key_length,
            rss_table_size: 0,
            min_mtu: 68,
            max_mtu: 1500,
            socket: -1,
        }
    }

    #[test]
    fn rss_that_the_port_can_do_is_taken_as_it_is() {
        let rss = Rss::negotiate(
            &RssOptions { key: Some(vec![7; 40]), types: 0b11, ..RssOptions::default() },
            &port(0b111, 40),
        );
        assert_eq!((rss.types, rss.key, rss.warnings.len()), (0b11, Some(vec![7; 40]), 0));
    }

    #[test]
    fn rss_types_that_the_port_lacks_are_left_out_with_a_warning() {
        let rss = Rss::negotiate(&RssOptions { key: None, types: 0b11, ..RssOptions::default() }, &port(0b1, 40));
        assert_eq!((rss.types, rss.warnings.len()), (0b1, 1));
        let none =
            Rss::negotiate(&RssOptions { key: Some(vec![7; 40]), types: 0b11, ..RssOptions::default() }, &port(0, 0));
        assert_eq!((none.types, none.key, none.warnings.len()), (0, None, 1));
    }

    #[test]
    fn an_rss_key_is_cut_to_the_ports_length_and_a_short_one_not_used() {
        let long =
            Rss::negotiate(&RssOptions { key: Some(vec![7; 52]), types: 1, ..RssOptions::default() }, &port(1, 40));
        assert_eq!((long.key.map(|key| key.len()), long.warnings.len()), (Some(40), 0));
        let short =
            Rss::negotiate(&RssOptions { key: Some(vec![7; 16]), types: 1, ..RssOptions::default() }, &port(1, 40));
        assert_eq!((short.key, short.warnings.len()), (None, 1));
    }
}
