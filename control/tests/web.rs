//! HTTP: what is served, to whom, and that no reader can do harm.

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::http::{self, Reply};
use support::{FakeDataplane, PATIENCE, Site, Sluiced, eventually};

/// A sluiced with HTTP on a free port, and a dataplane.
fn start() -> (Site, FakeDataplane, Sluiced, SocketAddr) {
    let mut site = Site::new();
    let address = site.serve_http("");
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    (site, dataplane, sluiced, address)
}

fn get(address: SocketAddr, path: &str) -> Reply {
    http::get(address, path, "")
}

fn json(address: SocketAddr, path: &str) -> Value {
    let reply = get(address, path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", reply.body))
}

#[test]
fn the_overview_has_services_reals_workers_and_the_reason_of_each_drop() {
    let (_site, _dataplane, _sluiced, address) = start();
    let all = json(address, "/api/overview");
    assert_eq!(all["dataplane"]["connected"], true);
    assert_eq!(all["gone_seconds"], Value::Null);
    assert_eq!((&all["service_count"], &all["real_count"]), (&2.into(), &2.into()));
    assert_eq!(all["services"][0]["name"], "web");
    assert_eq!(all["services"][0]["reals"][1]["traffic"]["connections"], 2);
    let workers: Vec<_> = all["workers"].as_array().expect("workers").iter().map(|worker| &worker["worker"]).collect();
    assert_eq!(workers, [&Value::from(0), &1.into(), &Value::Null]);
    assert_eq!(all["drops"]["reasons"].as_array().map(Vec::len), Some(link::DropReason::COUNT));
    assert_eq!(all["ports"][1]["name"], "lan");
}

#[test]
fn the_overview_can_be_filtered_by_name_address_and_real() {
    let (_site, _dataplane, _sluiced, address) = start();
    for (filter, want) in
        [("", 2), ("WEB", 1), ("202.103.106.6", 1), ("172.16.0.3%3A8000", 1), ("202.103", 2), ("x", 0)]
    {
        let all = json(address, &format!("/api/overview?filter={filter}"));
        assert_eq!(all["services"].as_array().map(Vec::len), Some(want), "{filter}");
        assert_eq!(all["service_count"], 2, "{filter}");
    }
}

#[test]
fn a_history_begins_when_sluiced_does_and_knows_the_services_asked_for() {
    let (_site, _dataplane, _sluiced, address) = start();
    let history = eventually("the first sample", || {
        let history = json(address, "/api/history?service=web&service=nobody");
        (history["newest"] != 0).then_some(history)
    });
    assert_eq!((&history["period_seconds"], &history["capacity"]), (&6.into(), &100.into()));
    let services = history["services"].as_array().expect("services");
    assert_eq!(services.iter().map(|service| &service["name"]).collect::<Vec<_>>(), ["web"]);
    assert_eq!(services[0]["reals"][0]["address"], "172.16.0.2:80");
}

#[test]
fn health_and_readiness_follow_sluiced_and_the_dataplane() {
    let (site, dataplane, sluiced, address) = start();
    assert_eq!((get(address, "/healthz").status, get(address, "/readyz").status), (200, 200));
    drop(dataplane);
    eventually("it is not ready", || (get(address, "/readyz").status == 503).then_some(()));
    assert_eq!(get(address, "/readyz").body, "The dataplane is not running.\n");
    assert_eq!(get(address, "/healthz").status, 200);
    let gone = || json(address, "/api/overview")["gone_seconds"].is_u64();
    eventually("it is told for how long", || gone().then_some(()));
    let _next = FakeDataplane::start(&site.link());
    eventually("it is ready again", || (get(address, "/readyz").status == 200).then_some(()));
    drop(sluiced);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_dataplane_that_has_refused_the_services_is_not_ready() {
    let mut site = Site::new();
    let address = site.serve_http("");
    let dataplane = FakeDataplane::start(&site.link());
    dataplane.shared().refuse = Some((link::message::Refusal::TooManyServices, 0));
    let _sluiced = site.start();
    let reply = eventually("the refusal", || {
        let reply = get(address, "/readyz");
        reply.body.contains("no services in force").then_some(reply)
    });
    assert_eq!(reply.status, 503);
}

#[test]
fn only_looking_is_allowed_and_other_sites_can_not_look() {
    let (_site, _dataplane, _sluiced, address) = start();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let reply = http::exchange(address, &format!("{method} / HTTP/1.1\r\nHost: {address}\r\n\r\n"));
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let rebound = http::exchange(address, "GET /api/overview HTTP/1.1\r\nHost: example.org:9106\r\n\r\n");
    assert_eq!(rebound.status, 421, "{}", rebound.body);
    let named = http::exchange(address, "GET /api/overview HTTP/1.1\r\nHost: localhost:9106\r\n\r\n");
    assert_eq!(named.status, 200, "{}", named.body);
    let page = get(address, "/");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("access-control-allow-origin"), None);
}

#[test]
fn what_is_not_there_or_not_understood_is_said() {
    let (_site, _dataplane, _sluiced, address) = start();
    for (path, status, part) in [
        ("/etc/passwd", 404, "There are / (a page), /metrics"),
        ("/../page.css", 404, "Not found"),
        ("/api/overview?sort=name", 400, "\"sort\" is not known, allowed: filter"),
        ("/api/history?since=yesterday", 400, "since \"yesterday\", allowed: the number of a sample"),
    ] {
        let reply = get(address, path);
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.body.contains(part), "{path}: {}", reply.body);
    }
    for (path, kind) in [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")] {
        assert!(get(address, path).header("content-type").is_some_and(|it| it.starts_with(kind)), "{path}");
    }
}

