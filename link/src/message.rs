//! The messages of the link, typed. [`crate::record`] turns them into records and back.
//!
//! A table change is a transaction: [`Request::Begin`], the rows in order, [`Request::Commit`]. The dataplane builds
//! the new table aside and answers [`Reply::Applied`] or [`Reply::Refused`]; refused, the running table stays. A
//! [`Request::Hello`] ends whatever an earlier session left half-way.

mod connections;

pub use connections::{ConnectionRow, ConnectionState, Template};

use crate::capture::{CaptureOptions, CaptureRefusal, Instruction, Program};
use crate::drop_reason::DropReason;
use crate::model::{
    ForwardMethod, MacAddress, Neighbor, Protocol, RealServer, Route, ServiceEndpoint, ServiceKey, ServiceOptions,
    Settings, TimeoutOverrides, Timeouts,
};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The two tables that control pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Services, reals, timeouts.
    Services,
    /// Routes and neighbours.
    NextHops,
}

/// Control to dataplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A control process attached: forget any half-written transaction.
    Hello {
        /// The control process.
        pid: u32,
    },
    /// Starts a transaction. `rows` is the number of records between this one and the commit.
    Begin {
        /// What is replaced.
        table: Table,
        /// The version this makes; must be greater than the applied one.
        generation: u64,
        /// Rows that follow.
        rows: u32,
    },
    /// First row of a services transaction.
    Timeouts(Timeouts),
    /// Second row of a services transaction.
    Settings(Settings),
    /// An endpoint of a group; those of one group stand together, all of them before the services.
    GroupEndpoint {
        /// The group, from 1.
        group: u32,
        /// Where its packets are sent to.
        endpoint: ServiceEndpoint,
    },
    /// A service; the reals that follow belong to it.
    Service {
        /// Protocol, VIP, port; or a group.
        key: ServiceKey,
        /// What it does. The timeouts of its own come in a row of their own.
        options: ServiceOptions,
        /// How many [`Request::Real`] rows follow.
        reals: u32,
    },
    /// The timeouts of the service before it, if it has any of its own; then its reals follow.
    ServiceTimeouts(TimeoutOverrides),
    /// A real of the service before it, oldest first.
    Real(RealServer),
    /// A route.
    Route(Route),
    /// A neighbour.
    Neighbor(Neighbor),
    /// Ends the transaction.
    Commit {
        /// As in the `Begin`.
        generation: u64,
        /// Over the payloads of all rows, see [`crate::record::Checksum`].
        checksum: u64,
    },
    /// Lists connections: one [`Reply::Connection`] each, then [`Reply::End`].
    Connections(ConnectionFilter),
    /// Counts connections: [`Reply::End`].
    Count(ConnectionFilter),
    /// Removes connections: [`Reply::End`] with the number removed.
    Flush(ConnectionFilter),
    /// What would happen to a packet of this flow now: [`Reply::Explanation`].
    Explain(Flow),
    /// Instructions of the filter of a [`Request::CaptureStart`] that follows.
    CaptureFilter(FilterPart),
    /// Shows packets, in the place of what was shown before: [`Reply::Capturing`].
    CaptureStart(CaptureOptions),
    /// Shows no more: [`Reply::End`].
    CaptureStop,
}

/// Some instructions of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterPart {
    /// The place of the first, from 0; at 0 a new filter begins.
    pub first: u16,
    /// How many, 1 to [`FilterPart::MOST`].
    pub count: u8,
    /// They, and nothing behind them.
    pub instructions: [Instruction; Self::MOST],
}

impl FilterPart {
    /// Instructions of one request.
    pub const MOST: usize = 6;

    /// The parts of a filter, in order.
    pub fn of(program: &Program) -> impl Iterator<Item = Self> {
        let parts = program.instructions().chunks(Self::MOST);
        parts.enumerate().map(|(part, chunk)| {
            let instructions = std::array::from_fn(|place| chunk.get(place).copied().unwrap_or_default());
            Self { first: (part * Self::MOST) as u16, count: chunk.len() as u8, instructions }
        })
    }
}

/// Which connections; a `None` matches all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// TCP or UDP.
    pub protocol: Option<Protocol>,
    /// The client's address.
    pub client: Option<Ipv4Addr>,
    /// The virtual address and port.
    pub service: Option<SocketAddrV4>,
    /// The real's address and port.
    pub real: Option<SocketAddrV4>,
    /// At most so many rows; 0 = all.
    pub limit: u32,
}

/// A 5-tuple, as a packet carries it on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Source.
    pub source: SocketAddrV4,
    /// Destination.
    pub destination: SocketAddrV4,
}

/// Dataplane to control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer to `Hello`.
    Welcome {
        /// Applied version of the service table; 0 = none yet.
        services_generation: u64,
        /// Applied version of the next-hop table; 0 = none yet.
        next_hops_generation: u64,
    },
    /// The transaction is in force on every worker.
    Applied {
        /// Which.
        table: Table,
        /// Its version.
        generation: u64,
        /// From commit to publication.
        microseconds: u32,
    },
    /// The transaction was refused whole; the running table stays.
    Refused {
        /// Which.
        table: Table,
        /// The version that was refused.
        generation: u64,
        /// Why.
        reason: Refusal,
        /// Which row, from 0, where one is to blame; else the number of rows seen.
        row: u32,
    },
    /// One connection.
    Connection(ConnectionRow),
    /// Ends a list, or is the answer to a count or a flush.
    End {
        /// Rows listed, counted or removed.
        count: u64,
    },
    /// The answer to `Explain`.
    Explanation(Explanation),
    /// Packets wait for the MAC address of a neighbour that the table lacks. Unasked; at most one a second each.
    NeighborWanted {
        /// On which port.
        port: u16,
        /// Whose.
        address: Ipv4Addr,
    },
    /// The answer to `CaptureStart`.
    Capturing {
        /// Why it is not done.
        refused: Option<CaptureRefusal>,
    },
}

