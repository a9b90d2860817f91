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
        Extent::Quick => command.args(["--flows", "1000,64000", "--hits-only", "--runs", "5", "--bursts", "20000"]),
        Extent::Usual => command.args(["--flows", "1,1000,64000,1000000", "--bursts", "20000"]),
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
        let mut measurement = Measurement::new(name, "cycles/packet", runs(&row["cycles"]));
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
    for row in rows("opens") {
        let name = format!(
            "stages {}, {}",
            row["name"].as_str().unwrap_or_default(),
            count_name(row["connections"].as_u64().unwrap_or(0))
        );
        found.push(Measurement::new(name, "cycles/connection", runs(&row["cycles"])).at_most(1500.0));
    }
    for row in rows("misses") {
        let services = row["services"].as_u64().unwrap_or(0);
        let name = format!("stages service look-up, {}", count_name(services));
        let measurement = Measurement::new(name, "cycles/look-up", runs(&row["cycles"]));
        found.push(if services == 10_000 { measurement.at_most(150.0) } else { measurement });
    }
    if let Some(bytes) = stages["bytes_a_connection"].as_f64() {
        found.push(Measurement::new("memory of a NAT connection", "bytes", vec![bytes]).at_most(256.0));
    }
    found
}

/// The least, the median and the most: the median of these is that of all runs.
fn runs(figure: &Value) -> Vec<f64> {
    ["least", "median", "most"].iter().filter_map(|key| figure[*key].as_f64()).collect()
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

    #[test]
    fn figures_of_the_stages_become_measurements_with_goals() {
        let figure = serde_json::json!({"least": 70.0, "median": 80.0, "most": 90.0});
        let stages = serde_json::json!({
            "hits": [{"method": "nat-in", "flows": 64_000, "popularity": "uniform", "cycles": figure, "stages": [["parse", figure]]}],
            "opens": [{"name": "udp", "connections": 1_000_000, "cycles": figure}],
            "misses": [{"services": 10_000, "cycles": figure}],
            "bytes_a_connection": 230.0
        });
        let found = measurements(&stages);
        let told: Vec<_> = found
            .iter()
            .map(|found| (found.name.as_str(), found.median(), found.goal.as_ref().map(|goal| goal.reached)))
            .collect();
        assert_eq!(
            told,
            [
                ("stages nat-in 64k", 80.0, Some(false)),
                ("stages udp, 1M", 80.0, Some(true)),
                ("stages service look-up, 10k", 80.0, Some(true)),
                ("memory of a NAT connection", 230.0, Some(true)),
            ]
        );
        assert_eq!(found[0].details["parse"], 80.0);
    }
}