#[test]
fn a_head_that_is_too_long_or_never_ends_is_ended() {
    let (_site, _dataplane, _sluiced, address) = start();
    let long = format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert_eq!(http::exchange(address, &long).status, 431);
    let mut slow = TcpStream::connect(address).expect("connected");
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").expect("sent");
    slow.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut rest = Vec::new();
    // However it ends, it ends.
    let ended = slow.read_to_end(&mut rest);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert_eq!(get(address, "/healthz").status, 200);
}

#[test]
fn an_address_that_is_taken_is_named_and_sluiced_does_not_start() {
    let mut site = Site::new();
    let address = site.serve_http("");
    let _taken = TcpListener::bind(address).expect("bound");
    let mut refused = site.spawn();
    assert_eq!(refused.wait().code(), Some(1));
    let want = format!("[control] http {address}: Address already in use (os error 98); see `ss -tlnp` for who has it");
    assert!(refused.log().contains(&want), "{}", refused.log());
    assert!(!site.socket().exists(), "a socket that nobody serves was left behind");
}

/// `promtool check metrics` with this on its standard input: whether it is content, and what it says.
fn promtool(metrics: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool of Debian's package prometheus: ./setup.sh installs it");
    child.stdin.take().expect("its input").write_all(metrics.as_bytes()).expect("written");
    let out = child.wait_with_output().expect("it ends");
    (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

#[test]
fn promtool_finds_nothing_to_say_of_the_metrics() {
    let (_site, _dataplane, _sluiced, address) = start();
    let reply = get(address, "/metrics");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(reply.body.contains(r#"sluice_real_connections_total{service="web",real="172.16.0.3:8000"} 2"#));
    assert_eq!(promtool(&reply.body), (true, String::new()));
    let (content, said) = promtool("# TYPE sluice_things counter\nsluice_things 1\n");
    assert!(!content && said.contains("counter metrics should have \"_total\" suffix"), "{said}");
}

#[test]
fn metrics_go_without_the_reals_where_that_is_set() {
    let mut site = Site::new();
    let address = site.serve_http("http_reals = false\n");
    let _dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    let metrics = get(address, "/metrics").body;
    assert!(
        metrics.contains(r#"sluice_service_reals{service="web"} 2"#) && !metrics.contains("sluice_real_"),
        "{metrics}"
    );
}

#[test]
fn a_prometheus_scrapes_the_metrics_and_answers_from_them() {
    let (site, _dataplane, _sluiced, address) = start();
    let configuration = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: sluice\n    static_configs:\n      - targets: [\"{address}\"]\n"
    );
    std::fs::write(site.path("prometheus.yml"), configuration).expect("written");
    let own = http::free_address();
    let log = std::fs::File::create(site.path("prometheus.log")).expect("a log");
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", site.path("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", site.path("tsdb").display()))
        .arg(format!("--web.listen-address={own}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("prometheus of Debian's package: ./setup.sh installs it");
    let asked = std::panic::catch_unwind(|| {
        eventually("Prometheus has the metrics", || {
            TcpStream::connect_timeout(&own, Duration::from_secs(1)).ok()?;
            let query = "/api/v1/query?query=sluice_real_connections_total%7Breal%3D%22172.16.0.3%3A8000%22%7D";
            let answer: Value = serde_json::from_str(&get(own, query).body).ok()?;
            answer["data"]["result"].get(0).cloned()
        })
    });
    prometheus.kill().expect("killed");
    prometheus.wait().expect("gone");
    let sample = asked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert_eq!((&sample["metric"]["service"], &sample["value"][1]), (&"web".into(), &"2".into()), "{sample}");
}
