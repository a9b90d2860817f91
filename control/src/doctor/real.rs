//! A real server: run there, with `--real METHOD --vip ADDRESS`.

use super::{Finding, Host, Verdict};
use link::model::ForwardMethod;
use std::net::Ipv4Addr;

const SYSCTL: &str = "/proc/sys/net/ipv4/conf";

pub(super) fn examine(host: &Host, method: ForwardMethod, vip: Ipv4Addr) -> Vec<Finding> {
    match method {
        ForwardMethod::Nat => vec![gateway(host)],
        ForwardMethod::Tunnel => [vec![address(host, vip), tunnel(host)], silence(host), filter(host)].concat(),
        ForwardMethod::Direct => [vec![address(host, vip)], silence(host)].concat(),
    }
}

/// NAT: answers must come back through the director.
fn gateway(host: &Host) -> Finding {
    let routes = host.text("/proc/net/route").unwrap_or_default();
    let default = routes.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let gateway = u32::from_str_radix(words.get(2)?, 16).ok()?;
        (*words.get(1)? == "00000000" && gateway != 0).then(|| Ipv4Addr::from(gateway.to_le_bytes()))
    });
    match default {
        Some(gateway) => {
            Finding::ok("route", format!("the default gateway is {gateway}; it has to be the director's address"))
        }
        None => Finding::fail(
            "route",
            "there is no default gateway",
            "`ip route replace default via DIRECTOR`: answers must pass it",
        ),
    }
}

/// Tunnel and direct: the packets keep the VIP, so it has to be here.
fn address(host: &Host, vip: Ipv4Addr) -> Finding {
    let trie = host.text("/proc/net/fib_trie").unwrap_or_default();
    let own: Vec<&str> = trie.lines().collect();
    let wanted = format!("|-- {vip}");
    let is_here = own.windows(2).any(|pair| pair[0].trim() == wanted && pair[1].contains("host LOCAL"));
    if is_here {
        Finding::ok("vip", format!("{vip} is an address of this machine"))
    } else {
        let advice = format!("`ip addr add {vip}/32 dev lo`: packets come with it as their destination");
        Finding::fail("vip", format!("{vip} is no address of this machine"), advice)
    }
}

fn tunnel(host: &Host) -> Finding {
    const TOPIC: &str = "tunnel";
    const UP: u32 = 1;
    let Some(flags) = host.text("/sys/class/net/tunl0/flags") else {
        let advice = "`modprobe ipip && ip link set tunl0 up`";
        return Finding::fail(TOPIC, "there is no tunl0: IP-in-IP packets are not taken", advice);
    };
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
    if flags & UP != 0 {
        Finding::ok(TOPIC, "tunl0 takes IP-in-IP packets")
    } else {
        Finding::fail(TOPIC, "tunl0 is down: what comes out of the tunnel is dropped", "`ip link set tunl0 up`")
    }
}

/// Only the director may answer ARP for the VIP, on each interface with ARP. Of an interface's value and that of `all` the
/// larger counts.
fn silence(host: &Host) -> Vec<Finding> {
    let of = |name: &str, key: &str| host.number(&format!("{SYSCTL}/{name}/{key}"));
    let has_no_arp = |name: &str| ["all", "default", "lo", "tunl0"].contains(&name);
    let interfaces: Vec<String> = host.names(SYSCTL).into_iter().filter(|name| !has_no_arp(name)).collect();
    let check = |key: &str, wanted: u64| {
        let all = of("all", key);
        let enough = |value: Option<u64>| value.is_some_and(|value| value >= wanted);
        let loud: Vec<&str> =
            interfaces.iter().map(String::as_str).filter(|name| !enough(all) && !enough(of(name, key))).collect();
        let found = match all {
            Some(value) => format!("net.ipv4.conf.all.{key} = {value}"),
            None => format!("net.ipv4.conf.all.{key} is not readable"),
        };
        if enough(all) {
            return Finding::ok("arp", found);
        }
        if loud.is_empty() && !interfaces.is_empty() {
            return Finding::ok("arp", format!("{found}, and enough on {}", interfaces.join(", ")));
        }
        let advice = format!(
            "`sysctl net.ipv4.conf.all.{key}={wanted}`, before the VIP is added: else this machine takes it from the director"
        );
        let loud = if loud.is_empty() { String::new() } else { format!(", nor is it enough on {}", loud.join(", ")) };
        Finding::fail("arp", format!("{found}{loud}"), advice)
    };
    vec![check("arp_ignore", 1), check("arp_announce", 2)]
}

/// What comes out of the tunnel comes from clients, whose route is another interface.
fn filter(host: &Host) -> Vec<Finding> {
    let of = |name: &str| host.number(&format!("{SYSCTL}/{name}/rp_filter")).unwrap_or(0);
    let strict = of("all").max(of("tunl0")) == 1;
    let finding = if strict {
        let advice = "`sysctl net.ipv4.conf.tunl0.rp_filter=2 net.ipv4.conf.all.rp_filter=0`";
        Finding::fail("filter", "rp_filter of tunl0 is strict: every packet out of the tunnel is dropped", advice)
    } else {
        Finding::ok("filter", "rp_filter of tunl0 lets packets of clients in")
    };
    debug_assert!(finding.verdict != Verdict::Warn, "the kernel's strict mode drops all of them");
    vec![finding]
}
