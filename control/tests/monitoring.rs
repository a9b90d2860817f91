//! What is shipped for Prometheus and Grafana: rules that fire when they should, and queries about metrics that there are.

use control::web::metrics;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf").join(name)
}

/// What promtool of Debian's package prometheus says of it; fails where it is not content.
fn promtool(arguments: &[&str], file: &Path) {
    let out = Command::new("promtool").args(arguments).arg(file).output().expect("promtool: ./setup.sh installs it");
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&said));
}

/// The words of a text that begin as metrics do.
fn metrics_in(text: &str) -> HashSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("sluice_")).collect()
}

/// Every query of the dashboard's panels.
fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(shipped("grafana-dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

#[test]
fn the_alerts_fire_when_they_should_and_not_otherwise() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &shipped("alerts.yml"));
    promtool(&["test", "rules"], &shipped("alerts.test.yml"));
}

#[test]
fn each_alert_is_tested_both_ways() {
    let rules = fs::read_to_string(shipped("alerts.yml")).expect("the rules");
    let tests = fs::read_to_string(shipped("alerts.test.yml")).expect("their tests");
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("- {{eval_time: 14m, alertname: {alert}}}")), "{alert}: where all is well");
        assert!(tests.contains(&format!("alertname: {alert}\n        exp_alerts:")), "{alert}: where it fires");
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let known: HashSet<String> = metrics::families().flat_map(metrics::Family::sample_names).collect();
    let rules = fs::read_to_string(shipped("alerts.yml")).expect("the rules");
    let dashboard = fs::read_to_string(shipped("grafana-dashboard.json")).expect("the dashboard");
    for (file, text) in [("alerts.yml", &rules), ("grafana-dashboard.json", &dashboard)] {
        let unknown: Vec<_> = metrics_in(text).into_iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn the_dashboards_queries_are_valid() {
    let queries = dashboard_queries();
    assert!(queries.len() > 20, "{queries:?}");
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, query) in queries.iter().enumerate() {
        let query = query.replace("$__rate_interval", "1m");
        rules.push_str(&format!("  - record: panel:query{number}\n    expr: {}\n", Value::from(query)));
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("dashboard.yml");
    fs::write(&file, rules).expect("written");
    promtool(&["check", "rules"], &file);
}
