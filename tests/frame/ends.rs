//! Who is at the two ends of a link.

use config::Machine;
use std::net::Ipv4Addr;

/// Who is at the two ends of a link: what MAC addresses a frame has if its text does not say.
pub(crate) struct Ends<'a> {
    machine: &'a Machine,
    port: u16,
    inward: bool,
}

impl<'a> Ends<'a> {
    /// Of a frame that comes in on a port.
    pub(crate) fn inward(machine: &'a Machine, port: u16) -> Self {
        Self { machine, port, inward: true }
    }

    /// Of a frame that leaves on a port.
    pub(crate) fn outward(machine: &'a Machine, port: u16) -> Self {
        Self { machine, port, inward: false }
    }

    pub(crate) fn from(&self, source: Ipv4Addr) -> [u8; 6] {
        if self.inward { self.neighbor(source) } else { self.own() }
    }

    pub(crate) fn to(&self, destination: Ipv4Addr) -> [u8; 6] {
        if self.inward { self.own() } else { self.neighbor(destination) }
    }

    /// A MAC address, or that of a neighbour on this port.
    pub(crate) fn mac(&self, text: &str) -> Result<[u8; 6], String> {
        if let Ok(address) = text.parse() {
            return Ok(self.neighbor(address));
        }
        let bytes: Result<Vec<u8>, _> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| format!("{text:?} is no MAC address"))
    }

    fn own(&self) -> [u8; 6] {
        let index = usize::from(self.port);
        self.machine.ports[index].mac.map_or_else(|| dataplane::setup::replay_mac(index), |mac| mac.0)
    }

    /// The neighbour with this address, or the gateway: the first of its port.
    fn neighbor(&self, address: Ipv4Addr) -> [u8; 6] {
        let on_port = || self.machine.neighbors.iter().filter(|neighbor| neighbor.port == self.port);
        let neighbor = on_port().find(|neighbor| neighbor.address == address).or_else(|| on_port().next());
        neighbor.map_or([0; 6], |neighbor| neighbor.mac.0)
    }
}
