//! One report out of two: scenarios that were measured again, or that take too long for a run with all others.

use super::Report;

impl Report {
    /// This report, with what only `earlier` has. Rows of both are this one's, at the earlier one's place.
    ///
    /// # Errors
    /// The earlier one is of another machine; which.
    pub fn merged_into(self, earlier: Self) -> Result<Self, String> {
        let same = |report: &Self| {
            let machine = &report.machine;
            (machine.cpu.clone(), machine.cores, machine.kernel.clone(), machine.dpdk.clone())
        };
        if same(&self) != same(&earlier) {
            let machine = &earlier.machine;
            return Err(format!(
                "the recorded figures are of another machine ({} x {}, Linux {}, DPDK {}): measure all scenarios anew, \
                 without SCENARIO",
                machine.cores, machine.cpu, machine.kernel, machine.dpdk
            ));
        }
        let Self { mut measurements, scenarios, mut skipped, .. } = self;
        let mut all = Vec::new();
        for row in earlier.measurements {
            match measurements.iter().position(|new| new.name == row.name) {
                Some(place) => all.push(measurements.remove(place)),
                None => all.push(row),
            }
        }
        all.append(&mut measurements);
        skipped.extend(earlier.skipped.into_iter().filter(|skipped| !scenarios.contains(&skipped.name)));
        let stages = if self.stages.is_null() { earlier.stages } else { self.stages };
        let others = earlier.scenarios.into_iter().filter(|name| !scenarios.contains(name)).collect::<Vec<_>>();
        Ok(Self { measurements: all, scenarios: [others, scenarios].concat(), skipped, stages, ..self })
    }
}

#[cfg(test)]
mod tests {
    use crate::report::machine::Machine;
    use crate::report::{Measurement, Report, Skipped};

    fn report(rows: &[(&str, f64)], scenarios: &[&str]) -> Report {
        let measurements = rows.iter().map(|(name, run)| Measurement::new(*name, "x", vec![*run])).collect();
        Report {
            measurements,
            scenarios: scenarios.iter().map(|name| (*name).to_owned()).collect(),
            ..Report::default()
        }
    }

    #[test]
    fn a_scenario_measured_again_replaces_its_rows_and_no_others() {
        let mut earlier = report(&[("a", 1.0), ("b", 2.0)], &["one", "two"]);
        earlier.skipped = ["two", "three"].map(|name| Skipped { name: name.into(), why: "busy".into() }).into();
        let merged = report(&[("b", 20.0), ("c", 30.0)], &["two"]).merged_into(earlier).unwrap();
        let rows: Vec<_> = merged.measurements.iter().map(|row| (row.name.as_str(), row.median())).collect();
        assert_eq!(rows, [("a", 1.0), ("b", 20.0), ("c", 30.0)]);
        let skipped: Vec<_> = merged.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
        assert_eq!((skipped, merged.scenarios), (vec!["three"], vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn figures_of_two_machines_are_not_mixed() {
        let machine = Machine { cpu: "another".into(), ..Machine::default() };
        let earlier = Report { machine, ..report(&[("a", 1.0)], &[]) };
        let refused = report(&[("a", 2.0)], &[]).merged_into(earlier).unwrap_err();
        assert!(refused.contains("another machine (0 x another,"), "{refused}");
    }
}
