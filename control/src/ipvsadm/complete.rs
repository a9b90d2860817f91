//! From the options of a command line to what it asks: the checks over all of them, in the order of the original.

use super::Stop;
use super::options::{Flag, Verb};
use super::parse::{Columns, Command, Foreign, Given, Listing, Target, What, timeout};
use super::values::Host;
use crate::protocol::{LvsChange, LvsPersistence, LvsReal, LvsServiceOptions, LvsTimeouts};
use link::model::{ForwardMethod, Protocol, SchedulerFlags, ServiceKey};
use std::net::{Ipv4Addr, SocketAddrV4};

impl<'a> Given<'a> {
    /// The checks over all options, and the command.
    pub(super) fn finish(&self, verb: Verb, arguments: &[&str]) -> Result<Command, Stop> {
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

/// The three values of `--set`; 0 leaves one as it is.
fn timeouts(arguments: &[&str]) -> Result<LvsTimeouts, Stop> {
    let [tcp, tcp_fin, udp, ..] = arguments else {
        return Err(Stop::usage("--set option requires 3 timeout values"));
    };
    Ok(LvsTimeouts { tcp: timeout(tcp, 0)?, tcp_fin: timeout(tcp_fin, 0)?, udp: timeout(udp, 0)? })
}
