//! Scenarios by chance: from a seed, always the same ones.
//!
//! They keep clear of what is known to differ and of what no two directors can agree on: no dump and no packet comes
//! near the end of a timeout, since timers of the reference are up to an eighth late.

use crate::scenario::{self, Scenario};
use config::Machine;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Events of one scenario, about.
const EVENTS: usize = 90;
/// Pauses of 4 s, a dump among them, between two that let every connection expire: none lasts 60 s then.
const SHORT_PAUSES: u32 = 7;
const SCHEDULERS: [&str; 11] = ["rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "fo", "ovf"];
const PERSISTENCE: [&str; 5] = ["", "", "", " -p 300", " -p 300 -M 255.255.255.0"];
const THRESHOLDS: [&str; 5] = ["", "", "", " -x 3", " -x 4 -y 2"];
const WEIGHTS: [&str; 7] = ["0", "1", "1", "2", "3", "5", "100"];
const METHODS: [&str; 3] = ["-m", "-i", "-g"];
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
}

/// A service in the making.
struct Service {
    /// `-t 10.9.0.1:80`
    key: String,
    protocol: &'static str,
    port: u16,
    /// Those that it has.
    reals: Vec<Real>,
    /// How many it has ever had: none comes back.
    used: usize,
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
        let vips = vec![Ipv4Addr::new(10, 9, 0, 1)];
        made.push(Scenario { name, vips, marks: Default::default(), lan_mtu: None, events });
    }
    Ok(made)
}

/// The events of one.
fn text(chance: &mut Chance) -> String {
    // A service is always there: the reference forgets what it does when the last one goes.
    let mut text = String::from("ipvsadm -A -u 10.9.0.1:9 -s rr\n");
    let mut services = Vec::new();
    for (option, protocol, port) in [("-t", "tcp", 80), ("-t", "tcp", 81), ("-u", "udp", 53)] {
        if port == 80 || chance.below(2) == 0 {
            services.push(Service::new(option, protocol, port, chance, &mut text));
        }
    }
    let mut pauses = 0;
    while text.lines().count() < EVENTS {
        match chance.below(60) {
            0..=2 => {
                let service = chance.below(services.len());
                services[service].change(chance, &mut text);
            }
            3 | 4 if pauses < SHORT_PAUSES => {
                text += chance.one(&["sleep 4\n", "dump\n"]);
                pauses += 1;
            }
            5 if chance.below(4) == 0 => {
                text += "sleep 2000\n";
                pauses = 0;
            }
            6 => {
                let from = client(chance);
                let _ = writeln!(text, "wan tcp {from} > 10.9.0.1:82 {}", chance.one(&FLAGS));
            }
            _ => {
                let service = chance.below(services.len());
                services[service].packet(chance, &mut text);
            }
        }
    }
    text + "dump\n"
}

/// One of a dozen endpoints, so that they come again.
fn client(chance: &mut Chance) -> String {
    format!("192.168.1.{}:{}", 1 + chance.below(3), 1000 + chance.below(4))
}

#[derive(Clone, Copy)]
struct Real {
    /// The last byte of its address.
    host: usize,
    method: &'static str,
    weight: &'static str,
    thresholds: &'static str,
}

impl Real {
    /// As `-r` has it.
    fn endpoint(&self) -> String {
        format!("10.0.2.{}{}", self.host, if self.method == "-m" { ":8080" } else { "" })
    }
}

impl Service {
    fn new(option: &str, protocol: &'static str, port: u16, chance: &mut Chance, text: &mut String) -> Self {
        let key = format!("{option} 10.9.0.1:{port}");
        let more = match protocol {
            "udp" if chance.below(3) == 0 => " -o",
            _ => chance.one(&PERSISTENCE),
        };
        let _ = writeln!(text, "ipvsadm -A {key} -s {}{more}", chance.one(&SCHEDULERS));
        let mut service = Self { key, protocol, port, reals: Vec::new(), used: 0 };
        for _ in 0..1 + chance.below(4) {
            service.add(chance, text);
        }
        service
    }

    fn add(&mut self, chance: &mut Chance, text: &mut String) {
        let host = 2 + self.used;
        // Those with neighbours.
        if host > 9 {
            return;
        }
        self.used += 1;
        let [method, weight, thresholds] = [&METHODS[..], &WEIGHTS, &THRESHOLDS].map(|of| chance.one(of));
        let real = Real { host, method, weight, thresholds };
        self.reals.push(real);
        self.command('a', &real, text);
    }

    fn command(&self, command: char, real: &Real, text: &mut String) {
        let Real { method, weight, thresholds, .. } = real;
        let (key, endpoint) = (&self.key, real.endpoint());
        let _ = writeln!(text, "ipvsadm -{command} {key} -r {endpoint} {method} -w {weight}{thresholds}");
    }

    /// Another weight, a new real, or one less; a real that goes may come back at once, with its connections.
    fn change(&mut self, chance: &mut Chance, text: &mut String) {
        let Some(last) = self.reals.len().checked_sub(1) else { return self.add(chance, text) };
        let at = chance.below(last + 1);
        let real = self.reals[at];
        match chance.below(5) {
            0 => self.add(chance, text),
            1 => {
                let _ = writeln!(text, "ipvsadm -d {} -r {}", self.key, real.endpoint());
                if chance.below(2) == 0 {
                    self.command('a', &real, text);
                } else {
                    self.reals.remove(at);
                }
            }
            _ => {
                let weight = chance.one(&WEIGHTS);
                // An edit that changes nothing is none here, but moves a cursor of the reference.
                if weight != real.weight {
                    self.reals[at].weight = weight;
                    self.command('e', &self.reals[at], text);
                }
            }
        }
    }

    fn packet(&self, chance: &mut Chance, text: &mut String) {
        let Self { protocol, port, .. } = self;
        let client = client(chance);
        let attributes = match *protocol {
            "tcp" => chance.one(&FLAGS).to_owned(),
            _ => format!("len={}{}", chance.below(30), chance.one(&["", "", " nosum", " badsum"])),
        };
        let attributes = attributes + chance.one(&["", "", "", " tos=0x10", " id=77", " df", " ttl=3"]);
        let real = 2 + chance.below(self.used.max(1));
        let _ = match chance.below(5) {
            0 | 1 => writeln!(text, "lan {protocol} 10.0.2.{real}:8080 > {client} {attributes}"),
            _ => writeln!(text, "wan {protocol} {client} > 10.9.0.1:{port} {attributes}"),
        };
    }
}
