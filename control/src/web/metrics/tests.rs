use super::{Format, encode, families, workers};
use crate::web::Snapshot;
use link::counters::WorkerTotals;
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// One service without checks, and one whose reals are checked and stand differently.
fn services(is_running: bool) -> serde_json::Value {
    let traffic = json!({"connections": 7, "in_packets": 3, "in_bytes": 700, "out_packets": 2, "out_bytes": 90});
    let health = |state: &str, more: serde_json::Value| {
        let mut health = json!({
            "state": state, "weight": 4, "check": "http", "checks_passed": 20, "checks_failed": 3, "changes": 2,
            "check_microseconds": 1500,
        });
        health.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        health
    };
    let real = |address: &str, removed: bool| {
        json!({
            "address": address, "method": "nat", "weight": 4, "removed": removed, "active": is_running.then_some(2),
            "inactive": is_running.then_some(1), "traffic": is_running.then_some(&traffic), "rates": null,
        })
    };
    let service = json!({
        "name": "web", "protocol": "tcp", "address": "10.0.0.1:80", "scheduler": "wrr", "method": "nat",
        "traffic": is_running.then_some(&traffic), "rates": null,
        "reals": [real("172.16.0.2:80", false), real("172.16.0.3:80", true)],
    });
    let checked = |address: &str, health: serde_json::Value| {
        let mut row = real(address, false);
        row["health"] = health;
        row
    };
    let checked_service = json!({
        "name": "app", "protocol": "tcp", "address": "10.0.0.2:80", "scheduler": "wrr", "method": "nat",
        "traffic": null, "rates": null,
        "health": {"quorum": false, "weight": 4, "needed": 5, "in_pool": 1},
        "reals": [
            checked("172.16.0.2:80", health("up", json!({}))),
            checked("172.16.0.3:80", health("down", json!({"weight": 0}))),
            checked("172.16.0.4:80", health("draining", json!({"weight": 0, "left": 7, "check": null}))),
            checked("172.16.0.5:80", health("unknown", json!({"weight": 0, "check_microseconds": null}))),
        ],
    });
    json!([service, checked_service])
}

