//! A service in the making: its commands, its packets.

use super::{Chance, FLAGS, GROUP, client};
use std::fmt::Write;

const SCHEDULERS: [&str; 19] = [
    "rr",
    "wrr",
    "lc",
    "wlc",
    "sed",
    "nq",
    "lblc",
    "lblcr",
    "dh",
    "sh",
    "sh -b sh-port",
    "sh -b sh-fallback",
    "sh -b sh-fallback,sh-port",
    "mh",
    "mh -b mh-port",
    "mh -b mh-fallback",
    "mh -b mh-fallback,mh-port",
    "fo",
    "ovf",
];
const PERSISTENCE: [&str; 5] = ["", "", "", " -p 300", " -p 300 -M 255.255.255.0"];
const THRESHOLDS: [&str; 6] = ["", "", "", " -x 3", " -x 4 -y 2", " -x 2 -y 1"];
const WEIGHTS: [&str; 7] = ["0", "1", "1", "2", "3", "5", "100"];
const METHODS: [&str; 3] = ["-m", "-i", "-g"];
/// An error's type and code, and what it carries besides.
const ERRORS: [&str; 6] = ["3/0", "3/1", "3/3", "11/0", "11/1", "12/0"];
/// The port of reals that have one of their own.
const OWN_PORT: u16 = 8080;

pub(super) struct Service {
    /// `-t 10.9.0.1:80`
    key: String,
    /// What its packets are sent to: protocol, endpoint.
    packets: Vec<(&'static str, String)>,
    /// Whether its reals by NAT have the packet's port, whatever it is.
    any_port: bool,
    /// An edit that changes nothing is none here, but sends wrr's round back to its start in the reference.
    is_wrr: bool,
    /// Those that it has.
    reals: Vec<Real>,
    /// How many it has ever had: none comes back, but at once.
    used: usize,
}

#[derive(Clone, Copy, PartialEq)]
struct Real {
    /// The last byte of its address.
    host: usize,
    method: &'static str,
    weight: &'static str,
    thresholds: &'static str,
    own_port: bool,
}

impl Real {
    /// As `-r` has it.
    fn endpoint(&self) -> String {
        format!("10.0.2.{}{}", self.host, if self.own_port { format!(":{OWN_PORT}") } else { String::new() })
    }
}

impl Service {
    pub(super) fn tcp(port: u16, chance: &mut Chance, text: &mut String) -> Self {
        let address = format!("10.9.0.1:{port}");
        Self::new(format!("-t {address}"), vec![("tcp", address)], chance.one(&PERSISTENCE), chance, text)
    }

    pub(super) fn udp(port: u16, chance: &mut Chance, text: &mut String) -> Self {
        let address = format!("10.9.0.1:{port}");
        let more = if chance.once_in(3) { " -o" } else { chance.one(&PERSISTENCE) };
        Self::new(format!("-u {address}"), vec![("udp", address)], more, chance, text)
    }

    pub(super) fn group(chance: &mut Chance, text: &mut String) -> Self {
        let packets = GROUP.1.iter().filter_map(|packets| packets.split_once(' '));
        let packets = packets.map(|(protocol, endpoint)| (protocol, endpoint.to_owned())).collect();
        Self::new(format!("-f {}", GROUP.0), packets, chance.one(&PERSISTENCE), chance, text)
    }

    pub(super) fn all_ports(chance: &mut Chance, text: &mut String) -> Self {
        let packets = [80, 443, 2000].map(|port| ("tcp", format!("10.9.0.2:{port}"))).into();
        Self::new("-t 10.9.0.2:0".to_owned(), packets, " -p 300", chance, text)
    }

