//! The table: who asked, who answered, and how the connections were shared.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lab::{Answer, DIRECT_VIP, Lab, NAT_VIP, Result, TUNNEL_VIP};

use super::check;

/// Connections for each service.
const REQUESTS: usize = 60;
/// How far a share may be from what the weights say, in hundredths of all connections.
const TOLERANCE: f64 = 5.0;

/// How a service is asked.
enum Client {
    Curl,
    Echo,
    Greeting,
}

/// A service of [`lab::PAPER_SERVICES`] and what its weights promise.
struct Expected {
    method: &'static str,
    name: &'static str,
    address: SocketAddrV4,
    client: Client,
    weights: &'static [(&'static str, u32)],
}

const fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

#[rustfmt::skip]
const SERVICES: [Expected; 5] = [
    Expected { method: "nat", name: "web", address: at(NAT_VIP, 80), client: Client::Curl,
               weights: &[("real1", 1), ("real2", 2)] },
    Expected { method: "nat", name: "ftp", address: at(NAT_VIP, 21), client: Client::Greeting,
               weights: &[("real2", 1)] },
    Expected { method: "nat", name: "echo (UDP)", address: at(NAT_VIP, 7), client: Client::Echo,
               weights: &[("real1", 1), ("real2", 1), ("real3", 1)] },
    Expected { method: "tunnel", name: "web-tunnel", address: at(TUNNEL_VIP, 80), client: Client::Curl,
               weights: &[("real1", 1), ("real2", 2), ("real3", 3)] },
    Expected { method: "direct", name: "web-direct", address: at(DIRECT_VIP, 80), client: Client::Curl,
               weights: &[("real1", 1), ("real2", 1), ("real3", 1)] },
];

/// Asks every service and prints the table; whether every line holds.
pub(super) fn show(lab: &Lab) -> Result<bool> {
    // The first packets wait for ARP, here as anywhere.
    for address in [NAT_VIP, TUNNEL_VIP, DIRECT_VIP] {
        lab.client().wait_for_answer(&format!("http://{address}/"), Duration::from_secs(15))?;
    }
    println!("{REQUESTS} connections from the client to each service:\n");
    println!("{}", line(["method", "service", "address", "real", "share wanted", "share got", "median latency"]));
    let mut held = true;
    for service in &SERVICES {
        let answers = ask(lab, service)?;
        for &(real, weight) in service.weights {
            held &= show_real(service, &answers, real, weight);
        }
        let failed: Vec<&Answer> = answers.iter().filter(|answer| !answer.is_ok()).collect();
        if let Some(first) = failed.first() {
            let line = format!("{}: {} of {} without answer", service.name, failed.len(), answers.len());
            held &= check(&line, Err(format!("the first: status {}, {}", first.status, first.error)));
        }
    }
    println!();
    Ok(held)
}

fn ask(lab: &Lab, service: &Expected) -> Result<Vec<Answer>> {
    match service.client {
        Client::Curl => lab.client().get(&format!("http://{}/", service.address), REQUESTS),
        Client::Echo => lab.client().ask_udp(service.address, REQUESTS),
        Client::Greeting => lab.client().read_greetings(service.address, REQUESTS),
    }
}

fn show_real(service: &Expected, answers: &[Answer], real: &str, weight: u32) -> bool {
    let all: u32 = service.weights.iter().map(|(_, weight)| weight).sum();
    let wanted = 100.0 * f64::from(weight) / f64::from(all);
    let mut latencies: Vec<Duration> =
        answers.iter().filter(|answer| answer.is_ok() && answer.real == real).map(|answer| answer.latency).collect();
    let got = 100.0 * latencies.len() as f64 / answers.len().max(1) as f64;
    latencies.sort();
    let median =
        latencies.get(latencies.len() / 2).map_or("-".into(), |time| format!("{:.2} ms", time.as_secs_f64() * 1e3));
    let row = line([
        service.method,
        service.name,
        &service.address.to_string(),
        real,
        &format!("{wanted:.0} %"),
        &format!("{got:.0} %"),
        &median,
    ]);
    let near = (got - wanted).abs() <= TOLERANCE;
    check(&row, if near { Ok(()) } else { Err(format!("more than {TOLERANCE} % off")) })
}

fn line([method, service, address, real, wanted, got, median]: [&str; 7]) -> String {
    format!("{method:<7} {service:<11} {address:<18} {real:<6} {wanted:>12} {got:>10} {median:>15}")
}
