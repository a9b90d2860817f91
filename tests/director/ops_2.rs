//! OPS-2: ICMP is handled right: what concerns a connection reaches its client, the rest is the director's kernel's.

use std::net::SocketAddrV4;

use lab::{DIRECTOR_WAN, NAT_VIP, Result, wait_until};

use crate::support::{LIMIT, METHODS, in_all_methods, paper, with_services};

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
