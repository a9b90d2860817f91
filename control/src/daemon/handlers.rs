//! What each request does.

use super::capture;
use super::health;
use super::lvs;
use super::observe;
use super::report;
use super::rows::RowsError;
use super::running;
use super::server::Output;
use super::session::SessionError;
use super::state::Daemon;
use crate::ipvsadm;
use crate::protocol::{Changed, ConnectionFilter, ConnectionRow, Count, Explained, Failure, Request};
use config::Services;
use link::message::{self, Flow, Reply};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use tokio::sync::broadcast::error::RecvError;

/// Does a request and writes its answer.
///
/// # Errors
/// The client has gone.
pub(super) async fn handle(daemon: &Daemon, request: Request, out: &mut Output) -> io::Result<()> {
    match request {
        Request::Status => out.end(Ok(report::status(daemon))).await,
        Request::ServiceList => service_list(daemon, out).await,
        Request::ServiceShow { service } => {
            let row = running::service(&daemon.running(), &service)
                .map(|named| report::service(daemon, named, &report::counted(daemon)));
            out.end(row).await
        }
        Request::ConnectionList(filter) => connection_list(daemon, &filter, out).await,
        Request::ConnectionCount(filter) => {
            let request = link_filter(daemon, &filter).map(message::Request::Count);
            out.end(count(daemon, request).await).await
        }
        Request::ConnectionFlush(filter) => {
            let request = match filter.limit {
                0 => link_filter(daemon, &filter).map(message::Request::Flush),
                limit => Err(Failure::usage(format!(
                    "connection flush: limit {limit}, allowed 0: it removes all that match."
                ))),
            };
            out.end(count(daemon, request).await).await
        }
        Request::Stats { service } => stats(daemon, service.as_deref(), out).await,
        Request::Drops => out.end(report::drops(daemon)).await,
        Request::History { services, since } => out.end(Ok(observe::history(daemon, &services, since))).await,
        Request::Ports => out.end(report::ports(daemon)).await,
        Request::Perf => out.end(report::perf(daemon)).await,
        Request::Explain { protocol, source, destination } => {
            out.end(explain(daemon, Flow { protocol, source, destination }).await).await
        }
        Request::Events { follow } => events(daemon, follow, out).await,
        Request::Capture(wanted) => capture::capture(daemon, &wanted, out).await,
        Request::GroupList => out.end(Ok(report::groups(&daemon.running()))).await,
        Request::Settings => out.end(Ok(report::settings(daemon))).await,
        Request::Timeouts => {
            let timeouts: BTreeMap<_, _> = daemon.running().timeouts.entries().into_iter().collect();
            out.end(Ok(timeouts)).await
        }
        Request::LvsServices => lvs::services(daemon, out).await,
        Request::LvsTimeouts => out.end(Ok(ipvsadm::timeouts(&daemon.running()))).await,
        Request::LvsChange { changes } => out.end(lvs::change(daemon, &changes).await).await,
        change => out.end(self::change(daemon, change).await).await,
    }
}

/// The requests that change the running services.
async fn change(daemon: &Daemon, request: Request) -> Result<Changed, Failure> {
    match request {
        Request::ServiceAdd(add) => daemon.change(|services| running::add_service(services, &add)).await,
        Request::ServiceSet { service, scheduler, method, options } => {
            daemon.change(|services| running::set_service(services, &service, scheduler, method, &options)).await
        }
        Request::ServiceRemove { service } => {
            daemon.change(|services| running::remove_service(services, &service)).await
        }
        Request::RealAdd(real) => daemon.change(|services| running::add_real(services, &real)).await,
        Request::RealSet(real) => daemon.change(|services| running::set_real(services, &real)).await,
        Request::RealRemove { service, address } => {
            daemon.change(|services| running::remove_real(services, &service, address)).await
        }
        Request::RealDrain(wanted) => health::drain(daemon, &wanted).await,
        Request::RealEnable { service, address } => health::enable(daemon, &service, address).await,
        Request::GroupSet { number, endpoints } => {
            daemon.change(|services| running::set_group(services, number, &endpoints)).await
        }
        Request::GroupRemove { number } => daemon.change(|services| running::remove_group(services, number)).await,
        Request::SettingsSet { settings } => daemon.change(|services| running::set_settings(services, &settings)).await,
        Request::TimeoutsSet { timeouts } => daemon.change(|services| running::set_timeouts(services, &timeouts)).await,
        Request::Apply { text, file, dry_run } => {
            let services = Services::parse(&text, &file).map_err(|error| Failure::refused(error.to_string()))?;
            daemon.apply(services, &file, dry_run).await
        }
        Request::Reload { dry_run } => daemon.reload(dry_run).await,
        other => Err(Failure::usage(format!("{other:?} is not a change."))),
    }
}

