//! For tests: the directory and the counters of a link, in memory of their own.

use link::{DataplaneLink, Layout, PortDescription};

/// A link with one port and room for so much.
pub(crate) fn private_link(workers: u16, services: u32, reals: u32) -> DataplaneLink {
    let port = PortDescription {
        name: "wan".to_owned(),
        device: "net_null0".to_owned(),
        driver: "net_null".to_owned(),
        mac: Default::default(),
        mtu: 1500,
        kernel_interface: None,
        addresses: vec![],
        queues: Default::default(),
    };
    DataplaneLink::private(&Layout { workers, ports: 1, services, reals }, &[port]).expect("a private link")
}
