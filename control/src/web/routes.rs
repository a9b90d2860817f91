//! What each path gives. Only GET and HEAD; nothing here changes anything.

use super::overview::Overview;
use super::source::{Readiness, Source};
use super::{metrics, page};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use std::net::IpAddr;

/// Services that a request may ask the history of.
const MOST_HISTORIES: usize = 256;

/// What a page of ours may do: use what is served here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

/// What is served, and how.
pub(super) struct Site {
    pub(super) source: Source,
    /// The metrics have the reals too.
    pub(super) with_reals: bool,
    /// Only this machine can connect.
    pub(super) local_only: bool,
}

type Answer = Response<Full<Bytes>>;

/// Answers a request.
pub(super) async fn respond(site: &Site, request: &Request<Incoming>) -> Answer {
    let mut answer = match refusal(site, request) {
        Some(refusal) => refusal,
        None => route(site, request).await,
    };
    let headers = answer.headers_mut();
    let always: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn refusal(site: &Site, request: &Request<Incoming>) -> Option<Answer> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD: nothing is changed over HTTP.\n");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(answer);
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    (site.local_only && !host.is_some_and(is_local)).then(|| {
        text(
            StatusCode::MISDIRECTED_REQUEST,
            "This address is for this machine: the request has to name localhost or a loopback address as its host.\n",
        )
    })
}

/// Whether a `Host` header means this machine. A name that somebody else's page had resolve to 127.0.0.1 does not, and
/// so no such page can read what is here.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn route(site: &Site, request: &Request<Incoming>) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            metrics(site, metrics::Format::accepted(accept.unwrap_or_default())).await
        }
        "/api/overview" => overview(site, query).await,
        "/api/history" => history(site, query).await,
        "/healthz" => match site.source.readiness().await {
            Some(_) => text(StatusCode::OK, "ok\n"),
            None => unanswered(),
        },
        "/readyz" => match site.source.readiness().await {
            Some(Readiness::Ready) => text(StatusCode::OK, "ready\n"),
            Some(Readiness::NotReady(why)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            None => unanswered(),
        },
        path => match page::file(path) {
            Some((content_type, body)) => plain(StatusCode::OK, content_type, Bytes::from_static(body.as_bytes())),
            None => text(
                StatusCode::NOT_FOUND,
                "Not found. There are / (a page), /metrics, /api/overview, /api/history, /healthz and /readyz.\n",
            ),
        },
    }
}

async fn metrics(site: &Site, format: metrics::Format) -> Answer {
    let Some(snapshot) = site.source.snapshot().await else { return unanswered() };
    match metrics::encode(&snapshot, site.with_reals, format) {
        Ok(body) => plain(StatusCode::OK, format.content_type(), body.into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("The metrics can't be written: {error}.\n")),
    }
}

async fn overview(site: &Site, query: &str) -> Answer {
    let mut filter = String::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "filter" => filter = value.into_owned(),
            other => return unknown(other, "filter"),
        }
    }
    match site.source.snapshot().await {
        Some(snapshot) => json(&Overview::of(&snapshot, &filter)),
        None => unanswered(),
    }
}

async fn history(site: &Site, query: &str) -> Answer {
    let (mut services, mut since) = (Vec::new(), 0);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "service" => services.push(value.into_owned()),
            "since" => match value.parse() {
                Ok(number) => since = number,
                Err(_) => {
                    return text(
                        StatusCode::BAD_REQUEST,
                        format!("since {value:?}, allowed: the number of a sample, as 17.\n"),
                    );
                }
            },
            other => return unknown(other, "service, since"),
        }
    }
    if services.len() > MOST_HISTORIES {
        let count = services.len();
        return text(StatusCode::BAD_REQUEST, format!("{count} services, allowed at most {MOST_HISTORIES}.\n"));
    }
    match site.source.history(services, since).await {
        Some(history) => json(&history),
        None => unanswered(),
    }
}

fn unknown(key: &str, allowed: &str) -> Answer {
    text(StatusCode::BAD_REQUEST, format!("{key:?} is not known, allowed: {allowed}.\n"))
}

fn unanswered() -> Answer {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "The control loop of sluiced does not answer; its log says why (journalctl -u sluiced).\n",
    )
}

fn json<T: Serialize>(value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => plain(StatusCode::OK, JSON, body.into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("The answer can't be written: {error}.\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    plain(status, PLAIN, body.into())
}

fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_localhost_and_loopback_addresses_are_this_machine() {
        for host in ["localhost", "LOCALHOST:9106", "127.0.0.1", "127.1.2.3:9106", "[::1]:9106", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["", "example.org", "localhost.example.org:9106", "127.0.0.1.example.org", "192.0.2.1", "[2001:db8::1]:80"]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
