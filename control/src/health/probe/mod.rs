//! One check of one real. A failure says in words what was wrong, and what to look at.

mod dns;
mod exec;
mod http;
mod icmp;
mod peer;
mod tcp;
mod tls;
mod udp;

pub(super) use exec::Group;
pub use icmp::Pinger;
pub use peer::Exit;

use super::target::Target;
use config::health::{Check, CheckKind};
use peer::Peer;
use regex::bytes::{Regex, RegexBuilder};
use std::cell::Cell;
use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is well; where the check says so, with this weight.
    Well(Option<u32>),
    /// It is not: why, in words.
    Ill(String),
}

impl Found {
    /// Whether it is not well.
    pub fn is_ill(&self) -> bool {
        matches!(self, Self::Ill(_))
    }
}

/// How far a check has come: what is said when its time is over.
pub(super) struct Stage(Cell<&'static str>);

impl Stage {
    pub(super) fn reach(&self, text: &'static str) {
        self.0.set(text);
    }
}

/// What a check failed with.
pub(super) type Failure = String;

/// A check, ready to be done again and again.
pub struct Probe {
    target: Arc<Target>,
    body: Option<Regex>,
    tls: Option<Result<Arc<ClientConfig>, Failure>>,
    pinger: Rc<Pinger>,
    exits: Rc<[Exit]>,
}

impl Probe {
    /// The check of this target; by way of the VIP it leaves by one of these exits. Trusted authorities are read now.
    pub fn new(target: Arc<Target>, pinger: Rc<Pinger>, exits: Rc<[Exit]>) -> Self {
        let pattern = match &target.check.kind {
            CheckKind::Http(http) => http.body.as_ref(),
            CheckKind::Udp { expect, .. } => expect.as_ref(),
            _ => None,
        };
        let body = pattern.and_then(|pattern| {
            RegexBuilder::new(pattern.as_str()).size_limit(config::health::Pattern::SIZE_LIMIT).build().ok()
        });
        let tls = match &target.check.kind {
            CheckKind::Http(http) => http.tls.as_ref().map(tls::configuration),
            _ => None,
        };
        Self { target, body, tls, pinger, exits }
    }

    /// Does the check, within its time.
    pub async fn run(&self) -> Found {
        let Check { kind, timeout: patience, .. } = &self.target.check;
        let stage = Stage(Cell::new("no answer"));
        let check = async {
            let peer = Peer::of(&self.target, &self.exits)?;
            match kind {
                CheckKind::Tcp => tcp::check(&peer, &stage).await,
                CheckKind::Http(http) => http::check(&peer, http, self.body.as_ref(), self.tls.as_ref(), &stage).await,
                CheckKind::Udp { payload, expect } => {
                    let wanted = expect.as_ref().and(self.body.as_ref());
                    udp::check(&peer, payload, wanted, *patience, &stage).await
                }
                CheckKind::Dns(dns) => dns::check(&peer, dns, &stage).await,
                CheckKind::Icmp => self.pinger.check(self.target.ip(), &stage).await,
                CheckKind::Exec { command, exit_weight } => {
                    return exec::check(command, *exit_weight, &self.target.environment(), &stage).await;
                }
            }
            .map(|()| None)
        };
        let text = match timeout(*patience, check).await {
            Ok(Ok(weight)) => return Found::Well(weight),
            Ok(Err(text)) => text,
            Err(_) => late(stage.0.get(), *patience),
        };
        Found::Ill(if self.target.by_vip.is_some() { format!("by way of the VIP: {text}") } else { text })
    }
}

fn late(stage: &str, patience: Duration) -> String {
    format!("{stage} within {}", humantime::format_duration(patience))
}

/// Why no connection could be made, in words.
pub(super) fn refused(error: &io::Error, address: SocketAddrV4) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused: nothing listens on {address}"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("no way to {}: {error}; see `ip route get {0}`", address.ip())
        }
        io::ErrorKind::PermissionDenied => {
            format!("not allowed to reach {address}: {error}; see the firewall of the director")
        }
        io::ErrorKind::ConnectionReset => format!("{address} reset the connection"),
        _ => format!("{address}: {error}"),
    }
}
