//! OPS-2: ICMP is handled right: what concerns a connection reaches its client, the rest is the director's kernel's.

use std::net::SocketAddrV4;

use lab::{DIRECTOR_WAN, Lab, NAT_VIP, PAPER_SERVICES, Result, wait_until};

use crate::support::{LIMIT, METHODS, drops, in_all_methods, paper, shares, url, with_services};

#[test]
fn a_client_learns_that_nothing_listens_on_the_real() -> Result<()> {
    let lab = with_services(&in_all_methods("udp", 5353))?;
    for (method, vip) in METHODS {
        // By tunnel and direct routing the real tells the client itself; by NAT the director translates the error.
        wait_until(format!("an ICMP error ({method})"), LIMIT, || {
            let answer = lab.client().ask_udp(SocketAddrV4::new(vip, 5353), 1)?.remove(0);
            Ok(answer.error.contains("Connection refused").then_some(()))
        })?;
    }
    Ok(())
}

#[test]
fn the_directors_address_and_its_vips_answer_to_ping_and_arp() -> Result<()> {
    let lab = paper()?;
    for address in [DIRECTOR_WAN, NAT_VIP] {
        let ping = lab.client().capture("ping", ["-c", "3", "-i", "0.2", "-W", "2", &address.to_string()])?;
        assert!(ping.stdout.contains(" 0% packet loss"), "{address}: {}", ping.stdout);
        let neighbour = lab.router().run("ip", ["neigh", "show", &address.to_string()])?.stdout;
        assert!(neighbour.contains("lladdr 02:00:00:00:01:01"), "{address}: {neighbour}");
    }
    Ok(())
}

#[test]
fn a_server_on_the_director_answers_on_a_vip_where_unmatched_packets_are_the_kernels() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let mut machine = lab.machine();
    machine.dataplane = "unmatched = \"kernel\"".into();
    lab.start_director(&machine.to_string(), PAPER_SERVICES)?;
    let echo = lab::program("lab-echo")?;
    let serve = ["serve", "--name", "director", "--greet", "0.0.0.0:2222"];
    let mut server = lab.director().spawn("server", &echo.to_string_lossy(), serve)?;
    lab.director().wait_for_socket(&mut server, "tcp", 2222)?;

    let greetings = lab.client().read_greetings(SocketAddrV4::new(NAT_VIP, 2222), 3)?;
    assert_eq!(shares(&greetings), [("director", 3)].into());
    lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
    // Nothing listens there: the kernel refuses, not the dataplane.
    let closed = lab.client().read_greetings(SocketAddrV4::new(NAT_VIP, 2223), 1)?.remove(0);
    assert!(closed.error.contains("refused"), "{closed:?}");
    assert_eq!(drops(&lab, "no_service")?, (0, 0));
    Ok(())
}
