//! Memory: hugepages for packets, how many, how large, on which NUMA node; and ordinary memory for the tables.

use super::{Finding, Host};
use config::Machine;

const TOPIC: &str = "hugepages";
const POOLS: &str = "/sys/kernel/mm/hugepages";

/// One size of page.
struct Pool {
    page_kib: u64,
    pages: u64,
    free: u64,
}

pub(super) fn examine(host: &Host, machine: &Machine) -> Vec<Finding> {
    let has = |argument: &str| machine.dataplane.eal.iter().any(|given| given == argument);
    if has("--no-huge") {
        let advice = "for more than a trial reserve hugepages and take --no-huge out of [dataplane] eal";
        let mut findings =
            vec![Finding::warn(TOPIC, "not used (--no-huge): slow, and no network card works so", advice)];
        findings.extend(ordinary(host, machine, machine.packet_mib()));
        return findings;
    }
    let pools: Vec<Pool> = host.names(POOLS).iter().filter_map(|name| pool(host, name)).collect();
    let mut findings = vec![amount(machine, &pools)];
    if !has("--in-memory") {
        findings.push(mount(host));
    }
    findings.extend(nodes(host, &pools));
    findings.extend(ordinary(host, machine, 0));
    findings
}

fn pool(host: &Host, name: &str) -> Option<Pool> {
    let page_kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    let number = |file: &str| host.number(&format!("{POOLS}/{name}/{file}"));
    Some(Pool { page_kib, pages: number("nr_hugepages")?, free: number("free_hugepages")? })
}

/// The tables, which the dataplane takes when it starts; `packets`: MiB that DPDK takes there too.
fn ordinary(host: &Host, machine: &Machine, packets: u64) -> Option<Finding> {
    const TOPIC: &str = "memory";
    let meminfo = host.text("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024;
    let need = machine.table_mib() + packets;
    let connections = machine.dataplane.connections;
    Some(if need > available {
        let found = format!("{available} MiB are available, {connections} connections and the rest take {need} MiB");
        let advice = "lower connections and templates in [dataplane], or end what else takes memory";
        if host.has(&machine.control.link.display().to_string()) {
            Finding::warn(
                TOPIC,
                found,
                format!("fine if a dataplane runs already and has its part of it; else {advice}"),
            )
        } else {
            Finding::fail(TOPIC, found, advice)
        }
    } else {
        Finding::ok(
            TOPIC,
            format!("{available} MiB are available; {connections} connections and the rest take {need} MiB"),
        )
    })
}

fn amount(machine: &Machine, pools: &[Pool]) -> Finding {
    // DPDK takes whole pages.
    let page = pools.iter().filter(|pool| pool.pages > 0).map(|pool| pool.page_kib / 1024).min().unwrap_or(2).max(1);
    let need = machine.packet_mib().next_multiple_of(page);
    let mib = |count: fn(&Pool) -> u64| pools.iter().map(|pool| count(pool) * pool.page_kib / 1024).sum::<u64>();
    let (all, free) = (mib(|pool| pool.pages), mib(|pool| pool.free));
    let listed: Vec<String> = pools
        .iter()
        .filter(|pool| pool.pages > 0)
        .map(|pool| format!("{} of {} MiB ({} free)", pool.pages, pool.page_kib / 1024, pool.free))
        .collect();
    let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
    let reserve = format!(
        "about {need} MiB are needed: boot with `default_hugepagesz=1G hugepagesz=1G hugepages={}`, or now `sysctl vm.nr_hugepages={}`",
        need.div_ceil(1024),
        need.div_ceil(2)
    );
    if all < need {
        let found = format!("{listed}: {all} MiB, too little for the packets");
        return Finding::fail(TOPIC, found, reserve);
    }
    if free < need {
        let found = format!("{listed}: {free} MiB are free");
        return Finding::warn(
            TOPIC,
            found,
            format!("fine if a dataplane runs already and has the rest; else {reserve}"),
        );
    }
    Finding::ok(TOPIC, format!("{listed}; about {need} MiB are needed for packets"))
}

fn mount(host: &Host) -> Finding {
    let mounts = host.text("/proc/mounts").unwrap_or_default();
    let mut places = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let place = words.next()?;
        (words.next() == Some("hugetlbfs")).then_some(place)
    });
    match places.next() {
        Some(place) => Finding::ok(TOPIC, format!("hugetlbfs is mounted on {place}")),
        None => {
            let advice = "`mount -t hugetlbfs none /dev/hugepages` (systemd: dev-hugepages.mount), or add \"--in-memory\" to [dataplane] eal";
            Finding::fail(TOPIC, "hugetlbfs is not mounted", advice)
        }
    }
}

/// With several NUMA nodes, memory has to be on those of the cards and workers.
fn nodes(host: &Host, pools: &[Pool]) -> Option<Finding> {
    const NODES: &str = "/sys/devices/system/node";
    let names = host.names(NODES);
    let nodes: Vec<&String> = names.iter().filter(|name| is_node(name)).collect();
    if nodes.len() < 2 || pools.iter().all(|pool| pool.pages == 0) {
        return None;
    }
    let pages = |node: &str| -> u64 {
        let folder = format!("{NODES}/{node}/hugepages");
        host.names(&folder).iter().filter_map(|size| host.number(&format!("{folder}/{size}/nr_hugepages"))).sum()
    };
    let empty: Vec<&str> = nodes.iter().map(|node| node.as_str()).filter(|node| pages(node) == 0).collect();
    Some(if empty.is_empty() {
        Finding::ok("numa", format!("{} nodes, each has hugepages", nodes.len()))
    } else {
        let advice = format!("needed where a card or a worker is: echo N > {NODES}/NODE/hugepages/SIZE/nr_hugepages");
        Finding::warn("numa", format!("no hugepages on {}", empty.join(", ")), advice)
    })
}

fn is_node(name: &str) -> bool {
    name.strip_prefix("node").is_some_and(|number| number.parse::<u16>().is_ok())
}
