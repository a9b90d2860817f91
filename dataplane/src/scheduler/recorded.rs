//! Whole services over their life, pick for pick as recorded from Linux 6.1.192: recorded.txt says what was done and
//! whom each new connection got; its last services were drawn by lot. Slots, table, cursors, counts and thresholds are
//! those of the packet path.

use super::Newcomer;
use crate::connection::tcp::{Direction, Event, Rules, next_state};
use crate::connection::{Accounts, Endpoint};
use crate::service::{Cursors, ServiceTable, Slots, directory};
use crate::test_link::private_link;
use link::DataplaneLink;
use link::message::ConnectionState;
use link::model::{
    self, ForwardMethod, Protocol, RealServer, SchedulerFlags, Service, ServiceKey, ServiceOptions, Settings,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// A connection: protocol (0 = UDP, 1 = TCP), client, virtual address.
type Flow = (u8, u32, u16, u32);

/// One service, on the director's only worker.
struct Bench {
    wanted: model::ServiceTable,
    /// The port of the reals.
    port: u16,
    slots: Slots,
    link: DataplaneLink,
    table: ServiceTable,
    cursors: Cursors,
    accounts: Accounts,
    connections: BTreeMap<Flow, (u32, ConnectionState)>,
    now: u64,
}

impl Bench {
    /// `service SCHEDULER [FLAG,FLAG] [port N]`
    fn new(words: &[&str]) -> Self {
        let (words, port) = match words {
            [words @ .., "port", port] => (words, port.parse().expect("a port")),
            words => (words, 0),
        };
        let flags = words.get(1).map_or("", |flags| flags).split(',').filter_map(SchedulerFlags::by_name);
        let flags = flags.fold(SchedulerFlags::NONE, |all, flag| all | flag);
        let options = ServiceOptions { flags, ..ServiceOptions::new(words[0].parse().expect("a scheduler")) };
        let key = ServiceKey::new(Protocol::Udp, SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 80));
        let services = vec![Service { key, options, reals: Vec::new() }];
        let link = private_link(1, 1, 16);
        let accounts = Accounts::new(link.directory().reals.clone());
        let mut bench = Self {
            wanted: model::ServiceTable { services, ..model::ServiceTable::default() },
            port,
            slots: Slots::new(1, 16),
            link,
            table: ServiceTable::empty(),
            cursors: Cursors::new(0, 1),
            accounts,
            connections: BTreeMap::new(),
            now: 0,
        };
        bench.apply();
        bench
    }

    fn apply(&mut self) {
        let assignment = self.slots.assign(&self.wanted, self.now).expect("room");
        let generation = self.table.generation() + 1;
        let table = ServiceTable::build(generation, &self.wanted, &assignment, &self.slots, &self.table);
        directory::publish(&self.link.directory(), &self.slots, &assignment);
        self.cursors.carry_over(&self.table, &table);
        self.table = table;
    }

    /// `add REAL [weight N] [upper N] [lower N]`; `edit` the same.
    fn set(&mut self, words: &[&str]) {
        let address = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, words[0].parse().expect("a real")), self.port);
        let mut real = RealServer::new(address, ForwardMethod::Direct, 1);
        for pair in words[1..].chunks(2) {
            let number = pair[1].parse().expect("a number");
            match pair[0] {
                "weight" => real.weight = number,
                "upper" => real.upper_threshold = number,
                "lower" => real.lower_threshold = number,
                word => panic!("{word}"),
            }
        }
        let reals = &mut self.wanted.services[0].reals;
        match reals.iter_mut().find(|other| other.address == address) {
            Some(place) => *place = real,
            None => reals.push(real),
        }
    }

    fn delete(&mut self, real: &str) {
        let last: u8 = real.parse().expect("a real");
        self.wanted.services[0].reals.retain(|real| real.address.ip().octets()[3] != last);
    }

    /// A packet: for one without a connection, the real that it gets, `-` if none.
    fn packet(&mut self, flow: Flow, flags: u8) -> Option<String> {
        if let Some((slot, state)) = self.connections.get_mut(&flow) {
            // Packets of connections whose real was removed are dropped.
            if !self.table.real_at(*slot).is_some_and(|real| real.available) {
                return None;
            }
            let next = next_state(Rules::Plain, Direction::InboundOnly, *state, Event::from_flags(flags));
            self.accounts.moved(*slot, *state, next);
            *state = next;
            return None;
        }
        let (protocol, address, port, vip) = flow;
        if protocol == 1 && Event::from_flags(flags) != Event::Syn {
            return None;
        }
        let newcomer = Newcomer {
            source: Endpoint { address, port },
            destination: Endpoint { address: vip, port: 80 },
            now: self.now,
        };
        let entry = self.table.service(0).expect("the service");
        let Some(slot) = entry.pick(&mut self.cursors, &newcomer, &self.link.directory()) else {
            return Some("-".to_owned());
        };
        let state = if protocol == 0 { ConnectionState::Udp } else { ConnectionState::SynRecv };
        self.accounts.opened(slot, state);
        self.connections.insert(flow, (slot, state));
        Some(self.slots.real(slot).expect("a real").server.address.ip().octets()[3].to_string())
    }

    fn end_udp(&mut self) {
        for (_, (slot, state)) in self.connections.extract_if(.., |flow, _| flow.0 == 0) {
            self.accounts.closed(slot, state);
        }
    }

    /// Runs one line; gives what each new connection got.
    fn run(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["add" | "edit", of @ ..] => self.set(of),
            ["delete", real] => self.delete(real),
            ["end", "udp"] => self.end_udp(),
            ["expiration", seconds] => {
                let seconds = seconds.parse().expect("seconds");
                let expiration =
                    Settings { lblc_expiration: seconds, lblcr_expiration: seconds, ..Settings::default() };
                self.wanted.settings = expiration;
            }
            ["wait", seconds] => self.now += seconds.parse::<u64>().expect("seconds") * 1000,
            [packet, clients, to @ ..] => {
                let (protocol, flags) = match *packet {
                    "udp" => (0, 0),
                    "syn" => (1, 0x02),
                    "ack" => (1, 0x10),
                    "fin" => (1, 0x11),
                    "rst" => (1, 0x04),
                    word => panic!("{word}"),
                };
                let flows = flows(protocol, clients, to.last().unwrap_or(&"10.9.0.1"));
                return flows.into_iter().filter_map(|flow| self.packet(flow, flags)).collect();
            }
            _ => panic!("{line}"),
        }
        self.apply();
        Vec::new()
    }
}

