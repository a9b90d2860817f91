//! What a scrape of a large director costs: seconds, bytes, memory, and how long the control loop makes others wait for it.
//! docs/metrics.md has the figures.

mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{FakeDataplane, Site, Sluiced, eventually, http};

const SERVICES: usize = 10_000;
const REALS: usize = 10;
const SCRAPES: usize = 5;

/// As many services, each with as many reals.
fn table() -> String {
    let mut text = String::new();
    for service in 0..SERVICES {
        let (high, low) = (service >> 8, service & 255);
        let _ = write!(
            text,
            "[[service]]\nname = \"s{service}\"\nprotocol = \"tcp\"\naddress = \"10.1.{high}.{low}:80\"\n"
        );
        for real in 1..=REALS {
            let _ = write!(text, "[[service.real]]\naddress = \"172.{}.{high}.{low}:80\"\n", 16 + real);
        }
    }
    text
}

/// A line of /proc/PID/status, MiB.
fn mebibytes(sluiced: &Sluiced, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sluiced.pid())).expect("it runs");
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.trim().strip_suffix("kB")).expect(line);
    value.trim().parse::<u64>().expect("a number") / 1024
}

/// The longest wait of a client of the socket for its answer, milliseconds, while `what` goes on.
fn longest_wait(site: &Site, what: impl FnOnce()) -> u128 {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let (mut client, mut longest) = (site.client(), Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                let since = Instant::now();
                client.ask(r#"{"command":"timeouts"}"#).expect("an answer");
                longest = longest.max(since.elapsed());
                std::thread::sleep(Duration::from_millis(2));
            }
            longest
        });
        what();
        over.store(true, Ordering::Relaxed);
        asked.join().expect("asked").as_millis()
    })
}

/// Scrapes, each of a snapshot of its own.
fn scrape(address: SocketAddr, with_reals: bool) {
    for _ in 0..SCRAPES {
        let since = Instant::now();
        let reply = http::get(address, "/metrics", "");
        let seconds = since.elapsed().as_secs_f64();
        let samples = reply.body.lines().filter(|line| !line.starts_with('#')).count();
        println!("reals {with_reals}: {seconds:.2} s, {samples} samples, {} bytes", reply.body.len());
        assert_eq!(reply.status, 200);
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
#[ignore = "measures: cargo nextest run --release -p control --run-ignored all --no-capture a_scrape_of"]
fn a_scrape_of_many_services() {
    for (with_reals, further) in [(true, ""), (false, "http_reals = false\n")] {
        let mut site = Site::new();
        let address = site.serve_http(further);
        site.write_services(&table());
        let _dataplane = FakeDataplane::start(&site.link());
        let sluiced = site.start();
        eventually("the table is in force", || {
            (site.ask(r#"{"command":"status"}"#)["dataplane"]["services_generation"].as_u64()? > 0).then_some(())
        });
        let before = mebibytes(&sluiced, "VmRSS:");
        let idle = longest_wait(&site, || std::thread::sleep(Duration::from_secs(6)));
        let scraped = longest_wait(&site, || scrape(address, with_reals));
        let (after, most) = (mebibytes(&sluiced, "VmRSS:"), mebibytes(&sluiced, "VmHWM:"));
        println!(
            "reals {with_reals}: memory {before} MiB before, {after} after, {most} at most; others waited {scraped} ms at \
             most, {idle} ms without scrapes"
        );
    }
}
