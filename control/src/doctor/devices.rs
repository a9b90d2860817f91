//! Network cards: whether they are there, whose driver they have, and the IOMMU.

use super::{Finding, Host};
use config::{Machine, Port};

/// Kernel drivers beside which DPDK works: the card stays theirs.
const SHARED_DRIVERS: [&str; 3] = ["mlx4_core", "mlx5_core", "mana"];

pub(super) fn examine(host: &Host, machine: &Machine) -> Vec<Finding> {
    let cards: Vec<(&Port, &str)> =
        machine.ports.iter().filter_map(|port| Some((port, pci_address(&port.device)?))).collect();
    if cards.is_empty() {
        return vec![Finding::ok("driver", "no port is a PCI device: nothing to bind, no IOMMU needed")];
    }
    let mut findings = Vec::new();
    let mut wants_vfio = false;
    for (port, address) in cards {
        let (finding, is_vfio) = driver(host, port, address);
        findings.push(finding);
        wants_vfio |= is_vfio;
        if is_vfio {
            findings.extend(group(host, port, address));
        }
        findings.extend(node(host, machine, port, address));
    }
    if wants_vfio && !host.has("/dev/vfio/vfio") {
        let advice = "`modprobe vfio-pci`, and \"vfio-pci\" in /etc/modules-load.d/; in a container pass /dev/vfio on";
        findings.push(Finding::fail("driver", "/dev/vfio/vfio is not there: vfio is not loaded", advice));
    }
    if wants_vfio {
        findings.push(iommu(host));
    }
    findings
}

/// The PCI address of a device string, without what follows it.
pub(super) fn pci_address(device: &str) -> Option<&str> {
    let address = device.split(',').next()?;
    let parts: Vec<&str> = address.split([':', '.']).collect();
    let is_hex = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (parts.len() == 4 && parts.iter().all(is_hex)).then_some(address)
}

/// The card's driver, and whether it has to do with vfio.
fn driver(host: &Host, port: &Port, address: &str) -> (Finding, bool) {
    const TOPIC: &str = "driver";
    let device = format!("/sys/bus/pci/devices/{address}");
    let name = &port.name;
    if !host.has(&device) {
        let advice = "`dpdk-devbind.py --status-dev net` lists the cards; put the address of one into [[port]] device";
        return (Finding::fail(TOPIC, format!("port {name}: no PCI device {address}"), advice), false);
    }
    let bind = format!("`modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {address}`");
    match host.link_name(&format!("{device}/driver")).as_deref() {
        Some("vfio-pci") => (Finding::ok(TOPIC, format!("port {name}: {address} is bound to vfio-pci")), true),
        Some(driver @ ("uio_pci_generic" | "igb_uio")) => {
            let found = format!("port {name}: {address} is bound to {driver}, which protects no memory from the card");
            (Finding::warn(TOPIC, found, format!("better with an IOMMU: {bind}")), false)
        }
        Some(driver) if SHARED_DRIVERS.contains(&driver) => {
            (Finding::ok(TOPIC, format!("port {name}: {address} has {driver}, beside which DPDK works")), false)
        }
        Some(driver) => {
            let interfaces = host.names(&format!("{device}/net")).join(", ");
            let found = format!("port {name}: {address} is the kernel's ({driver}, interface {interfaces})");
            let advice = format!("make sure that you do not reach this machine by it, then {bind}");
            (Finding::fail(TOPIC, found, advice), true)
        }
        None => (Finding::fail(TOPIC, format!("port {name}: {address} has no driver"), bind), true),
    }
}

/// Kernel drivers that may have a device of a group that vfio gives out: they keep no device from it.
const HARMLESS_DRIVERS: [&str; 3] = ["vfio-pci", "pci-stub", "pcieport"];

/// vfio gives out whole IOMMU groups: none of a card's group may be the kernel's.
fn group(host: &Host, port: &Port, address: &str) -> Option<Finding> {
    let device = format!("/sys/bus/pci/devices/{address}");
    let group = host.link_name(&format!("{device}/iommu_group"))?;
    let kept: Vec<String> = host
        .names(&format!("/sys/kernel/iommu_groups/{group}/devices"))
        .into_iter()
        .filter(|other| other != address)
        .filter_map(|other| {
            let driver = host.link_name(&format!("/sys/bus/pci/devices/{other}/driver"))?;
            (!HARMLESS_DRIVERS.contains(&driver.as_str())).then(|| format!("{other} ({driver})"))
        })
        .collect();
    let name = &port.name;
    (!kept.is_empty()).then(|| {
        let found = format!("port {name}: {address} shares IOMMU group {group} with {}", kept.join(", "));
        let advice =
            "a group is given out whole: bind these to vfio-pci too, or move the card to a slot of another group";
        Finding::fail("iommu", found, advice)
    })
}

fn iommu(host: &Host) -> Finding {
    const TOPIC: &str = "iommu";
    let units = host.names("/sys/class/iommu");
    if !units.is_empty() {
        return Finding::ok(TOPIC, format!("on ({})", units.join(", ")));
    }
    let without = host.text("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    if without.is_some_and(|mode| mode == "Y" || mode == "1") {
        let found = "off; vfio works without it (no-IOMMU mode): a card can write to any memory";
        return Finding::warn(
            TOPIC,
            found,
            "boot with `intel_iommu=on iommu=pt` (AMD: `iommu=pt`) if the machine has one",
        );
    }
    let advice = "boot with `intel_iommu=on iommu=pt` (AMD: `iommu=pt`) and switch VT-d or AMD-Vi on in the firmware; in a virtual machine without one: `echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode`";
    Finding::fail(TOPIC, "off: vfio-pci takes no card", advice)
}

/// A card on another NUMA node than a worker costs each packet a way between processors.
fn node(host: &Host, machine: &Machine, port: &Port, address: &str) -> Option<Finding> {
    let node = host.number(&format!("/sys/bus/pci/devices/{address}/numa_node"))?;
    let far: Vec<String> = machine
        .dataplane
        .workers
        .iter()
        .filter(|cpu| !host.has(&format!("/sys/devices/system/cpu/cpu{cpu}/node{node}")))
        .map(u16::to_string)
        .collect();
    let name = &port.name;
    Some(if far.is_empty() {
        Finding::ok("numa", format!("port {name} and all workers are on node {node}"))
    } else {
        let cpus = host.text(&format!("/sys/devices/system/node/node{node}/cpulist")).unwrap_or_default();
        let found = format!("port {name} is on node {node}, workers on other nodes: {}", far.join(", "));
        Finding::warn("numa", found, format!("take [dataplane] workers of node {node}: {cpus}"))
    })
}