/// Why a transaction was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A record is not of a known kind, or a field is out of its range.
    RecordInvalid,
    /// A row outside a transaction, a begin inside one, or rows in the wrong order.
    OutOfOrder,
    /// Fewer or more rows than announced.
    RowCount,
    /// The checksum differs.
    Checksum,
    /// The generation is not greater than the applied one, or the commit's is not the begin's.
    Generation,
    /// Two services with one key.
    DuplicateService,
    /// Two reals of a service with one address and port.
    DuplicateReal,
    /// More services than slots.
    TooManyServices,
    /// More reals (with those removed but still in use) than slots.
    TooManyReals,
    /// Larger than the dataplane accepts in one transaction.
    TooLarge,
    /// The route's or neighbour's port does not exist.
    UnknownPort,
    /// A real with tunnel or direct method and another port than the service, or with port 0 where the service has one.
    PortDiffers,
    /// An endpoint in two groups, or twice in one.
    DuplicateEndpoint,
    /// A service on all ports without persistence.
    NotPersistent,
    /// Two reals with one check address.
    DuplicateCheckAddress,
}

impl Refusal {
    /// Every refusal, in the order of its wire number.
    pub const ALL: [Self; 15] = [
        Self::RecordInvalid,
        Self::OutOfOrder,
        Self::RowCount,
        Self::Checksum,
        Self::Generation,
        Self::DuplicateService,
        Self::DuplicateReal,
        Self::TooManyServices,
        Self::TooManyReals,
        Self::TooLarge,
        Self::UnknownPort,
        Self::PortDiffers,
        Self::DuplicateEndpoint,
        Self::NotPersistent,
        Self::DuplicateCheckAddress,
    ];

    /// Whether one row is to blame, the one that the refusal carries; else its number only says how far it came.
    pub const fn blames_a_row(self) -> bool {
        match self {
            Self::RecordInvalid
            | Self::OutOfOrder
            | Self::DuplicateService
            | Self::DuplicateReal
            | Self::UnknownPort
            | Self::PortDiffers
            | Self::DuplicateEndpoint
            | Self::NotPersistent
            | Self::DuplicateCheckAddress => true,
            Self::RowCount
            | Self::Checksum
            | Self::Generation
            | Self::TooManyServices
            | Self::TooManyReals
            | Self::TooLarge => false,
        }
    }

    /// One clause, for `sluice status` and logs.
    pub const fn help(self) -> &'static str {
        match self {
            Self::RecordInvalid => "a record has an unknown kind or a field out of its range",
            Self::OutOfOrder => "a record came outside its place in the transaction",
            Self::RowCount => "the number of rows is not the one announced",
            Self::Checksum => "the checksum over the rows differs",
            Self::Generation => "the generation is not newer than the applied one",
            Self::DuplicateService => "two services share protocol, address and port",
            Self::DuplicateReal => "two reals of one service share address and port",
            Self::TooManyServices => "there are more services than the dataplane has slots",
            Self::TooManyReals => {
                "there are more reals than the dataplane has slots; reals that are replaced keep theirs until they are \
                 idle, and the new ones need their own: apply in two steps, or raise max_reals in sluice.toml"
            }
            Self::TooLarge => "the transaction is larger than the dataplane accepts",
            Self::UnknownPort => "a route or neighbour names a port that does not exist",
            Self::PortDiffers => {
                "a tunnel or direct real has another port than its service, or a real has port 0 where its service has one"
            }
            Self::DuplicateEndpoint => "an endpoint is in two groups, or twice in one",
            Self::NotPersistent => "a service on all ports (port 0) has no persistence",
            Self::DuplicateCheckAddress => "two reals have one check address",
        }
    }
}

/// What the director would do with a packet of a flow now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happens to it.
    pub outcome: Outcome,
    /// The worker that owns the flow.
    pub worker: u16,
    /// The flow belongs to this service.
    pub service: Option<ServiceKey>,
    /// The client has a template: a new connection goes to its real.
    pub template: bool,
    /// The existing connection's state and milliseconds left; `None`: a new one would be made.
    pub connection: Option<(ConnectionState, u32)>,
    /// The packet goes from real to client.
    pub outbound: bool,
    /// The real that has it, or that the scheduler would choose if this were the next new connection on that worker.
    pub real: Option<(SocketAddrV4, ForwardMethod)>,
    /// Where the frame would go.
    pub next_hop: Option<Hop>,
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Index of the port.
    pub port: u16,
    /// The neighbour.
    pub address: Ipv4Addr,
    /// Its MAC address.
    pub mac: MacAddress,
}

/// The end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sent on.
    Forwarded,
    /// Handed to the kernel.
    Kernel,
    /// Answered with a RST or an ICMP error, for this reason (within the rate limit; dropped beyond it).
    Answered(DropReason),
    /// Dropped.
    Dropped(DropReason),
}
