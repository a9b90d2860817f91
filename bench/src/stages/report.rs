//! What was measured, for people and for programs.

use super::flows::{Method, Popularity};
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::Path;

/// The median of several runs, and how far they lay apart.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// In the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// All, from the least to the most.
    pub runs: Vec<f64>,
    /// How many of them somebody else disturbed, see [`crate::neighbours`].
    pub disturbed: usize,
}

impl Figure {
    pub(super) fn of(runs: impl IntoIterator<Item = f64>, disturbed: usize) -> Self {
        let mut runs: Vec<f64> = runs.into_iter().collect();
        runs.sort_by(f64::total_cmp);
        let at = |index: usize| runs.get(index).copied().unwrap_or_default();
        let (median, least, most) = (at(runs.len() / 2), at(0), at(runs.len().saturating_sub(1)));
        Self { median, least, most, runs, disturbed }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most, disturbed, .. } = self;
        write!(f, "{median:.0} cycles ({least:.0}-{most:.0})")?;
        f.write_str(&mark(*disturbed))
    }
}

/// So many runs of a figure were disturbed.
fn mark(disturbed: usize) -> String {
    if disturbed > 0 { format!(", disturbed runs: {disturbed}") } else { String::new() }
}

/// A hit path: cycles a packet.
#[derive(Clone, Debug, Serialize)]
pub struct StageFigures {
    /// All that tells it from the others.
    pub name: String,
    /// The packets' way.
    pub method: Method,
    /// Connections.
    pub flows: u32,
    /// How often each comes.
    pub popularity: Popularity,
    /// "tcp" or "udp".
    pub protocol: &'static str,
    /// Real servers.
    pub reals: u16,
    /// As a whole.
    pub cycles: Figure,
    /// By stage, each with its name; `round` is what a worker does once a round, with bursts of 32.
    pub stages: Vec<(String, Figure)>,
}

/// Opening connections: cycles each.
#[derive(Clone, Debug, Serialize)]
pub struct OpenFigures {
    /// What is done.
    pub name: &'static str,
    /// Connections at the end.
    pub connections: u32,
    /// Whether it is a connection's first packet, from its way in to its way out, and nothing else.
    pub first_packet: bool,
    /// For each connection.
    pub cycles: Figure,
}

/// Finding something in a table: cycles each.
#[derive(Clone, Debug, Serialize)]
pub struct TableFigures {
    /// What, where.
    pub name: String,
    /// How many services there are; 0 where it is about connections.
    pub services: u32,
    /// For each look-up.
    pub cycles: Figure,
}

/// The inbound NAT path while packets are shown.
#[derive(Clone, Debug, Serialize)]
pub struct CaptureFigures {
    /// Who looks.
    pub name: &'static str,
    /// Connections.
    pub flows: u32,
    /// For each packet.
    pub cycles: Figure,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Cycles of a step of the calibration loop.
    pub calibration_cycles: f64,
    /// Whether hugepages were there.
    pub hugepages: bool,
    /// Packets of connections that exist.
    pub hits: Vec<StageFigures>,
    /// New connections.
    pub opens: Vec<OpenFigures>,
    /// A million connections that are due at once.
    pub expiry: Vec<OpenFigures>,
    /// Service look-ups of packets without a connection, one after the other.
    pub misses: Vec<TableFigures>,
    /// The same connections found by DPDK's hash table, in bursts.
    pub reference: Vec<TableFigures>,
    /// Packets that are shown, if that was asked for.
    pub captures: Vec<CaptureFigures>,
    /// Memory of the tables for one NAT connection, bytes.
    pub bytes_a_connection: f64,
}

impl Report {
    /// Writes JSON to `path` (`-`: to standard output, in place of the table) and the table to standard output.
    pub(super) fn print(&self, path: Option<&Path>) -> Result<(), String> {
        if let Some(path) = path {
            let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
            if path == Path::new("-") {
                println!("{text}");
                return Ok(());
            }
            fs::write(path, text).map_err(|error| format!("can't write {}: {error}", path.display()))?;
        }
        self.print_table();
        Ok(())
    }

    fn print_table(&self) {
        let pages = if self.hugepages { "with hugepages" } else { "without hugepages" };
        println!("Cycles a packet {pages}; a step of the calibration loop takes {:.2}.", self.calibration_cycles);
        println!("{:<8} {:>4} {:>9} {:<8} {:>7} {:>13}  by stage", "method", "", "flows", "", "median", "least-most");
        for row in &self.hits {
            let stages = row.stages.iter().map(|(name, figure)| format!("{name} {:.1}", figure.median));
            println!(
                "{:<8} {:>4} {:>9} {:<8} {:>7.1} {:>13}  {}",
                row.method.to_string(),
                row.protocol,
                row.flows,
                row.popularity.to_string(),
                row.cycles.median,
                format!("{:.1}-{:.1}{}", row.cycles.least, row.cycles.most, mark(row.cycles.disturbed)),
                stages.collect::<Vec<_>>().join(", ")
            );
        }
        for row in self.opens.iter().chain(&self.expiry) {
            println!("{}, {} connections: {}", row.name, row.connections, row.cycles);
        }
        for row in self.misses.iter().chain(&self.reference) {
            let services = if row.services > 0 { format!(", {} services", row.services) } else { String::new() };
            println!("{}{services}: {}", row.name, row.cycles);
        }
        for row in &self.captures {
            println!("capture, {}, {} flows: {}", row.name, row.flows, row.cycles);
        }
        println!("memory of a NAT connection, all tables counted: {:.0} bytes", self.bytes_a_connection);
    }
}
