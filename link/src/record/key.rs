//! How the key of a service travels.

use super::RecordError;
use super::check::Check;
use crate::model::{ServiceEndpoint, ServiceKey};
use std::net::SocketAddrV4;
use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A service's key, 8 bytes. `protocol` 0: a group, whose number stands in the place of the address.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct KeyRow {
    address_be: U32,
    port_be: U16,
    protocol: u8,
    zero: u8,
}

impl KeyRow {
    pub(super) const ZERO: Self = Self { address_be: U32::ZERO, port_be: U16::ZERO, protocol: 0, zero: 0 };

    /// The key, every field validated.
    pub(super) fn decode(self, check: Check) -> Result<ServiceKey, RecordError> {
        check.zero("reserved", &[self.zero])?;
        if self.protocol == 0 {
            check.zero("port", self.port_be.as_bytes())?;
            return Ok(ServiceKey::Group(check.within("group", self.address_be.get(), 1, u32::MAX, "1 or more")?));
        }
        let address = SocketAddrV4::new(check.host("address", self.address_be)?, self.port_be.get());
        Ok(ServiceKey::new(check.protocol(self.protocol)?, address))
    }
}

impl From<ServiceKey> for KeyRow {
    fn from(key: ServiceKey) -> Self {
        match key {
            ServiceKey::Endpoint(ServiceEndpoint { protocol, address }) => Self {
                address_be: address.ip().to_bits().into(),
                port_be: address.port().into(),
                protocol: protocol.number(),
                zero: 0,
            },
            ServiceKey::Group(number) => Self { address_be: number.into(), ..Self::ZERO },
        }
    }
}