/// `A.B.C.D-E:P-Q` to `A.B.C.D-E`, in that order.
fn flows(protocol: u8, clients: &str, to: &str) -> Vec<Flow> {
    let (addresses, ports) = clients.split_once(':').expect("a port");
    let mut flows = Vec::new();
    for client in hosts(addresses) {
        for port in range(ports) {
            flows.extend(hosts(to).into_iter().map(|to| (protocol, client, port as u16, to)));
        }
    }
    flows
}

fn hosts(text: &str) -> Vec<u32> {
    let (net, last) = text.rsplit_once('.').expect("an address");
    let net = u32::from(format!("{net}.0").parse::<Ipv4Addr>().expect("an address"));
    range(last).map(|last| net + last).collect()
}

fn range(text: &str) -> std::ops::RangeInclusive<u32> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    from.parse().expect("a number")..=to.parse().expect("a number")
}

#[test]
fn every_service_chooses_as_linux_did() {
    let mut bench = None;
    let (mut about, mut picks, mut services, mut wrong) = ("", 0, 0, Vec::new());
    for (number, line) in (1..).zip(include_str!("recorded.txt").lines()) {
        if let Some(comment) = line.strip_prefix('#') {
            about = comment;
        } else if let Some(words) = line.strip_prefix("service ") {
            bench = Some(Bench::new(&words.split_whitespace().collect::<Vec<_>>()));
            services += 1;
        } else if !line.is_empty() {
            let (line, want) = line.split_once(" =").unwrap_or((line, ""));
            let got = bench.as_mut().expect("a service").run(line);
            picks += got.len();
            if !got.iter().map(String::as_str).eq(want.split_whitespace()) {
                wrong.push(format!(
                    "recorded.txt:{number}:{about}\n  {line}\n  Linux {want}\n  here   {}",
                    got.join(" ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(services >= 70 && picks >= 3000, "{services} services, {picks} picks: is recorded.txt all there?");
}
