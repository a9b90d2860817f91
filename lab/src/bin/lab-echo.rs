//! A small server that tells which real it is, and its client.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};

/// The most that an answer may take.
const LIMIT: Duration = Duration::from_secs(2);
/// UDP sockets that stay open, so that no two of so many in a row have the same port.
const KEPT: usize = 256;

/// Answers with a name, or asks for it.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answer datagrams and greet connections until it is ended.
    Serve {
        /// What every answer begins with.
        #[arg(long)]
        name: String,
        /// Answer datagrams here: the name, a space, the datagram.
        #[arg(long)]
        udp: Vec<SocketAddrV4>,
        /// Greet TCP connections here as an FTP server does (RFC 959, section 5.4).
        #[arg(long)]
        greet: Vec<SocketAddrV4>,
    },
    /// Ask and print a line an answer: the name and the seconds it took, or `-`, the seconds and why.
    Ask {
        /// The protocol.
        protocol: Transport,
        /// Whom to ask.
        address: SocketAddrV4,
        /// How often; no two of 256 in a row from the same port.
        #[arg(long, default_value_t = 1)]
        count: usize,
        /// Milliseconds between two.
        #[arg(long, default_value_t = 0)]
        pause: u64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tcp,
    Udp,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().role {
        Role::Serve { name, udp, greet } => serve(&name, &udp, &greet),
        Role::Ask { protocol, address, count, pause } => ask(protocol, address, count, Duration::from_millis(pause)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(name: &str, udp: &[SocketAddrV4], greet: &[SocketAddrV4]) -> io::Result<()> {
    let sockets: Vec<UdpSocket> = udp.iter().map(UdpSocket::bind).collect::<io::Result<_>>()?;
    let listeners: Vec<TcpListener> = greet.iter().map(TcpListener::bind).collect::<io::Result<_>>()?;
    thread::scope(|scope| {
        for socket in &sockets {
            scope.spawn(|| answer_datagrams(name, socket));
        }
        for listener in &listeners {
            scope.spawn(|| greet_connections(name, listener));
        }
    });
    Ok(())
}

fn answer_datagrams(name: &str, socket: &UdpSocket) {
    let mut buffer = vec![0; 65_535];
    loop {
        // An ICMP error of an earlier answer arrives here too; the next datagram is what counts.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let answer = [name.as_bytes(), b" ", &buffer[..length]].concat();
        if let Err(error) = socket.send_to(&answer, from) {
            eprintln!("answer to {from}: {error}");
        }
    }
}

fn greet_connections(name: &str, listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let greeting = format!("220 {name} ready\r\n");
        thread::spawn(move || -> io::Result<()> {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(greeting.as_bytes())?;
            // Until the client closes, so that it is the client that ends the connection.
            io::copy(&mut stream.take(1 << 16), &mut io::sink()).map(drop)
        });
    }
}

fn ask(protocol: Transport, address: SocketAddrV4, count: usize, pause: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut kept = VecDeque::with_capacity(KEPT);
    for _ in 0..count {
        let start = Instant::now();
        let answer = match protocol {
            Transport::Udp => {
                kept.truncate(KEPT - 1);
                kept.push_front(UdpSocket::bind("0.0.0.0:0")?);
                ask_udp(&kept[0], address)
            }
            Transport::Tcp => read_greeting(address),
        };
        let seconds = start.elapsed().as_secs_f64();
        match answer {
            Ok(name) => writeln!(out, "{name} {seconds:.6}")?,
            Err(error) => writeln!(out, "- {seconds:.6} {error}")?,
        }
        thread::sleep(pause);
    }
    Ok(())
}

fn ask_udp(socket: &UdpSocket, address: SocketAddrV4) -> io::Result<String> {
    socket.connect(address)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.send(b"which")?;
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    match text.strip_suffix(" which") {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(io::Error::other(format!("answer {text:?}, not a name and what was sent"))),
    }
}

fn read_greeting(address: SocketAddrV4) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&SocketAddr::V4(address), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut line = String::new();
    BufReader::new(stream.take(256)).read_line(&mut line)?;
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["220", name, ..] => Ok((*name).to_owned()),
        _ => Err(io::Error::other(format!("greeting {line:?}, not `220 <name>`"))),
    }
}
