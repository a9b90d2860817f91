//! Connections and templates, as they are listed.

use crate::model::{ForwardMethod, Protocol};
use std::net::SocketAddrV4;

/// A connection's state. The names are the reference's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConnectionState {
    /// No packet classified yet.
    None,
    /// TCP ESTABLISHED.
    Established,
    /// TCP SYN_SENT.
    SynSent,
    /// TCP SYN_RECV.
    SynRecv,
    /// TCP FIN_WAIT.
    FinWait,
    /// TCP TIME_WAIT.
    TimeWait,
    /// TCP CLOSE.
    Close,
    /// TCP CLOSE_WAIT.
    CloseWait,
    /// TCP LAST_ACK.
    LastAck,
    /// TCP LISTEN.
    Listen,
    /// TCP SYNACK.
    SynAck,
    /// UDP.
    Udp,
}

impl ConnectionState {
    /// Every state, in the order of its number; [`Timeouts::entries`](crate::model::Timeouts::entries) has the same order.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::SynAck,
        Self::Udp,
    ];

    /// As `ipvsadm -Lnc` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::SynAck => "SYNACK",
            Self::Udp => "UDP",
        }
    }

    /// Whether it counts as an active connection of its real.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Established | Self::SynSent | Self::SynRecv | Self::SynAck)
    }
}

/// What a row of the list of connections is, when it is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// A client's real is remembered, but no connection of it was established yet.
    Fresh,
    /// A connection of it was established.
    Assured,
}

/// A connection or template, as listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// TCP or UDP; `None`: a template of a group, which is for both.
    pub protocol: Option<Protocol>,
    /// A template of persistence: then `state` is NONE, the client's address is masked and its port 0.
    pub template: Option<Template>,
    /// The client's end.
    pub client: SocketAddrV4,
    /// The service's end. A group's template: the number of the group as an address, port 0.
    pub service: SocketAddrV4,
    /// The real's end.
    pub real: SocketAddrV4,
    /// How packets reach the real.
    pub method: ForwardMethod,
    /// Its state.
    pub state: ConnectionState,
    /// Milliseconds until it is removed if no packet comes.
    pub expires_in: u32,
    /// The worker that owns it; 0 for a template, which all share.
    pub worker: u16,
}

impl ConnectionRow {
    /// The state as `ipvsadm -Lnc` prints it: of a template NONE or ASSURED.
    pub const fn state_name(&self) -> &'static str {
        match self.template {
            Some(Template::Assured) => "ASSURED",
            Some(Template::Fresh) => "NONE",
            None => self.state.name(),
        }
    }

    /// `tcp`, `udp`, or `ip` for a template of a group.
    pub const fn protocol_name(&self) -> &'static str {
        match self.protocol {
            Some(protocol) => protocol.name(),
            None => "ip",
        }
    }
}
