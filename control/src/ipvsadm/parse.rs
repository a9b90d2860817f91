//! From the words of a command line to what it asks. Checks come in the order of the original program, which says only
//! the first thing that is wrong.

use super::options::{Flag, Flags, Switch, Verb};
use super::values::{self, Host};
use super::words::Words;
use super::{Resolver, Stop};
use crate::protocol::LvsChange;
use link::model::{ForwardMethod, Persistence, Protocol, ServiceKey, Timeouts};
use std::net::{Ipv4Addr, SocketAddrV4};

/// What a command line asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Version,
    Restore,
    Save {
        numeric: bool,
    },
    List(Listing),
    Change(LvsChange),
    /// Well formed, and refused for this reason.
    Refused(String),
}

/// A list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// Addresses and ports as numbers.
    pub(super) numeric: bool,
    /// Counters in full.
    pub(super) exact: bool,
    /// In the order of the table.
    pub(super) unsorted: bool,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Timeouts,
    Daemons,
    Connections {
        /// The columns of persistence engines too.
        engines: bool,
    },
    Services {
        only: Option<Target>,
        columns: Columns,
    },
}

/// Which columns a list of services has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    Plain,
    Tunnels,
    Stats,
    Rates,
    Thresholds,
    Persistent,
}

/// The service that a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Known(ServiceKey),
    /// One that can't be here.
    Foreign(Foreign),
}

/// Why a service can't be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    Sctp,
    Ipv6,
}

impl Foreign {
    pub(super) const fn refusal(self) -> &'static str {
        match self {
            Self::Sctp => "Protocol not supported: Sluice balances TCP and UDP",
            Self::Ipv6 => "Operation not supported with specified address family: Sluice balances IPv4",
        }
    }
}

/// The text of a line that makes no sense.
pub(super) const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";

/// Parses a command line without the program's name; `restoring`: a line of a restore.
///
/// # Errors
/// What the original refuses before it asks the kernel.
pub(super) fn parse(words: &[String], resolver: &dyn Resolver, restoring: bool) -> Result<Command, Stop> {
    let mut words = Words::new(words);
    let (verb, daemon) = match words.next() {
        Ok(Some((Switch::Command(verb), value))) => (verb, value),
        _ => return Err(Stop::end(255, TRY)),
    };
    match verb {
        Verb::Help => return Ok(Command::Help),
        Verb::Version => return Ok(Command::Version),
        Verb::Restore if restoring => return Err(Stop::end(255, TRY)),
        Verb::StartDaemon if !is_daemon(daemon) => return Err(Stop::usage("illegal start-daemon parameter specified")),
        Verb::StopDaemon if !is_daemon(daemon) => return Err(Stop::usage("illegal start_daemon specified")),
        _ => {}
    }
    let mut given = Given::default();
    loop {
        match words.next() {
            Ok(Some((Switch::Command(_), _))) => {
                return Err(Stop::usage(format!("invalid option `{}'", words.last())));
            }
            Ok(Some((switch, value))) => given.take(switch, value, resolver)?,
            Ok(None) => break,
            Err(bad) => return Err(Stop::line(255, bad.to_string())),
        }
    }
    given.finish(verb, &words.arguments)
}

fn is_daemon(name: Option<&str>) -> bool {
    matches!(name, Some("master" | "backup"))
}

