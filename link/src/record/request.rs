//! The layouts of the requests, control to dataplane.

use super::check::Check;
use super::{Payload, RecordError, capture, services};
use crate::message::{ConnectionFilter, Flow, Request};
use crate::model::{Neighbor, Prefix, Route, TimeoutOverrides};
use crate::record::reply::Endpoint;
use crate::wire_number::WireNumber;
use std::net::Ipv4Addr;
use zerocopy::native_endian::{U16 as Word16, U32 as Word32, U64 as Word64};
use zerocopy::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

/// The kinds of request.
pub mod kind {
    /// Of [`Request::Hello`](crate::message::Request::Hello).
    pub const HELLO: u16 = 0x01;
    /// Of [`Request::Begin`](crate::message::Request::Begin).
    pub const BEGIN: u16 = 0x02;
    /// Of [`Request::Timeouts`](crate::message::Request::Timeouts).
    pub const TIMEOUTS: u16 = 0x03;
    /// Of [`Request::Service`](crate::message::Request::Service).
    pub const SERVICE: u16 = 0x04;
    /// Of [`Request::Real`](crate::message::Request::Real).
    pub const REAL: u16 = 0x05;
    /// Of [`Request::Route`](crate::message::Request::Route).
    pub const ROUTE: u16 = 0x06;
    /// Of [`Request::Neighbor`](crate::message::Request::Neighbor).
    pub const NEIGHBOR: u16 = 0x07;
    /// Of [`Request::Commit`](crate::message::Request::Commit).
    pub const COMMIT: u16 = 0x08;
    /// Of [`Request::Connections`](crate::message::Request::Connections).
    pub const CONNECTIONS: u16 = 0x09;
    /// Of [`Request::Count`](crate::message::Request::Count).
    pub const COUNT: u16 = 0x0a;
    /// Of [`Request::Flush`](crate::message::Request::Flush).
    pub const FLUSH: u16 = 0x0b;
    /// Of [`Request::Explain`](crate::message::Request::Explain).
    pub const EXPLAIN: u16 = 0x0c;
    /// Of [`Request::Settings`](crate::message::Request::Settings).
    pub const SETTINGS: u16 = 0x0d;
    /// Of [`Request::GroupEndpoint`](crate::message::Request::GroupEndpoint).
    pub const GROUP_ENDPOINT: u16 = 0x0e;
    /// Of [`Request::ServiceTimeouts`](crate::message::Request::ServiceTimeouts).
    pub const SERVICE_TIMEOUTS: u16 = 0x0f;
    /// Of [`Request::CaptureFilter`](crate::message::Request::CaptureFilter).
    pub const CAPTURE_FILTER: u16 = 0x20;
    /// Of [`Request::CaptureStart`](crate::message::Request::CaptureStart).
    pub const CAPTURE_START: u16 = 0x21;
    /// Of [`Request::CaptureStop`](crate::message::Request::CaptureStop).
    pub const CAPTURE_STOP: u16 = 0x22;
}

/// Declares a payload: its fields, all without alignment, and how many bytes are left.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* } reserved $reserved:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)*
            pub(super) reserved: [u8; $reserved],
        }

        const _: () = assert!(size_of::<$name>() == super::PAYLOAD_BYTES && align_of::<$name>() == 1);
    };
}
pub(super) use payload;

payload!(Hello { pid: Word32, } reserved 48);
payload!(Begin { generation: Word64, rows: Word32, table: u8, } reserved 39);
payload!(
    RouteRow { network_be: U32, via_be: U32, source_be: U32, port: Word16, length: u8, flags: u8, } reserved 36
);
payload!(NeighborRow { address_be: U32, mac: [u8; 6], port: Word16, } reserved 40);
payload!(Commit { generation: Word64, checksum: Word64, } reserved 36);
payload!(
    Filter { client_be: U32, service: Endpoint, real: Endpoint, protocol: u8, flags: u8, limit: Word32, } reserved 30
);
payload!(FlowRow { source: Endpoint, destination: Endpoint, protocol: u8, } reserved 39);

/// Flags of a route.
const HAS_VIA: u8 = 1;
const HAS_SOURCE: u8 = 2;
/// Flags of a filter.
const HAS_PROTOCOL: u8 = 1;
const HAS_CLIENT: u8 = 2;
const HAS_SERVICE: u8 = 4;
const HAS_REAL: u8 = 8;

