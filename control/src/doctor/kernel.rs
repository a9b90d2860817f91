//! What the director needs of Linux: TAP interfaces, rights, settings.

use super::{Finding, Host};
use config::{Machine, NamedService, Services};
use link::model::ForwardMethod;

/// Bit of CAP_NET_ADMIN in a set of capabilities.
const NET_ADMIN: u64 = 1 << 12;

pub(super) fn examine(host: &Host, machine: &Machine, services: Option<&Services>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let interfaces: Vec<&str> = machine.ports.iter().filter_map(|port| port.kernel_interface.as_deref()).collect();
    let taps = !interfaces.is_empty() || machine.ports.iter().any(|port| port.device.starts_with("net_tap"));
    if taps {
        findings.push(tap(host));
    }
    findings.extend(rights(host));
    findings.extend(forwarding(host, services, &interfaces));
    findings.extend(interfaces.iter().filter_map(|interface| reverse_path(host, interface)));
    findings.extend(kernel_ipvs(host));
    findings.extend(tunnel_mtu(machine, services));
    findings
}

fn tap(host: &Host) -> Finding {
    const DEVICE: &str = "/dev/net/tun";
    if host.has(DEVICE) {
        host.refuses(DEVICE).map_or_else(
            || Finding::ok("tap", "/dev/net/tun is there and can be opened"),
            |error| {
                let advice =
                    "run this as root; `modprobe tun`; in a container pass the device on (--device /dev/net/tun)";
                Finding::fail("tap", format!("/dev/net/tun can't be opened: {error}"), advice)
            },
        )
    } else {
        let advice = "`modprobe tun`, and \"tun\" in /etc/modules-load.d/; in a container pass the device on";
        Finding::fail("tap", "/dev/net/tun is not there: no kernel interface can be made", advice)
    }
}

fn rights(host: &Host) -> Option<Finding> {
    let status = host.text("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let capabilities = u64::from_str_radix(line.trim(), 16).ok()?;
    Some(if capabilities & NET_ADMIN != 0 {
        Finding::ok("rights", "CAP_NET_ADMIN")
    } else {
        let advice =
            "run this as root to see what the daemons see; they need CAP_NET_ADMIN, as their systemd units give";
        Finding::warn("rights", "this user has no CAP_NET_ADMIN", advice)
    })
}

/// Reals behind NAT reach other machines through the director's kernel.
fn forwarding(host: &Host, services: Option<&Services>, interfaces: &[&str]) -> Option<Finding> {
    let has_nat = services?.services.iter().any(|named| {
        let service = &named.service;
        service.reals.iter().any(|real| real.method == ForwardMethod::Nat)
    });
    if !has_nat || interfaces.is_empty() {
        return None;
    }
    Some(match host.number("/proc/sys/net/ipv4/ip_forward")? {
        0 => {
            let found = "net.ipv4.ip_forward = 0: what reals of NAT services start themselves goes nowhere";
            Finding::warn(
                "sysctl",
                found,
                "if they should reach out through the director: `sysctl net.ipv4.ip_forward=1`",
            )
        }
        _ => Finding::ok("sysctl", "net.ipv4.ip_forward = 1: reals of NAT services reach out through the kernel"),
    })
}

fn reverse_path(host: &Host, interface: &str) -> Option<Finding> {
    let of = |name: &str| host.number(&format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"));
    // The stricter of the two counts.
    let mode = of(interface)?.max(of("all").unwrap_or(0));
    (mode == 1).then(|| {
        let found = format!(
            "rp_filter of {interface} is strict: Linux drops what comes in by another way than it would answer"
        );
        Finding::warn(
            "sysctl",
            found,
            format!("with more than one uplink: `sysctl net.ipv4.conf.{interface}.rp_filter=2`"),
        )
    })
}

/// Services of the kernel's own IPVS see no packet of a VIP that is here.
fn kernel_ipvs(host: &Host) -> Option<Finding> {
    let table = host.text("/proc/net/ip_vs")?;
    let services =
        table.lines().filter(|line| ["TCP ", "UDP ", "FWM "].iter().any(|word| line.starts_with(word))).count();
    (services > 0).then(|| {
        let found = format!("the kernel's IPVS has {services} services of its own");
        Finding::warn(
            "ipvs",
            found,
            "they see no packet that Sluice forwards: move them to services.toml and `ipvsadm -C`",
        )
    })
}

/// What a tunnel's outer header adds, bytes.
const OUTER: u16 = 20;
/// What clients on Ethernet send.
const CLIENT_MTU: u16 = 1500;

/// A client's largest packet has to fit into the tunnel.
fn tunnel_mtu(machine: &Machine, services: Option<&Services>) -> Option<Finding> {
    const TOPIC: &str = "mtu";
    let is_tunnelled =
        |named: &&NamedService| named.service.reals.iter().any(|real| real.method == ForwardMethod::Tunnel);
    let tunnelled: Vec<&NamedService> = services?.services.iter().filter(is_tunnelled).collect();
    if tunnelled.is_empty() {
        return None;
    }
    let most = machine.ports.iter().map(|port| port.mtu).max().unwrap_or(0);
    let unclamped: Vec<&str> =
        tunnelled.iter().filter(|named| !named.service.options.clamp_mss).map(|named| named.name.as_str()).collect();
    let needed = CLIENT_MTU + OUTER;
    Some(if most >= needed {
        Finding::ok(TOPIC, format!("tunnels: a port has MTU {most}, {needed} are enough"))
    } else if unclamped.is_empty() {
        Finding::ok(TOPIC, format!("tunnels: MTU {most}, and the services lower the MSS of TCP (clamp_mss)"))
    } else {
        let found = format!(
            "tunnels: MTU {most}, and a client's packet of {CLIENT_MTU} bytes becomes {needed}: service {} answers \"fragmentation needed\"",
            unclamped.join(", ")
        );
        let advice = format!(
            "mtu = {needed} of the [[port]] to the reals, if all on the way take that; else clamp_mss = true of the service"
        );
        Finding::warn(TOPIC, found, advice)
    })
}
