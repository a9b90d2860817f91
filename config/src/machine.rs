//! sluice.toml: the machine.

mod parse;

use crate::error::ConfigError;
use crate::reader::{Document, read};
use link::model::{MacAddress, Neighbor, Prefix, Route};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What sluice.toml says. Every reference between its parts (port names) has been resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `[dataplane]`.
    pub dataplane: Dataplane,
    /// `[[port]]`, in the order of the file: a port's index is its place here. 1 to 32.
    pub ports: Vec<Port>,
    /// `[[route]]`; the connected routes of [`Port::addresses`] are not among them.
    pub routes: Vec<Route>,
    /// `[[neighbor]]`.
    pub neighbors: Vec<Neighbor>,
    /// `[control]`.
    pub control: Control,
}

impl Machine {
    /// Who sends to port `index`: what the file says; else clients where a static default route leads, reals on the
    /// others, and both where there is no such route or only one port.
    pub fn faces(&self, index: u16) -> Faces {
        if let Some(faces) = self.ports.get(usize::from(index)).and_then(|port| port.faces) {
            return faces;
        }
        let mut outward =
            self.routes.iter().filter(|route| route.prefix.length == 0).map(|route| route.port).peekable();
        match outward.peek() {
            Some(_) if self.ports.len() > 1 => {
                if outward.any(|port| port == index) {
                    Faces::Clients
                } else {
                    Faces::Reals
                }
            }
            _ => Faces::Both,
        }
    }

    /// Loads the file.
    ///
    /// # Errors
    /// Where it can't be read, is not TOML, or breaks a rule; with the line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(path)?, &path.display().to_string())
    }

    /// Parses `text`; `file` is its name in refusals.
    ///
    /// # Errors
    /// Where the text is not TOML or breaks a rule; with the line.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        parse::machine(&Document::new(file, text))
    }

    /// The index of the port of this name.
    pub fn port_index(&self, name: &str) -> Option<u16> {
        (0u16..).zip(&self.ports).find(|(_, port)| port.name == name).map(|(index, _)| index)
    }
}

pub(crate) fn keys() -> Vec<String> {
    parse::keys()
}

/// `[dataplane]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataplane {
    /// The lcore of the housekeeping, which sleeps between its rounds; not one of `workers`.
    pub main_lcore: u16,
    /// The lcores that forward; at least one, none twice.
    pub workers: Vec<u16>,
    /// Further EAL arguments; none of those that `main_lcore` and `workers` decide.
    pub eal: Vec<String>,
    /// Capacity for connections, all workers together.
    pub connections: u32,
    /// Clients that persistent services remember, all workers together.
    pub templates: u32,
    /// Slots for services.
    pub max_services: u32,
    /// Slots for reals, those removed that still have connections too.
    pub max_reals: u32,
    /// Mbufs in the pool; `None`: as many as ports, queues and workers need.
    pub mbufs: Option<u32>,
    /// What a worker does that finds no packet.
    pub idle: Idle,
    /// What happens to packets to a VIP that has no service on their port.
    pub unmatched: Unmatched,
    /// At most so many answers (RST, ICMP errors) a second, all workers together; 0 = none.
    pub reject_rate: u32,
}

/// `[[port]]`: an Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, unique; at most 31 bytes.
    pub name: String,
    /// PCI address or vdev with arguments, unique.
    pub device: String,
    /// Its MAC address; `None`: the device's own (in a replay 02:00:00:00:00:0N for port N, from 1).
    pub mac: Option<MacAddress>,
    /// The director's own addresses on it; at most 8.
    pub addresses: Vec<InterfaceAddress>,
    /// The TAP interface in the kernel; `None`: no kernel path, the dataplane answers ARP itself.
    pub kernel_interface: Option<String>,
    /// Bytes, IPv4 header on: 68 to 9600.
    pub mtu: u16,
    /// Who sends to it; `None`: [`Machine::faces`] guesses.
    pub faces: Option<Faces>,
}

/// An address with the length of its network's prefix: `10.0.1.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address itself, host bits and all.
    pub address: Ipv4Addr,
    /// 1 to 32.
    pub length: u8,
}

impl InterfaceAddress {
    /// The network it is in: its connected route.
    pub fn network(&self) -> Prefix {
        let bits = self.address.to_bits() & u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
        Prefix { network: Ipv4Addr::from_bits(bits), length: self.length }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// `[control]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket of `sluiced`; absolute, at most 107 bytes.
    pub socket: PathBuf,
    /// The file of the link between the two processes; absolute.
    pub link: PathBuf,
    /// Where `sluiced` serves metrics and a page over HTTP; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// The metrics have those of each real, beside those of each service.
    pub http_reals: bool,
    /// Which VIPs `sluiced` puts on the kernel interface.
    pub vips: Vips,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in the file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|word| word.name() == text).ok_or(())
            }
        }
    };
}

words! {
    /// What a worker does that finds no packet.
    Idle {
        /// Polls again at once: the lowest latency, and the core is always busy.
        Spin = "spin",
        /// Polls again after a short pause instruction, which leaves room for the core's other thread.
        Pause = "pause",
        /// Sleeps for some microseconds after a while without packets: for machines that do other things too.
        Sleep = "sleep",
    }
}

words! {
    /// Who sends to a port: it decides by which end of its packets the device spreads them over the workers.
    Faces {
        /// Clients: packets belong to the worker that their source names.
        Clients = "clients",
        /// Reals: replies belong to the worker that their destination names.
        Reals = "reals",
        /// Both.
        Both = "both",
    }
}

words! {
    /// What happens to packets to a VIP that has no service on their port.
    Unmatched {
        /// Answered: TCP with a RST, else with ICMP port unreachable.
        Reject = "reject",
        /// Handed to the kernel.
        Kernel = "kernel",
        /// Dropped.
        Drop = "drop",
    }
}

words! {
    /// Which VIPs `sluiced` puts on the kernel interface of the first port, where Linux answers ARP for them and routing
    /// daemons find them.
    Vips {
        /// Those of all services.
        Always = "always",
        /// Those that have a service with a usable real.
        Served = "served",
        /// None: somebody else does, as keepalived.
        Never = "never",
    }
}
