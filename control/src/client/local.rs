//! Commands that need no sluiced.

use super::{Arguments, DONE, Format, REFUSED, Stop};
use crate::daemon::program;
use crate::doctor;
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum LocalCommand {
    /// Looks at this machine, director or real server: what stands in the way, and what to do; changes nothing
    Doctor(doctor::Options),
    /// Prints the completions of a shell for this command
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Writes the manual pages of sluice and sluiced into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
}

impl LocalCommand {
    pub(super) fn run(&self, format: Format, out: &mut dyn Write) -> Result<u8, Stop> {
        match self {
            Self::Doctor(options) => return examine(options, format, out),
            Self::Completions { shell } => {
                // Of a buffer, as the generator panics where its output is closed.
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Arguments::command(), "sluice", &mut script);
                out.write_all(&script)?;
            }
            Self::Man { folder } => manuals(folder)?,
        }
        Ok(DONE)
    }
}

fn examine(options: &doctor::Options, format: Format, out: &mut dyn Write) -> Result<u8, Stop> {
    let findings = doctor::examine(options);
    match format {
        Format::Json => super::json(&findings, out)?,
        Format::Table => doctor::show(&findings, out)?,
    }
    Ok(if doctor::is_fit(&findings) { DONE } else { REFUSED })
}

fn manuals(folder: &Path) -> std::io::Result<()> {
    clap_mangen::generate_to(Arguments::command(), folder)?;
    let daemon = clap_mangen::Man::new(program::command()).section("8");
    daemon.generate_to(folder).map(drop)
}
