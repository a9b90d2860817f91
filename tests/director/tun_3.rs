//! TUN-3: a tunnel service may have hundreds of reals, and each gets its share.

use std::fmt::Write;
use std::net::Ipv4Addr;

use lab::{REALS, Result, TUNNEL_VIP, wait_until};

use crate::support::{LIMIT, ask, assert_served, number, url, with_services};

/// Addresses that each machine of the laboratory answers for.
const EACH: u8 = 100;

#[test]
fn three_hundred_reals_get_a_connection_each() -> Result<()> {
    let count = REALS.len() * usize::from(EACH);
    let lab = with_services("")?;
    lab.director().ip("route add 10.77.0.0/16 dev sluice-lan\n")?;
    let mut services = format!(
        "[[service]]\nname = \"many\"\nprotocol = \"tcp\"\naddress = \"{TUNNEL_VIP}:80\"\nscheduler = \"rr\"\n\
         method = \"tunnel\"\n"
    );
    for machine in 1..=REALS.len() {
        let mut addresses = String::new();
        for host in 1..=EACH {
            let address = Ipv4Addr::new(10, 77, u8::try_from(machine).unwrap_or(0), host);
            write!(services, "[[service.real]]\naddress = \"{address}:80\"\n").expect("a string takes all");
            writeln!(addresses, "addr add {address}/32 dev eth0").expect("a string takes all");
        }
        lab.require_real(machine)?.ip(&addresses)?;
    }
    lab.write_services(&services)?;
    lab.sluice_ok(["reload"])?;
    // Control has the kernel ask for each real's MAC address.
    wait_until("the MAC addresses of all reals", LIMIT, || {
        let known = lab.director().run("ip", ["neigh", "show", "to", "10.77.0.0/16", "dev", "sluice-lan"])?.stdout;
        Ok((known.matches("lladdr").count() == count).then_some(()))
    })?;
    lab.client().wait_for_answer(&url(TUNNEL_VIP), LIMIT)?;
    // Two rounds, so that each real's next hop has reached the dataplane's table by the second.
    let connections = |real: &serde_json::Value| number(&real["traffic"]["connections"]);
    let seen = || -> Result<Vec<u64>> {
        let service = ask(&lab, "service show many")?;
        Ok(service["reals"].as_array().into_iter().flatten().map(connections).collect())
    };
    assert_served(&lab.client().get(&url(TUNNEL_VIP), count)?);
    let before = seen()?;
    assert_served(&lab.client().get(&url(TUNNEL_VIP), count)?);
    let got: Vec<u64> = seen()?.iter().zip(&before).map(|(now, before)| now - before).collect();
    assert_eq!(got, vec![1; count]);
    Ok(())
}
