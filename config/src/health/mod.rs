//! What services.toml says of the health of reals: checks, quorum, sorry server, slow start, hooks.
//!
//! A check is kept as it was given ([`CheckKeys`]), so that a real may override single keys of its service's; what
//! follows from both, with the defaults, is a [`Check`].

mod check;
mod keys;
mod resolve;

pub use check::{Check, CheckKind, DnsCheck, DnsRecord, HttpCheck, Pattern, PatternError, Start, TlsCheck, Via};
pub use keys::{CheckKeys, Value};
pub(crate) use keys::{Form, KEYS, time_text, toml_text, toml_texts};

use crate::rules::Broken;
use link::model::RealServer;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

/// What a service says of the health of its reals. The default: nothing is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `[service.check]`: how each of its reals is checked.
    pub check: Option<CheckKeys>,
    /// `[service.real.check]`, by the real's address: what is different there.
    pub reals: BTreeMap<SocketAddrV4, CheckKeys>,
    /// What becomes of a real that fails.
    pub on_failure: OnFailure,
    /// The weights of the reals in the pool together, at least, for the service to have its quorum; 0 without reals.
    pub quorum: u32,
    /// So far below `quorum` it is lost, so far above it is gained again. Below `quorum`.
    pub quorum_hysteresis: u32,
    /// `[service.sorry]`: gets the connections while there is no quorum.
    pub sorry: Option<RealServer>,
    /// A real that comes into the pool gets its share over so long a time; 0: at once.
    pub slow_start: Duration,
    /// `[service.hooks]`: programs that are told.
    pub hooks: Hooks,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            check: None,
            reals: BTreeMap::new(),
            on_failure: OnFailure::Quiesce,
            quorum: 1,
            quorum_hysteresis: 0,
            sorry: None,
            slow_start: Duration::ZERO,
            hooks: Hooks::default(),
        }
    }
}

impl Health {
    /// What is said of the service, as section-less keys and TOML values, in the order of the file: `check.interval`,
    /// `"2s"`. What has its default is left out.
    pub fn entries(&self) -> Vec<(String, String)> {
        let defaults = Self::default();
        let mut all = Vec::new();
        let mut plain = |key: &str, value: String, default: String| {
            if value != default {
                all.push((key.to_owned(), value));
            }
        };
        plain("on_failure", toml_text(self.on_failure.name()), toml_text(defaults.on_failure.name()));
        plain("quorum", self.quorum.to_string(), defaults.quorum.to_string());
        plain("quorum_hysteresis", self.quorum_hysteresis.to_string(), defaults.quorum_hysteresis.to_string());
        plain("slow_start", toml_text(&time_text(self.slow_start)), toml_text(&time_text(defaults.slow_start)));
        let check = self.check.iter().flat_map(CheckKeys::entries);
        all.extend(check.map(|(key, value)| (format!("check.{key}"), value)));
        if let Some(sorry) = &self.sorry {
            all.push(("sorry.address".to_owned(), toml_text(&sorry.address.to_string())));
            all.push(("sorry.method".to_owned(), toml_text(sorry.method.name())));
        }
        let hooks = self.hooks.entries().into_iter().filter(|(_, command)| !command.is_empty());
        all.extend(hooks.map(|(key, command)| (format!("hooks.{key}"), toml_texts(command))));
        all
    }

    /// How the real at this address is checked; `None`: it is not.
    ///
    /// # Errors
    /// Where the keys together break a rule.
    pub fn check_of(&self, address: SocketAddrV4) -> Result<Option<Check>, Broken> {
        match (&self.check, self.reals.get(&address)) {
            (None, None) => Ok(None),
            (Some(keys), None) | (None, Some(keys)) => keys.resolve(address),
            (Some(service), Some(own)) => own.over(service).resolve(address),
        }
    }
}

/// What becomes of a real that fails its check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It gets weight 0: no new connections, those it has go on if they can.
    #[default]
    Quiesce,
    /// It leaves the table: packets of its connections are dropped, or as `expire_nodest_conn` says.
    Remove,
}

impl OnFailure {
    /// The word in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiesce => "quiesce",
            Self::Remove => "remove",
        }
    }

    /// The one with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Quiesce, Self::Remove].into_iter().find(|word| word.name() == name)
    }
}

/// Programs that are told of changes: each a program with its arguments, without a shell; empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// A real came up.
    pub up: Vec<String>,
    /// A real went down.
    pub down: Vec<String>,
    /// The service has its quorum again.
    pub quorum_gained: Vec<String>,
    /// The service has lost its quorum.
    pub quorum_lost: Vec<String>,
}

impl Hooks {
    /// The keys of `[service.hooks]`.
    pub const KEYS: [&'static str; 4] = ["up", "down", "quorum_gained", "quorum_lost"];

    /// By the keys of the file.
    pub fn entries(&self) -> [(&'static str, &[String]); 4] {
        let lists = [&self.up, &self.down, &self.quorum_gained, &self.quorum_lost];
        std::array::from_fn(|index| (Self::KEYS[index], lists[index].as_slice()))
    }
}
