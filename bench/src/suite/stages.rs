//! The first level: `bench stages`, the worker's pipeline over frames in memory, and the goals for it.

use super::{Extent, Suite, count_name};
use crate::report::Measurement;
use lab::{LabError, Result};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// What the longest measurement may take.
const LIMIT: Duration = Duration::from_secs(240);

pub(super) fn run(suite: &mut Suite) -> Result<()> {
    let file = suite.folder.join("stages.json");
    let mut command = Command::new(lab::program("bench")?);
    command.arg("stages").arg("--json").arg(&file);
    match suite.extent {
        Extent::Quick => command.args(["--flows", "1000,64000", "--hits-only", "--runs", "15", "--patience", "15"]),
        Extent::Usual => command.args(["--flows", "1,1000,64000,1000000"]),
        Extent::Full | Extent::Long => &mut command,
    };
    let output = lab::run(command, "", LIMIT)?;
    for line in output.stderr.lines().filter_map(|line| line.strip_prefix("skipped: ")) {
        suite.skip("stages", line.to_owned());
    }
    let failed = |said: String| LabError::Failed { command: "bench stages".into(), status: "an error".into(), said };
    let text = std::fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
    let stages: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    for measurement in measurements(&stages) {
        suite.found(measurement);
    }
    suite.report.stages = stages;
    Ok(())
}

/// The figures of `bench stages`.
fn measurements(stages: &Value) -> Vec<Measurement> {
    let rows = |key: &str| stages[key].as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for row in rows("hits") {
        let (method, flows) = (row["method"].as_str().unwrap_or_default(), row["flows"].as_u64().unwrap_or(0));
        let popularity = if row["popularity"] == "zipf" { " zipf" } else { "" };
        let name = format!("stages {method}{popularity} {}", count_name(flows));
        let mut measurement = measurement(name, "cycles/packet", &row["cycles"]);
        for stage in row["stages"].as_array().into_iter().flatten() {
            if let (Some(name), Some(cycles)) = (stage[0].as_str(), stage[1]["median"].as_f64()) {
                measurement = measurement.detail(name, cycles);
            }
        }
        found.push(match goal(method, flows) {
            Some(limit) => measurement.at_most(limit),
            None => measurement,
        });
    }
    for row in rows("opens").iter().chain(&rows("expiry")) {
        let unit = if row["name"].as_str().is_some_and(|name| name.contains("round")) {
            "cycles"
        } else {
            "cycles/connection"
        };
        let measurement = named(row, unit, &row["connections"]);
        found.push(if row["first_packet"] == true { measurement.at_most(1500.0) } else { measurement });
    }
    for row in rows("misses") {
        let measurement = named(&row, "cycles/look-up", &row["services"]);
        found.push(if row["services"] == 10_000 { measurement.at_most(150.0) } else { measurement });
    }
    found.extend(rows("reference").iter().map(|row| named(row, "cycles/look-up", &Value::Null)));
    if let Some(bytes) = stages["bytes_a_connection"].as_f64() {
        found.push(Measurement::new("memory of a NAT connection", "bytes", vec![bytes]).at_most(256.0));
        let other = Measurement::new("memory of a tunnel or direct connection", "bytes", vec![bytes]).at_most(160.0);
        found.push(other.note("each connection has room for the two keys of NAT"));
    }
    found
}

/// A row by its name, and by its number of something if that is not in the name.
fn named(row: &Value, unit: &str, count: &Value) -> Measurement {
    let name = row["name"].as_str().unwrap_or_default();
    let count = count.as_u64().map(|count| format!(", {}", count_name(count))).unwrap_or_default();
    measurement(format!("stages {name}{count}"), unit, &row["cycles"])
}

/// All runs of a figure.
fn measurement(name: String, unit: &str, figure: &Value) -> Measurement {
    let runs = runs(figure);
    let (count, disturbed) = (runs.len(), figure["disturbed"].as_u64().unwrap_or(0));
    Measurement::new(name, unit, runs).disturbed(disturbed as usize, count)
}

fn runs(figure: &Value) -> Vec<f64> {
    figure["runs"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// Cycles a packet that are to be reached: direct routing 10 fewer than NAT, the others as NAT.
fn goal(method: &str, flows: u64) -> Option<f64> {
    let nat = match flows {
        64_000 | 65_536 => 75.0,
        1_000_000 => 115.0,
        10_000_000 => 190.0,
        _ => return None,
    };
    Some(if method == "direct" { nat - 10.0 } else { nat })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Report, Verdict, compare};

    #[test]
    fn figures_of_the_stages_become_measurements_with_goals() {
        let figure = serde_json::json!({"median": 80.0, "runs": [70.0, 80.0, 90.0], "disturbed": 2});
        let stages = serde_json::json!({
            "hits": [{"method": "nat-in", "flows": 64_000, "popularity": "uniform", "cycles": figure, "stages": [["parse", figure]]}],
            "opens": [
                {"name": "udp", "connections": 1_000_000, "first_packet": true, "cycles": figure},
                {"name": "life", "connections": 1_000_000, "first_packet": false, "cycles": figure},
            ],
            "misses": [{"name": "service look-up", "services": 10_000, "cycles": figure}],
            "bytes_a_connection": 230.0
        });
        let found = measurements(&stages);
        let told: Vec<_> = found
            .iter()
            .map(|found| (found.name.as_str(), found.median(), found.goal.as_ref().map(|goal| goal.verdict)))
            .collect();
        assert_eq!(
            told,
            [
                ("stages nat-in 64k", 80.0, Some(Verdict::Missed)),
                ("stages udp, 1M", 80.0, Some(Verdict::Reached)),
                ("stages life, 1M", 80.0, None),
                ("stages service look-up, 10k", 80.0, Some(Verdict::Reached)),
                ("memory of a NAT connection", 230.0, Some(Verdict::Reached)),
                ("memory of a tunnel or direct connection", 230.0, Some(Verdict::Missed)),
            ]
        );
        assert_eq!(found[0].details["parse"], 80.0);
        assert_eq!(found[0].note, "2 of 3 runs while another machine used this core");
    }

    #[test]
    fn a_quick_run_is_compared_by_the_stages_that_it_has() {
        let report = |nat: f64, direct: f64, flows: &[u64]| {
            let figure = |least: f64| serde_json::json!({"runs": [least, least + 9.0, least + 90.0]});
            let row = |method, cycles, flows| serde_json::json!({"method": method, "flows": flows, "popularity": "uniform", "cycles": figure(cycles)});
            let hits: Vec<_> =
                flows.iter().flat_map(|flows| [row("nat-in", nat, flows), row("direct", direct, flows)]).collect();
            let measurements = measurements(&serde_json::json!({"hits": hits}));
            Report { calibration: [7.0, 7.0], measurements, ..Report::default() }
        };
        let recorded = report(70.0, 60.0, &[1, 1000, 64_000, 1_000_000]);
        // As it is kept in a file.
        let recorded = serde_json::from_str(&serde_json::to_string(&recorded).unwrap()).unwrap();
        let (then, now) = (compare::figures(&recorded), compare::figures(&report(140.0, 60.0, &[1000, 64_000])));
        let changes = compare::changes((&then.0, then.1), (&now.0, now.1));
        let told: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.factor())).collect();
        assert_eq!(
            told,
            [
                ("stages direct 1k", 1.0),
                ("stages direct 64k", 1.0),
                ("stages nat-in 1k", 2.0),
                ("stages nat-in 64k", 2.0)
            ]
        );
    }
}