/// The options of a command line.
#[derive(Default)]
pub(super) struct Given<'a> {
    pub(super) flags: Flags,
    pub(super) protocol: Option<Protocol>,
    /// The address and port, of what can be here.
    pub(super) address: Option<SocketAddrV4>,
    pub(super) mark: u32,
    pub(super) port: u16,
    pub(super) foreign: Option<Foreign>,
    pub(super) scheduler: Option<&'a str>,
    pub(super) scheduler_flags: Option<&'a str>,
    pub(super) engine: Option<&'a str>,
    pub(super) timeout: Option<u32>,
    pub(super) netmask: Option<Ipv4Addr>,
    pub(super) real: Option<(Host, Option<u16>)>,
    pub(super) method: Option<ForwardMethod>,
    pub(super) weight: u32,
    pub(super) upper: u32,
    pub(super) lower: u32,
    pub(super) tunnel: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn take(&mut self, switch: Switch, value: Option<&'a str>, resolver: &dyn Resolver) -> Result<(), Stop> {
        let text = value.unwrap_or_default();
        match switch {
            Switch::Command(_) | Switch::Sort => Ok(()),
            Switch::Tcp => self.service(text, Some(Protocol::Tcp), resolver),
            Switch::Udp => self.service(text, Some(Protocol::Udp), resolver),
            Switch::Sctp => {
                self.foreign = Some(Foreign::Sctp);
                self.service(text, None, resolver)
            }
            Switch::Mark => {
                self.add(Flag::Service)?;
                let mark = values::unsigned(text, 1, u32::MAX);
                self.mark = mark.ok_or_else(|| Stop::usage(format!("invalid fwmark value `{text}' specified")))?;
                self.protocol = Some(Protocol::Tcp);
                Ok(())
            }
            Switch::Ipv6 if self.mark == 0 => Err(Stop::usage("-6 used before -f\n")),
            Switch::Ipv6 => {
                self.foreign = Some(Foreign::Ipv6);
                Ok(())
            }
            Switch::Gatewaying => self.method(ForwardMethod::Direct),
            Switch::Tunneling => self.method(ForwardMethod::Tunnel),
            Switch::Masquerading => self.method(ForwardMethod::Nat),
            Switch::Option(flag) => {
                self.add(flag)?;
                self.option(flag, value, resolver)
            }
        }
    }

    fn add(&mut self, flag: Flag) -> Result<(), Stop> {
        if self.flags.add(flag) {
            Ok(())
        } else {
            Err(Stop::usage(format!("multiple '{}' options specified", flag.name())))
        }
    }

    fn method(&mut self, method: ForwardMethod) -> Result<(), Stop> {
        self.add(Flag::ForwardingMethod)?;
        self.method = Some(method);
        Ok(())
    }

    fn service(&mut self, text: &str, protocol: Option<Protocol>, resolver: &dyn Resolver) -> Result<(), Stop> {
        self.add(Flag::Service)?;
        self.protocol = protocol;
        let (host, port) = values::endpoint(text, protocol, resolver)
            .ok_or_else(|| Stop::usage("illegal virtual server address[:port] specified"))?;
        self.port = port.unwrap_or(0);
        match host {
            Host::V4(address) => self.address = Some(SocketAddrV4::new(address, self.port)),
            Host::V6 => self.foreign = Some(Foreign::Ipv6),
        }
        Ok(())
    }

    fn option(&mut self, flag: Flag, value: Option<&'a str>, resolver: &dyn Resolver) -> Result<(), Stop> {
        const MOST: u32 = i32::MAX as u32;
        let text = value.unwrap_or_default();
        let within = |least, most, message: &'static str| {
            values::unsigned(text, least, most).ok_or_else(|| Stop::usage(message))
        };
        match flag {
            Flag::Scheduler => self.scheduler = Some(text),
            Flag::SchedulerFlags => self.scheduler_flags = Some(text),
            Flag::PersistenceEngine => self.engine = Some(text),
            Flag::Persistent => {
                let seconds = |text| timeout(text, 1);
                self.timeout = Some(value.map_or(Ok(Persistence::DEFAULT_TIMEOUT), seconds)?);
            }
            Flag::Netmask => self.netmask = self.mask(text)?,
            Flag::Real => {
                let real = values::endpoint(text, self.protocol, resolver);
                self.real = Some(real.ok_or_else(|| Stop::usage("illegal real server address[:port] specified"))?);
            }
            Flag::Weight => self.weight = within(0, MOST, "illegal weight specified")?,
            Flag::UpperThreshold => self.upper = within(0, MOST, "illegal u_threshold specified")?,
            Flag::LowerThreshold => self.lower = within(0, MOST, "illegal l_threshold specified")?,
            Flag::SyncId => drop(within(0, 255, "illegal syncid specified")?),
            Flag::SyncMaxLength => drop(within(1, 65_507, "illegal sync-maxlen specified")?),
            Flag::McastPort => drop(within(1, 65_535, "illegal mcast-port specified")?),
            Flag::McastTtl => drop(within(1, 255, "illegal mcast-ttl specified")?),
            Flag::McastGroup => multicast_group(text)?,
            Flag::TunnelPort => drop(within(1, 65_535, "illegal tunnel port specified")?),
            Flag::TunnelType if !["ipip", "gue", "gre"].contains(&text) => {
                return Err(Stop::usage("illegal tunnel type specified"));
            }
            Flag::TunnelType => self.tunnel = Some(text),
            _ => {}
        }
        Ok(())
    }

    fn mask(&self, text: &str) -> Result<Option<Ipv4Addr>, Stop> {
        if self.foreign == Some(Foreign::Ipv6) {
            let length = values::unsigned(text, 1, 128);
            return length.map(|_| None).ok_or_else(|| Stop::usage("illegal ipv6 netmask specified"));
        }
        let mask = values::ipv4(text).ok_or_else(|| Stop::usage("illegal virtual server persistent mask specified"))?;
        Ok(Some(mask))
    }
}

pub(super) fn timeout(text: &str, least: u32) -> Result<u32, Stop> {
    values::unsigned(text, least, Timeouts::MAX_SECONDS)
        .ok_or_else(|| Stop::usage(format!("invalid timeout value `{text}' specified")))
}

fn multicast_group(text: &str) -> Result<(), Stop> {
    let (family, fits) = match text.parse::<std::net::Ipv6Addr>() {
        Ok(address) => ("IPv6", address.is_multicast()),
        Err(_) => ("IPv4", text.parse::<Ipv4Addr>().is_ok_and(|address| address.is_multicast())),
    };
    if fits { Ok(()) } else { Err(Stop::usage(format!("invalid {family} mcast-group `{text}'"))) }
}
