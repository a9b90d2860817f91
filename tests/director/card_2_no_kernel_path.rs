//! CARD-2: a director whose ports have no kernel interface serves too: it answers ARP itself, and its next hops are
//! those of the machine file.

use std::fmt::Write;
use std::net::SocketAddrV4;

use lab::{DIRECTOR_WAN, Lab, NAT_VIP, PAPER_SERVICES, REALS, ROUTER_WAN, Result};

use crate::support::{LIMIT, METHODS, assert_served, drops, url};

#[test]
fn a_director_without_kernel_path_serves_in_every_method() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let mut machine = lab.machine();
    machine.kernel_path = false;
    machine.more = next_hops(&lab)?;
    lab.start_director(&machine.to_string(), PAPER_SERVICES)?;
    for (_, vip) in METHODS {
        lab.client().wait_for_answer(&url(vip), LIMIT)?;
        assert_served(&lab.client().get(&url(vip), 12)?);
    }
    assert_served(&lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 7), 6)?);
    for address in [NAT_VIP, DIRECTOR_WAN] {
        // Nobody answers a ping, but ARP is answered.
        lab.router().capture("ping", ["-c", "1", "-W", "1", &address.to_string()])?;
        let neighbour = lab.router().run("ip", ["neigh", "show", &address.to_string()])?.stdout;
        assert!(neighbour.contains("lladdr 02:00:00:00:01:01"), "{address}: {neighbour}");
    }
    assert!(drops(&lab, "no_kernel_path")?.0 >= 2, "the pings");
    Ok(())
}

fn next_hops(lab: &Lab) -> Result<String> {
    // The router's end of the WAN cable has a MAC address of the laboratory's own.
    let mut text = format!(
        "[[route]]\nprefix = \"0.0.0.0/0\"\nport = \"wan\"\nvia = \"{ROUTER_WAN}\"\n\
         [[neighbor]]\naddress = \"{ROUTER_WAN}\"\nport = \"wan\"\nmac = \"02:00:00:00:02:01\"\n"
    );
    for (number, real) in (1..).zip(REALS) {
        let mac = lab.require_real(number)?.run("cat", ["/sys/class/net/eth0/address"])?.stdout;
        let neighbor = format!("[[neighbor]]\naddress = \"{real}\"\nport = \"lan\"\nmac = \"{}\"\n", mac.trim());
        text.write_str(&neighbor).expect("a string takes all");
    }
    Ok(text)
}
