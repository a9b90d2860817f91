//! The dataplane's ports as it describes them to control.

use crate::model::MacAddress;
use std::net::Ipv4Addr;
use zerocopy::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A DPDK port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDescription {
    /// Its name in sluice.toml, at most 31 bytes.
    pub name: String,
    /// Its device as sluice.toml names it (PCI address or vdev), at most 255 bytes.
    pub device: String,
    /// The DPDK driver, at most 31 bytes.
    pub driver: String,
    /// Its MAC address.
    pub mac: MacAddress,
    /// The largest IPv4 packet, in bytes.
    pub mtu: u16,
    /// The name of its kernel interface, at most 15 bytes.
    pub kernel_interface: Option<String>,
    /// The director's own addresses on it, with their prefix lengths; at most 8.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// Its queues, and how packets get from them to their owners.
    pub queues: PortQueues,
}

/// The queues of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortQueues {
    /// Receive queues.
    pub rx: u16,
    /// Transmit queues.
    pub tx: u16,
    /// How packets get to the worker that owns their connection.
    pub steering: Steering,
}

/// How packets of a port get to the worker that owns their connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Steering {
    /// There is one worker.
    #[default]
    OneWorker = 1,
    /// The device hands each to its owner's queue.
    ClientAffine = 2,
    /// The device spreads them over the workers by another rule; who gets one of another's hands it over.
    Spread = 3,
    /// They come in on one worker, or on as many as the device string says, and are handed over.
    HandOff = 4,
}

impl Steering {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OneWorker, Self::ClientAffine, Self::Spread, Self::HandOff];

    /// Its name in `sluice ports`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneWorker => "one worker",
            Self::ClientAffine => "rss client-affine",
            Self::Spread => "rss, hand-off",
            Self::HandOff => "hand-off",
        }
    }
}

/// The most addresses of a port.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// A port in the region. Text is UTF-8, filled up with zeros and at least one of them.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct PortRow {
    name: [u8; 32],
    device: [u8; 256],
    driver: [u8; 32],
    kernel_interface: [u8; 16],
    mac: [u8; 6],
    mtu: u16,
    address_count: u8,
    steering: u8,
    rx_queues: u16,
    tx_queues: u16,
    reserved: [u8; 2],
    addresses: [AddressRow; MAX_ADDRESSES],
}

const _: () = assert!(size_of::<PortRow>() == 416);

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct AddressRow {
    address_be: U32,
    length: u8,
    reserved: [u8; 3],
}

/// A description that does not fit its row, or a row that is no description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value:?}, allowed: {allowed}")]
pub struct PortError {
    /// Which field.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl PortRow {
    /// Refuses what does not fit.
    pub(crate) fn encode(port: &PortDescription) -> Result<Self, PortError> {
        let mut row = Self {
            name: text("name", &port.name, "1 to 31 bytes without NUL")?,
            device: text("device", &port.device, "1 to 255 bytes without NUL")?,
            driver: text("driver", &port.driver, "1 to 31 bytes without NUL")?,
            kernel_interface: match &port.kernel_interface {
                Some(name) => text("kernel interface", name, "1 to 15 bytes without NUL")?,
                None => [0; 16],
            },
            mac: port.mac.0,
            mtu: port.mtu,
            address_count: 0,
            steering: port.queues.steering as u8,
            rx_queues: port.queues.rx,
            tx_queues: port.queues.tx,
            reserved: [0; 2],
            addresses: [AddressRow::default(); MAX_ADDRESSES],
        };
        if port.addresses.len() > MAX_ADDRESSES {
            let value = format!("{} of them", port.addresses.len());
            return Err(PortError { field: "addresses", value, allowed: "at most 8" });
        }
        for (into, (address, length)) in row.addresses.iter_mut().zip(&port.addresses) {
            if *length > 32 {
                let value = format!("{address}/{length}");
                return Err(PortError { field: "address", value, allowed: "a prefix length of 0 to 32" });
            }
            *into = AddressRow { address_be: address.to_bits().into(), length: *length, reserved: [0; 3] };
            row.address_count += 1;
        }
        Ok(row)
    }

