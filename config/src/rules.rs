//! The rules that services and reals obey, wherever they come from: a file, or a request on the control socket.

use link::model::{ForwardMethod, RealServer, ServiceKey, Timeouts};
use std::fmt;
use std::net::Ipv4Addr;

/// A value that breaks a rule. Shown as `weight 70000, allowed 0 to 65535`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Broken {
    /// The key, as in the file.
    pub key: &'static str,
    /// The value, as the file would have it.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

impl Broken {
    fn new(key: &'static str, value: impl fmt::Display, allowed: impl Into<String>) -> Self {
        Self { key, value: value.to_string(), allowed: allowed.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, allowed {}", self.key, self.value, self.allowed)
    }
}

/// What a name may be.
pub const NAME: &str = "1 to 64 of letters, digits, \".\", \"_\" and \"-\"";

/// What the address of a service or real may be.
pub const ENDPOINT: &str = "a unicast IPv4 address and a port from 1 to 65535, as \"10.0.0.1:80\"";

/// Whether `text` is a name: see [`NAME`].
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Whether one host can have this address: not 0.0.0.0/8, not loopback, not multicast, not broadcast.
pub fn is_host(address: Ipv4Addr) -> bool {
    address.octets()[0] != 0 && !address.is_loopback() && !address.is_multicast() && !address.is_broadcast()
}

/// The name of a service.
///
/// # Errors
/// Where it is not a [`NAME`].
pub fn check_name(name: &str) -> Result<(), Broken> {
    if is_name(name) { Ok(()) } else { Err(Broken::new("name", format_args!("{name:?}"), NAME)) }
}

/// The key of a service.
///
/// # Errors
/// Where the VIP is not a host's address or the port is 0.
pub fn check_service(key: &ServiceKey) -> Result<(), Broken> {
    if is_host(*key.address.ip()) && key.address.port() != 0 {
        Ok(())
    } else {
        Err(Broken::new("address", format_args!("\"{}\"", key.address), ENDPOINT))
    }
}

/// A real of the service with `key`.
///
/// # Errors
/// Where the address is not a host's, the port is 0, the weight is too large, the real is the service itself, or it
/// has another port than the service although its method keeps the packet's.
pub fn check_real(key: &ServiceKey, real: &RealServer) -> Result<(), Broken> {
    let address = format_args!("\"{}\"", real.address).to_string();
    if !is_host(*real.address.ip()) || real.address.port() == 0 {
        return Err(Broken::new("address", address, ENDPOINT));
    }
    if real.address.ip() == key.address.ip() {
        return Err(Broken::new(
            "address",
            address,
            "another address than the service's own: a packet would come back",
        ));
    }
    if real.weight > RealServer::MAX_WEIGHT {
        return Err(Broken::new("weight", real.weight, format!("0 to {}", RealServer::MAX_WEIGHT)));
    }
    if real.method != ForwardMethod::Nat && real.address.port() != key.address.port() {
        let allowed =
            format!("port {} as the service has: method {} keeps the packet's port", key.address.port(), real.method);
        return Err(Broken::new("address", address, allowed));
    }
    Ok(())
}

/// A timeout, in seconds.
///
/// # Errors
/// Where it is not from 1 to [`Timeouts::MAX_SECONDS`].
pub fn check_timeout(key: &'static str, seconds: u64) -> Result<u32, Broken> {
    u32::try_from(seconds)
        .ok()
        .filter(|seconds| (1..=Timeouts::MAX_SECONDS).contains(seconds))
        .ok_or_else(|| Broken::new(key, seconds, format!("1 to {} (31 days), in seconds", Timeouts::MAX_SECONDS)))
}
