//! The command line of ipvsadm 1.31: the same words, output, messages and exit codes, for whoever has scripts that
//! speak it. docs/ipvsadm.md says what differs.
//!
//! No I/O: the table comes from and goes to a [`Backend`], names from a [`Resolver`], text to writers. [`Memory`] is a
//! backend over a services file, [`crate::client`] has the one that asks sluiced.

mod apply;
mod complete;
mod connections;
mod list;
mod memory;
mod options;
mod parse;
mod restore;
mod save;
mod values;
mod words;

pub use apply::{Refusal, apply};
pub use connections::Connection;
pub use memory::Memory;
pub(crate) use memory::{listed, timeouts};

use crate::protocol::{LvsChange, LvsService, LvsTimeouts};
use link::model::Protocol;
use parse::{Command, Listing, What};
use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;

/// What `-v` prints: scripts look for it.
const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)";

/// How to use it.
const HELP: &str = include_str!("help.txt");

/// Where the table is.
pub trait Backend {
    /// Does the changes in their order, each by itself; for each why it was refused, if it was.
    ///
    /// # Errors
    /// The table can't be reached; why.
    fn change(&mut self, changes: &[LvsChange]) -> Result<Vec<Option<String>>, String>;

    /// Every service, the newest first.
    ///
    /// # Errors
    /// The table can't be reached; why.
    fn services(&mut self) -> Result<Vec<LvsService>, String>;

    /// The timeouts in force.
    ///
    /// # Errors
    /// The table can't be reached; why.
    fn timeouts(&mut self) -> Result<LvsTimeouts, String>;

    /// Hands every connection and template to `each`, while they arrive.
    ///
    /// # Errors
    /// The table can't be reached, or `each` fails; why.
    fn connections(&mut self, each: &mut dyn FnMut(&Connection) -> io::Result<()>) -> Result<(), String>;
}

/// Names of hosts and ports, both ways.
pub trait Resolver {
    /// A host's address.
    fn address(&self, host: &str) -> Option<Ipv4Addr>;
    /// The port of a named service.
    fn port(&self, service: &str, protocol: Protocol) -> Option<u16>;
    /// The name of a host.
    fn host(&self, address: Ipv4Addr) -> Option<String>;
    /// The name of the service on a port.
    fn service(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// A resolver that knows no name.
#[derive(Clone, Copy, Debug)]
pub struct NoNames;

impl Resolver for NoNames {
    fn address(&self, _: &str) -> Option<Ipv4Addr> {
        None
    }

    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }

    fn host(&self, _: Ipv4Addr) -> Option<String> {
        None
    }

    fn service(&self, _: u16, _: Protocol) -> Option<String> {
        None
    }
}

/// Why a command line was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stop {
    code: u8,
    message: String,
    /// A restore ends here; else it goes on with its next line.
    ends: bool,
}

impl Stop {
    /// A wrong command line: exit code 2.
    fn usage(message: impl Into<String>) -> Self {
        Self::end(2, message)
    }

    fn end(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), ends: true }
    }

    fn line(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), ends: false }
    }

    /// The table can't be reached.
    fn unreachable(why: impl Into<String>) -> Self {
        Self::end(2, format!("Can't initialize ipvs: {}", why.into()))
    }
}

/// The exit code of what the table refuses, and of words that are not known.
const REFUSED: u8 = 255;

/// What a run works with.
pub struct Run<'a> {
    /// Where the table is.
    pub backend: &'a mut dyn Backend,
    /// Names.
    pub resolver: &'a dyn Resolver,
    /// The lines of a restore.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub errors: &'a mut dyn Write,
}