/// A director with a service of two reals, one of them removed, a worker and a port of an odd device; without a
/// dataplane nothing is counted.
fn snapshot(is_running: bool) -> Arc<Snapshot> {
    let drops = json!({
        "received": 10, "transmitted": 9, "to_kernel": 0, "answers_suppressed": 0,
        "reasons": [{"reason": "no_service", "help": "Text.", "dropped": 1, "answered": 0}],
    });
    let port = json!({
        "name": "wan", "device": "net_tap0,x=\"\\\n", "driver": "net_tap", "mac": "02:00:00:00:01:01", "mtu": 1500,
        "kernel_interface": null, "addresses": [], "rx_packets": 1, "rx_bytes": 5, "tx_packets": 0, "tx_bytes": 0,
        "tx_unsent": 0, "to_kernel": 0, "from_kernel": 0, "rx_missed": 0, "rx_errors": 0, "tx_errors": 0,
        "rx_queues": 1, "tx_queues": 1, "steering": "one worker", "handed_off": 0, "workers": [],
    });
    // One burst each of 1, 3, 4 and 32 packets, two of 2.
    let bursts: Vec<u64> =
        (1..=32).map(|packets| [0, 1, 2, 1, 1].get(packets).copied().unwrap_or(packets as u64 / 32)).collect();
    let dataplane = json!({
        "pid": 1, "instance": "00000000000000ab", "uptime_seconds": 60, "connected": true, "services_generation": 3,
        "next_hops_generation": 4, "last_refusal": null, "workers": 1, "connections": 5,
    });
    let perf = json!({
        "worker": 0, "cycles_per_second": 2_000_000_000, "busy_cycles": 3_000_000_000u64, "loops": 9, "empty_polls": 4,
        "sleeps": 6, "received": 4, "taken_over": 0, "handed_off": 0, "bursts": bursts, "timed_rounds": 2,
        "timed_packets": 8, "stages": [{"stage": "receive", "cycles": 90}, {"stage": "parse", "cycles": 70, "waiting": 30}],
    });
    let of = |value| if is_running { value } else { json!([]) };
    Arc::new(Snapshot {
        at: UNIX_EPOCH + Duration::from_secs(1000),
        started: UNIX_EPOCH + Duration::from_secs(900),
        version: "1.2.3",
        dataplane: is_running.then(|| serde_json::from_value(dataplane).expect("a dataplane")),
        dataplane_started: is_running.then_some(UNIX_EPOCH + Duration::from_secs(940)),
        last_beat: is_running.then_some(UNIX_EPOCH + Duration::from_secs(999)),
        gone_for: None,
        warnings: Vec::new(),
        connections_limit: 1000,
        services: serde_json::from_value(services(is_running)).expect("services"),
        workers: vec![WorkerTotals { received: 4, ..WorkerTotals::default() }; if is_running { 2 } else { 0 }],
        perf: serde_json::from_value(of(json!([perf]))).expect("cycles"),
        drops: is_running.then(|| serde_json::from_value(drops).expect("drops")),
        ports: serde_json::from_value(of(json!([port]))).expect("ports"),
    })
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn samples_have_the_values_and_labels_of_the_snapshot_in_both_formats() {
    for format in [Format::Text, Format::OpenMetrics] {
        let text = encode(&snapshot(true), true, format).expect("written");
        for line in [
            r#"sluice_build_info{version="1.2.3"} 1"#,
            "sluice_start_time_seconds 900.0",
            "sluice_dataplane_start_time_seconds 940.0",
            r#"sluice_table_generation{table="next_hops"} 4"#,
            "sluice_reals 5",
            r#"sluice_packets_dropped_total{reason="no_service"} 1"#,
            r#"sluice_port_received_bytes_total{port="wan"} 5"#,
            r#"sluice_worker_received_packets_total{worker="0"} 4"#,
            r#"sluice_worker_received_packets_total{worker="main"} 4"#,
            r#"sluice_worker_busy_seconds_total{worker="0"} 1.5"#,
            r#"sluice_worker_tsc_hertz{worker="0"} 2000000000"#,
            r#"sluice_worker_burst_packets_bucket{le="1.0",worker="0"} 1"#,
            r#"sluice_worker_burst_packets_bucket{le="3.0",worker="0"} 4"#,
            r#"sluice_worker_burst_packets_bucket{le="31.0",worker="0"} 5"#,
            r#"sluice_worker_burst_packets_bucket{le="+Inf",worker="0"} 6"#,
            r#"sluice_worker_burst_packets_sum{worker="0"} 44.0"#,
            r#"sluice_worker_burst_packets_count{worker="0"} 6"#,
            r#"sluice_worker_stage_cycles_total{worker="0",stage="receive"} 90"#,
            r#"sluice_worker_stage_wait_cycles_total{worker="0",stage="parse"} 30"#,
            r#"sluice_service_info{service="web",address="tcp 10.0.0.1:80",scheduler="wrr",method="nat"} 1"#,
            r#"sluice_service_reals_available{service="web"} 1"#,
            r#"sluice_service_active_connections{service="web"} 4"#,
            r#"sluice_real_weight{service="web",real="172.16.0.2:80"} 4"#,
            r#"sluice_real_in_bytes_total{service="web",real="172.16.0.3:80"} 700"#,
        ] {
            assert!(lines(&text).contains(&line), "{format:?}: no {line:?} in\n{text}");
        }
        assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
    }
}

#[test]
fn health_is_told_where_it_is_known() {
    let text = encode(&snapshot(true), true, Format::Text).expect("written");
    let of = |name: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).map(str::to_owned).collect()
    };
    let app = |name: &str, rows: &[(&str, &str)]| -> Vec<String> {
        rows.iter().map(|(labels, value)| format!("{name}{{service=\"app\"{labels}}} {value}")).collect()
    };
    let real = |number: u32, more: &str| format!(",real=\"172.16.0.{number}:80\"{more}");
    assert_eq!(of("sluice_service_quorum"), app("sluice_service_quorum", &[("", "0")]));
    assert_eq!(of("sluice_service_pool_weight"), app("sluice_service_pool_weight", &[("", "4")]));
    assert_eq!(of("sluice_service_quorum_weight"), app("sluice_service_quorum_weight", &[("", "5")]));
    let available = of("sluice_service_reals_available");
    assert_eq!(available[1..], app("sluice_service_reals_available", &[("", "1")]), "only what is up");
    let up = app("sluice_real_up", &[(&real(2, ""), "1"), (&real(3, ""), "0")]);
    assert_eq!(of("sluice_real_up"), up, "neither of one that is drained, nor of one without a result");
    let states = ["up", "down", "draining", "unknown"].map(|state| format!(",state=\"{state}\""));
    let states: Vec<_> = (2..).zip(&states).map(|(number, state)| (real(number, state), "1")).collect();
    let states: Vec<_> = states.iter().map(|(labels, value)| (labels.as_str(), *value)).collect();
    assert_eq!(of("sluice_real_health_info"), app("sluice_real_health_info", &states));
    let checks = of("sluice_real_checks_total");
    let of_one = [(real(2, ",result=\"success\""), "20"), (real(2, ",result=\"failure\""), "3")];
    let of_one: Vec<_> = of_one.iter().map(|(labels, value)| (labels.as_str(), *value)).collect();
    assert_eq!(checks[..2], app("sluice_real_checks_total", &of_one));
    assert_eq!(checks.len(), 6, "not of one that is not checked: {checks:?}");
    let took = of("sluice_real_check_duration_seconds");
    assert_eq!(took.first(), app("sluice_real_check_duration_seconds", &[(&real(2, ""), "0.0015")]).first());
    let left = app("sluice_real_connections_left", &[(&real(4, ""), "7")]);
    assert_eq!(of("sluice_real_connections_left"), left);
    assert_eq!(of("sluice_real_health_changes_total").len(), 3);
}

