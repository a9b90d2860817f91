//! The configuration files that a laboratory writes are ones that Sluice reads.

use lab::{Lab, PAPER_SERVICES, Result};

#[test]
fn the_paper_s_services_are_read_as_they_are_meant() {
    let services = config::Services::parse(PAPER_SERVICES, "paper-services.toml").expect("valid");
    assert_eq!(services.table().services.len(), 5);
}

#[test]
fn the_machine_of_a_laboratory_is_read() -> Result<()> {
    let lab = Lab::new(0)?;
    let machine = config::Machine::parse(&lab.machine().to_string(), "sluice.toml").expect("valid");
    assert_eq!(machine.ports.len(), 2);
    Ok(())
}
