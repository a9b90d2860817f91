//! The layouts of the replies, dataplane to control.

use super::check::Check;
use super::request::payload;
use super::{Payload, RecordError};
use crate::capture::CaptureRefusal;
use crate::message::{ConnectionRow, Explanation, Hop, Outcome, Reply, Template};
use crate::model::{MacAddress, Protocol};
use crate::record::key::KeyRow;
use crate::wire_number::WireNumber;
use std::net::{Ipv4Addr, SocketAddrV4};
use zerocopy::native_endian::{U16 as Word16, U32 as Word32, U64 as Word64};
use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

/// The kinds of reply.
pub mod kind {
    /// Of [`Reply::Welcome`](crate::message::Reply::Welcome).
    pub const WELCOME: u16 = 0x101;
    /// Of [`Reply::Applied`](crate::message::Reply::Applied).
    pub const APPLIED: u16 = 0x102;
    /// Of [`Reply::Refused`](crate::message::Reply::Refused).
    pub const REFUSED: u16 = 0x103;
    /// Of [`Reply::Connection`](crate::message::Reply::Connection).
    pub const CONNECTION: u16 = 0x104;
    /// Of [`Reply::End`](crate::message::Reply::End).
    pub const END: u16 = 0x105;
    /// Of [`Reply::Explanation`](crate::message::Reply::Explanation).
    pub const EXPLANATION: u16 = 0x106;
    /// Of [`Reply::NeighborWanted`](crate::message::Reply::NeighborWanted).
    pub const NEIGHBOR_WANTED: u16 = 0x107;
    /// Of [`Reply::Capturing`](crate::message::Reply::Capturing).
    pub const CAPTURING: u16 = 0x120;
}

/// An address and a port, 6 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Endpoint {
    address_be: U32,
    port_be: U16,
}

impl Endpoint {
    pub(super) const ZERO: Self = Self { address_be: U32::ZERO, port_be: U16::ZERO };
}

impl From<SocketAddrV4> for Endpoint {
    fn from(address: SocketAddrV4) -> Self {
        Self { address_be: address.ip().to_bits().into(), port_be: address.port().into() }
    }
}

impl From<Endpoint> for SocketAddrV4 {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(Ipv4Addr::from_bits(endpoint.address_be.get()), endpoint.port_be.get())
    }
}

payload!(Welcome { services_generation: Word64, next_hops_generation: Word64, } reserved 36);
payload!(Applied { generation: Word64, microseconds: Word32, table: u8, } reserved 39);
payload!(Refused { generation: Word64, row: Word32, table: u8, reason: u8, } reserved 38);
payload!(
    Connection {
        client: Endpoint,
        service: Endpoint,
        real: Endpoint,
        protocol: u8,
        method: u8,
        state: u8,
        template: u8,
        worker: Word16,
        expires_in: Word32,
    } reserved 24
);
payload!(End { count: Word64, } reserved 44);
payload!(
    /// `outcome`: 1 forwarded, 2 kernel, 3 answered, 4 dropped; `reason`: the drop reason's index, for the last two.
    ExplanationRow {
        outcome: u8,
        reason: u8,
        worker: Word16,
        outbound: u8,
        flags: u8,
        state: u8,
        method: u8,
        service: KeyRow,
        real: Endpoint,
        expires_in: Word32,
        hop_address_be: U32,
        hop_port: Word16,
        hop_mac: [u8; 6],
    } reserved 14
);
payload!(
    /// `refused`: 0 = it is done.
    Capturing { refused: u8, } reserved 51
);
payload!(NeighborWanted { address_be: U32, port: Word16, } reserved 46);

/// Flags of an explanation.
const HAS_SERVICE: u8 = 1;
const HAS_CONNECTION: u8 = 2;
const HAS_REAL: u8 = 4;
const HAS_NEXT_HOP: u8 = 8;
const HAS_TEMPLATE: u8 = 16;

