//! `sluice ipvsadm`, and `sluice` under the names `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore`: the table of sluiced
//! behind [`crate::ipvsadm`].

use super::Stop;
use super::connection::Connection;
use crate::ipvsadm::{self, Backend, Resolver, Run};
use crate::protocol::{
    Code, ConnectionFilter, ConnectionRow, Count, LvsChange, LvsChanged, LvsService, LvsTimeouts, Request, payload,
};
use link::model::Protocol;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// The programs whose command line this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// `ipvsadm`.
    Ipvsadm,
    /// `ipvsadm-save`.
    Save,
    /// `ipvsadm-restore`.
    Restore,
}

impl Program {
    /// The program that goes by this name, which may have a path before it.
    pub(super) fn called(name: &OsStr) -> Option<Self> {
        match Path::new(name).file_name()?.to_str()? {
            "ipvsadm" => Some(Self::Ipvsadm),
            "ipvsadm-save" => Some(Self::Save),
            "ipvsadm-restore" => Some(Self::Restore),
            _ => None,
        }
    }

    /// Runs it; returns the exit code.
    pub(super) fn run(
        self,
        words: &[String],
        socket: &Path,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> Result<u8, Stop> {
        let mut remote = Remote { socket: socket.to_owned(), connection: None };
        let mut input = io::stdin().lock();
        let mut run = Run { backend: &mut remote, resolver: &System, input: &mut input, out, errors };
        Ok(match self {
            Self::Ipvsadm => run.ipvsadm(words)?,
            Self::Save => run.ipvsadm_save(words)?,
            Self::Restore => run.ipvsadm_restore()?,
        })
    }
}

/// The table of sluiced. The connection is made when it is first needed: what is wrong with a command line is said
/// without.
struct Remote {
    socket: PathBuf,
    connection: Option<Connection>,
}

impl Remote {
    fn connection(&mut self) -> Result<&mut Connection, Stop> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.socket)?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// Changes that are asked by themselves, and refused, before the others are taken to be.
const REFUSED_SINGLY: usize = 32;

impl Remote {
    /// Does changes together. Where the dataplane refuses the table that they make (there is no room for all of them)
    /// the halves are asked, and so on: those that it takes are in force, as if each line had been a command.
    fn change_by_halves(
        &mut self,
        changes: &[LvsChange],
        refused_singly: &mut usize,
    ) -> Result<Vec<Option<String>>, String> {
        let request = Request::LvsChange { changes: changes.to_vec() };
        match self.connection().and_then(|connection| connection.ask::<LvsChanged>(&request)) {
            Ok(changed) => Ok(changed.refusals),
            Err(Stop::Failed(failure)) if failure.code != Code::Refused => Err(failure.message),
            Err(Stop::Failed(failure)) if changes.len() <= 1 || *refused_singly >= REFUSED_SINGLY => {
                *refused_singly += changes.len();
                Ok(vec![Some(failure.message); changes.len()])
            }
            Err(Stop::Failed(_)) => {
                let (first, others) = changes.split_at(changes.len() / 2);
                let mut refusals = self.change_by_halves(first, refused_singly)?;
                refusals.extend(self.change_by_halves(others, refused_singly)?);
                Ok(refusals)
            }
            Err(stop) => Err(stop.to_string()),
        }
    }
}

impl Backend for Remote {
    fn change(&mut self, changes: &[LvsChange]) -> Result<Vec<Option<String>>, String> {
        let mut asked = 0;
        self.change_by_halves(changes, &mut asked)
    }

    fn services(&mut self) -> Result<Vec<LvsService>, String> {
        let services = self.connection().and_then(|connection| connection.list::<_, Count>(&Request::LvsServices));
        services.map(|(services, _)| services).map_err(|stop| stop.to_string())
    }

    fn timeouts(&mut self) -> Result<LvsTimeouts, String> {
        let timeouts = self.connection().and_then(|connection| connection.ask(&Request::LvsTimeouts));
        timeouts.map_err(|stop| stop.to_string())
    }

    fn connections(&mut self, each: &mut dyn FnMut(&ipvsadm::Connection) -> io::Result<()>) -> Result<(), String> {
        let request = Request::ConnectionList(ConnectionFilter::default());
        let listed = self.connection().and_then(|connection| {
            connection.stream::<Count>(&request, |row| Ok(each(&listed(payload::<ConnectionRow>(row)?))?))
        });
        listed.map(|_| ()).map_err(|stop| stop.to_string())
    }
}

fn listed(row: ConnectionRow) -> ipvsadm::Connection {
    ipvsadm::Connection {
        protocol: row.protocol,
        expires_in: row.expires_in_milliseconds / 1000,
        state: row.state,
        client: row.client,
        service: row.service,
        real: row.real,
    }
}

/// The names that this system knows: its hosts file, its services file, DNS.
struct System;

impl Resolver for System {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        let addresses = (host, 0).to_socket_addrs().ok()?;
        addresses.into_iter().find_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        let hints = dns_lookup::AddrInfoHints {
            protocol: protocol.number().into(),
            address: libc::AF_INET,
            ..dns_lookup::AddrInfoHints::default()
        };
        let found = dns_lookup::getaddrinfo(None, Some(service), Some(hints)).ok()?;
        found.into_iter().find_map(|found| Some(found.ok()?.sockaddr.port()))
    }

    fn host(&self, address: Ipv4Addr) -> Option<String> {
        name(address, 0, libc::NI_NAMEREQD).map(|(host, _)| host)
    }

    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        let datagrams = if protocol == Protocol::Udp { libc::NI_DGRAM } else { 0 };
        name(Ipv4Addr::UNSPECIFIED, port, libc::NI_NUMERICHOST | datagrams).map(|(_, service)| service)
    }
}

fn name(address: Ipv4Addr, port: u16, flags: i32) -> Option<(String, String)> {
    dns_lookup::getnameinfo(&SocketAddr::from((address, port)), flags).ok()
}

#[cfg(test)]
mod tests {
    use super::{Program, Resolver, System};
    use link::model::Protocol;
    use std::ffi::OsStr;
    use std::net::Ipv4Addr;

    #[test]
    fn a_program_is_known_by_its_last_name() {
        for (name, want) in [
            ("ipvsadm", Some(Program::Ipvsadm)),
            ("/usr/sbin/ipvsadm", Some(Program::Ipvsadm)),
            ("./ipvsadm-save", Some(Program::Save)),
            ("ipvsadm-restore", Some(Program::Restore)),
            ("sluice", None),
            ("/ipvsadm/sluice", None),
            ("", None),
        ] {
            assert_eq!(Program::called(OsStr::new(name)), want, "{name:?}");
        }
    }

    #[test]
    fn what_every_system_knows_has_a_name_and_what_none_knows_has_none() {
        assert_eq!(System.address("localhost"), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(System.address("10.1.2.3"), Some(Ipv4Addr::new(10, 1, 2, 3)));
        assert_eq!(System.port("no-such-service", Protocol::Tcp), None);
        assert_eq!(System.host(Ipv4Addr::new(192, 0, 2, 77)), None);
        assert_eq!(System.service(64_999, Protocol::Udp).as_deref(), Some("64999"));
    }
}
