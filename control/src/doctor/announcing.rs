//! Who announces the VIPs: sluiced, a routing daemon, keepalived. `[control] vips` has to fit what runs.

use super::{Finding, Host};
use config::{Machine, Vips};

const TOPIC: &str = "vips";
/// BIRD, and FRR's BGP.
const ROUTING_DAEMONS: [&str; 2] = ["bird", "bgpd"];
const VRRP: &str = "keepalived";

pub(super) fn examine(host: &Host, machine: &Machine) -> Vec<Finding> {
    let programs = host.programs();
    let vips = machine.control.vips;
    let is_announced = machine.ports.iter().any(|port| port.kernel_interface.is_some());
    let router = ROUTING_DAEMONS.into_iter().find(|name| programs.contains(*name));
    let mut findings = Vec::new();
    if (router.is_some() || programs.contains(VRRP)) && !is_announced {
        let found =
            "a routing daemon or keepalived runs, and no port has a kernel interface: it reaches nobody by them";
        findings.push(Finding::warn(TOPIC, found, "give a [[port]] a kernel_interface"));
        return findings;
    }
    if programs.contains(VRRP) {
        findings.push(match vips {
            Vips::Never => Finding::ok(TOPIC, "keepalived runs; sluiced leaves the VIPs to it (vips = \"never\")"),
            Vips::Always | Vips::Served => Finding::warn(
                TOPIC,
                format!("keepalived runs, and vips = \"{vips}\": sluiced puts the VIPs on the kernel interface too"),
                "if keepalived has the VIPs of this director: vips = \"never\" in [control], else both of a pair answer for them",
            ),
        });
    }
    if let Some(router) = router {
        findings.push(match vips {
            Vips::Always => Finding::warn(
                TOPIC,
                format!("{router} runs, and vips = \"always\": a VIP is announced even while nobody serves it"),
                "vips = \"served\" in [control] has it withdrawn then",
            ),
            Vips::Served | Vips::Never => Finding::ok(TOPIC, format!("{router} runs, and vips = \"{vips}\"")),
        });
    }
    findings
}
