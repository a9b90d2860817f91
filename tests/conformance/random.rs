//! Scenarios by chance: from a seed, always the same ones.
//!
//! They keep clear of what is known to differ and of what no two directors can agree on: no dump and no packet comes
//! near the end of a timeout, since timers of the reference are up to an eighth late.

mod service;

use crate::scenario::{self, Scenario};
use config::Machine;
use service::Service;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Events of one scenario, about.
const EVENTS: usize = 90;
/// Pauses of 4 s, a dump among them, between two that let every connection expire: none lasts 60 s then.
const SHORT_PAUSES: u32 = 7;
/// What a scenario may have set from its beginning on.
const SETTINGS: [&str; 8] = [
    "conn_reuse_mode=0",
    "conn_reuse_mode=2",
    "expire_nodest_conn=1",
    "expire_quiescent_template=1",
    "sloppy_tcp=1",
    "secure_tcp=3",
    "nat_icmp_send=1",
    SCHEDULED_ERRORS,
];
const SCHEDULED_ERRORS: &str = "schedule_icmp=1";
/// The group of those that have one: its number, its packets.
const GROUP: (&str, [&str; 3]) = ("7", ["tcp 10.9.0.1:90", "tcp 10.9.0.2:443", "udp 10.9.0.2:54"]);
const FLAGS: [&str; 12] =
    ["syn", "syn", "syn", "syn ack", "ack", "ack", "fin ack", "fin", "rst", "rst ack", "psh", "ack psh \"some data\""];

/// Numbers by chance (splitmix64).
struct Chance(u64);

impl Chance {
    /// Less than `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Scenarios with at least so many events together.
pub(crate) fn scenarios(seed: u64, events: usize, machine: &Machine) -> Result<Vec<Scenario>, String> {
    let mut made = Vec::new();
    let mut count = 0;
    while count < events {
        let name = format!("random_{seed}_{}", made.len());
        let text = text(&mut Chance(seed.wrapping_mul(1_000_003).wrapping_add(made.len() as u64)));
        let events = scenario::events(&text, machine).map_err(|error| format!("{name}: {error}"))?;
        count += events.len();
        let vips = vec![Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];
        let marks = BTreeMap::from([(GROUP.0.to_owned(), GROUP.1.map(str::to_owned).into())]);
        made.push(Scenario { name, vips, marks, lan_mtu: None, events });
    }
    Ok(made)
}

/// The events of one.
fn text(chance: &mut Chance) -> String {
    let setting = if chance.once_in(3) { chance.one(&SETTINGS) } else { "" };
    let mut text = if setting.is_empty() { String::new() } else { format!("set {setting}\n") };
    // A service is always there: the reference forgets what it does when the last one goes.
    text += "ipvsadm -A -u 10.9.0.1:9 -s rr\n";
    let mut services = vec![Service::tcp(80, chance, &mut text)];
    if chance.once_in(2) {
        services.push(Service::tcp(81, chance, &mut text));
    }
    if chance.once_in(2) {
        services.push(Service::udp(53, chance, &mut text));
    }
    // What marks the packets of a group at the reference does not look into errors.
    if chance.once_in(3) && setting != SCHEDULED_ERRORS {
        services.push(Service::group(chance, &mut text));
    }
    if chance.once_in(5) {
        services.push(Service::all_ports(chance, &mut text));
    }
    let mut pauses = 0;
    while text.lines().count() < EVENTS {
        let service = chance.below(services.len());
        match chance.below(60) {
            0..=2 => services[service].change(chance, &mut text),
            3 | 4 if pauses < SHORT_PAUSES => {
                text += chance.one(&["sleep 4\n", "dump\n"]);
                pauses += 1;
            }
            5 if chance.once_in(4) => {
                text += "sleep 2000\n";
                pauses = 0;
            }
            6 => {
                let from = client(chance);
                let _ = writeln!(text, "wan tcp {from} > 10.9.0.1:82 {}", chance.one(&FLAGS));
            }
            7..=9 => services[service].error(chance, &mut text),
            10 | 11 => services[service].fragments(chance, &mut text),
            _ => services[service].packet(chance, &mut text),
        }
    }
    text + "dump\n"
}

/// One of a dozen endpoints, so that they come again.
fn client(chance: &mut Chance) -> String {
    format!("192.168.1.{}:{}", 1 + chance.below(3), 1000 + chance.below(4))
}
