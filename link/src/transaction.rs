//! Transactions: a table as the rows of one, and the rows assembled into a table again.

mod assembler;

pub use assembler::{Assembled, Assembler, Limits, Refused};

use crate::message::{Request, Table};
use crate::model::{Group, NextHopTable, Service, ServiceOptions, ServiceTable, TimeoutOverrides};
use crate::record::Checksum;

/// The rows of a services transaction: timeouts, settings, the groups' endpoints, then each service followed by its own
/// timeouts, if it has any, and its reals.
pub fn rows_of_services(table: &ServiceTable) -> impl Iterator<Item = Request> {
    let groups = table.groups.iter().flat_map(rows_of_group);
    [Request::Timeouts(table.timeouts), Request::Settings(table.settings)]
        .into_iter()
        .chain(groups)
        .chain(table.services.iter().flat_map(rows_of_service))
}

fn rows_of_group(group: &Group) -> impl Iterator<Item = Request> {
    let number = group.number;
    group.endpoints.iter().map(move |endpoint| Request::GroupEndpoint { group: number, endpoint: *endpoint })
}

fn rows_of_service(service: &Service) -> impl Iterator<Item = Request> {
    let reals = count(service.reals.len());
    let timeouts = service.options.timeouts;
    let options = ServiceOptions { timeouts: TimeoutOverrides::default(), ..service.options };
    std::iter::once(Request::Service { key: service.key, options, reals })
        .chain((!timeouts.is_empty()).then_some(Request::ServiceTimeouts(timeouts)))
        .chain(service.reals.iter().copied().map(Request::Real))
}

/// The rows of a next-hops transaction: the routes, then the neighbours.
pub fn rows_of_next_hops(table: &NextHopTable) -> impl Iterator<Item = Request> {
    let routes = table.routes.iter().copied().map(Request::Route);
    routes.chain(table.neighbors.iter().copied().map(Request::Neighbor))
}

/// A whole services transaction: begin, rows, commit. Made lazily, so that it can wait for room in the ring.
pub fn services(generation: u64, table: &ServiceTable) -> impl Iterator<Item = Request> {
    whole(Table::Services, generation, || rows_of_services(table))
}

/// A whole next-hops transaction: begin, rows, commit.
pub fn next_hops(generation: u64, table: &NextHopTable) -> impl Iterator<Item = Request> {
    whole(Table::NextHops, generation, || rows_of_next_hops(table))
}

fn whole<R: Iterator<Item = Request>>(
    table: Table,
    generation: u64,
    rows: impl Fn() -> R,
) -> impl Iterator<Item = Request> {
    let mut sum = Checksum::new();
    let mut total = 0usize;
    for row in rows() {
        sum.add(&row);
        total += 1;
    }
    std::iter::once(Request::Begin { table, generation, rows: count(total) })
        .chain(rows())
        .chain(std::iter::once(Request::Commit { generation, checksum: sum.value() }))
}

/// A count as it travels; more than 2^32 - 1 cannot be right and is refused by the reader.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