#[test]
fn the_value_of_a_label_is_escaped() {
    let text = encode(&snapshot(true), true, Format::Text).expect("written");
    assert!(text.contains(r#"device="net_tap0,x=\"\\\n","#), "{text}");
}

#[test]
fn each_format_describes_a_counter_by_its_own_rules() {
    let described = |format| {
        let text = encode(&snapshot(true), true, format).expect("written");
        let about = text.lines().filter(|line| line.contains(" sluice_packets_dropped"));
        about.map(str::to_owned).collect::<Vec<_>>()
    };
    let help = "Packets dropped; docs/drop-reasons.md explains each reason";
    let old = [
        format!("# HELP sluice_packets_dropped_total {help}"),
        "# TYPE sluice_packets_dropped_total counter".to_owned(),
    ];
    assert_eq!(described(Format::Text), old);
    let new = [format!("# HELP sluice_packets_dropped {help}"), "# TYPE sluice_packets_dropped counter".to_owned()];
    assert_eq!(described(Format::OpenMetrics), new);
    assert_eq!(Format::accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), Format::OpenMetrics);
    assert_eq!(Format::accepted("text/plain"), Format::Text);
}

#[test]
fn without_a_dataplane_what_it_counts_is_absent_and_not_zero() {
    let text = encode(&snapshot(false), true, Format::Text).expect("written");
    assert!(lines(&text).contains(&"sluice_dataplane_up 0"), "{text}");
    assert!(lines(&text).contains(&r#"sluice_real_weight{service="web",real="172.16.0.2:80"} 4"#), "{text}");
    for family in
        ["sluice_packets_dropped_total{", "sluice_worker_", "sluice_port_", "sluice_service_connections_total{"]
    {
        assert!(!text.lines().any(|line| line.starts_with(family)), "{family}: {text}");
    }
}

#[test]
fn reals_can_be_left_out() {
    let text = encode(&snapshot(true), false, Format::Text).expect("written");
    assert!(!text.contains("sluice_real_"), "{text}");
    assert!(text.contains(r#"sluice_service_connections_total{service="web"} 7"#), "{text}");
}

#[test]
fn names_are_unique_and_each_counter_of_a_worker_has_one() {
    let mut names = HashSet::new();
    for family in families() {
        assert!(names.insert(family.name()), "{family:?} twice");
        assert!(family.name().starts_with("sluice_"), "{family:?}");
        assert!(!family.help.ends_with('.') && !family.help.is_empty(), "{family:?}");
    }
    let counted: HashSet<_> = WorkerTotals::HELP.iter().map(|(name, _)| *name).collect();
    let shown: HashSet<_> = workers::SHOWN.iter().copied().collect();
    assert_eq!(shown, counted, "a counter of the link is not among the metrics, or the other way round");
}

#[test]
fn the_document_has_each_metric_in_the_order_in_which_they_are_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let document = fs::read_to_string(path).expect("docs/metrics.md");
    let listed: Vec<&str> = document.lines().filter(|line| line.starts_with("| `sluice_")).collect();
    let row = |family: &super::Family| {
        let kind = format!("{:?}", family.kind).to_ascii_lowercase();
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
        format!("| `{}` | {kind} | {labels} | {}. |", family.name(), family.help)
    };
    let want: Vec<String> = families().map(row).collect();
    assert_eq!(listed, want, "docs/metrics.md should have these rows:\n{}", want.join("\n"));
}
