//! The tunnel's end on a real server, for kernels without IP-in-IP: reads protocol 4 (RFC 2003) from a raw socket and
//! hands the inner packets to the kernel through a TUN device.

use std::io::{Read, Write};
use std::process::ExitCode;

use clap::Parser;
use socket2::{Domain, Protocol, Socket, Type};

/// The largest IPv4 packet.
const PACKET: usize = 65_535;
const PROTOCOL_IPIP: i32 = 4;

/// Decapsulates IP-in-IP packets that arrive at this machine.
#[derive(Parser)]
struct Arguments {
    /// The TUN device to make; inner packets arrive there.
    #[arg(long)]
    interface: String,
}

fn main() -> ExitCode {
    match decapsulate(&Arguments::parse().interface) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-decapsulate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn decapsulate(interface: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut configuration = tun::Configuration::default();
    configuration.tun_name(interface).up();
    let mut device = tun::create(&configuration)?;
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(PROTOCOL_IPIP)))?;
    let mut buffer = vec![0; PACKET];
    loop {
        let length = socket.read(&mut buffer)?;
        match inner(&buffer[..length]) {
            // A packet that the kernel refuses is the sender's fault, not the end of the tunnel.
            Some(packet) => drop(device.write(packet).inspect_err(|error| eprintln!("inner packet refused: {error}"))),
            None => eprintln!("{length} bytes without an inner IPv4 packet"),
        }
    }
}

/// The packet inside an IPv4 packet, as a raw socket gives it: outer header included.
fn inner(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let inner = packet.get(header..)?;
    (inner.first()? >> 4 == 4).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::inner;

    #[test]
    fn the_outer_header_is_taken_off_by_its_own_length() {
        let packet =
            |ihl: u8, inner: u8| [vec![0x40 | ihl], vec![0; usize::from(ihl) * 4 - 1], vec![inner, 7]].concat();
        assert_eq!(inner(&packet(5, 0x45)), Some(&[0x45, 7][..]));
        assert_eq!(inner(&packet(6, 0x45)), Some(&[0x45, 7][..]));
        assert_eq!(inner(&packet(5, 0x60)), None, "not IPv4");
        assert_eq!(inner(&[0x45; 20]), None, "nothing inside");
        assert_eq!(inner(&[]), None);
    }
}
