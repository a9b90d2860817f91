//! The configuration files.

use super::{Finding, Options};
use config::{Machine, Services};

/// Loads both; what is right with them is for the other examinations.
pub(super) fn examine(options: &Options) -> (Option<Machine>, Option<Services>, Vec<Finding>) {
    const TOPIC: &str = "config";
    let (machine_file, services_file) = (options.config.display(), options.services.display());
    let mut findings = Vec::new();
    let machine = match Machine::load(&options.config) {
        Ok(machine) => {
            let (ports, workers) = (machine.ports.len(), machine.dataplane.workers.len());
            findings.push(Finding::ok(TOPIC, format!("{machine_file}: {ports} ports, {workers} workers")));
            Some(machine)
        }
        Err(error) => {
            let advice = "mend the file, or name another with --config; the rest is looked at once it is right";
            findings.push(Finding::fail(TOPIC, error.to_string(), advice));
            None
        }
    };
    let services = match Services::load(&options.services) {
        Ok(services) => {
            let reals: usize = services.services.iter().map(|named| named.service.reals.len()).sum();
            let count = services.services.len();
            findings.push(Finding::ok(TOPIC, format!("{services_file}: {count} services, {reals} reals")));
            Some(services)
        }
        Err(error) => {
            findings.push(Finding::fail(TOPIC, error.to_string(), "mend the file, or name another with --services"));
            None
        }
    };
    (machine, services, findings)
}