async fn service_list(daemon: &Daemon, out: &mut Output) -> io::Result<()> {
    let (running, counted) = (daemon.running(), report::counted(daemon));
    for named in &running.services {
        out.row(&report::service(daemon, named, &counted)).await?;
    }
    out.end(Ok(Count { count: running.services.len() as u64 })).await
}

async fn events(daemon: &Daemon, follow: bool, out: &mut Output) -> io::Result<()> {
    let (known, mut news) = daemon.health.events();
    for event in &known {
        out.row(event).await?;
    }
    if !follow {
        return out.end(Ok(Count { count: known.len() as u64 })).await;
    }
    loop {
        out.flush().await?;
        match news.recv().await {
            Ok(event) => out.row(&event).await?,
            Err(RecvError::Lagged(missed)) => {
                let text = format!("{missed} events were missed: read faster, or ask again.");
                return out.end::<()>(Err(Failure::unavailable(text))).await;
            }
            Err(RecvError::Closed) => return out.end(Ok(Count { count: 0 })).await,
        }
    }
}

async fn stats(daemon: &Daemon, only: Option<&str>, out: &mut Output) -> io::Result<()> {
    let running = daemon.running();
    if let Some(name) = only
        && let Err(failure) = running::service(&running, name)
    {
        return out.end::<()>(Err(failure)).await;
    }
    // Read together: the rows and the totals are one sample, however slowly the client reads.
    let (counted, totals) = (report::counted(daemon), report::totals(daemon));
    for named in running.services.iter().filter(|named| only.is_none_or(|name| named.name == name)) {
        out.row(&report::service(daemon, named, &counted)).await?;
    }
    out.end(Ok(totals)).await
}

async fn connection_list(daemon: &Daemon, filter: &ConnectionFilter, out: &mut Output) -> io::Result<()> {
    let request = match link_filter(daemon, filter) {
        Ok(filter) => message::Request::Connections(filter),
        Err(failure) => return out.end::<()>(Err(failure)).await,
    };
    let mut rows = match daemon.session.list(request).await {
        Ok(rows) => rows,
        Err(error) => return out.end::<()>(Err(error.into())).await,
    };
    loop {
        match rows.next().await {
            Ok(Reply::Connection(row)) => out.row(&connection_row(row)).await?,
            Ok(Reply::End { count }) => return out.end(Ok(Count { count })).await,
            Ok(_) => {}
            Err(RowsError::Session(error)) => return out.end::<()>(Err(error.into())).await,
            Err(error @ RowsError::Overrun) => {
                return out.end::<()>(Err(Failure::unavailable(format!("The list was cut off: {error}.")))).await;
            }
        }
    }
}

fn connection_row(row: message::ConnectionRow) -> ConnectionRow {
    ConnectionRow {
        protocol: row.protocol,
        client: row.client,
        service: row.service,
        real: row.real,
        method: row.method,
        state: row.state_name().to_owned(),
        template: row.template.is_some(),
        expires_in_milliseconds: row.expires_in,
        worker: row.worker,
    }
}

async fn count(daemon: &Daemon, request: Result<message::Request, Failure>) -> Result<Count, Failure> {
    match daemon.session.ask(request?).await? {
        Reply::End { count } => Ok(Count { count }),
        _ => Err(SessionError::Silent.into()),
    }
}

async fn explain(daemon: &Daemon, flow: Flow) -> Result<Explained, Failure> {
    match daemon.session.ask(message::Request::Explain(flow)).await? {
        Reply::Explanation(answer) => Ok(report::explained(daemon, &flow, &answer)?),
        _ => Err(SessionError::Silent.into()),
    }
}

/// A client's filter in the link's terms: a service's name becomes its protocol and address.
fn link_filter(daemon: &Daemon, filter: &ConnectionFilter) -> Result<message::ConnectionFilter, Failure> {
    let mut wanted = message::ConnectionFilter {
        protocol: filter.protocol,
        client: filter.client,
        service: None,
        real: filter.real,
        limit: filter.limit,
    };
    if let Some(service) = &filter.service {
        match service.parse::<SocketAddrV4>() {
            Ok(address) => wanted.service = Some(address),
            Err(_) => {
                let running = daemon.running();
                let key = running::service(&running, service)?.service.key;
                let Some(endpoint) = key.endpoint() else {
                    let text =
                        format!("service {service:?} is that of {key}, which has several addresses; name one of them.");
                    return Err(Failure::refused(text));
                };
                wanted.service = Some(endpoint.address);
                wanted.protocol = wanted.protocol.or(Some(endpoint.protocol));
            }
        }
    }
    Ok(wanted)
}