/// Kind and payload of a reply.
pub(super) fn encode(reply: &Reply) -> (u16, Payload) {
    match *reply {
        Reply::Welcome { services_generation, next_hops_generation } => {
            let row = Welcome {
                services_generation: services_generation.into(),
                next_hops_generation: next_hops_generation.into(),
                reserved: [0; 36],
            };
            (kind::WELCOME, transmute!(row))
        }
        Reply::Applied { table, generation, microseconds } => {
            let (table, microseconds) = (table.wire_number(), microseconds.into());
            let row = Applied { generation: generation.into(), microseconds, table, reserved: [0; 39] };
            (kind::APPLIED, transmute!(row))
        }
        Reply::Refused { table, generation, reason, row } => {
            let (table, reason) = (table.wire_number(), reason.wire_number());
            let row = Refused { generation: generation.into(), row: row.into(), table, reason, reserved: [0; 38] };
            (kind::REFUSED, transmute!(row))
        }
        Reply::Connection(ref row) => (kind::CONNECTION, encode_connection(row)),
        Reply::End { count } => (kind::END, transmute!(End { count: count.into(), reserved: [0; 44] })),
        Reply::Explanation(ref explanation) => (kind::EXPLANATION, encode_explanation(explanation)),
        Reply::NeighborWanted { port, address } => {
            let row = NeighborWanted { address_be: address.to_bits().into(), port: port.into(), reserved: [0; 46] };
            (kind::NEIGHBOR_WANTED, transmute!(row))
        }
        Reply::Capturing { refused } => {
            let refused = refused.map_or(0, CaptureRefusal::wire_number);
            (kind::CAPTURING, transmute!(Capturing { refused, reserved: [0; 51] }))
        }
    }
}

fn encode_connection(row: &ConnectionRow) -> Payload {
    transmute!(Connection {
        client: row.client.into(),
        service: row.service.into(),
        real: row.real.into(),
        protocol: row.protocol.map_or(0, Protocol::number),
        method: row.method.wire_number(),
        state: row.state.wire_number(),
        template: row.template.map_or(0, Template::wire_number),
        worker: row.worker.into(),
        expires_in: row.expires_in.into(),
        reserved: [0; 24],
    })
}

fn encode_explanation(explanation: &Explanation) -> Payload {
    let (outcome, reason) = match explanation.outcome {
        Outcome::Forwarded => (1, 0),
        Outcome::Kernel => (2, 0),
        Outcome::Answered(reason) => (3, reason as u8),
        Outcome::Dropped(reason) => (4, reason as u8),
    };
    let flag = |present, flag| if present { flag } else { 0 };
    transmute!(ExplanationRow {
        outcome,
        reason,
        worker: explanation.worker.into(),
        outbound: u8::from(explanation.outbound),
        flags: flag(explanation.service.is_some(), HAS_SERVICE)
            | flag(explanation.connection.is_some(), HAS_CONNECTION)
            | flag(explanation.real.is_some(), HAS_REAL)
            | flag(explanation.next_hop.is_some(), HAS_NEXT_HOP)
            | flag(explanation.template, HAS_TEMPLATE),
        state: explanation.connection.map_or(0, |(state, _)| state.wire_number()),
        method: explanation.real.map_or(0, |(_, method)| method.wire_number()),
        service: explanation.service.map_or(KeyRow::ZERO, KeyRow::from),
        real: explanation.real.map_or(Endpoint::ZERO, |(address, _)| address.into()),
        expires_in: explanation.connection.map_or(0, |(_, expires_in)| expires_in).into(),
        hop_address_be: explanation.next_hop.map_or(0, |hop| hop.address.to_bits()).into(),
        hop_port: explanation.next_hop.map_or(0, |hop| hop.port).into(),
        hop_mac: explanation.next_hop.map_or([0; 6], |hop| hop.mac.0),
        reserved: [0; 14],
    })
}

