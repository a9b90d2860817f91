//! ICMP: an echo request is answered (RFC 792). One socket for all; an answer is known by a number in its payload.

use super::{Failure, Stage};
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use wire::icmp::{Icmp, kind};
use wire::{checksum, ipv4::Ipv4};

/// Header, then the number of the check.
const LENGTH: usize = 16;

/// Sends echo requests and hears the answers. Must be made and used within one `LocalSet`.
#[derive(Default)]
pub struct Pinger {
    socket: OnceCell<Result<Rc<UdpSocket>, String>>,
    waiting: Rc<RefCell<Waiting>>,
}

/// Who waits for the answer with a number, and from where.
type Waiting = HashMap<u64, (Ipv4Addr, oneshot::Sender<()>)>;

impl Pinger {
    pub(super) async fn check(&self, address: Ipv4Addr, stage: &Stage) -> Result<(), Failure> {
        let socket = self.socket.get_or_init(|| self.open()).as_ref().map_err(Clone::clone)?;
        let number = fastrand::u64(..);
        let (sender, answer) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, (address, sender));
        let _forget = Forget { waiting: &self.waiting, number };
        let sent = socket.send_to(&request(number), SocketAddrV4::new(address, 0)).await;
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                format!("no way to {address}: {error}; see `ip route get {address}`")
            }
            _ => format!("the echo request to {address} was not sent: {error}"),
        })?;
        stage.reach("no answer to the echo request");
        answer.await.map_err(|_| "the socket for ICMP was closed".to_owned())
    }

    /// A raw socket, or where that is not allowed the kind that only pings. Both send and receive datagrams as a UDP
    /// socket does.
    fn open(&self) -> Result<Rc<UdpSocket>, String> {
        let open = |kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4));
        let made = open(Type::RAW).or_else(|_| open(Type::DGRAM)).and_then(|socket| {
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket.into())
        });
        let socket = Rc::new(made.map_err(|error| {
            format!("sluiced may not send echo requests: {error}; give it CAP_NET_RAW, or take another type of check")
        })?);
        tokio::task::spawn_local(hear(Rc::clone(&socket), Rc::clone(&self.waiting)));
        Ok(socket)
    }
}

async fn hear(socket: Rc<UdpSocket>, waiting: Rc<RefCell<Waiting>>) {
    let mut bytes = [0; 2048];
    loop {
        // An error about one packet says nothing of the next.
        let Ok((length, from)) = socket.recv_from(&mut bytes).await else { continue };
        let Some(number) = bytes.get(..length).and_then(answered) else { continue };
        let mut waiting = waiting.borrow_mut();
        let is_awaited = waiting.get(&number).is_some_and(|(there, _)| from.ip() == *there);
        if let Some((_, sender)) = waiting.remove(&number).filter(|_| is_awaited) {
            // Who asked may have stopped waiting.
            let _ = sender.send(());
        }
    }
}

struct Forget<'a> {
    waiting: &'a RefCell<Waiting>,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.borrow_mut().remove(&self.number);
    }
}

fn request(number: u64) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    message[0] = kind::ECHO_REQUEST;
    message[4..6].copy_from_slice(&(std::process::id() as u16).to_be_bytes());
    message[8..].copy_from_slice(&number.to_be_bytes());
    let sum = checksum::internet(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The number of the request that this answers. A raw socket gives the IPv4 header too, the other kind only the message.
fn answered(bytes: &[u8]) -> Option<u64> {
    let packet = Ipv4::parse(bytes);
    let message = packet.as_ref().map_or(bytes, Ipv4::payload);
    let is_answer = Icmp::parse(message).is_ok_and(|icmp| icmp.kind() == kind::ECHO_REPLY);
    let number = message.get(8..LENGTH).filter(|_| is_answer)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_number_and_a_request_is_none() {
        let mut message = request(0x1234_5678_9abc_def0);
        assert!(Icmp::parse(&message).expect("a message").checksum_is_valid());
        assert_eq!(answered(&message), None, "the request itself, as the loopback gives it");
        message[0] = kind::ECHO_REPLY;
        assert_eq!(answered(&message), Some(0x1234_5678_9abc_def0));
        assert_eq!(answered(&message[..12]), None, "cut off");
    }
}
