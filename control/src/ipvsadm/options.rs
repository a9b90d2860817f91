//! The words of the command line: commands, options, and which option goes with which command.

use Flag as F;

/// What the first option of a command line says is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    AddService,
    EditService,
    DeleteService,
    Clear,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Help,
    Version,
}

impl Verb {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Clear => "flush",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::AddServer => "add-server",
            Self::EditServer => "edit-server",
            Self::DeleteServer => "delete-server",
            Self::List => "list",
            Self::Zero => "zero",
            Self::SetTimeouts => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Help => "help",
            Self::Version => "version",
        }
    }

    /// The options that it needs, and those that it may have.
    const fn flags(self) -> (&'static [Flag], &'static [Flag]) {
        const SERVICE: &[Flag] =
            &[F::Scheduler, F::Persistent, F::Netmask, F::OnePacket, F::PersistenceEngine, F::SchedulerFlags];
        const SERVER: &[Flag] = &[
            F::ForwardingMethod,
            F::Weight,
            F::UpperThreshold,
            F::LowerThreshold,
            F::TunnelType,
            F::TunnelPort,
            F::TunnelNoChecksum,
            F::TunnelChecksum,
            F::TunnelRemoteChecksum,
        ];
        const LIST: &[Flag] = &[
            F::Numeric,
            F::Connection,
            F::Service,
            F::Timeout,
            F::Daemon,
            F::Stats,
            F::Rate,
            F::Thresholds,
            F::PersistentConn,
            F::NoSort,
            F::SyncId,
            F::Exact,
            F::TunnelInfo,
        ];
        const START: &[Flag] =
            &[F::McastInterface, F::SyncId, F::McastGroup, F::McastPort, F::McastTtl, F::SyncMaxLength];
        match self {
            Self::AddService | Self::EditService => (&[F::Service], SERVICE),
            Self::DeleteService => (&[F::Service], &[]),
            Self::AddServer | Self::EditServer => (&[F::Service, F::Real], SERVER),
            Self::DeleteServer => (&[F::Service, F::Real], &[]),
            Self::List => (&[], LIST),
            Self::Save => (&[], &[F::Numeric]),
            Self::Zero => (&[], &[F::Service]),
            Self::StartDaemon => (&[], START),
            Self::StopDaemon => (&[], &[F::SyncId]),
            Self::Clear | Self::Restore | Self::SetTimeouts | Self::Help | Self::Version => (&[], &[]),
        }
    }
}

/// An option, in the order in which they are checked. Several switches may set one: `-t`, `-u` and `-f` all are
/// `service-address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Real,
    ForwardingMethod,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    PersistenceEngine,
    SchedulerFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxLength,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
}

/// Every option and its name in messages, in the order of [`Flag`].
const FLAGS: [(Flag, &str); 34] = [
    (F::Numeric, "numeric"),
    (F::Connection, "connection"),
    (F::Service, "service-address"),
    (F::Scheduler, "scheduler"),
    (F::Persistent, "persistent"),
    (F::Netmask, "netmask"),
    (F::Real, "real-server"),
    (F::ForwardingMethod, "forwarding-method"),
    (F::Weight, "weight"),
    (F::UpperThreshold, "u-threshold"),
    (F::LowerThreshold, "l-threshold"),
    (F::McastInterface, "mcast-interface"),
    (F::Timeout, "timeout"),
    (F::Daemon, "daemon"),
    (F::Stats, "stats"),
    (F::Rate, "rate"),
    (F::Thresholds, "thresholds"),
    (F::PersistentConn, "persistent-conn"),
    (F::NoSort, "nosort"),
    (F::SyncId, "syncid"),
    (F::Exact, "exact"),
    (F::OnePacket, "ops"),
    (F::PersistenceEngine, "pe"),
    (F::SchedulerFlags, "sched-flags"),
    (F::McastGroup, "mcast-group"),
    (F::McastPort, "mcast-port"),
    (F::McastTtl, "mcast-ttl"),
    (F::SyncMaxLength, "sync-maxlen"),
    (F::TunnelInfo, "tun-info"),
    (F::TunnelType, "tun-type"),
    (F::TunnelPort, "tun-port"),
    (F::TunnelNoChecksum, "tun-nocsum"),
    (F::TunnelChecksum, "tun-csum"),
    (F::TunnelRemoteChecksum, "tun-remcsum"),
];

impl Flag {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        FLAGS[self as usize].1
    }

    /// Of these a list has one at most.
    const fn is_exclusive(self) -> bool {
        matches!(self, Self::Connection | Self::Service | Self::Timeout | Self::Daemon)
    }
}

/// The options that were given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags(u64);

impl Flags {
    /// Notes an option; false: it was there already.
    pub(super) const fn add(&mut self, flag: Flag) -> bool {
        let new = !self.has(flag);
        self.0 |= 1 << flag as u64;
        new
    }

    /// Whether the option was given.
    pub(super) const fn has(self, flag: Flag) -> bool {
        self.0 >> flag as u64 & 1 == 1
    }

    /// Whether one of these was given.
    pub(super) fn has_any(self, flags: &[Flag]) -> bool {
        flags.iter().any(|flag| self.has(*flag))
    }

