//! What the builder takes as addresses: values, or the text that people write.

use core::net::Ipv4Addr;

/// A MAC address: six bytes, or text as `02:00:00:00:01:fe`.
pub trait Mac {
    /// The six bytes.
    ///
    /// # Panics
    /// If the text is no MAC address.
    fn mac(self) -> [u8; 6];
}

impl Mac for [u8; 6] {
    fn mac(self) -> [u8; 6] {
        self
    }
}

impl Mac for &str {
    #[allow(clippy::expect_used, clippy::panic, reason = "a fixture with a typing mistake must not go on")]
    fn mac(self) -> [u8; 6] {
        let mut bytes = [0; 6];
        let mut parts = self.split(':');
        for byte in &mut bytes {
            let part =
                parts.next().unwrap_or_else(|| panic!("{self:?} is no MAC address: six bytes in hex are needed"));
            *byte = u8::from_str_radix(part, 16).unwrap_or_else(|_| panic!("{part:?} in {self:?} is no byte in hex"));
        }
        assert!(parts.next().is_none(), "{self:?} is no MAC address: more than six bytes");
        bytes
    }
}

/// An IPv4 address: a value, or text as `10.200.1.1`.
pub trait Address {
    /// The address.
    ///
    /// # Panics
    /// If the text is no IPv4 address.
    fn address(self) -> Ipv4Addr;
}

impl Address for Ipv4Addr {
    fn address(self) -> Ipv4Addr {
        self
    }
}

impl Address for [u8; 4] {
    fn address(self) -> Ipv4Addr {
        Ipv4Addr::from(self)
    }
}

impl Address for &str {
    #[allow(clippy::panic, reason = "a fixture with a typing mistake must not go on")]
    fn address(self) -> Ipv4Addr {
        self.parse().unwrap_or_else(|_| panic!("{self:?} is no IPv4 address"))
    }
}
