//! TCP: a connection can be made. It is then reset, so that neither end keeps anything of it.

use super::peer::Peer;
use super::{Failure, Stage, refused};
use socket2::SockRef;
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection whose end is a reset.
///
/// # Errors
/// It can't be made.
pub(super) async fn connect(peer: &Peer, stage: &Stage) -> Result<TcpStream, Failure> {
    stage.reach("no connection: the host is down, or a firewall drops the packets; none was made");
    let stream = peer.connect().await.map_err(|error| refused(&error, peer.name))?;
    // Without it the connection would end as others do, after a while in TIME_WAIT.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    Ok(stream)
}

pub(super) async fn check(peer: &Peer, stage: &Stage) -> Result<(), Failure> {
    connect(peer, stage).await.map(drop)
}
