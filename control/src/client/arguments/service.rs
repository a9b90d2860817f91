//! The arguments of `sluice service`, `sluice real` and `sluice group`.

use super::{endpoint, seconds};
use crate::protocol::{DrainRequest, OptionChanges, RealChange, Request, ServiceAdd, Then};
use clap::{Args, Subcommand, ValueEnum};
use link::model::{ForwardMethod, Protocol, SchedulerKind};
use std::net::{Ipv4Addr, SocketAddrV4};

#[derive(Debug, Subcommand)]
pub(in crate::client) enum ServiceCommand {
    /// Every service
    List,
    /// One service and its reals
    Show {
        /// Its name
        service: String,
    },
    /// Adds a service without reals
    #[command(group = clap::ArgGroup::new("change").multiple(true))]
    Add {
        /// Its name: 1 to 64 of letters, digits, ".", "_" and "-"
        name: String,
        /// tcp or udp
        #[arg(required_unless_present = "group", requires = "address", conflicts_with = "group")]
        protocol: Option<Protocol>,
        /// Virtual address and port, as 202.103.106.5:80; port 0, with --persistence: every port
        #[arg(value_parser = endpoint)]
        address: Option<SocketAddrV4>,
        /// In the place of protocol and address: the number of a group
        #[arg(long)]
        group: Option<u32>,
        /// rr, wrr, lc, wlc, sed, nq, lblc, lblcr, dh, sh, mh, fo, ovf or twos
        #[arg(long, default_value = "wlc")]
        scheduler: SchedulerKind,
        /// Method of reals added without one: nat, tunnel or direct
        #[arg(long, default_value = "nat")]
        method: ForwardMethod,
        #[command(flatten)]
        options: Options,
    },
    /// Changes a service
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// Its name
        service: String,
        /// rr, wrr, lc, wlc, sed, nq, lblc, lblcr, dh, sh, mh, fo, ovf or twos
        #[arg(long, group = "change")]
        scheduler: Option<SchedulerKind>,
        /// Method of reals added later without one; present reals keep theirs
        #[arg(long, group = "change")]
        method: Option<ForwardMethod>,
        #[command(flatten)]
        options: Options,
    },
    /// Removes a service with its reals
    Remove {
        /// Its name
        service: String,
    },
}

/// What a service does besides.
#[derive(Debug, Args)]
pub(in crate::client) struct Options {
    /// Variants of the scheduler: sh-port, sh-fallback, mh-port, mh-fallback; "" for none
    #[arg(long, group = "change", value_name = "FLAG,...", value_delimiter = ',')]
    scheduler_flags: Option<Vec<String>>,
    /// A client keeps its real for so many seconds after its last new connection; 0: no persistence
    #[arg(long, group = "change", value_name = "SECONDS")]
    persistence: Option<u32>,
    /// Which bits of a client's address count for that, as 255.255.255.0
    #[arg(long, group = "change", value_name = "MASK")]
    persistence_netmask: Option<Ipv4Addr>,
    /// Every datagram is scheduled by itself (UDP and groups): true or false
    #[arg(long, group = "change", value_name = "BOOL")]
    one_packet: Option<bool>,
    /// TCP ends are told of a segment size that fits the way to the real: true or false
    #[arg(long, group = "change", value_name = "BOOL")]
    clamp_mss: Option<bool>,
    /// Reads and rewrites the payload (NAT): ftp or none
    #[arg(long, group = "change")]
    helper: Option<String>,
    /// A timeout of its own, as tcp_established=3600; 0: as for all services. May be given several times
    #[arg(long = "timeout", group = "change", value_name = "KEY=SECONDS", value_parser = seconds)]
    timeouts: Vec<(String, u64)>,
}

