//! The rules that services and reals obey, wherever they come from: a file, or a request on the control socket.

use link::model::{
    ForwardMethod, Persistence, Protocol, RealServer, ServiceEndpoint, ServiceKey, ServiceOptions, Setting, Timeouts,
};
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
    pub(crate) fn new(key: &'static str, value: impl fmt::Display, allowed: impl Into<String>) -> Self {
        Self { key, value: value.to_string(), allowed: allowed.into() }
    }

    pub(crate) fn missing(key: &'static str, allowed: impl Into<String>) -> Self {
        Self::new(key, "is missing", allowed)
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

/// What the number of a group may be.
pub const GROUP: &str = "1 to 4294967295";

/// What an endpoint of a group may be.
pub const GROUP_ENDPOINT: &str = "protocol, unicast IPv4 address and port (0: all ports), as \"tcp 10.0.0.1:80\"";

/// What the netmask of persistence may be.
pub const NETMASK: &str = "a mask other than 0.0.0.0, as \"255.255.255.0\"";

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
/// Where the VIP is not a host's address, or the number of the group is 0.
pub fn check_key(key: &ServiceKey) -> Result<(), Broken> {
    match key {
        ServiceKey::Endpoint(endpoint) => check_endpoint(endpoint),
        ServiceKey::Group(0) => Err(Broken::new("group", 0, GROUP)),
        ServiceKey::Group(_) => Ok(()),
    }
}

/// An endpoint of a service or group. Port 0 stands for all ports.
///
/// # Errors
/// Where the VIP is not a host's address.
pub fn check_endpoint(endpoint: &ServiceEndpoint) -> Result<(), Broken> {
    if is_host(*endpoint.address.ip()) {
        Ok(())
    } else {
        Err(Broken::new("address", format_args!("\"{}\"", endpoint.address), ENDPOINT))
    }
}

/// The endpoint in `tcp 10.0.0.1:80`.
///
/// # Errors
/// Where the text is none, or the VIP is not a host's address.
pub fn parse_endpoint(text: &str) -> Result<ServiceEndpoint, Broken> {
    let parts = text.split_once(' ');
    let endpoint = parts.and_then(|(protocol, address)| {
        Some(ServiceEndpoint { protocol: protocol.parse().ok()?, address: address.parse().ok()? })
    });
    let endpoint = endpoint.filter(|endpoint| check_endpoint(endpoint).is_ok());
    endpoint.ok_or_else(|| Broken::new("endpoint", format_args!("{text:?}"), GROUP_ENDPOINT))
}

/// A service without its reals.
///
/// # Errors
/// Where its key is not allowed, or an option is not allowed with that key.
pub fn check_service(key: &ServiceKey, options: &ServiceOptions) -> Result<(), Broken> {
    check_key(key)?;
    if let Some(endpoint) = key.endpoint() {
        if endpoint.address.port() == 0 && options.persistence.is_none() {
            let allowed = "1 to 65535; 0, all ports, only with persistence";
            return Err(Broken::new("address", format_args!("\"{}\": port 0", endpoint.address), allowed));
        }
        if options.one_packet && endpoint.protocol != Protocol::Udp {
            return Err(Broken::new("one_packet", true, "only with protocol \"udp\", or in the service of a group"));
        }
        if options.helper.is_some() && (endpoint.protocol != Protocol::Tcp || endpoint.address.port() == 0) {
            return Err(Broken::new("helper", "\"ftp\"", "only with protocol \"tcp\" and a port"));
        }
    } else if options.helper.is_some() {
        return Err(Broken::new("helper", "\"ftp\"", "\"none\" in the service of a group"));
    }
    options.persistence.as_ref().map_or(Ok(()), check_persistence)
}

/// How clients keep their real.
///
/// # Errors
/// Where the timeout is not from 1 to [`Timeouts::MAX_SECONDS`] or the mask is 0.0.0.0.
pub fn check_persistence(persistence: &Persistence) -> Result<(), Broken> {
    check_timeout("persistence", persistence.timeout.into())?;
    if persistence.netmask.is_unspecified() {
        return Err(Broken::new("persistence_netmask", "\"0.0.0.0\"", NETMASK));
    }
    Ok(())
}

/// A real of the service with `key`.
///
/// # Errors
/// Where the address is not a host's, the port is 0 though the service has one, the weight is too large, the real is
/// the service itself, it has another port than the service although its method keeps the packet's, or the lower
/// threshold is above the upper one.
pub fn check_real(key: &ServiceKey, real: &RealServer) -> Result<(), Broken> {
    let address = format_args!("\"{}\"", real.address).to_string();
    let (service_port, port) = (key.port(), real.address.port());
    if !is_host(*real.address.ip()) || (port == 0 && service_port != 0) {
        return Err(Broken::new("address", address, ENDPOINT));
    }
    if key.address().is_some_and(|vip| vip.ip() == real.address.ip()) {
        return Err(Broken::new(
            "address",
            address,
            "another address than the service's own: a packet would come back",
        ));
    }
    if real.weight > RealServer::MAX_WEIGHT {
        return Err(Broken::new("weight", real.weight, format!("0 to {}", RealServer::MAX_WEIGHT)));
    }
    // In the service of a group the port means nothing to these methods; it is shown, as by the reference.
    if real.method != ForwardMethod::Nat && key.endpoint().is_some() && port != service_port {
        let allowed = match service_port {
            0 => format!("port 0 with a service on all ports: method {} keeps the packet's port", real.method),
            _ => format!("port {service_port} as the service has: method {} keeps the packet's port", real.method),
        };
        return Err(Broken::new("address", address, allowed));
    }
    if real.lower_threshold > real.upper_threshold {
        let allowed = format!("0 to upper_threshold, which is {}", real.upper_threshold);
        return Err(Broken::new("lower_threshold", real.lower_threshold, allowed));
    }
    Ok(())
}

/// A real of the service of a group with these endpoints, besides [`check_real`].
///
/// # Errors
/// Where it has the address of one of them.
pub fn check_group_real(endpoints: &[ServiceEndpoint], real: &RealServer) -> Result<(), Broken> {
    if endpoints.iter().any(|endpoint| endpoint.address.ip() == real.address.ip()) {
        let address = format_args!("\"{}\"", real.address).to_string();
        let allowed = "another address than those of the group: a packet would come back";
        return Err(Broken::new("address", address, allowed));
    }
    Ok(())
}

/// A setting's value.
///
/// # Errors
/// Where it is out of the setting's range.
pub fn check_setting(setting: &Setting, value: u64) -> Result<u32, Broken> {
    u32::try_from(value)
        .ok()
        .filter(|value| (setting.least..=setting.most).contains(value))
        .ok_or_else(|| Broken::new(setting.name, value, format!("{} to {}", setting.least, setting.most)))
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
