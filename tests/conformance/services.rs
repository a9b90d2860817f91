//! The services of a scenario: ipvsadm's commands, done by our ipvsadm, as services.toml.

use config::Services;
use control::ipvsadm::{Memory, NoNames, Run};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// The port of a service without reals on each VIP: a VIP of the reference is a local address, with or without services.
pub(crate) const UNUSED_PORT: u16 = 65_535;

/// The services that a list of commands has made.
pub(crate) struct Table {
    memory: Memory,
    /// What ends each services.toml.
    unused: String,
}

impl Table {
    /// No services, the groups of the scenario, and the reference's defaults where ours are others.
    pub(crate) fn new(vips: &[Ipv4Addr], groups: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut text = String::from("[timeouts]\ntcp_fin_wait = 120\n");
        for (number, endpoints) in groups {
            let _ = writeln!(text, "[[group]]\nnumber = {number}\nendpoints = {endpoints:?}");
        }
        let mut unused = String::new();
        for vip in vips {
            let _ = writeln!(
                unused,
                "[[service]]\nname = \"vip-{vip}\"\nprotocol = \"udp\"\naddress = \"{vip}:{UNUSED_PORT}\""
            );
        }
        Ok(Self { memory: Memory::new(parse(&text)?), unused })
    }

    /// Does what a command line says; gives the lines that it prints.
    pub(crate) fn command(&mut self, line: &str) -> Result<Vec<String>, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let mut run = Run {
            backend: &mut self.memory,
            resolver: &NoNames,
            input: &mut std::io::empty(),
            out: &mut out,
            errors: &mut errors,
        };
        run.ipvsadm(&words).map_err(|error| error.to_string())?;
        out.extend(errors);
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    }

    /// Gives a setting a value. The reference is under pressure while less than `amemthresh` pages are free; here it is
    /// the tables that get full.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = if name == "amemthresh" { ("pressure_percent", "1") } else { (name, value) };
        let mut table: toml::Table = self.memory.services.to_toml().parse().map_err(|error| format!("{error}"))?;
        let value: i64 = value.parse().map_err(|_| format!("{name}={value}: no number"))?;
        let settings = table.entry("settings").or_insert_with(|| toml::Table::new().into()).as_table_mut();
        settings.map(|settings| settings.insert(name.to_owned(), value.into()));
        self.memory.services = parse(&table.to_string())?;
        Ok(())
    }

    /// services.toml.
    pub(crate) fn to_toml(&self) -> String {
        self.memory.services.to_toml() + &self.unused
    }
}

fn parse(text: &str) -> Result<Services, String> {
    Services::parse(text, "services.toml").map_err(|error| error.to_string())
}
