//! Services, groups and real servers.

use super::{ForwardMethod, Protocol, SchedulerFlags, SchedulerKind, Settings, TimeoutOverrides, Timeouts};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Where clients send their packets: protocol, virtual address and port. Shown as `tcp 10.0.0.1:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceEndpoint {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The virtual address (VIP) and port; port 0 = every port that no other service has.
    pub address: SocketAddrV4,
}

impl fmt::Display for ServiceEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.address)
    }
}

/// What identifies a service. Shown as `tcp 10.0.0.1:80` or `group 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceKey {
    /// One endpoint.
    Endpoint(ServiceEndpoint),
    /// The endpoints of the [`Group`] with this number, from 1; the reference's firewall mark.
    Group(u32),
}

impl ServiceKey {
    /// The service of one endpoint.
    pub const fn new(protocol: Protocol, address: SocketAddrV4) -> Self {
        Self::Endpoint(ServiceEndpoint { protocol, address })
    }

    /// The endpoint; `None` for a group.
    pub const fn endpoint(&self) -> Option<ServiceEndpoint> {
        match self {
            Self::Endpoint(endpoint) => Some(*endpoint),
            Self::Group(_) => None,
        }
    }

    /// The protocol; `None` for a group.
    pub fn protocol(&self) -> Option<Protocol> {
        self.endpoint().map(|endpoint| endpoint.protocol)
    }

    /// The virtual address and port; `None` for a group.
    pub fn address(&self) -> Option<SocketAddrV4> {
        self.endpoint().map(|endpoint| endpoint.address)
    }

    /// The number of the group; `None` for an endpoint.
    pub const fn group(&self) -> Option<u32> {
        match self {
            Self::Endpoint(_) => None,
            Self::Group(number) => Some(*number),
        }
    }

    /// The port; 0 for a group, as for a service on all ports.
    pub fn port(&self) -> u16 {
        self.address().map_or(0, |address| address.port())
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Group(number) => write!(f, "group {number}"),
        }
    }
}

/// Endpoints under one number, for a service over all of them. An endpoint is in one group at most; it may be that of
/// a service too, then the group comes first, as in the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// From 1; what a packet's firewall mark is in the reference.
    pub number: u32,
    /// Where its packets are sent to.
    pub endpoints: Vec<ServiceEndpoint>,
}

/// Persistence: a client's later connections go to the real of its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Seconds after a client's last new connection for which it is remembered, 1 to [`Timeouts::MAX_SECONDS`].
    pub timeout: u32,
    /// Which bits of a client's address count; not 0. 255.255.255.255: every address by itself.
    pub netmask: Ipv4Addr,
}

impl Persistence {
    /// The timeout where none is given, as in ipvsadm.
    pub const DEFAULT_TIMEOUT: u32 = 360;
}

/// A helper: reads the payload of NAT connections and rewrites the addresses in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Helper {
    /// FTP (RFC 959, RFC 2428).
    Ftp,
}

impl Helper {
    /// FTP's control port.
    pub const FTP_PORT: u16 = 21;

    /// Every helper, in the order of its wire number.
    pub const ALL: [Self; 1] = [Self::Ftp];

    /// `ftp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
        }
    }

    /// The helper that a service has if nothing is said: FTP on TCP port 21.
    pub fn by_port(key: &ServiceKey) -> Option<Self> {
        let endpoint = key.endpoint()?;
        (endpoint.protocol == Protocol::Tcp && endpoint.address.port() == Self::FTP_PORT).then_some(Self::Ftp)
    }
}

/// What a service does, apart from its reals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// How new connections choose a real.
    pub scheduler: SchedulerKind,
    /// Variants of the scheduler.
    pub flags: SchedulerFlags,
    /// Whether, how long and by which part of the address clients keep their real.
    pub persistence: Option<Persistence>,
    /// One-packet scheduling: every datagram by itself, no connections. UDP and groups only.
    pub one_packet: bool,
    /// Lowers the maximum segment size that TCP ends announce so that their packets fit the way to the real.
    pub clamp_mss: bool,
    /// Reads the payload.
    pub helper: Option<Helper>,
    /// Its own timeouts.
    pub timeouts: TimeoutOverrides,
}

impl ServiceOptions {
    /// A scheduler and nothing else.
    pub const fn new(scheduler: SchedulerKind) -> Self {
        Self {
            scheduler,
            flags: SchedulerFlags::NONE,
            persistence: None,
            one_packet: false,
            clamp_mss: false,
            helper: None,
            timeouts: TimeoutOverrides([0; 12]),
        }
    }
}

/// A virtual service and its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Protocol, VIP and port; or a group.
    pub key: ServiceKey,
    /// What it does.
    pub options: ServiceOptions,
    /// Its reals, in the order in which they were added (oldest first). The dataplane's list is newest-first, as the
    /// reference's is.
    pub reals: Vec<RealServer>,
}

/// A real server of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Address and port. Tunnel and direct keep the packet's port, so there it equals the service's. Port 0 (services
    /// on all ports, and groups): the packet's port is kept.
    pub address: SocketAddrV4,
    /// How packets reach it.
    pub method: ForwardMethod,
    /// 0 to [`RealServer::MAX_WEIGHT`]; 0 = quiesced: no new connections, existing ones go on.
    pub weight: u32,
    /// With so many connections it gets no new ones; 0 = no limit.
    pub upper_threshold: u32,
    /// Below so many connections it gets new ones again; 0 = three quarters of `upper_threshold`. Not above it.
    pub lower_threshold: u32,
    /// Whether its connections are on their way out.
    pub phase: Phase,
    /// What a socket of the director's kernel speaks to whose packets are to go the way of clients: to the VIP, and from
    /// there to this real. `None`: nothing does. No two reals of a table have the same.
    pub check_address: Option<Ipv4Addr>,
}

/// Whether a real's connections are on their way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// They are not.
    #[default]
    Serving = 0,
    /// They end by themselves; persistence ties no client to the real any more. Its weight is 0.
    Draining = 1,
    /// They are closed, both ends told by a RST; clients that were silent so far are asked for the numbers that it takes.
    /// Its weight is 0.
    Closing = 2,
    /// As `Closing`, and those whose clients do not answer are removed. Its weight is 0.
    Removing = 3,
}

impl Phase {
    /// Every phase, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Serving, Self::Draining, Self::Closing, Self::Removing];
}

impl RealServer {
    /// The largest weight, as in ipvsadm.
    pub const MAX_WEIGHT: u32 = 65_535;

    /// A real without thresholds.
    pub const fn new(address: SocketAddrV4, method: ForwardMethod, weight: u32) -> Self {
        Self {
            address,
            method,
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
            phase: Phase::Serving,
            check_address: None,
        }
    }

    /// The lower threshold that holds: given, or three quarters of the upper one.
    pub const fn effective_lower_threshold(&self) -> u32 {
        match self.lower_threshold {
            0 => self.upper_threshold - self.upper_threshold / 4,
            given => given,
        }
    }
}

/// The service table as control wants it: what one transaction carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTable {
    /// Timeouts of all services.
    pub timeouts: Timeouts,
    /// What holds for all services.
    pub settings: Settings,
    /// The groups; no two with one number, no endpoint in two.
    pub groups: Vec<Group>,
    /// The services; no two with one key.
    pub services: Vec<Service>,
}
