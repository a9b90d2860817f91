//! The list of connections.

use super::{Names, Run, Stop};
use link::model::Protocol;
use std::io;
use std::net::SocketAddrV4;

/// A connection or template, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `None`: the template of a group.
    pub protocol: Option<Protocol>,
    /// Seconds until it is removed if no packet comes.
    pub expires_in: u32,
    /// `ESTABLISHED`; of a template `NONE` or `ASSURED`.
    pub state: String,
    /// The client's end; port 0 in a template.
    pub client: SocketAddrV4,
    /// The service's end; the number of a group as an address in its template.
    pub service: SocketAddrV4,
    /// The real's end.
    pub real: SocketAddrV4,
}

pub(super) fn list(run: &mut Run<'_>, numeric: bool, engines: bool) -> io::Result<Result<(), Stop>> {
    let heading = "pro expire state       source             virtual            destination";
    let more = if engines { "        pe name          pe_data" } else { "" };
    writeln!(run.out, "IPVS connection entries\n{heading}{more}")?;
    let names = Names::new(numeric, run.resolver);
    let out = &mut *run.out;
    let mut failure = None;
    let mut print = |connection: &Connection| {
        let written = writeln!(out, "{}", line(connection, &names));
        written.inspect_err(|error| failure = Some(io::Error::from(error.kind())))
    };
    let listed = run.backend.connections(&mut print);
    match (failure, listed) {
        (Some(error), _) => Err(error),
        (None, Err(why)) => Ok(Err(Stop::unreachable(why))),
        (None, Ok(())) => Ok(Ok(())),
    }
}

fn line(connection: &Connection, names: &Names<'_>) -> String {
    let Connection { protocol, expires_in, state, client, service, real } = connection;
    let name = match protocol {
        Some(Protocol::Tcp) => "TCP",
        Some(Protocol::Udp) => "UDP",
        None => "IP",
    };
    let expires = format!("{:02}:{:02}", expires_in / 60, expires_in % 60);
    let [client, service, real] = [client, service, real].map(|address| names.endpoint(*address, *protocol));
    format!("{name:<3} {expires:<6} {state:<11} {client:<18} {service:<18} {real}")
}

#[cfg(test)]
mod tests {
    use super::{Connection, line};
    use crate::ipvsadm::{Names, NoNames};
    use link::model::Protocol;
    use std::net::SocketAddrV4;

    fn address(text: &str) -> SocketAddrV4 {
        text.parse().expect("an address")
    }

    #[test]
    fn lines_have_the_columns_of_the_reference() {
        let established = Connection {
            protocol: Some(Protocol::Tcp),
            expires_in: 898,
            state: "ESTABLISHED".to_owned(),
            client: address("10.0.0.9:40000"),
            service: address("10.0.0.1:80"),
            real: address("192.168.0.2:80"),
        };
        let template = Connection {
            protocol: None,
            expires_in: 358,
            state: "NONE".to_owned(),
            client: address("10.0.0.9:0"),
            service: address("0.0.0.7:0"),
            real: address("192.168.0.2:0"),
        };
        let long = Connection { expires_in: 7325, ..template.clone() };
        let names = Names::new(true, &NoNames);
        for (connection, want) in [
            (&established, "TCP 14:58  ESTABLISHED 10.0.0.9:40000     10.0.0.1:80        192.168.0.2:80"),
            (&template, "IP  05:58  NONE        10.0.0.9:0         0.0.0.7:0          192.168.0.2:0"),
            (&long, "IP  122:05 NONE        10.0.0.9:0         0.0.0.7:0          192.168.0.2:0"),
        ] {
            assert_eq!(line(connection, &names), want);
        }
    }
}