impl Run<'_> {
    /// Does a command line, given without the program's name; returns the exit code: 0 done, 1 a list of a service that
    /// does not exist, 2 wrong usage or no table, 255 refused.
    ///
    /// # Errors
    /// Where the output can't be written.
    pub fn ipvsadm(&mut self, words: &[String]) -> io::Result<u8> {
        let list = ["-L".to_owned()];
        let words = if words.is_empty() { &list } else { words };
        let command = parse::parse(words, self.resolver, false);
        let outcome = match command {
            Ok(Command::Restore) => return self.restore(),
            Ok(command) => self.execute(&command)?,
            Err(stop) => Err(stop),
        };
        self.finish(outcome)
    }

    /// `ipvsadm-restore`: clears the table, then does the lines of standard input that do not begin with `#`. Lines that
    /// only change the table come into force together.
    ///
    /// # Errors
    /// Where the output can't be written.
    pub fn ipvsadm_restore(&mut self) -> io::Result<u8> {
        self.restore_over_empty()
    }

    /// `ipvsadm-save [-n]`: prints the lines that [`Run::ipvsadm_restore`] reads.
    ///
    /// # Errors
    /// Where the output can't be written.
    pub fn ipvsadm_save(&mut self, words: &[String]) -> io::Result<u8> {
        if let Some(word) = words.iter().find(|word| word.starts_with('-') && *word != "-n") {
            writeln!(self.errors, "ipvsadm-save: {word} is no option; -n prints addresses and ports as numbers")?;
            return Ok(1);
        }
        let numeric = words.iter().any(|word| word == "-n");
        let outcome = self.execute(&Command::Save { numeric })?;
        self.finish(outcome)
    }

    /// Prints why it was not done, if it was not.
    fn finish(&mut self, outcome: Result<(), Stop>) -> io::Result<u8> {
        self.out.flush()?;
        match outcome {
            Ok(()) => Ok(0),
            Err(Stop { code, message, .. }) => {
                writeln!(self.errors, "{message}")?;
                Ok(code)
            }
        }
    }

    fn execute(&mut self, command: &Command) -> io::Result<Result<(), Stop>> {
        match command {
            Command::Help => write!(self.out, "{VERSION}\n{HELP}")?,
            Command::Version => writeln!(self.out, "{VERSION}")?,
            Command::Restore => {}
            Command::Refused(why) => return Ok(Err(Stop::line(REFUSED, why.as_str()))),
            Command::Change(change) => return Ok(self.change(change)),
            Command::Save { numeric } => return self.save(*numeric),
            Command::List(listing) => return self.list(listing),
        }
        Ok(Ok(()))
    }

    fn change(&mut self, change: &LvsChange) -> Result<(), Stop> {
        let refusals = self.backend.change(std::slice::from_ref(change)).map_err(Stop::unreachable)?;
        match refusals.into_iter().next().flatten() {
            Some(why) => Err(Stop::line(REFUSED, why)),
            None => Ok(()),
        }
    }

    fn list(&mut self, listing: &Listing) -> io::Result<Result<(), Stop>> {
        match listing.what {
            What::Services { only, columns } => list::services(self, listing, only, columns),
            What::Connections { engines } => connections::list(self, listing.numeric, engines),
            What::Timeouts => match self.backend.timeouts() {
                Ok(LvsTimeouts { tcp, tcp_fin, udp }) => {
                    writeln!(self.out, "Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}").map(Ok)
                }
                Err(why) => Ok(Err(Stop::unreachable(why))),
            },
            What::Daemons => Ok(Ok(())),
        }
    }

    fn save(&mut self, numeric: bool) -> io::Result<Result<(), Stop>> {
        match self.backend.services() {
            Ok(services) => save::services(services, &Names::new(numeric, self.resolver), self.out).map(Ok),
            Err(why) => Ok(Err(Stop::unreachable(why))),
        }
    }
}

/// Addresses as they are printed: as names where there are some, unless numbers are wanted.
struct Names<'a> {
    numeric: bool,
    resolver: &'a dyn Resolver,
}

impl<'a> Names<'a> {
    fn new(numeric: bool, resolver: &'a dyn Resolver) -> Self {
        Self { numeric, resolver }
    }

    /// `host:port`; ports have names where the protocol is known.
    fn endpoint(&self, address: std::net::SocketAddrV4, protocol: Option<Protocol>) -> String {
        if self.numeric {
            return address.to_string();
        }
        let host = self.resolver.host(*address.ip()).unwrap_or_else(|| address.ip().to_string());
        let known = protocol.filter(|_| address.port() != 0);
        let service = known.and_then(|protocol| self.resolver.service(address.port(), protocol));
        match service {
            Some(service) => format!("{host}:{service}"),
            None => format!("{host}:{}", address.port()),
        }
    }
}