/// The reply of a kind and payload, every field validated.
pub(super) fn decode(kind: u16, payload: Payload) -> Result<Reply, RecordError> {
    match kind {
        kind::WELCOME => {
            let (row, check): (Welcome, _) = (transmute!(payload), Check("welcome"));
            check.zero("reserved", &row.reserved)?;
            let (services_generation, next_hops_generation) =
                (row.services_generation.get(), row.next_hops_generation.get());
            Ok(Reply::Welcome { services_generation, next_hops_generation })
        }
        kind::APPLIED => {
            let (row, check): (Applied, _) = (transmute!(payload), Check("applied"));
            check.zero("reserved", &row.reserved)?;
            let table = check.number("table", row.table)?;
            Ok(Reply::Applied { table, generation: row.generation.get(), microseconds: row.microseconds.get() })
        }
        kind::REFUSED => {
            let (row, check): (Refused, _) = (transmute!(payload), Check("refused"));
            check.zero("reserved", &row.reserved)?;
            let (table, reason) = (check.number("table", row.table)?, check.number("reason", row.reason)?);
            Ok(Reply::Refused { table, generation: row.generation.get(), reason, row: row.row.get() })
        }
        kind::CONNECTION => decode_connection(transmute!(payload)),
        kind::END => {
            let (row, check): (End, _) = (transmute!(payload), Check("end"));
            check.zero("reserved", &row.reserved)?;
            Ok(Reply::End { count: row.count.get() })
        }
        kind::EXPLANATION => decode_explanation(transmute!(payload)),
        kind::NEIGHBOR_WANTED => {
            let (row, check): (NeighborWanted, _) = (transmute!(payload), Check("neighbor wanted"));
            check.zero("reserved", &row.reserved)?;
            let address = Ipv4Addr::from_bits(row.address_be.get());
            Ok(Reply::NeighborWanted { port: row.port.get(), address })
        }
        kind::CAPTURING => {
            let (row, check): (Capturing, _) = (transmute!(payload), Check("capturing"));
            check.zero("reserved", &row.reserved)?;
            let refused = if row.refused == 0 { None } else { Some(check.number("refused", row.refused)?) };
            Ok(Reply::Capturing { refused })
        }
        _ => Err(RecordError::UnknownKind(kind)),
    }
}

fn decode_connection(row: Connection) -> Result<Reply, RecordError> {
    let check = Check("connection");
    check.zero("reserved", &row.reserved)?;
    let template = if row.template == 0 { None } else { Some(check.number("template", row.template)?) };
    Ok(Reply::Connection(ConnectionRow {
        protocol: if template.is_some() && row.protocol == 0 { None } else { Some(check.protocol(row.protocol)?) },
        template,
        client: row.client.into(),
        service: row.service.into(),
        real: row.real.into(),
        method: check.number("method", row.method)?,
        state: check.number("state", row.state)?,
        expires_in: row.expires_in.get(),
        worker: row.worker.get(),
    }))
}

fn decode_explanation(row: ExplanationRow) -> Result<Reply, RecordError> {
    let check = Check("explanation");
    check.zero("reserved", &row.reserved)?;
    let outcome = match row.outcome {
        1 | 2 => {
            check.zero("reason", &[row.reason])?;
            if row.outcome == 1 { Outcome::Forwarded } else { Outcome::Kernel }
        }
        3 => Outcome::Answered(check.reason(row.reason)?),
        4 => Outcome::Dropped(check.reason(row.reason)?),
        other => return check.refuse("outcome", other, "1 to 4"),
    };
    let flags = check.flags(row.flags, HAS_SERVICE | HAS_CONNECTION | HAS_REAL | HAS_NEXT_HOP | HAS_TEMPLATE)?;
    let connection = if flags & HAS_CONNECTION != 0 {
        Some((check.number("state", row.state)?, row.expires_in.get()))
    } else {
        check.zero("state", &[row.state])?;
        check.zero("expires in", row.expires_in.as_bytes())?;
        None
    };
    let real = if flags & HAS_REAL != 0 {
        Some((row.real.into(), check.number("method", row.method)?))
    } else {
        check.zero("method", &[row.method])?;
        check.zero("real", row.real.as_bytes())?;
        None
    };
    Ok(Reply::Explanation(Explanation {
        outcome,
        worker: row.worker.get(),
        service: if flags & HAS_SERVICE != 0 {
            Some(row.service.decode(check)?)
        } else {
            check.zero("service", row.service.as_bytes()).map(|()| None)?
        },
        template: flags & HAS_TEMPLATE != 0,
        connection,
        outbound: check.bool("outbound", row.outbound)?,
        real,
        next_hop: decode_hop(check, flags & HAS_NEXT_HOP != 0, &row)?,
    }))
}

fn decode_hop(check: Check, present: bool, row: &ExplanationRow) -> Result<Option<Hop>, RecordError> {
    if present {
        let address = Ipv4Addr::from_bits(row.hop_address_be.get());
        return Ok(Some(Hop { port: row.hop_port.get(), address, mac: MacAddress(row.hop_mac) }));
    }
    check.zero("next hop", row.hop_address_be.as_bytes())?;
    check.zero("next hop", row.hop_port.as_bytes())?;
    check.zero("next hop", &row.hop_mac)?;
    Ok(None)
}
