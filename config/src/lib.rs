//! The two configuration files as typed values: sluice.toml, the machine ([`Machine`]), and services.toml, what is
//! balanced ([`Services`]). The annotated originals are in conf/.
//!
//! Parse once, then no more checks: what these types hold, every rule in [`rules`] has passed. A refusal
//! ([`ConfigError`]) names the section, the key, the value, what is allowed, the file and the line:
//!
//! ```text
//! service "web", real 172.16.0.2:80: weight 70000, allowed 0 to 65535 (services.toml:14)
//! ```
//!
//! Unknown keys are refused, so that a misspelt one never silently means its default.

#![forbid(unsafe_code)]

mod error;
pub mod health;
mod machine;
pub mod memory;
mod reader;
pub mod rules;
mod services;

pub use error::ConfigError;
pub use machine::{Control, Dataplane, Faces, Idle, InterfaceAddress, Machine, Port, Unmatched, Vips};
pub use services::{NamedService, Services};

/// Every key of sluice.toml as `section.key`, in the order of the file.
pub fn machine_keys() -> Vec<String> {
    machine::keys()
}

/// Every key of services.toml as `section.key`, in the order of the file.
pub fn services_keys() -> Vec<String> {
    services::keys()
}
