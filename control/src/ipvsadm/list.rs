//! The list of services.

use super::parse::{Columns, Listing, Target};
use super::{Names, Run, Stop};
use crate::protocol::{LvsPersistence, LvsServer, LvsService};
use link::model::{ForwardMethod, Protocol, SchedulerFlags, SchedulerKind, ServiceKey};
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddrV4;

/// The size that the reference shows of its table of connections: a constant, this director's grows otherwise.
const BANNER: &str = "IP Virtual Server version 1.2.1 (size=4096)";

/// Columns of an address; what is longer is cut.
const WIDTH: usize = 28;

pub(super) fn services(
    run: &mut Run<'_>,
    listing: &Listing,
    only: Option<Target>,
    columns: Columns,
) -> io::Result<Result<(), Stop>> {
    let mut services = match run.backend.services() {
        Ok(services) => services,
        Err(why) => return Ok(Err(Stop::unreachable(why))),
    };
    match only {
        None => writeln!(run.out, "{BANNER}")?,
        Some(target) => {
            services.retain(|service| Target::Known(service.key) == target);
            if services.is_empty() {
                return Ok(Err(Stop::end(1, "No such service")));
            }
        }
    }
    if !listing.unsorted {
        sort(&mut services);
    }
    let names = Names::new(listing.numeric, run.resolver);
    let page = Page { names, columns, exact: listing.exact };
    page.print(&services, run.out).map(Ok)
}

/// The order of the list: endpoints by protocol, address and port, then groups; reals by address and port.
pub(super) fn sort(services: &mut Vec<LvsService>) {
    merge_sort(services, &by_service);
    for service in services {
        merge_sort(&mut service.reals, &|a, b| by_address(a.real.address, b.real.address));
    }
}

fn by_service(a: &LvsService, b: &LvsService) -> Ordering {
    match (a.key, b.key) {
        (ServiceKey::Endpoint(a), ServiceKey::Endpoint(b)) => {
            a.protocol.cmp(&b.protocol).then_with(|| by_address(a.address, b.address))
        }
        (a, b) => wrapping(number(a), number(b)),
    }
}

/// A group's number; endpoints, which have none, come first.
fn number(key: ServiceKey) -> u32 {
    match key {
        ServiceKey::Endpoint(_) => 0,
        ServiceKey::Group(number) => number,
    }
}

fn by_address(a: SocketAddrV4, b: SocketAddrV4) -> Ordering {
    wrapping(a.ip().to_bits(), b.ip().to_bits()).then(a.port().cmp(&b.port()))
}

/// The sign of the 32-bit difference, as the reference compares: 202.0.0.1 comes before 10.0.0.1. Not an order over
/// numbers more than 2^31 apart: how three of those come out hangs on where they began.
fn wrapping(a: u32, b: u32) -> Ordering {
    (a.wrapping_sub(b).cast_signed()).cmp(&0)
}

/// A stable merge sort. The standard library's may panic where the comparison is no order.
fn merge_sort<T: Clone>(items: &mut Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    merge_sort(items, compare);
    merge_sort(&mut right, compare);
    let left = std::mem::take(items);
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let from_left = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => compare(a, b) != Ordering::Greater,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        items.extend(if from_left { left.next() } else { right.next() });
    }
}

struct Page<'a> {
    names: Names<'a>,
    columns: Columns,
    exact: bool,
}