/// Kind and payload of a request.
pub(super) fn encode(request: &Request) -> (u16, Payload) {
    match *request {
        Request::Hello { pid } => (kind::HELLO, transmute!(Hello { pid: pid.into(), reserved: [0; 48] })),
        Request::Begin { table, generation, rows } => {
            let table = table.wire_number();
            let row = Begin { generation: generation.into(), rows: rows.into(), table, reserved: [0; 39] };
            (kind::BEGIN, transmute!(row))
        }
        Request::Timeouts(ref timeouts) => {
            (kind::TIMEOUTS, services::encode_timeouts(timeouts.entries().map(|(_, seconds)| seconds)))
        }
        Request::Settings(ref settings) => (kind::SETTINGS, services::encode_settings(settings)),
        Request::GroupEndpoint { group, endpoint } => (kind::GROUP_ENDPOINT, services::encode_group(group, endpoint)),
        Request::Service { key, ref options, reals } => (kind::SERVICE, services::encode_service(key, options, reals)),
        Request::ServiceTimeouts(TimeoutOverrides(seconds)) => {
            (kind::SERVICE_TIMEOUTS, services::encode_timeouts(seconds))
        }
        Request::Real(real) => (kind::REAL, services::encode_real(real)),
        Request::Route(route) => (kind::ROUTE, encode_route(route)),
        Request::Neighbor(Neighbor { address, port, mac }) => {
            let address_be = address.to_bits().into();
            let row = NeighborRow { address_be, mac: mac.0, port: port.into(), reserved: [0; 40] };
            (kind::NEIGHBOR, transmute!(row))
        }
        Request::Commit { generation, checksum } => {
            let row = Commit { generation: generation.into(), checksum: checksum.into(), reserved: [0; 36] };
            (kind::COMMIT, transmute!(row))
        }
        Request::Connections(ref filter) => (kind::CONNECTIONS, encode_filter(filter)),
        Request::Count(ref filter) => (kind::COUNT, encode_filter(filter)),
        Request::Flush(ref filter) => (kind::FLUSH, encode_filter(filter)),
        Request::Explain(flow) => {
            let row = FlowRow {
                source: flow.source.into(),
                destination: flow.destination.into(),
                protocol: flow.protocol.number(),
                reserved: [0; 39],
            };
            (kind::EXPLAIN, transmute!(row))
        }
        Request::CaptureFilter(part) => (kind::CAPTURE_FILTER, capture::encode_part(part)),
        Request::CaptureStart(ref options) => (kind::CAPTURE_START, capture::encode_options(options)),
        Request::CaptureStop => (kind::CAPTURE_STOP, [0; super::PAYLOAD_BYTES]),
    }
}

fn encode_route(route: Route) -> Payload {
    let flag = |address: Option<Ipv4Addr>, flag| if address.is_some() { flag } else { 0 };
    let bits = |address: Option<Ipv4Addr>| address.map_or(0, Ipv4Addr::to_bits).into();
    transmute!(RouteRow {
        network_be: route.prefix.network.to_bits().into(),
        via_be: bits(route.via),
        source_be: bits(route.source),
        port: route.port.into(),
        length: route.prefix.length,
        flags: flag(route.via, HAS_VIA) | flag(route.source, HAS_SOURCE),
        reserved: [0; 36],
    })
}

fn encode_filter(filter: &ConnectionFilter) -> Payload {
    let flag = |present, flag| if present { flag } else { 0 };
    transmute!(Filter {
        client_be: filter.client.map_or(0, Ipv4Addr::to_bits).into(),
        service: filter.service.map_or(Endpoint::ZERO, Endpoint::from),
        real: filter.real.map_or(Endpoint::ZERO, Endpoint::from),
        protocol: filter.protocol.map_or(0, |protocol| protocol.number()),
        flags: flag(filter.protocol.is_some(), HAS_PROTOCOL)
            | flag(filter.client.is_some(), HAS_CLIENT)
            | flag(filter.service.is_some(), HAS_SERVICE)
            | flag(filter.real.is_some(), HAS_REAL),
        limit: filter.limit.into(),
        reserved: [0; 30],
    })
}