    /// Whether the command can be done with these options: none missing, none that it has no use for, none that exclude
    /// each other.
    ///
    /// # Errors
    /// The message.
    pub(super) fn check(self, verb: Verb) -> Result<(), String> {
        let (required, optional) = verb.flags();
        let command = verb.name();
        let mut exclusive: Option<Flag> = None;
        for (flag, name) in FLAGS {
            if !self.has(flag) {
                if required.contains(&flag) {
                    return Err(format!("You need to supply the '{name}' option for the '{command}' command"));
                }
                continue;
            }
            if !required.contains(&flag) && !optional.contains(&flag) {
                return Err(format!("Illegal '{name}' option with the '{command}' command"));
            }
            if verb == Verb::List && flag.is_exclusive() {
                if let Some(first) = exclusive {
                    let first = first.name();
                    return Err(format!(
                        "The option '{name}' conflicts with the '{first}' option in the '{command}' command"
                    ));
                }
                exclusive = Some(flag);
            }
        }
        Ok(())
    }
}

/// What a word of the command line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Command(Verb),
    /// An option whose value, if it has one, belongs to it alone.
    Option(Flag),
    Tcp,
    Udp,
    Sctp,
    Mark,
    Gatewaying,
    Tunneling,
    Masquerading,
    Ipv6,
    /// Accepted, without meaning.
    Sort,
}

/// Whether a value follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// A value if the next word can be one.
    Perhaps,
}

/// A word.
pub(super) struct Spec {
    /// After two dashes.
    pub(super) long: &'static str,
    /// After one dash.
    pub(super) short: Option<char>,
    pub(super) takes: Takes,
    pub(super) switch: Switch,
}

const fn word(long: &'static str, short: Option<char>, takes: Takes, switch: Switch) -> Spec {
    Spec { long, short, takes, switch }
}

const fn command(long: &'static str, short: char, verb: Verb) -> Spec {
    word(long, Some(short), Takes::Nothing, Switch::Command(verb))
}

const fn flag(long: &'static str, short: Option<char>, flag: Flag) -> Spec {
    word(long, short, Takes::Nothing, Switch::Option(flag))
}

const fn value(long: &'static str, short: Option<char>, flag: Flag) -> Spec {
    word(long, short, Takes::Value, Switch::Option(flag))
}

/// Every word.
pub(super) const SPECS: &[Spec] = &[
    command("add-service", 'A', Verb::AddService),
    command("edit-service", 'E', Verb::EditService),
    command("delete-service", 'D', Verb::DeleteService),
    command("clear", 'C', Verb::Clear),
    command("list", 'L', Verb::List),
    command("list", 'l', Verb::List),
    command("zero", 'Z', Verb::Zero),
    command("add-server", 'a', Verb::AddServer),
    command("edit-server", 'e', Verb::EditServer),
    command("delete-server", 'd', Verb::DeleteServer),
    command("restore", 'R', Verb::Restore),
    command("save", 'S', Verb::Save),
    command("help", 'h', Verb::Help),
    command("version", 'v', Verb::Version),
    word("set", None, Takes::Nothing, Switch::Command(Verb::SetTimeouts)),
    word("start-daemon", None, Takes::Value, Switch::Command(Verb::StartDaemon)),
    word("stop-daemon", None, Takes::Value, Switch::Command(Verb::StopDaemon)),
    word("tcp-service", Some('t'), Takes::Value, Switch::Tcp),
    word("udp-service", Some('u'), Takes::Value, Switch::Udp),
    word("sctp-service", None, Takes::Value, Switch::Sctp),
    word("fwmark-service", Some('f'), Takes::Value, Switch::Mark),
    word("gatewaying", Some('g'), Takes::Nothing, Switch::Gatewaying),
    word("ipip", Some('i'), Takes::Nothing, Switch::Tunneling),
    word("masquerading", Some('m'), Takes::Nothing, Switch::Masquerading),
    word("ipv6", Some('6'), Takes::Nothing, Switch::Ipv6),
    word("sort", None, Takes::Nothing, Switch::Sort),
    word("persistent", Some('p'), Takes::Perhaps, Switch::Option(F::Persistent)),
    value("scheduler", Some('s'), F::Scheduler),
    value("netmask", Some('M'), F::Netmask),
    value("real-server", Some('r'), F::Real),
    value("weight", Some('w'), F::Weight),
    value("u-threshold", Some('x'), F::UpperThreshold),
    value("l-threshold", Some('y'), F::LowerThreshold),
    value("pe", None, F::PersistenceEngine),
    value("sched-flags", Some('b'), F::SchedulerFlags),
    value("mcast-interface", None, F::McastInterface),
    value("mcast-group", None, F::McastGroup),
    value("mcast-port", None, F::McastPort),
    value("mcast-ttl", None, F::McastTtl),
    value("sync-maxlen", None, F::SyncMaxLength),
    value("syncid", None, F::SyncId),
    value("tun-type", None, F::TunnelType),
    value("tun-port", None, F::TunnelPort),
    flag("tun-nocsum", None, F::TunnelNoChecksum),
    flag("tun-csum", None, F::TunnelChecksum),
    flag("tun-remcsum", None, F::TunnelRemoteChecksum),
    flag("tun-info", None, F::TunnelInfo),
    flag("numeric", Some('n'), F::Numeric),
    flag("connection", Some('c'), F::Connection),
    flag("timeout", None, F::Timeout),
    flag("daemon", None, F::Daemon),
    flag("stats", None, F::Stats),
    flag("rate", None, F::Rate),
    flag("thresholds", None, F::Thresholds),
    flag("persistent-conn", None, F::PersistentConn),
    flag("nosort", None, F::NoSort),
    flag("exact", Some('X'), F::Exact),
    flag("ops", Some('o'), F::OnePacket),
];

#[cfg(test)]
mod tests {
    use super::{FLAGS, Flag};

    #[test]
    fn options_stand_at_the_place_of_their_number() {
        assert!(FLAGS.iter().enumerate().all(|(at, (flag, _))| *flag as usize == at));
        assert_eq!((Flag::Service.name(), Flag::SyncId.name()), ("service-address", "syncid"));
    }
}
