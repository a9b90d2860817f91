//! CARD-7: `sluice doctor` asks a real `sluice-dataplane probe` what the ports can do, and leaves a running dataplane alone.

use lab::{Lab, PAPER_SERVICES, Result, Signal};
use serde_json::Value;

use crate::support::LIMIT;

/// What the doctor finds about this, each a verdict, what was found, and the advice.
fn findings(lab: &Lab, topic: &str) -> Result<Vec<(String, String, Value)>> {
    let sluice = lab::program("sluice")?.display().to_string();
    let file = |name: &str| lab.folder().join(name).display().to_string();
    let (config, services) = (file("sluice.toml"), file("services.toml"));
    let words = ["--format", "json", "doctor", "--config", &config, "--services", &services];
    let said = lab.director().capture(&sluice, words)?;
    let all: Vec<Value> = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    for finding in &all {
        assert_eq!(finding["advice"].is_null(), finding["verdict"] == "ok", "what is wrong has advice: {finding}");
    }
    let wanted = all.iter().filter(|finding| finding["topic"] == topic);
    Ok(wanted.map(|finding| (text(finding, "verdict"), text(finding, "found"), finding["advice"].clone())).collect())
}

#[test]
fn the_doctor_says_what_the_ports_of_a_director_that_does_not_run_offer() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let mut machine = lab.machine();
    machine.workers = vec![1, 2];
    machine.eal = vec!["--lcores=0@0,1@1,2@0".into()];
    lab.start_director(&machine.to_string(), PAPER_SERVICES)?;
    let running = findings(&lab, "queues")?;
    assert!(
        matches!(&running[..], [(verdict, found, _)] if verdict == "ok" && found.contains("has the ports")),
        "{running:?}"
    );
    assert_eq!(findings(&lab, "offloads")?, []);

    let dataplane = lab.dataplane().expect("it runs");
    dataplane.signal(Signal::TERM)?;
    dataplane.wait(LIMIT)?;
    for topic in ["queues", "offloads"] {
        let ports = findings(&lab, topic)?;
        for (port, (_, found, _)) in ["port wan", "port lan"].iter().zip(&ports) {
            assert!(found.starts_with(port), "{topic}: {found}");
        }
        assert_eq!(ports.len(), 2, "{topic}: {ports:?}");
    }
    // net_tap hashes the whole tuple: it works, and hands over.
    for (verdict, found, advice) in findings(&lab, "offloads")? {
        assert_eq!(verdict, "warn", "{found}");
        assert!(advice.as_str().is_some_and(|advice| advice.contains("right, and slower")), "{advice}");
    }
    for (topic, part) in [("tap", "can be opened"), ("rights", "CAP_NET_ADMIN"), ("config", "2 ports, 2 workers")] {
        let found = findings(&lab, topic)?;
        assert!(found.iter().any(|(verdict, found, _)| verdict == "ok" && found.contains(part)), "{topic}: {found:?}");
    }
    Ok(())
}
