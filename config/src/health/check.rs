//! A check, typed: everything that can be wrong with it has been looked at.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How a real is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is done.
    pub kind: CheckKind,
    /// From the beginning of one check to that of the next.
    pub interval: Duration,
    /// Percent by which each interval is longer or shorter, by chance, so that checks do not come in step.
    pub jitter: u32,
    /// How long a check may take.
    pub timeout: Duration,
    /// Successes in a row after which a real that is down is up.
    pub rise: u32,
    /// Failures in a row after which a real that is up is down.
    pub fall: u32,
    /// What a real is taken for before its first result.
    pub start: Start,
    /// The port that is checked; 0 where the check has none.
    pub port: u16,
    /// Which way it goes.
    pub via: Via,
    /// With so many failures within `flap_window` the real stays out for `flap_hold`; 0: never.
    pub flap_limit: u32,
    /// The time in which they are counted.
    pub flap_window: Duration,
    /// How long it then stays out, from its last failure on.
    pub flap_hold: Duration,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is made, and reset.
    Tcp,
    /// An HTTP request is answered as expected.
    Http(HttpCheck),
    /// A datagram is answered as expected, or at least not refused.
    Udp {
        /// What is sent.
        payload: Vec<u8>,
        /// What the answer must match; `None`: no answer is needed, an ICMP error is a failure.
        expect: Option<Pattern>,
    },
    /// A DNS query is answered as expected.
    Dns(DnsCheck),
    /// An ICMP echo request is answered.
    Icmp,
    /// A program ends with status 0.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// Status 2 to 255 means up with weight 0 to 253.
        exit_weight: bool,
    },
}

impl CheckKind {
    /// The word in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(HttpCheck { tls: None, .. }) => "http",
            Self::Http(HttpCheck { tls: Some(_), .. }) => "https",
            Self::Udp { .. } => "udp",
            Self::Dns(_) => "dns",
            Self::Icmp => "icmp",
            Self::Exec { .. } => "exec",
        }
    }
}

/// An HTTP request and what its answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// GET or HEAD.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The Host header; `None`: the real's address and port.
    pub host: Option<String>,
    /// The status codes that are a success.
    pub status: Vec<RangeInclusive<u16>>,
    /// What the first 256 KiB of the body must match.
    pub body: Option<Pattern>,
    /// How the connection is secured; `None`: it is not.
    pub tls: Option<TlsCheck>,
}

/// TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsCheck {
    /// The name that is asked for and that the certificate must bear; `None`: that of `host`, else the real's address.
    pub sni: Option<String>,
    /// Whether the certificate is looked at.
    pub verify: bool,
    /// The authorities that are trusted, a PEM file; `None`: those of the system.
    pub ca_file: Option<String>,
}

/// A DNS query and what its answer must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsCheck {
    /// What is asked for.
    pub name: String,
    /// Of which type.
    pub record: DnsRecord,
    /// Addresses or names that must be among the answers; empty: any answer will do.
    pub answers: Vec<String>,
}

/// A type of DNS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsRecord {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// An alias.
    Cname,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// The start of a zone of authority.
    Soa,
    /// Text.
    Txt,
}

impl DnsRecord {
    /// Every one.
    pub const ALL: [Self; 7] = [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Ns, Self::Soa, Self::Txt];

    /// Its name in zone files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Soa => "SOA",
            Self::Txt => "TXT",
        }
    }

    /// Whether `text` can be an answer: those of A and AAAA are addresses.
    pub fn allows(self, text: &str) -> bool {
        match (self, text.parse::<IpAddr>()) {
            (Self::A, Ok(IpAddr::V4(_))) | (Self::Aaaa, Ok(IpAddr::V6(_))) => true,
            (Self::A | Self::Aaaa, _) => false,
            _ => !text.is_empty(),
        }
    }
}

/// What a real is taken for before its first result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Not in the pool before its first success.
    Down,
    /// In the pool until it fails.
    Up,
}

/// Which way a check goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// To the real's own address.
    #[default]
    Real,
    /// As a client's packets: to the VIP, and from the director to the real by its tunnel or its link. A real behind NAT is
    /// checked at its own address all the same: its packets go the same way.
    Vip,
}

/// A regular expression, as given; it compiles.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a text is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// The largest compiled form, in bytes: there may be thousands of them.
    pub const SIZE_LIMIT: usize = 256 * 1024;

    /// A pattern of this text (syntax of the crate regex, matched against bytes, anywhere in them).
    ///
    /// # Errors
    /// Where it is not a regular expression, or a very large one.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let built = regex::bytes::RegexBuilder::new(text).size_limit(Self::SIZE_LIMIT).build();
        match built {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(regex::Error::Syntax(text)) => {
                // The crate draws a picture; its last line says what is wrong.
                let reason = text.lines().last().unwrap_or_default();
                Err(PatternError(reason.trim_start_matches("error: ").to_owned()))
            }
            Err(error) => Err(PatternError(error.to_string())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0)
    }
}
