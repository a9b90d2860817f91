//! The arguments of `sluice`, and the requests that they mean.

mod service;

use self::service::{GroupCommand, RealCommand, ServiceCommand};
use super::Stop;
use super::capture::{CaptureOptions, TraceOptions};
use super::local::LocalCommand;
use super::top::Top;
use crate::protocol::{ConnectionFilter, DEFAULT_SOCKET, Failure, MAX_REQUEST, Request, encode_request};
use clap::{Args, Parser, Subcommand, ValueEnum};
use link::model::Protocol;
use std::ffi::OsString;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused (nothing changed), 2 wrong usage, 3 not found, 4 sluiced (or the \
                          dataplane) not reachable.";

/// Shows and changes what a Sluice director does.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// The Unix socket of sluiced
    #[arg(long, global = true, value_name = "PATH", env = "SLUICE_SOCKET", default_value = DEFAULT_SOCKET)]
    pub(super) socket: PathBuf,
    /// For people, or for programs
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(super) format: Format,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How the director is: processes, versions of the tables, warnings
    Status {
        /// For programs: exit code 4 unless the dataplane runs, answers and has the services in force
        #[arg(long)]
        check: bool,
    },
    /// Virtual services
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Real servers of a service
    #[command(subcommand)]
    Real(RealCommand),
    /// Groups: several endpoints for one service
    #[command(subcommand)]
    Group(GroupCommand),
    /// Connections
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// The director live: services, reals, drops, workers
    Top {
        /// Seconds between two looks, 0.5 to 3600
        #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
        interval: Duration,
        /// Prints one frame as text and ends; needs no terminal
        #[arg(long)]
        once: bool,
    },
    /// Counters of services, reals and workers since the dataplane started
    Stats {
        /// Only this service
        service: Option<String>,
        /// Per second instead: two samples, a second apart
        #[arg(long)]
        rate: bool,
    },
    /// Why packets were dropped or answered
    Drops {
        /// Reasons that never occurred too
        #[arg(long)]
        all: bool,
    },
    /// What happened to real servers and services: up, down, drained, quorum lost
    Events {
        /// Go on with what happens from now on
        #[arg(long, short)]
        follow: bool,
    },
    /// The Ethernet ports and their counters
    Ports,
    /// Where the workers' cycles go, live: by stage, idle share, bursts, hand-offs
    Perf {
        /// Seconds that one report covers
        #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = interval)]
        interval: Duration,
        /// How many reports; 0 = until it is interrupted
        #[arg(long, default_value_t = 1)]
        count: u64,
    },
    /// What would happen to a packet now, and why; changes nothing
    Explain {
        /// tcp or udp
        protocol: Protocol,
        /// Where the packet comes from, as 202.100.1.2:3456
        #[arg(value_parser = endpoint)]
        source: SocketAddrV4,
        /// Where it goes, as 202.103.106.5:80
        #[arg(value_parser = endpoint)]
        destination: SocketAddrV4,
    },
    /// Packets as the workers see them, before and after, with what became of them
    Capture(CaptureOptions),
    /// The next packets of a flow, both ways, with every decision about them
    Trace(TraceOptions),
    /// Makes a services file the running table, whole or not at all; connections of what stays go on
    Apply {
        /// The file; - for standard input
        file: PathBuf,
        /// Only print what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Applies the services file that sluiced was started with
    Reload {
        /// Only print what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// The settings in force, by the names and values of LVS's
    Settings {
        #[command(subcommand)]
        command: Option<SettingsCommand>,
    },
    /// The timeouts in force, in seconds
    Timeouts {
        #[command(subcommand)]
        command: Option<TimeoutsCommand>,
    },
    /// The command line of ipvsadm 1.31, for this director; exit codes as there
    #[command(disable_help_flag = true)]
    Ipvsadm {
        /// As ipvsadm takes them; none: -L
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    #[command(flatten)]
    Local(LocalCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionCommand {
    /// Lists connections
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many; 0 = all
        #[arg(long, default_value_t = 0)]
        limit: u32,
    },
    /// Prints how many connections there are
    Count {
        #[command(flatten)]
        filter: Filter,
    },
    /// Removes connections
    Flush {
        #[command(flatten)]
        filter: Filter,
        /// Every connection; needed where no filter is given
        #[arg(long, conflicts_with_all = ["protocol", "client", "service", "real"])]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// tcp or udp
    #[arg(long)]
    protocol: Option<Protocol>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<Ipv4Addr>,
    /// A service's name, or a virtual address and port
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// The real's address and port
    #[arg(long, value_name = "ADDRESS", value_parser = endpoint)]
    real: Option<SocketAddrV4>,
}

impl Filter {
    fn request(&self, limit: u32) -> ConnectionFilter {
        let Self { protocol, client, service, real } = self;
        ConnectionFilter { protocol: *protocol, client: *client, service: service.clone(), real: *real, limit }
    }

    fn is_empty(&self) -> bool {
        self.request(0) == ConnectionFilter::default()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum SettingsCommand {
    /// Changes settings, at once
    Set {
        /// As drop_entry=1
        #[arg(required = true, value_name = "KEY=NUMBER", value_parser = setting)]
        settings: Vec<(String, u64)>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TimeoutsCommand {
    /// Changes timeouts; existing connections follow with their next packet
    Set {
        /// As tcp_established=600
        #[arg(required = true, value_name = "KEY=SECONDS", value_parser = seconds)]
        timeouts: Vec<(String, u64)>,
    },
}

fn endpoint(text: &str) -> Result<SocketAddrV4, String> {
    text.parse().map_err(|_| "allowed an IPv4 address and a port, as 10.0.0.1:80".to_owned())
}

fn seconds(text: &str) -> Result<(String, u64), String> {
    let parts = text.split_once('=').and_then(|(key, seconds)| Some((key.to_owned(), seconds.parse().ok()?)));
    parts.ok_or_else(|| "allowed a key and whole seconds, as tcp_established=600".to_owned())
}

fn setting(text: &str) -> Result<(String, u64), String> {
    let parts = text.split_once('=').and_then(|(key, value)| Some((key.to_owned(), value.parse().ok()?)));
    parts.ok_or_else(|| "allowed a key and a whole number, as drop_entry=1".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f32>().ok().filter(|seconds| (0.5..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f32).ok_or_else(|| "allowed 0.5 to 3600 seconds".to_owned())
}

/// What a command means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// One request, its answer printed.
    Ask(Request),
    /// Two samples of the counters.
    Rate {
        /// Only this service.
        service: Option<String>,
    },
    /// Where cycles go.
    Perf {
        /// What one report covers.
        interval: Duration,
        /// How many; 0 = no end.
        count: u64,
    },
    /// The drop reasons.
    Drops {
        /// Those at 0 too.
        all: bool,
    },
    /// The live view.
    Top(Top),
    /// Packets.
    Capture(CaptureOptions),
    /// The packets of a flow.
    Trace(TraceOptions),
    /// A command line of ipvsadm.
    Ipvsadm {
        /// Its words.
        arguments: Vec<OsString>,
    },
    /// The status, as exit code too.
    Check,
    /// One that needs no sluiced.
    Local(LocalCommand),
}

impl Command {
    /// Reads the file that an `apply` names, nothing else from outside.
    pub(super) fn task(&self) -> Result<Task, Stop> {
        let request = match self {
            Self::Stats { service, rate: true } => return Ok(Task::Rate { service: service.clone() }),
            Self::Perf { interval, count } => return Ok(Task::Perf { interval: *interval, count: *count }),
            Self::Drops { all } => return Ok(Task::Drops { all: *all }),
            Self::Top { interval, once } => return Ok(Task::Top(Top { interval: *interval, once: *once })),
            Self::Ipvsadm { arguments } => return Ok(Task::Ipvsadm { arguments: arguments.clone() }),
            Self::Capture(options) => return Ok(Task::Capture(options.clone())),
            Self::Trace(options) => return Ok(Task::Trace(options.clone())),
            Self::Local(command) => return Ok(Task::Local(command.clone())),
            Self::Stats { service, rate: false } => Request::Stats { service: service.clone() },
            Self::Status { check: true } => return Ok(Task::Check),
            Self::Status { check: false } => Request::Status,
            Self::Service(command) => command.request(),
            Self::Real(command) => command.request(),
            Self::Group(command) => command.request(),
            Self::Connection(command) => command.request()?,
            Self::Events { follow } => Request::Events { follow: *follow },
            Self::Ports => Request::Ports,
            Self::Explain { protocol, source, destination } => {
                Request::Explain { protocol: *protocol, source: *source, destination: *destination }
            }
            Self::Apply { file, dry_run } => apply(file, *dry_run)?,
            Self::Reload { dry_run } => Request::Reload { dry_run: *dry_run },
            Self::Settings { command: None } => Request::Settings,
            Self::Settings { command: Some(SettingsCommand::Set { settings }) } => {
                Request::SettingsSet { settings: settings.iter().cloned().collect() }
            }
            Self::Timeouts { command: None } => Request::Timeouts,
            Self::Timeouts { command: Some(TimeoutsCommand::Set { timeouts }) } => {
                Request::TimeoutsSet { timeouts: timeouts.iter().cloned().collect() }
            }
        };
        Ok(Task::Ask(request))
    }
}

impl ConnectionCommand {
    fn request(&self) -> Result<Request, Stop> {
        match self {
            Self::List { filter, limit } => Ok(Request::ConnectionList(filter.request(*limit))),
            Self::Count { filter } => Ok(Request::ConnectionCount(filter.request(0))),
            Self::Flush { filter, all } if *all || !filter.is_empty() => {
                Ok(Request::ConnectionFlush(filter.request(0)))
            }
            Self::Flush { .. } => {
                let message = "Nothing was removed: give --protocol, --client, --service or --real, or --all for every \
                               connection.";
                Err(Failure::usage(message).into())
            }
        }
    }
}

fn apply(file: &Path, dry_run: bool) -> Result<Request, Stop> {
    let name = file.display().to_string();
    let mut text = String::new();
    let read = if name == "-" {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::not_found(format!("Nothing was applied: {name} cannot be read: {error}.")))?;
    let request = Request::Apply { text, file: name, dry_run };
    let length = encode_request(&request)?.len();
    if length > MAX_REQUEST {
        let what = format!("{} takes {length} bytes as a request", file.display());
        let message = format!("Nothing was applied: {what}, allowed {MAX_REQUEST}; apply it with `sluice reload`.");
        return Err(Failure::refused(message).into());
    }
    Ok(request)
}