impl Page<'_> {
    fn print(&self, services: &[LvsService], out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.heading().as_bytes())?;
        for service in services {
            writeln!(out, "{}", self.service(service))?;
            let protocol = service.key.protocol();
            for server in &service.reals {
                writeln!(out, "{}", self.server(server, protocol))?;
            }
        }
        Ok(())
    }

    const fn heading(&self) -> &'static str {
        match self.columns {
            Columns::Plain => {
                "Prot LocalAddress:Port Scheduler Flags\n  \
                 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
            }
            Columns::Tunnels => {
                "Prot LocalAddress:Port Scheduler Flags\n  \
                 -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
            }
            Columns::Stats => {
                "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  \
                 -> RemoteAddress:Port\n"
            }
            Columns::Rates => {
                "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  \
                 -> RemoteAddress:Port\n"
            }
            Columns::Thresholds => {
                "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  \
                 -> RemoteAddress:Port\n"
            }
            Columns::Persistent => {
                "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  \
                 -> RemoteAddress:Port\n"
            }
        }
    }

    fn service(&self, service: &LvsService) -> String {
        let mut line = match service.key {
            ServiceKey::Endpoint(endpoint) => {
                let protocol = match endpoint.protocol {
                    Protocol::Tcp => "TCP",
                    Protocol::Udp => "UDP",
                };
                let name = self.names.endpoint(endpoint.address, Some(endpoint.protocol));
                format!("{protocol:<4} {name:.WIDTH$}")
            }
            ServiceKey::Group(number) => format!("FWM  {}", number.cast_signed()),
        };
        if let Some(numbers) = self.numbers(service.traffic, service.rates) {
            let width = WIDTH + "TCP  ".len();
            return format!("{line:<width$}{numbers}");
        }
        let _ = write!(line, " {}", service.scheduler);
        let flags: Vec<_> = flag_names(service.scheduler, service.flags).collect();
        if !flags.is_empty() {
            let _ = write!(line, " ({})", flags.join(","));
        }
        if let Some(LvsPersistence { timeout, netmask }) = service.persistence {
            let _ = write!(line, " persistent {timeout}");
            if !netmask.is_broadcast() {
                let _ = write!(line, " mask {netmask}");
            }
        }
        if service.one_packet {
            line.push_str(" ops");
        }
        line
    }

    fn server(&self, server: &LvsServer, protocol: Option<Protocol>) -> String {
        let LvsServer { real, active, inactive, persistent, traffic, rates } = server;
        let name = self.names.endpoint(real.address, protocol);
        let name = format!("{name:<WIDTH$.WIDTH$}");
        if let Some(numbers) = self.numbers(*traffic, *rates) {
            return format!("  -> {name}{numbers}");
        }
        let (weight, connections) = (real.weight, format!("{active:<10} {inactive:<10}"));
        match self.columns {
            Columns::Thresholds => {
                format!("  -> {name} {:<10} {:<10} {connections}", real.upper_threshold, real.lower_threshold)
            }
            Columns::Persistent => format!("  -> {name} {weight:<9} {persistent:<11} {connections}"),
            Columns::Tunnels => {
                let tunnel = if real.method == ForwardMethod::Tunnel { "ipip" } else { "n/a" };
                format!("  -> {name} {:<7} {tunnel:<13} {weight:<6} {connections}", method(real.method))
            }
            _ => format!("  -> {name} {:<7} {weight:<6} {connections}", method(real.method)),
        }
    }

    /// The five numbers of a line, where the list has these columns.
    fn numbers(&self, traffic: crate::protocol::Traffic, rates: crate::protocol::Rates) -> Option<String> {
        let numbers = match self.columns {
            Columns::Stats => {
                [traffic.connections, traffic.in_packets, traffic.out_packets, traffic.in_bytes, traffic.out_bytes]
            }
            Columns::Rates => [rates.connections, rates.in_packets, rates.out_packets, rates.in_bytes, rates.out_bytes],
            _ => return None,
        };
        let mut text = String::new();
        for number in numbers {
            let (number, unit) = if self.exact { (number, "") } else { short(number) };
            let width = 9usize.saturating_sub(unit.len() + 1);
            let _ = write!(text, " {number:>width$}{unit}");
        }
        Some(text)
    }
}

/// A number that fits eight columns, and its unit.
const fn short(number: u64) -> (u64, &'static str) {
    match number {
        0..100_000_000 => (number, ""),
        100_000_000..1_000_000_000 => (number / 1000, "K"),
        1_000_000_000..100_000_000_000 => (number / 1_000_000, "M"),
        100_000_000_000..100_000_000_000_000 => (number / 1_000_000_000, "G"),
        _ => (number / 1_000_000_000_000, "T"),
    }
}

const fn method(method: ForwardMethod) -> &'static str {
    match method {
        ForwardMethod::Nat => "Masq",
        ForwardMethod::Tunnel => "Tunnel",
        ForwardMethod::Direct => "Route",
    }
}

/// The names of flags as they are printed: `sh` and `mh` have two.
pub(super) fn flag_names(scheduler: SchedulerKind, flags: u8) -> impl Iterator<Item = &'static str> {
    let shown = match scheduler {
        SchedulerKind::SourceHash | SchedulerKind::MaglevHash => {
            flags & (SchedulerFlags::FALLBACK | SchedulerFlags::PORT).0
        }
        _ => flags,
    };
    SchedulerFlags(shown).names(scheduler)
}

#[cfg(test)]
mod tests {
    use super::{Columns, Names, Page, merge_sort, wrapping};
    use crate::ipvsadm::NoNames;
    use crate::protocol::{Rates, Traffic};

    fn stats(connections: u64, exact: bool) -> String {
        let page = Page { names: Names::new(true, &NoNames), columns: Columns::Stats, exact };
        let traffic = Traffic { connections, in_bytes: 345_678_912, ..Traffic::default() };
        page.numbers(traffic, Rates::default()).expect("columns of numbers")
    }

    #[test]
    fn large_numbers_are_cut_to_eight_columns_unless_wanted_in_full() {
        for (number, want) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (99_999_999_999_999, "   99999G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, " 18446744T"),
        ] {
            let line = stats(number, false);
            assert!(line.starts_with(want), "{number}: {line:?}");
            assert!(line.ends_with("        0        0  345678K        0"), "{line:?}");
        }
        assert_eq!(stats(123_456_789, true), " 123456789        0        0 345678912        0");
    }

    #[test]
    fn the_sort_is_stable_and_survives_a_comparison_that_is_no_order() {
        let mut items = vec![(3u32, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e')];
        merge_sort(&mut items, &|a, b| wrapping(a.0, b.0));
        assert_eq!(items, [(1, 'b'), (1, 'e'), (2, 'd'), (3, 'a'), (3, 'c')]);
        let mut items: Vec<u32> = (0..1000).map(|number: u32| number.wrapping_mul(0x9e37_79b9)).collect();
        merge_sort(&mut items, &|a, b| wrapping(*a, *b));
        assert_eq!(items.len(), 1000);
        let mut items = vec![0x0a00_0001, 0xca67_6a05];
        merge_sort(&mut items, &|a, b| wrapping(*a, *b));
        assert_eq!(items, [0xca67_6a05, 0x0a00_0001]);
    }
}
