//! What a replay says besides its frames: a line per input frame, and the connections at the end.

use crate::pipeline::Verdict;
use link::message::ConnectionRow;
use serde::Serialize;
use std::net::SocketAddrV4;

/// One line of `--verdicts`.
#[derive(Debug, Serialize)]
pub(super) struct VerdictLine<'a> {
    input: &'a str,
    index: u64,
    verdict: &'static str,
    reason: Option<&'static str>,
    port: Option<&'a str>,
}

impl<'a> VerdictLine<'a> {
    /// `name_of` gives a port's name by its index.
    pub(super) fn new(input: &'a str, index: u64, verdict: Verdict, name_of: impl Fn(u16) -> Option<&'a str>) -> Self {
        let (word, reason, port) = match verdict {
            Verdict::Forwarded { port } => ("forwarded", None, Some(port)),
            Verdict::Answered { reason, port } => ("answered", reason, Some(port)),
            Verdict::Held => ("held", None, None),
            Verdict::Kernel => ("kernel", None, None),
            Verdict::Dropped(reason) => ("dropped", Some(reason), None),
            // With one worker, as in a replay, nothing is handed off.
            Verdict::HandedOff { .. } => ("handed_off", None, None),
        };
        let reason = reason.map(link::DropReason::name);
        Self { input, index, verdict: word, reason, port: port.and_then(name_of) }
    }
}

/// One entry of `--connections`.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionEntry {
    protocol: &'static str,
    client: SocketAddrV4,
    r#virtual: SocketAddrV4,
    real: SocketAddrV4,
    method: &'static str,
    state: &'static str,
    /// Seconds.
    expires_in: f64,
}

impl From<ConnectionRow> for ConnectionEntry {
    fn from(row: ConnectionRow) -> Self {
        Self {
            protocol: row.protocol_name(),
            client: row.client,
            r#virtual: row.service,
            real: row.real,
            method: row.method.name(),
            state: row.state_name(),
            expires_in: f64::from(row.expires_in) / 1000.0,
        }
    }
}
