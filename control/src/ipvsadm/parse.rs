//! From the words of a command line to what it asks. Checks come in the order of the original program, which says only
//! the first thing that is wrong.

use super::options::{Flag, Flags, Switch, Verb};
use super::values::{self, Host};
use super::words::Words;
use super::{Resolver, Stop};
use crate::protocol::{LvsChange, LvsPersistence, LvsReal, LvsServiceOptions, LvsTimeouts};
use link::model::{ForwardMethod, Persistence, Protocol, SchedulerFlags, ServiceKey, Timeouts};
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
    const fn refusal(self) -> &'static str {
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
    let verb = match words.next() {
        Ok(Some((Switch::Command(verb), value))) => (verb, value),
        _ => return Err(Stop::end(255, TRY)),
    };
    let (verb, daemon) = verb;
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
struct Given<'a> {
    flags: Flags,
    protocol: Option<Protocol>,
    /// The address and port, of what can be here.
    address: Option<SocketAddrV4>,
    mark: u32,
    port: u16,
    foreign: Option<Foreign>,
    scheduler: Option<&'a str>,
    scheduler_flags: Option<&'a str>,
    engine: Option<&'a str>,
    timeout: Option<u32>,
    netmask: Option<Ipv4Addr>,
    real: Option<(Host, Option<u16>)>,
    method: Option<ForwardMethod>,
    weight: u32,
    upper: u32,
    lower: u32,
    tunnel: Option<&'a str>,
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

    /// The checks over all options, and the command.
    fn finish(&self, verb: Verb, arguments: &[&str]) -> Result<Command, Stop> {
        let (timeouts, arguments) = match verb {
            Verb::SetTimeouts => (Some(timeouts(arguments)?), arguments.get(3..).unwrap_or_default()),
            _ => (None, arguments),
        };
        if let Some(argument) = arguments.first() {
            return Err(Stop::usage(format!("unexpected argument {argument}")));
        }
        let flags = self.scheduler_flags(verb)?;
        self.flags.check(verb).map_err(Stop::usage)?;
        Ok(match verb {
            Verb::Help => Command::Help,
            Verb::Version => Command::Version,
            Verb::Restore => Command::Restore,
            Verb::Save => Command::Save { numeric: self.flags.has(Flag::Numeric) },
            Verb::List => Command::List(self.listing()?),
            Verb::Clear => Command::Change(LvsChange::Clear),
            Verb::SetTimeouts => Command::Change(LvsChange::SetTimeouts(timeouts.unwrap_or_default())),
            Verb::StartDaemon => Command::Refused("Sluice has no connection synchronization daemon".to_owned()),
            Verb::StopDaemon => Command::Refused("No daemon is running".to_owned()),
            Verb::Zero => match self.target() {
                None => Command::Change(LvsChange::Zero { service: None }),
                Some(Target::Known(service)) => Command::Change(LvsChange::Zero { service: Some(service) }),
                Some(Target::Foreign(_)) => no_such_service(),
            },
            Verb::AddService | Verb::EditService | Verb::DeleteService => self.service_command(verb, flags)?,
            Verb::AddServer | Verb::EditServer | Verb::DeleteServer => self.server_command(verb)?,
        })
    }

    /// The service that was named.
    fn target(&self) -> Option<Target> {
        if !self.flags.has(Flag::Service) {
            return None;
        }
        Some(match (self.foreign, self.protocol, self.address) {
            (Some(foreign), ..) => Target::Foreign(foreign),
            (None, Some(protocol), Some(address)) if self.mark == 0 => {
                Target::Known(ServiceKey::new(protocol, address))
            }
            _ => Target::Known(ServiceKey::Group(self.mark)),
        })
    }

    fn listing(&self) -> Result<Listing, Stop> {
        let has = |flag| self.flags.has(flag);
        let single = self.flags.has_any(&[Flag::Connection, Flag::Timeout, Flag::Daemon]);
        let columns = [
            (Flag::Stats, Columns::Stats),
            (Flag::Rate, Columns::Rates),
            (Flag::Thresholds, Columns::Thresholds),
            (Flag::PersistentConn, Columns::Persistent),
            (Flag::TunnelInfo, Columns::Tunnels),
        ];
        let columns = columns.into_iter().find(|(flag, _)| has(*flag)).map_or(Columns::Plain, |(_, columns)| columns);
        let wide = self.flags.has_any(&[Flag::Stats, Flag::Rate, Flag::Thresholds])
            || has(Flag::PersistentConn) && !has(Flag::Connection);
        if single && wide {
            return Err(Stop::usage("options conflicts in the list command"));
        }
        let what = if has(Flag::Connection) {
            What::Connections { engines: has(Flag::PersistentConn) }
        } else if has(Flag::Timeout) {
            What::Timeouts
        } else if has(Flag::Daemon) {
            What::Daemons
        } else {
            What::Services { only: self.target(), columns }
        };
        Ok(Listing { numeric: has(Flag::Numeric), exact: has(Flag::Exact), unsorted: has(Flag::NoSort), what })
    }

    fn scheduler_flags(&self, verb: Verb) -> Result<SchedulerFlags, Stop> {
        let scheduler = self.scheduler(verb).unwrap_or_default();
        let mut flags = SchedulerFlags::NONE;
        for name in self.scheduler_flags.unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
            let flag =
                SchedulerFlags::by_name(name).ok_or_else(|| Stop::usage(format!("invalid scheduler flag `{name}'")))?;
            if !name.starts_with("flag-") && name.split('-').next() != Some(scheduler) {
                return Err(Stop::usage(format!("incompatible scheduler flag `{name}'")));
            }
            flags = flags | flag;
        }
        Ok(flags)
    }

    fn scheduler(&self, verb: Verb) -> Option<&'a str> {
        match (self.scheduler.filter(|name| !name.is_empty()), verb) {
            (None, Verb::AddService | Verb::EditService) => Some("wlc"),
            (name, _) => name,
        }
    }

    fn service_command(&self, verb: Verb, flags: SchedulerFlags) -> Result<Command, Stop> {
        let target = self.target();
        if verb == Verb::DeleteService {
            return Ok(match target {
                Some(Target::Known(service)) => Command::Change(LvsChange::DeleteService { service }),
                _ => no_such_service(),
            });
        }
        if self.mark == 0 && self.port == 0 && self.timeout.is_none() {
            return Err(Stop::usage("Zero port specified for non-persistent service"));
        }
        let one_packet = self.flags.has(Flag::OnePacket);
        if one_packet && self.mark == 0 && self.protocol != Some(Protocol::Udp) {
            return Err(Stop::usage("One-Packet Scheduling is only for UDP virtual services"));
        }
        let netmask = self.netmask.unwrap_or(Ipv4Addr::BROADCAST);
        let options = LvsServiceOptions {
            scheduler: self.scheduler(verb).unwrap_or_default().to_owned(),
            flags: flags.0,
            persistence: self.timeout.map(|timeout| LvsPersistence { timeout, netmask }),
            one_packet,
            engine: self.engine.filter(|name| !name.is_empty()).map(str::to_owned),
        };
        Ok(match (target, verb) {
            (Some(Target::Known(service)), Verb::AddService) => {
                Command::Change(LvsChange::AddService { service, options })
            }
            (Some(Target::Known(service)), _) => Command::Change(LvsChange::EditService { service, options }),
            (Some(Target::Foreign(why)), Verb::AddService) => Command::Refused(why.refusal().to_owned()),
            _ => no_such_service(),
        })
    }

    fn server_command(&self, verb: Verb) -> Result<Command, Stop> {
        let method = self.method.unwrap_or(ForwardMethod::Direct);
        if verb != Verb::DeleteServer {
            self.check_tunnel(method)?;
        }
        let (host, port) = self.real.unwrap_or((Host::V6, None));
        let families_differ = (host == Host::V6) != (self.foreign == Some(Foreign::Ipv6));
        if families_differ && method != ForwardMethod::Tunnel && verb != Verb::DeleteServer {
            return Err(Stop::usage("Different address family is allowed only for tunneling servers"));
        }
        let Some(Target::Known(service)) = self.target() else {
            return Ok(Command::Refused("Service not defined".to_owned()));
        };
        let Host::V4(host) = host else {
            return Ok(Command::Refused(match verb {
                Verb::AddServer => Foreign::Ipv6.refusal().to_owned(),
                _ => "No such destination".to_owned(),
            }));
        };
        let mut port = port.unwrap_or(self.port);
        if verb == Verb::DeleteServer {
            let address = SocketAddrV4::new(host, port);
            return Ok(Command::Change(LvsChange::DeleteServer { service, address }));
        }
        if let Some(tunnel @ ("gue" | "gre")) = self.tunnel {
            return Ok(Command::Refused(format!(
                "Operation not supported: tunnel type '{tunnel}', Sluice has ipip tunnels only"
            )));
        }
        if method != ForwardMethod::Nat && self.mark == 0 {
            port = self.port;
        }
        let real = LvsReal {
            address: SocketAddrV4::new(host, port),
            method,
            weight: if self.flags.has(Flag::Weight) { self.weight } else { 1 },
            upper_threshold: self.upper,
            lower_threshold: self.lower,
        };
        Ok(Command::Change(match verb {
            Verb::AddServer => LvsChange::AddServer { service, real },
            _ => LvsChange::EditServer { service, real },
        }))
    }

    /// Which tunnel options go with the method and type.
    fn check_tunnel(&self, method: ForwardMethod) -> Result<(), Stop> {
        const DETAILS: [Flag; 4] =
            [Flag::TunnelPort, Flag::TunnelNoChecksum, Flag::TunnelChecksum, Flag::TunnelRemoteChecksum];
        if method != ForwardMethod::Tunnel {
            if self.flags.has(Flag::TunnelType) || self.flags.has_any(&DETAILS) {
                return Err(Stop::usage("Tunnel options conflict with forward method"));
            }
            return Ok(());
        }
        let kind = self.tunnel.unwrap_or("ipip");
        let allowed: &[Flag] = match kind {
            "gue" => &DETAILS,
            "gre" => &[Flag::TunnelNoChecksum, Flag::TunnelChecksum],
            _ => &[],
        };
        let mut checksum: Option<Flag> = None;
        for flag in DETAILS {
            let name = flag.name();
            if !self.flags.has(flag) {
                if flag == Flag::TunnelPort && kind == "gue" {
                    let message = format!("You need to supply the '{name}' option for the '{kind}' tunnel type");
                    return Err(Stop::usage(message));
                }
                continue;
            }
            if !allowed.contains(&flag) {
                return Err(Stop::usage(format!("Illegal '{name}' option with the '{kind}' tunnel type")));
            }
            if flag != Flag::TunnelPort
                && let Some(first) = checksum.replace(flag)
            {
                let first = first.name();
                let message =
                    format!("The option '{name}' conflicts with the '{first}' option in the '{kind}' tunnel type");
                return Err(Stop::usage(message));
            }
        }
        Ok(())
    }
}

fn no_such_service() -> Command {
    Command::Refused("No such service".to_owned())
}

fn timeout(text: &str, least: u32) -> Result<u32, Stop> {
    values::unsigned(text, least, Timeouts::MAX_SECONDS)
        .ok_or_else(|| Stop::usage(format!("invalid timeout value `{text}' specified")))
}

/// The three values of `--set`; 0 leaves one as it is.
fn timeouts(arguments: &[&str]) -> Result<LvsTimeouts, Stop> {
    let [tcp, tcp_fin, udp, ..] = arguments else {
        return Err(Stop::usage("--set option requires 3 timeout values"));
    };
    Ok(LvsTimeouts { tcp: timeout(tcp, 0)?, tcp_fin: timeout(tcp_fin, 0)?, udp: timeout(udp, 0)? })
}

fn multicast_group(text: &str) -> Result<(), Stop> {
    let (family, fits) = match text.parse::<std::net::Ipv6Addr>() {
        Ok(address) => ("IPv6", address.is_multicast()),
        Err(_) => ("IPv4", text.parse::<Ipv4Addr>().is_ok_and(|address| address.is_multicast())),
    };
    if fits { Ok(()) } else { Err(Stop::usage(format!("invalid {family} mcast-group `{text}'"))) }
}
