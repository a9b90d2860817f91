//! Packets from the workers, as `sluice capture` and `sluice trace` ask for them and get them.

use super::{ExplainedConnection, ExplainedService, text};
use link::capture::{FramePlace, Instruction, Program, ProgramError};
use link::model::{ForwardMethod, Protocol};
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// What is to be shown. Fields left out: no filter, both forms of each packet, all workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureRequest {
    /// The filter: a program of the classic BSD packet filter, each instruction as code, jt, jf and k (as `tcpdump -ddd`
    /// prints them). It looks at each frame as it came in. Empty: every packet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<(u16, u8, u8, u32)>,
    /// Bytes of each frame, 1 to 65535.
    pub snaplen: u32,
    /// Frames as they came in.
    #[serde(default = "yes")]
    pub incoming: bool,
    /// Frames as they leave.
    #[serde(default = "yes")]
    pub outgoing: bool,
    /// Only packets with a drop reason.
    #[serde(default)]
    pub drops_only: bool,
    /// Packets that a worker hands to another, also on the first.
    #[serde(default)]
    pub hand_offs: bool,
    /// Only this worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u16>,
    /// Ends after so many packets; 0 = never.
    #[serde(default)]
    pub packets: u64,
    /// Ends after so many seconds, 1 to 3600.
    pub seconds: u32,
}

const fn yes() -> bool {
    true
}

impl CaptureRequest {
    /// The filter, checked.
    ///
    /// # Errors
    /// It is no program that ends for every packet.
    pub fn program(&self) -> Result<Program, ProgramError> {
        if self.filter.is_empty() {
            return Ok(Program::everything());
        }
        let given = self.filter.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k });
        Program::new(&given.collect::<Vec<_>>())
    }
}

/// A row of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CaptureRow {
    /// The first: it has begun.
    Begun {
        /// The names of the ports, by index.
        ports: Vec<String>,
    },
    /// A packet.
    Packet(Box<CapturedPacket>),
    /// Nothing came for a while.
    Waiting(CaptureCounts),
}

/// The end of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureEnd {
    /// Packets shown.
    pub packets: u64,
    /// How many there were.
    #[serde(flatten)]
    pub counts: CaptureCounts,
    /// Why it ended.
    pub ended_by: EndedBy,
}

/// What the workers counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureCounts {
    /// Packets that the filter looked at.
    pub seen: u64,
    /// Those that it let pass.
    pub matched: u64,
    /// Of those, the ones that were not shown for lack of room: they came faster than they were read.
    pub missed: u64,
}

/// Why a capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// So many packets were shown.
    Packets,
    /// Its time was up.
    Seconds,
    /// The client has ended it.
    Client,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PacketOutcome {
    /// Sent on.
    Forwarded,
    /// Answered in its place.
    Answered,
    /// Handed to the kernel.
    Kernel,
    /// A fragment that waits for the others.
    Held,
    /// Handed to the worker that owns its connection.
    HandedOff,
    /// Dropped.
    Dropped,
}

/// Who named the real of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// The service's scheduler.
    Scheduler,
    /// The client's template.
    Template,
    /// The control connection that announced it.
    Announced,
}

/// A packet as one worker saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedPacket {
    /// The worker.
    pub worker: u16,
    /// Counts this worker's packets in this capture from 1.
    pub number: u64,
    /// When it came: Unix time, nanoseconds.
    pub time_nanoseconds: u64,
    /// Its end.
    pub outcome: PacketOutcome,
    /// The drop reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The port it left on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The worker it was handed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_worker: Option<u16>,
    /// From real to client.
    #[serde(default)]
    pub outbound: bool,
    /// The service that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ExplainedService>,
    /// Its connection, as it was or as it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<CapturedConnection>,
    /// The connection before the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ExplainedConnection>,
    /// The connection after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ExplainedConnection>,
    /// Who named the real, if the packet made the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_by: Option<ChosenBy>,
    /// Its frames, in order.
    pub frames: Vec<CapturedFrame>,
}

/// The connection of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedConnection {
    /// TCP or UDP.
    #[serde(with = "text")]
    pub protocol: Protocol,
    /// The client's end.
    pub client: SocketAddrV4,
    /// The service's end.
    #[serde(rename = "virtual")]
    pub service: SocketAddrV4,
    /// The real's end.
    pub real: SocketAddrV4,
    /// How packets reach the real.
    #[serde(with = "text")]
    pub method: ForwardMethod,
}

/// A frame, or its begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedFrame {
    /// Where it was seen: `in`, `out` or `kernel`.
    #[serde(with = "place")]
    pub place: FramePlace,
    /// Index of the port.
    pub port: u16,
    /// Bytes of the whole frame.
    pub length: u32,
    /// The first of them, in base64.
    #[serde(with = "bytes")]
    pub bytes: Vec<u8>,
}

mod place {
    use link::capture::FramePlace;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const NAMES: [(FramePlace, &str); 3] =
        [(FramePlace::In, "in"), (FramePlace::Out, "out"), (FramePlace::Kernel, "kernel")];

    pub(super) fn serialize<S: Serializer>(place: &FramePlace, serializer: S) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(known, _)| known == place).map_or("", |(_, name)| name);
        serializer.serialize_str(name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FramePlace, D::Error> {
        let given = String::deserialize(deserializer)?;
        let found = NAMES.iter().find(|(_, name)| *name == given);
        found.map(|(place, _)| *place).ok_or_else(|| D::Error::custom("a place is in, out or kernel"))
    }
}

mod bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
