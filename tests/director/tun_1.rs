//! TUN-1: requests reach a real inside an IP-in-IP packet, scheduled per connection, wherever the real is.

use std::net::{Ipv4Addr, SocketAddrV4};

use lab::{CLIENT, Lab, Result, TUNNEL_VIP, program};

use crate::support::{paper, shares, url};

#[test]
fn a_tunnelled_request_is_the_clients_own_packet_to_the_vip() -> Result<()> {
    let lab = paper()?;
    let answers = lab.client().get(&url(TUNNEL_VIP), 30)?;
    assert_eq!(shares(&answers), [("real1", 5), ("real2", 10), ("real3", 15)].into());
    for answer in answers {
        assert_eq!(answer.body, format!("{} {CLIENT} {TUNNEL_VIP}:80\n", answer.real));
    }
    Ok(())
}

#[test]
fn a_real_on_another_network_serves_beside_those_on_the_segment() -> Result<()> {
    const DISTANT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
    let lab = paper()?;
    let _servers = start_distant_real(&lab, DISTANT)?;
    lab.sluice_ok(["service", "add", "distant", "tcp", &format!("{TUNNEL_VIP}:21"), "--method", "tunnel"])?;
    lab.sluice_ok(["service", "set", "distant", "--scheduler", "rr"])?;
    for real in [DISTANT, lab::REALS[0]] {
        lab.sluice_ok(["real", "add", "distant", &format!("{real}:21")])?;
    }
    let answers = lab.client().read_greetings(SocketAddrV4::new(TUNNEL_VIP, 21), 10)?;
    assert_eq!(shares(&answers), [("distant", 5), ("real1", 5)].into());
    Ok(())
}

/// Behind the router, on a network that the director knows by its default route only.
fn start_distant_real(lab: &Lab, address: Ipv4Addr) -> Result<[lab::Process; 2]> {
    let real = lab.add_node("distant")?;
    lab.connect(&real, "eth0", lab.router(), "distant0")?;
    lab.router().ip("addr add 10.99.0.1/24 dev distant0\n")?;
    real.ip(&format!(
        "addr add {address}/24 dev eth0\naddr add {TUNNEL_VIP}/32 dev lo\nroute add default via 10.99.0.1\n"
    ))?;
    let (echo, decapsulate) = (program("lab-echo")?, program("lab-decapsulate")?);
    let greet = ["serve", "--name", "distant", "--greet", "0.0.0.0:21"];
    let mut decapsulator = real.spawn("decapsulate", &decapsulate.to_string_lossy(), ["--interface", "decap0"])?;
    let mut echo = real.spawn("echo", &echo.to_string_lossy(), greet)?;
    real.wait_for_socket(&mut decapsulator, "raw", 4)?;
    real.wait_for_socket(&mut echo, "tcp", 21)?;
    Ok([decapsulator, echo])
}