    fn new(
        key: String,
        packets: Vec<(&'static str, String)>,
        more: &str,
        chance: &mut Chance,
        text: &mut String,
    ) -> Self {
        let scheduler = chance.one(&SCHEDULERS);
        let _ = writeln!(text, "ipvsadm -A {key} -s {scheduler}{more}");
        let (any_port, is_wrr) = (packets.len() > 1, scheduler == "wrr");
        let mut service = Self { key, packets, any_port, is_wrr, reals: Vec::new(), used: 0 };
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
        let own_port = method == "-m" && (!self.any_port || (self.key.starts_with("-f") && chance.once_in(2)));
        let real = Real { host, method, weight, thresholds, own_port };
        self.reals.push(real);
        self.command('a', &real, text);
    }

    fn command(&self, command: char, real: &Real, text: &mut String) {
        let Real { method, weight, thresholds, .. } = real;
        let (key, endpoint) = (&self.key, real.endpoint());
        let _ = writeln!(text, "ipvsadm -{command} {key} -r {endpoint} {method} -w {weight}{thresholds}");
    }

    /// Another weight or other thresholds, perhaps the same again, a new real, or one less; a real that goes may come
    /// back at once, with its connections.
    pub(super) fn change(&mut self, chance: &mut Chance, text: &mut String) {
        let Some(last) = self.reals.len().checked_sub(1) else { return self.add(chance, text) };
        let at = chance.below(last + 1);
        let real = self.reals[at];
        match chance.below(6) {
            0 => self.add(chance, text),
            1 => {
                let _ = writeln!(text, "ipvsadm -d {} -r {}", self.key, real.endpoint());
                if chance.once_in(2) {
                    self.command('a', &real, text);
                } else {
                    self.reals.remove(at);
                }
            }
            what => {
                let edited = if what == 2 {
                    Real { thresholds: chance.one(&THRESHOLDS), ..real }
                } else {
                    Real { weight: chance.one(&WEIGHTS), ..real }
                };
                if edited != real || !self.is_wrr {
                    self.reals[at] = edited;
                    self.command('e', &edited, text);
                }
            }
        }
    }

    /// Of its packets one, with the port that a real of the service has for it; the real may be none.
    fn ends(&self, chance: &mut Chance) -> (&'static str, &str, String) {
        let (protocol, endpoint) = &self.packets[chance.below(self.packets.len())];
        let host = 2 + chance.below(self.used.max(1));
        let real = self.reals.iter().find(|real| real.host == host);
        let own = real.map_or(!self.any_port, |real| real.own_port || !self.any_port);
        let port = endpoint.split_once(':').map_or("", |(_, port)| port);
        let real = if own { format!("10.0.2.{host}:{OWN_PORT}") } else { format!("10.0.2.{host}:{port}") };
        (protocol, endpoint, real)
    }

    pub(super) fn packet(&self, chance: &mut Chance, text: &mut String) {
        let client = client(chance);
        let (protocol, endpoint, real) = self.ends(chance);
        let attributes = match protocol {
            "tcp" => chance.one(&FLAGS).to_owned(),
            _ => format!("len={}{}", chance.below(30), chance.one(&["", "", " nosum", " badsum"])),
        };
        let attributes = attributes + chance.one(&["", "", "", " tos=0x10", " id=77", " df", " ttl=3"]);
        let _ = match chance.below(5) {
            0 | 1 => writeln!(text, "lan {protocol} {real} > {client} {attributes}"),
            _ => writeln!(text, "wan {protocol} {client} > {endpoint} {attributes}"),
        };
    }

    /// An error about a packet of either direction, of the other end or of a router.
    pub(super) fn error(&self, chance: &mut Chance, text: &mut String) {
        let client = client(chance);
        let (protocol, endpoint, real) = self.ends(chance);
        let kind = chance.one(&ERRORS);
        let more = if protocol == "tcp" { chance.one(&["syn", "ack", "rst"]) } else { "len=12" };
        let cut = chance.one(&["", " cut=28"]);
        let address = |endpoint: &str| endpoint.split(':').next().unwrap_or_default().to_owned();
        let _ = if chance.once_in(2) {
            let from = if chance.once_in(2) { address(&client) } else { "10.55.0.1".to_owned() };
            let vip = address(endpoint);
            writeln!(text, "wan icmp {kind} {from} > {vip} [{protocol} {endpoint} > {client} {more} ttl=50{cut}]")
        } else {
            let from = if chance.once_in(2) { address(&real) } else { "10.0.2.254".to_owned() };
            let to = address(&client);
            writeln!(text, "lan icmp {kind} {from} > {to} [{protocol} {client} > {real} {more} ttl=60{cut}]")
        };
    }

    /// A packet in three fragments, in any order, one of them perhaps twice. What marks the packets of a group at the
    /// reference finds no ports in fragments.
    pub(super) fn fragments(&self, chance: &mut Chance, text: &mut String) {
        if self.key.starts_with("-f") {
            return self.packet(chance, text);
        }
        let client = client(chance);
        let (protocol, endpoint, real) = self.ends(chance);
        let more = if protocol == "tcp" { chance.one(&["syn", "ack"]) } else { "" };
        let size = 800 + 8 * chance.below(10);
        let way = match chance.below(3) {
            0 => format!("lan {protocol} {real} > {client}"),
            _ => format!("wan {protocol} {client} > {endpoint}"),
        };
        let id = 1000 + text.lines().count();
        let mut all = vec![0, 1, 2];
        let mut pieces: Vec<_> = (1..=all.len()).rev().map(|left| all.swap_remove(chance.below(left))).collect();
        // The last one is new: what follows a complete packet begins another.
        if chance.once_in(4) {
            pieces.insert(1 + chance.below(2), pieces[0]);
        }
        for piece in pieces {
            let _ = writeln!(text, "{way} {more} len=2000 id={id} piece={piece}/{size}");
        }
    }
}
