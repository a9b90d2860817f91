//! HTTP and HTTPS: a request on a connection of its own, its status and the beginning of its body.

use super::peer::Peer;
use super::tcp::connect;
use super::{Failure, Stage};
use config::health::{HttpCheck, TlsCheck};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;
use std::error::Error as _;
use std::net::{IpAddr, SocketAddrV4};
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// So much of a body is read.
const LONGEST_BODY: usize = 256 * 1024;

pub(super) async fn check(
    peer: &Peer,
    http: &HttpCheck,
    body: Option<&Regex>,
    tls: Option<&Result<Arc<ClientConfig>, Failure>>,
    stage: &Stage,
) -> Result<(), Failure> {
    let Some(secure) = &http.tls else {
        let stream = connect(peer, stage).await?;
        return exchange(stream, peer.name, http, body, stage).await;
    };
    let configuration = match tls {
        Some(Ok(configuration)) => Arc::clone(configuration),
        Some(Err(text)) => return Err(text.clone()),
        None => return Err("TLS is not set up".to_owned()),
    };
    let name = server_name(peer.name, http, secure)?;
    let stream = connect(peer, stage).await?;
    stage.reach("connected, but no TLS handshake");
    // A handshake is several small segments that must not wait for each other; without TLS the request is the only one.
    let _ = stream.set_nodelay(true);
    let stream = TlsConnector::from(configuration).connect(name.clone(), stream).await;
    let stream = stream.map_err(|error| format!("TLS with {}: {}", name.to_str(), reason(&error)))?;
    exchange(stream, peer.name, http, body, stage).await
}

/// The name that the certificate must bear.
fn server_name(address: SocketAddrV4, http: &HttpCheck, tls: &TlsCheck) -> Result<ServerName<'static>, Failure> {
    let host = http.host.as_deref().map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    match tls.sni.as_deref().or(host) {
        None => Ok(ServerName::from(IpAddr::V4(*address.ip()))),
        Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| format!("sni {name:?} is not a host name")),
    }
}

/// The innermost cause, which says what was wrong.
fn reason(error: &std::io::Error) -> String {
    error.get_ref().map_or_else(|| error.to_string(), ToString::to_string)
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    address: SocketAddrV4,
    http: &HttpCheck,
    body: Option<&Regex>,
    stage: &Stage,
) -> Result<(), Failure> {
    let broken = |error: hyper::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("the connection broke before the answer was complete ({error}{cause})")
    };
    stage.reach("connected, but no answer to the request");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let host = http.host.clone().unwrap_or_else(|| address.to_string());
    let request = Request::builder()
        .method(http.method.as_str())
        .uri(http.path.as_str())
        .header("host", host)
        .header("user-agent", concat!("sluiced/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| format!("the request can't be made: {error}"))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        stage.reach("the answer began, but was not complete");
        judge(response, http, body).await.map_err(|end| match end {
            End::Broken(error) => broken(error),
            End::Wrong(text) => text,
        })
    };
    // The connection ends with a reset: to shut it down before would be another segment, and an answer to that.
    let (mut answer, mut connection) = (pin!(answer), pin!(connection.without_shutdown()));
    tokio::select! {
        biased;
        result = &mut answer => result,
        // The connection may end with the answer's last byte: what has come of it can still be read.
        _ = &mut connection => answer.await,
    }
}

enum End {
    Broken(hyper::Error),
    Wrong(Failure),
}

async fn judge(mut response: Response<Incoming>, http: &HttpCheck, body: Option<&Regex>) -> Result<(), End> {
    let status = response.status().as_u16();
    if !http.status.iter().any(|range| range.contains(&status)) {
        let wanted = http.status.iter().map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        });
        let wanted = wanted.collect::<Vec<_>>().join(", ");
        return Err(End::Wrong(format!(
            "{} {} is answered with status {status}, not {wanted}",
            http.method, http.path
        )));
    }
    // A body that is not looked at must come all the same: a server that dies half-way through it is not well.
    let mut text = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(End::Broken)?;
        let Some(bytes) = frame.data_ref() else { continue };
        let room = LONGEST_BODY.saturating_sub(text.len());
        text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if text.len() == LONGEST_BODY {
            break;
        }
    }
    match body {
        Some(pattern) if !pattern.is_match(&text) => {
            let shown: String = String::from_utf8_lossy(&text).chars().take(60).collect();
            Err(End::Wrong(format!("the body of {} does not match {:?}: {shown:?}", http.path, pattern.as_str())))
        }
        _ => Ok(()),
    }
}