    /// Refuses a row that `encode` cannot have made.
    pub(crate) fn decode(&self) -> Result<PortDescription, PortError> {
        let count = usize::from(self.address_count);
        let rows = self.addresses.get(..count).ok_or_else(|| PortError {
            field: "address count",
            value: count.to_string(),
            allowed: "at most 8",
        })?;
        let mut addresses = Vec::with_capacity(count);
        for row in rows {
            let address = Ipv4Addr::from_bits(row.address_be.get());
            if row.length > 32 {
                let value = format!("{address}/{}", row.length);
                return Err(PortError { field: "address", value, allowed: "a prefix length of 0 to 32" });
            }
            addresses.push((address, row.length));
        }
        Ok(PortDescription {
            name: string("name", &self.name)?,
            device: string("device", &self.device)?,
            driver: string("driver", &self.driver)?,
            mac: MacAddress(self.mac),
            mtu: self.mtu,
            kernel_interface: match self.kernel_interface[0] {
                0 => None,
                _ => Some(string("kernel interface", &self.kernel_interface)?),
            },
            addresses,
            queues: PortQueues { rx: self.rx_queues, tx: self.tx_queues, steering: self.steering()? },
        })
    }

    fn steering(&self) -> Result<Steering, PortError> {
        let known = Steering::ALL.into_iter().find(|steering| *steering as u8 == self.steering);
        known.ok_or_else(|| PortError { field: "steering", value: self.steering.to_string(), allowed: "1 to 4" })
    }
}

fn text<const N: usize>(field: &'static str, value: &str, allowed: &'static str) -> Result<[u8; N], PortError> {
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.len() >= N || bytes.contains(&0) {
        return Err(PortError { field, value: value.to_owned(), allowed });
    }
    Ok(std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0)))
}

fn string(field: &'static str, bytes: &[u8]) -> Result<String, PortError> {
    let refused = |allowed| PortError { field, value: String::from_utf8_lossy(bytes).into_owned(), allowed };
    let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(|| refused("text that ends with a zero byte"))?;
    let text = bytes.get(..end).unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(refused("UTF-8 text, not empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::{PortDescription, PortQueues, PortRow, Steering};
    use crate::model::MacAddress;
    use std::net::Ipv4Addr;

    fn wan() -> PortDescription {
        PortDescription {
            name: "wan".into(),
            device: "net_tap0,iface=wan0".into(),
            driver: "net_tap".into(),
            mac: MacAddress([2, 0, 0, 0, 1, 1]),
            mtu: 1500,
            kernel_interface: Some("sluice-wan".into()),
            addresses: vec![(Ipv4Addr::new(10, 0, 1, 1), 24)],
            queues: PortQueues { rx: 4, tx: 3, steering: Steering::Spread },
        }
    }

    #[test]
    fn a_description_comes_back_as_it_was() {
        let full = PortDescription {
            name: "n".repeat(31),
            device: "d".repeat(255),
            driver: "r".repeat(31),
            kernel_interface: Some("k".repeat(15)),
            addresses: vec![(Ipv4Addr::BROADCAST, 32); 8],
            ..wan()
        };
        let bare = PortDescription { kernel_interface: None, addresses: vec![], ..wan() };
        for port in [wan(), full, bare] {
            assert_eq!(PortRow::encode(&port).unwrap().decode().unwrap(), port);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refused = |port: PortDescription| PortRow::encode(&port).unwrap_err().to_string();
        assert_eq!(
            refused(PortDescription { name: String::new(), ..wan() }),
            "name \"\", allowed: 1 to 31 bytes without NUL"
        );
        assert!(refused(PortDescription { kernel_interface: Some("k".repeat(16)), ..wan() }).contains("1 to 15 bytes"));
        assert!(refused(PortDescription { device: "a\0b".into(), ..wan() }).starts_with("device"));
        let address = (Ipv4Addr::LOCALHOST, 8);
        assert!(
            refused(PortDescription { addresses: vec![address; 9], ..wan() }).starts_with("addresses \"9 of them\"")
        );
        assert!(refused(PortDescription { addresses: vec![(address.0, 33)], ..wan() }).contains("127.0.0.1/33"));
    }

    #[test]
    fn a_row_of_garbage_is_refused() {
        let good = PortRow::encode(&wan()).unwrap();
        assert!(PortRow { address_count: 9, ..good }.decode().is_err());
        assert!(PortRow { name: [0; 32], ..good }.decode().is_err());
        assert!(PortRow { name: [b'x'; 32], ..good }.decode().is_err());
        assert!(PortRow { driver: [0xff; 32], ..good }.decode().is_err());
        assert!(PortRow { steering: 0, ..good }.decode().is_err());
        assert!(good.decode().is_ok());
    }
}
