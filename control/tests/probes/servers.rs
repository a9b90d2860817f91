//! Servers that answer, and servers that fail.
#![allow(unreachable_pub, reason = "a module of one test binary")]

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType, rdata};
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a web server does with a request.
#[derive(Clone, Copy)]
pub enum Web {
    /// Answers after so many milliseconds.
    Answer { status: u16, body: &'static str, delay: u64 },
    /// Answers with a body that ends with the connection.
    NoLength,
    /// Takes the request and is silent.
    Hangs,
    /// Closes the connection.
    DiesBefore,
    /// Closes the connection in the middle of the body.
    DiesWithin,
    /// Sends half of the body and no more.
    Stalls,
    /// Answers with what is not HTTP.
    Noise,
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(address) => panic!("{address}"),
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port")
}

/// A web server on a port of its own.
pub async fn serve(web: Web) -> SocketAddrV4 {
    let listener = listener().await;
    let address = v4(listener.local_addr().expect("an address"));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(answer(stream, web));
        }
    });
    address
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, web: Web) {
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let is_head = request.starts_with(b"HEAD");
    let text = match web {
        Web::Answer { status, body, delay } => {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            let shown = if is_head { "" } else { body };
            format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{shown}", body.len())
        }
        Web::NoLength => "HTTP/1.1 200 x\r\n\r\nthe beginning, and the end".to_owned(),
        Web::DiesBefore => String::new(),
        Web::DiesWithin | Web::Stalls => "HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
        Web::Noise => "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        Web::Hangs => return std::future::pending().await,
    };
    // The client may have gone.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
    if matches!(web, Web::Stalls) {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

/// A TCP server that accepts and closes.
pub fn plain() -> SocketAddrV4 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = v4(listener.local_addr().expect("an address"));
    std::thread::spawn(move || listener.incoming().for_each(drop));
    address
}

/// A port on which nobody listens.
pub fn unused() -> SocketAddrV4 {
    v4(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port"))
}

/// A server whose queue of new connections is full: a further SYN is not answered.
pub fn half_open() -> (Vec<Socket>, SocketAddrV4) {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let server = socket();
    server.bind(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))).expect("a port");
    server.listen(0).expect("listening");
    let address = server.local_addr().expect("an address");
    let mut kept = vec![server];
    for _ in 0..4 {
        let client = socket();
        client.set_nonblocking(true).expect("set");
        // Under way is all that it has to be.
        let _ = client.connect(&address);
        kept.push(client);
    }
    std::thread::sleep(Duration::from_millis(50));
    (kept, address.as_socket_ipv4().expect("IPv4"))
}

/// An HTTPS server, and the authority that signed for it.
pub struct Secure {
    pub address: SocketAddrV4,
    pub authority: NamedTempFile,
}

/// A server with a certificate for this name.
pub async fn secure(name: &str) -> Secure {
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let authority = NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), signed.cert.pem()).expect("written");
    let certificate: CertificateDer<'static> = signed.cert.der().clone();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = listener().await;
    let address = v4(listener.local_addr().expect("an address"));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::task::spawn_local(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, Web::Answer { status: 200, body: "ok", delay: 0 }).await;
                }
            });
        }
    });
    Secure { address, authority }
}

/// A UDP server that answers with this, or is silent.
pub async fn udp(answer: Option<&'static [u8]>) -> SocketAddrV4 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = v4(socket.local_addr().expect("an address"));
    tokio::task::spawn_local(async move {
        let mut buffer = [0; 2048];
        while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = answer {
                let _ = socket.send_to(answer, from).await;
            }
        }
    });
    address
}

/// A DNS server that knows www.example.org.
pub async fn dns() -> SocketAddrV4 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = v4(socket.local_addr().expect("an address"));
    tokio::task::spawn_local(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut message = Message::from_vec(&buffer[..length]).expect("a query");
            message.set_message_type(MessageType::Response);
            let query = message.queries()[0].clone();
            if query.name().to_string().starts_with("gone") {
                message.set_response_code(ResponseCode::NXDomain);
            } else if query.query_type() == RecordType::A {
                for last in [1, 2] {
                    let data = RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, last)));
                    message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
            }
            let _ = socket.send_to(&message.to_vec().expect("an answer"), from).await;
        }
    });
    address
}
