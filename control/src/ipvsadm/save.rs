//! The table as command lines that make it again. As in the reference, thresholds and timeouts are not among them.

use super::Names;
use super::list::{flag_names, sort};
use crate::protocol::{LvsPersistence, LvsService};
use link::model::{ForwardMethod, Protocol, ServiceKey};
use std::io::{self, Write};

pub(super) fn services(mut services: Vec<LvsService>, names: &Names<'_>, out: &mut dyn Write) -> io::Result<()> {
    sort(&mut services);
    for service in &services {
        let target = target(service, names);
        write!(out, "-A {target} -s {}", service.scheduler)?;
        if let Some(LvsPersistence { timeout, netmask }) = service.persistence {
            write!(out, " -p {timeout}")?;
            if !netmask.is_broadcast() {
                write!(out, " -M {netmask}")?;
            }
        }
        if service.one_packet {
            write!(out, " -o")?;
        }
        let flags: Vec<_> = flag_names(service.scheduler, service.flags).collect();
        if !flags.is_empty() {
            write!(out, " -b {}", flags.join(","))?;
        }
        writeln!(out)?;
        for server in &service.reals {
            let method = match server.real.method {
                ForwardMethod::Nat => "-m",
                ForwardMethod::Tunnel => "-i",
                ForwardMethod::Direct => "-g",
            };
            let address = names.endpoint(server.real.address, service.key.protocol());
            write!(out, "-a {target} -r {address} {method} -w {}", server.real.weight)?;
            let tunnel = if server.real.method == ForwardMethod::Tunnel { " --tun-type ipip" } else { "" };
            writeln!(out, "{tunnel}")?;
        }
    }
    Ok(())
}

fn target(service: &LvsService, names: &Names<'_>) -> String {
    match service.key {
        ServiceKey::Endpoint(endpoint) => {
            let option = match endpoint.protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
            };
            format!("{option} {}", names.endpoint(endpoint.address, Some(endpoint.protocol)))
        }
        ServiceKey::Group(number) => format!("-f {}", number.cast_signed()),
    }
}
