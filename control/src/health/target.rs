//! What is checked: a real of a service, with its check.

use config::Services;
use config::health::Check;
use link::model::ServiceKey;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// Which real of which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealKey {
    /// The service.
    pub service: ServiceKey,
    /// The real's address and port.
    pub real: SocketAddrV4,
}

/// A real and its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which real.
    pub key: RealKey,
    /// The service's name.
    pub service: String,
    /// How it is checked.
    pub check: Check,
}

impl Target {
    /// Where the check goes: the real, on the check's port.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(*self.key.real.ip(), self.check.port)
    }

    /// The real's address.
    pub fn ip(&self) -> Ipv4Addr {
        *self.key.real.ip()
    }

    /// What programs are told, as environment.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("SLUICE_SERVICE", self.service.clone()),
            ("SLUICE_VIRTUAL", self.key.service.to_string()),
            ("SLUICE_REAL", self.key.real.to_string()),
            ("SLUICE_ADDRESS", self.key.real.ip().to_string()),
            ("SLUICE_PORT", self.key.real.port().to_string()),
        ]
    }
}

/// Everything that is checked, by its real.
pub type Targets = HashMap<RealKey, Arc<Target>>;

/// What these services have checked. A check that breaks a rule has been refused before; it is left out here.
pub fn of(services: &Services) -> Targets {
    let mut targets = Targets::new();
    for named in &services.services {
        if named.health.check.is_none() && named.health.reals.is_empty() {
            continue;
        }
        for real in &named.service.reals {
            let Ok(Some(check)) = named.health.check_of(real.address) else { continue };
            let key = RealKey { service: named.service.key, real: real.address };
            targets.insert(key, Arc::new(Target { key, service: named.name.clone(), check }));
        }
    }
    targets
}