impl Options {
    fn changes(&self) -> OptionChanges {
        let flags = self.scheduler_flags.clone();
        OptionChanges {
            scheduler_flags: flags.map(|flags| flags.into_iter().filter(|flag| !flag.is_empty()).collect()),
            persistence: self.persistence,
            persistence_netmask: self.persistence_netmask,
            one_packet: self.one_packet,
            clamp_mss: self.clamp_mss,
            helper: self.helper.clone(),
            timeouts: self.timeouts.iter().cloned().collect(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::client) enum RealCommand {
    /// Adds a real server to a service
    #[command(group = clap::ArgGroup::new("change").multiple(true))]
    Add {
        #[command(flatten)]
        real: Real,
        /// Its share, 0 to 65535; 1 if not given
        #[arg(long)]
        weight: Option<u32>,
        /// nat, tunnel or direct; the service's if not given
        #[arg(long)]
        method: Option<ForwardMethod>,
        #[command(flatten)]
        thresholds: Thresholds,
    },
    /// Changes a real server
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set {
        #[command(flatten)]
        real: Real,
        /// Its share, 0 to 65535
        #[arg(long, group = "change")]
        weight: Option<u32>,
        /// nat, tunnel or direct; existing connections keep theirs
        #[arg(long, group = "change")]
        method: Option<ForwardMethod>,
        #[command(flatten)]
        thresholds: Thresholds,
    },
    /// Removes a real server; packets of its connections are dropped until it comes back, or as expire_nodest_conn says
    Remove {
        #[command(flatten)]
        real: Real,
    },
    /// Takes a real server out without a client noticing: no new connections, existing ones end
    Drain {
        #[command(flatten)]
        real: Real,
        /// After this time what is left is closed, both ends told, as 10m
        #[arg(long, value_name = "TIME", value_parser = time)]
        deadline: Option<u64>,
        /// What is left is closed now, both ends told
        #[arg(long, conflicts_with = "deadline")]
        now: bool,
        /// What becomes of it when no connection is left: keep or remove
        #[arg(long, value_enum, default_value = "keep")]
        then: ThenWord,
    },
    /// Takes a real server back that was drained
    #[command(alias = "undrain")]
    Enable {
        #[command(flatten)]
        real: Real,
    },
}

/// What becomes of a real that has been drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::client) enum ThenWord {
    /// It stays without connections until it is enabled.
    Keep,
    /// It is removed.
    Remove,
}

/// Seconds, as `10m`, `90s` or `90`.
fn time(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().or_else(|| humantime::parse_duration(text).ok().map(|time| time.as_secs()));
    seconds.ok_or_else(|| "not a time, as 30s, 10m or 1h".to_owned())
}

#[derive(Debug, Args)]
pub(in crate::client) struct Real {
    /// The service's name
    service: String,
    /// The real's address and port, as 10.0.0.3:80; port 0 with a service on every port or a group
    #[arg(value_parser = endpoint)]
    address: SocketAddrV4,
}

#[derive(Debug, Args)]
pub(in crate::client) struct Thresholds {
    /// With so many connections it gets no new ones; 0: no limit
    #[arg(long, group = "change", value_name = "CONNECTIONS")]
    upper_threshold: Option<u32>,
    /// Below so many it gets new ones again; 0: three quarters of the upper threshold
    #[arg(long, group = "change", value_name = "CONNECTIONS")]
    lower_threshold: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(in crate::client) enum GroupCommand {
    /// Every group
    List,
    /// Makes a group of these endpoints, or gives it these in the place of those it has
    Set {
        /// Its number, from 1: a service with --group is over it
        number: u32,
        /// Each as "tcp 202.103.106.5:80"; port 0: every port
        #[arg(required = true, value_name = "ENDPOINT")]
        endpoints: Vec<String>,
    },
    /// Removes a group; a service over it stays, without packets
    Remove {
        /// Its number
        number: u32,
    },
}

impl ServiceCommand {
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List => Request::ServiceList,
            Self::Show { service } => Request::ServiceShow { service: service.clone() },
            Self::Add { name, protocol, address, group, scheduler, method, options } => {
                Request::ServiceAdd(ServiceAdd {
                    name: name.clone(),
                    protocol: *protocol,
                    address: *address,
                    group: *group,
                    scheduler: *scheduler,
                    method: *method,
                    options: options.changes(),
                })
            }
            Self::Set { service, scheduler, method, options } => Request::ServiceSet {
                service: service.clone(),
                scheduler: *scheduler,
                method: *method,
                options: options.changes(),
            },
            Self::Remove { service } => Request::ServiceRemove { service: service.clone() },
        }
    }
}

impl RealCommand {
    pub(super) fn request(&self) -> Request {
        let (Self::Add { real, .. }
        | Self::Set { real, .. }
        | Self::Remove { real }
        | Self::Drain { real, .. }
        | Self::Enable { real }) = self;
        let (service, address) = (real.service.clone(), real.address);
        let change = |weight: Option<u32>, method: Option<ForwardMethod>, thresholds: &Thresholds| RealChange {
            weight,
            method,
            upper_threshold: thresholds.upper_threshold,
            lower_threshold: thresholds.lower_threshold,
            ..RealChange::new(service.clone(), address)
        };
        match self {
            Self::Add { weight, method, thresholds, .. } => Request::RealAdd(change(*weight, *method, thresholds)),
            Self::Set { weight, method, thresholds, .. } => Request::RealSet(change(*weight, *method, thresholds)),
            Self::Remove { .. } => Request::RealRemove { service, address },
            Self::Drain { deadline, now, then, .. } => Request::RealDrain(DrainRequest {
                service,
                address,
                deadline_seconds: *deadline,
                now: *now,
                then: if *then == ThenWord::Remove { Then::Remove } else { Then::Keep },
            }),
            Self::Enable { .. } => Request::RealEnable { service, address },
        }
    }
}

impl GroupCommand {
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List => Request::GroupList,
            Self::Set { number, endpoints } => Request::GroupSet { number: *number, endpoints: endpoints.clone() },
            Self::Remove { number } => Request::GroupRemove { number: *number },
        }
    }
}