/// The request of a kind and payload, every field validated.
pub(super) fn decode(kind: u16, payload: Payload) -> Result<Request, RecordError> {
    match kind {
        kind::HELLO => {
            let (row, check): (Hello, _) = (transmute!(payload), Check("hello"));
            check.zero("reserved", &row.reserved)?;
            let pid = check.within("pid", row.pid.get(), 1, u32::MAX, "1 or more")?;
            Ok(Request::Hello { pid })
        }
        kind::BEGIN => {
            let (row, check): (Begin, _) = (transmute!(payload), Check("begin"));
            check.zero("reserved", &row.reserved)?;
            let generation = check.generation(row.generation.get())?;
            Ok(Request::Begin { table: check.number("table", row.table)?, generation, rows: row.rows.get() })
        }
        kind::TIMEOUTS => services::decode_timeouts(transmute!(payload)),
        kind::SETTINGS => services::decode_settings(&transmute!(payload)),
        kind::GROUP_ENDPOINT => services::decode_group(transmute!(payload)),
        kind::SERVICE => services::decode_service(transmute!(payload)),
        kind::SERVICE_TIMEOUTS => services::decode_service_timeouts(transmute!(payload)),
        kind::REAL => services::decode_real(transmute!(payload)),
        kind::ROUTE => decode_route(transmute!(payload)),
        kind::NEIGHBOR => {
            let (row, check): (NeighborRow, _) = (transmute!(payload), Check("neighbor"));
            check.zero("reserved", &row.reserved)?;
            let (address, mac) = (check.host("address", row.address_be)?, check.mac(row.mac)?);
            Ok(Request::Neighbor(Neighbor { address, port: row.port.get(), mac }))
        }
        kind::COMMIT => {
            let (row, check): (Commit, _) = (transmute!(payload), Check("commit"));
            check.zero("reserved", &row.reserved)?;
            let generation = check.generation(row.generation.get())?;
            Ok(Request::Commit { generation, checksum: row.checksum.get() })
        }
        kind::CONNECTIONS => decode_filter("connections", transmute!(payload)).map(Request::Connections),
        kind::COUNT => decode_filter("count", transmute!(payload)).map(Request::Count),
        kind::FLUSH => decode_filter("flush", transmute!(payload)).map(Request::Flush),
        kind::EXPLAIN => {
            let (row, check): (FlowRow, _) = (transmute!(payload), Check("explain"));
            check.zero("reserved", &row.reserved)?;
            let protocol = check.protocol(row.protocol)?;
            Ok(Request::Explain(Flow { protocol, source: row.source.into(), destination: row.destination.into() }))
        }
        kind::CAPTURE_FILTER => capture::decode_part(transmute!(payload)),
        kind::CAPTURE_START => capture::decode_options(transmute!(payload)),
        kind::CAPTURE_STOP => Check("capture stop").zero("reserved", &payload).map(|()| Request::CaptureStop),
        _ => Err(RecordError::UnknownKind(kind)),
    }
}

fn decode_route(row: RouteRow) -> Result<Request, RecordError> {
    let check = Check("route");
    check.zero("reserved", &row.reserved)?;
    let network = Ipv4Addr::from_bits(row.network_be.get());
    let prefix = match Prefix::of(network, row.length) {
        Some(prefix) if prefix.network == network => prefix,
        Some(_) => return check.refuse("network", network.to_bits(), "no bits set beyond the prefix length"),
        None => return check.refuse("length", row.length, "0 to 32"),
    };
    let flags = check.flags(row.flags, HAS_VIA | HAS_SOURCE)?;
    let address = |flag, field, address_be: U32| {
        if flags & flag != 0 {
            return check.host(field, address_be).map(Some);
        }
        check.zero(field, address_be.as_bytes()).map(|()| None)
    };
    let via = address(HAS_VIA, "via", row.via_be)?;
    let source = address(HAS_SOURCE, "source", row.source_be)?;
    Ok(Request::Route(Route { prefix, port: row.port.get(), via, source }))
}

fn decode_filter(kind: &'static str, row: Filter) -> Result<ConnectionFilter, RecordError> {
    let check = Check(kind);
    check.zero("reserved", &row.reserved)?;
    let flags = check.flags(row.flags, HAS_PROTOCOL | HAS_CLIENT | HAS_SERVICE | HAS_REAL)?;
    let client = Ipv4Addr::from_bits(row.client_be.get());
    Ok(ConnectionFilter {
        protocol: match flags & HAS_PROTOCOL {
            0 => check.zero("protocol", &[row.protocol]).map(|()| None)?,
            _ => Some(check.protocol(row.protocol)?),
        },
        client: check.option(flags & HAS_CLIENT != 0, "client", row.client_be.as_bytes(), client)?,
        service: check.option(flags & HAS_SERVICE != 0, "service", row.service.as_bytes(), row.service.into())?,
        real: check.option(flags & HAS_REAL != 0, "real", row.real.as_bytes(), row.real.into())?,
        limit: row.limit.get(),
    })
}
