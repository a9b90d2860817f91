//! Processor and cores: what DPDK needs, and what disturbs a worker.

use super::host::parse_list;
use super::{Finding, Host};
use config::{Idle, Machine};
use std::collections::BTreeSet;

const CPUS: &str = "/sys/devices/system/cpu";

/// What is so whatever the configuration says: instructions, clock.
pub(super) fn processor(host: &Host) -> Vec<Finding> {
    let text = host.text("/proc/cpuinfo").unwrap_or_default();
    let flags: BTreeSet<&str> = text
        .lines()
        .find_map(|line| line.strip_prefix("flags")?.split_once(':'))
        .map(|(_, flags)| flags.split_whitespace().collect())
        .unwrap_or_default();
    let mut findings = Vec::new();
    if !flags.is_empty() {
        findings.push(if flags.contains("sse4_2") {
            Finding::ok("cpu", if flags.contains("avx2") { "SSE 4.2, AVX2" } else { "SSE 4.2" })
        } else {
            Finding::fail(
                "cpu",
                "no SSE 4.2: DPDK does not start",
                "in a virtual machine pass the host's processor on (cpu host)",
            )
        });
    }
    findings.push(clock(host, &flags));
    findings
}

/// Timeouts and rates are told by the TSC.
fn clock(host: &Host, flags: &BTreeSet<&str>) -> Finding {
    let source = host.text("/sys/devices/system/clocksource/clocksource0/current_clocksource").unwrap_or_default();
    let is_steady = flags.contains("constant_tsc") && flags.contains("nonstop_tsc");
    match (source.as_str(), is_steady) {
        ("tsc", _) => Finding::ok("clock", "the kernel's clock source is the TSC"),
        // Virtual machines with a steady TSC have clocks of their own over it.
        (other, true) => Finding::ok("clock", format!("clock source {other}; the TSC is constant and does not stop")),
        (other, false) => {
            let advice = "timeouts may be off, as the dataplane counts TSC cycles: boot with `tsc=reliable` where the processor's is";
            Finding::warn("clock", format!("clock source {other}; the TSC is not known to be steady"), advice)
        }
    }
}

/// The cores of main lcore and workers.
pub(super) fn examine(host: &Host, machine: &Machine) -> Vec<Finding> {
    const TOPIC: &str = "cores";
    let dataplane = &machine.dataplane;
    if dataplane.eal.iter().any(|argument| argument.starts_with("--lcores")) {
        let found = "--lcores in [dataplane] eal says which CPUs the workers have: not looked at";
        return vec![Finding::ok(TOPIC, found)];
    }
    let online: BTreeSet<u64> = host.list(&format!("{CPUS}/online")).unwrap_or_default().into_iter().collect();
    let workers: BTreeSet<u64> = dataplane.workers.iter().copied().map(u64::from).collect();
    let mut findings = Vec::new();
    let missing: Vec<u64> =
        workers.iter().copied().chain([dataplane.main_lcore.into()]).filter(|cpu| !online.contains(cpu)).collect();
    if !online.is_empty() && !missing.is_empty() {
        let found = format!("CPU {} of sluice.toml: not online; online are {}", join(&missing), ranges(host, "online"));
        findings.push(Finding::fail(TOPIC, found, "change [dataplane] main_lcore and workers"));
        return findings;
    }
    findings.push(isolation(host, machine, &workers));
    findings.extend(siblings(host, &workers));
    findings.extend(governor(host, &workers));
    findings
}

fn isolation(host: &Host, machine: &Machine, workers: &BTreeSet<u64>) -> Finding {
    let set = |file: &str| parse_list(&host.text(&format!("{CPUS}/{file}")).unwrap_or_default());
    let (isolated, tickless) = (set("isolated"), set("nohz_full"));
    let lacking = |set: &[u64]| workers.iter().copied().filter(|cpu| !set.contains(cpu)).collect::<Vec<_>>();
    let (shared, ticking) = (lacking(&isolated), lacking(&tickless));
    let list = join(&workers.iter().copied().collect::<Vec<_>>());
    let advice = format!("boot with `isolcpus={list} nohz_full={list} rcu_nocbs={list}`");
    match (shared.as_slice(), ticking.as_slice()) {
        ([], []) => Finding::ok("isolation", format!("workers on CPU {list}: isolated, without timer tick")),
        ([], ticking) => {
            Finding::warn("isolation", format!("CPU {}: isolated, but with the timer's tick", join(ticking)), advice)
        }
        _ if machine.dataplane.idle == Idle::Sleep => {
            Finding::ok("isolation", format!("CPU {}: not isolated, and workers sleep when idle", join(&shared)))
        }
        (shared, _) => {
            let found = format!("CPU {}: other programs may run there, and packets wait meanwhile", join(shared));
            Finding::warn("isolation", found, advice)
        }
    }
}

/// Two workers on one core's two hardware threads.
fn siblings(host: &Host, workers: &BTreeSet<u64>) -> Option<Finding> {
    let cores: BTreeSet<Vec<u64>> = workers
        .iter()
        .filter_map(|cpu| host.list(&format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list")))
        .filter(|threads| threads.iter().filter(|cpu| workers.contains(cpu)).count() > 1)
        .collect();
    let pairs: Vec<String> = cores.iter().map(|threads| join(threads)).collect();
    (!pairs.is_empty()).then(|| {
        let found = format!("workers share a core: CPUs {}", pairs.join("; "));
        Finding::warn(
            "cores",
            found,
            "each gets half of it; give each worker a core of its own, or switch hyper-threading off",
        )
    })
}

fn governor(host: &Host, workers: &BTreeSet<u64>) -> Option<Finding> {
    let of = |cpu: &u64| host.text(&format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor")).map(|name| (*cpu, name));
    let slow: Vec<String> = workers
        .iter()
        .filter_map(of)
        .filter(|(_, name)| name != "performance")
        .map(|(cpu, name)| format!("{cpu} {name}"))
        .collect();
    (!slow.is_empty()).then(|| {
        let advice = "`cpupower frequency-set -g performance`";
        Finding::warn("frequency", format!("governor of CPU {}: the clock follows the load", slow.join(", ")), advice)
    })
}

fn ranges(host: &Host, file: &str) -> String {
    host.text(&format!("{CPUS}/{file}")).unwrap_or_default()
}

fn join(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}
