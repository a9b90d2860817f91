//! UDP: a datagram is answered as expected, or at least not refused by an ICMP error.

use super::peer::Peer;
use super::{Failure, Stage, refused};
use regex::bytes::Regex;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The largest answer that is looked at.
pub(super) const LARGEST: usize = 65_536;

/// A socket that hears of ICMP errors about what it sends.
pub(super) async fn socket(peer: &Peer) -> Result<UdpSocket, Failure> {
    peer.socket().await.map_err(|error| refused(&error, peer.name))
}

pub(super) fn ill(error: &io::Error, address: SocketAddrV4) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("port unreachable: nothing listens on UDP {address}"),
        _ => refused(error, address),
    }
}

pub(super) async fn check(
    peer: &Peer,
    payload: &[u8],
    expect: Option<&Regex>,
    patience: Duration,
    stage: &Stage,
) -> Result<(), Failure> {
    let (socket, address) = (socket(peer).await?, peer.name);
    socket.send(payload).await.map_err(|error| ill(&error, address))?;
    let mut answer = vec![0; LARGEST];
    let Some(pattern) = expect else {
        // Silence is well: half of the time is left for an ICMP error to come.
        return match timeout(patience / 2, socket.recv(&mut answer)).await {
            Ok(Err(error)) => Err(ill(&error, address)),
            Ok(Ok(_)) | Err(_) => Ok(()),
        };
    };
    stage.reach("no answer to the datagram");
    loop {
        let length = socket.recv(&mut answer).await.map_err(|error| ill(&error, address))?;
        if pattern.is_match(answer.get(..length).unwrap_or_default()) {
            return Ok(());
        }
        stage.reach("an answer to the datagram, but none that matches,");
    }
}
