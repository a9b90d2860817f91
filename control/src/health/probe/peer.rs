//! Whom a check speaks to, and from where.

use super::Failure;
use crate::health::target::Target;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket as BlockingSocket};
use std::os::fd::AsFd;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// Any port will do: nothing is sent to it.
const SOME_PORT: u16 = 9;

/// A way from this machine to a port of the director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The director's own address there.
    pub address: Ipv4Addr,
    /// The kernel's interface.
    pub interface: String,
}

/// See the module.
pub(super) struct Peer {
    /// What is checked.
    pub(super) name: SocketAddrV4,
    /// What the socket speaks to.
    address: SocketAddrV4,
    /// From where; `None`: as the kernel has it.
    exit: Option<Exit>,
}

impl Peer {
    /// Of a target.
    ///
    /// # Errors
    /// It is to be reached by way of the VIP, and none of these is on the way to the real.
    pub(super) fn of(target: &Target, exits: &[Exit]) -> Result<Self, Failure> {
        let name = target.address();
        let Some(way) = target.by_vip else { return Ok(Self { name, address: name, exit: None }) };
        let exit = exit_to(target.ip(), exits)?;
        Ok(Self { name, address: SocketAddrV4::new(way.address, name.port()), exit: Some(exit) })
    }

    /// A TCP connection to it. The handshake's last acknowledgment is left to the next segment, a request or a reset: it
    /// would be a packet of its own, and would wake the real's server once more.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let _ = SockRef::from(&socket).set_tcp_quickack(false);
        if let Some(exit) = &self.exit {
            exit.bind(&socket)?;
            socket.bind(exit.any_port())?;
        }
        socket.connect(SocketAddr::V4(self.address)).await
    }

    /// A UDP socket that speaks to it, and hears of ICMP errors about what it sends.
    pub(super) async fn socket(&self) -> io::Result<UdpSocket> {
        let from = self.exit.as_ref().map_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), Exit::any_port);
        let socket = UdpSocket::bind(from).await?;
        if let Some(exit) = &self.exit {
            exit.bind(&socket)?;
        }
        socket.connect(self.address).await?;
        Ok(socket)
    }
}

impl Exit {
    fn any_port(&self) -> SocketAddr {
        SocketAddr::from((self.address, 0))
    }

    /// Packets of the socket leave by the interface, whatever the routes are; the kernel takes what they go to for a
    /// neighbour there.
    fn bind(&self, socket: &impl AsFd) -> io::Result<()> {
        SockRef::from(socket).bind_device(Some(self.interface.as_bytes()))
    }
}

/// The exit by which the kernel would send to a real.
fn exit_to(real: Ipv4Addr, exits: &[Exit]) -> Result<Exit, Failure> {
    let from = || -> io::Result<SocketAddr> {
        let socket = BlockingSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((real, SOME_PORT))?;
        socket.local_addr()
    };
    let from = from().map_err(|error| format!("no way to {real}: {error}; see `ip route get {real}`"))?;
    exits.iter().find(|exit| from.ip() == exit.address).cloned().ok_or_else(|| {
        format!(
            "the way to {real} begins at {}, which is no address of a port with a kernel interface: set addresses and \
             kernel_interface of that port in sluice.toml, or check with via = \"real\"",
            from.ip()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    #[tokio::test]
    async fn a_server_does_not_see_a_connection_that_is_reset_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let Ok(SocketAddr::V4(address)) = listener.local_addr() else { panic!("not bound") };
        let peer = Peer { name: address, address, exit: None };
        let stream = peer.connect().await.expect("connected");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        drop(stream);
        let seen = listener.accept().map_err(|error| error.kind());
        assert!(matches!(seen, Err(io::ErrorKind::WouldBlock)), "{seen:?}");
    }
}
