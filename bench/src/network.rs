//! The network of the measurements: who has which address, the same for the generator and for the director's
//! configuration.

use crate::generator::plan::{Method, Network, Real};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The virtual address of the services by NAT. Those of the other methods follow it: see [`vip`].
pub const VIP: Ipv4Addr = Ipv4Addr::new(202, 103, 106, 5);
/// The director's addresses and those of its neighbours.
const DIRECTOR_WAN: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 254);
const DIRECTOR_LAN: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const FIRST_REAL: u32 = u32::from_be_bytes([172, 16, 0, 2]);

const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 1, 0xfe];
const WAN_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
const LAN_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];

/// The network with so many real servers, at most 200, all of them on port 53.
pub fn network(reals: u8) -> Network {
    let real = |number: u8| Real {
        address: SocketAddrV4::new(Ipv4Addr::from(FIRST_REAL + u32::from(number)), 53),
        mac: [2, 0, 0, 0, 2, 2 + number],
    };
    Network {
        router_mac: ROUTER_MAC,
        director_wan_mac: WAN_MAC,
        director_lan_mac: LAN_MAC,
        director_lan: DIRECTOR_LAN,
        reals: (0..reals.min(200)).map(real).collect(),
    }
}

/// The virtual address of the services by this method.
pub fn vip(method: Method) -> Ipv4Addr {
    let number = match method {
        Method::Tunnel => 1,
        Method::Direct => 2,
        Method::Nat | Method::Macswap | Method::Any => 0,
    };
    Ipv4Addr::from(VIP.to_bits() + number)
}

/// services.toml with a service by each method, UDP on port 53 and TCP on port 80, over the first `reals` reals in turn.
/// Connections that ended are kept for a second only, so that whoever opens many does not fill the table.
pub fn services(reals: u8) -> String {
    let mut text = "[timeouts]\ntcp_fin_wait = 1\ntcp_close = 1\ntcp_time_wait = 1\ntcp_close_wait = 1\n".to_owned();
    for (method, name) in [(Method::Nat, "nat"), (Method::Tunnel, "tunnel"), (Method::Direct, "direct")] {
        for (protocol, port) in [("udp", 53), ("tcp", 80)] {
            text += &service(&format!("{name}-{protocol}"), protocol, vip(method), port, name, reals);
        }
    }
    text
}

/// services.toml with so many services by NAT, UDP on port 53, at addresses from [`VIP`] on, over two reals each.
/// `weight` is that of every real.
pub fn many_services(count: u32, weight: u16) -> String {
    (0..count)
        .map(|number| {
            let address = Ipv4Addr::from(VIP.to_bits() + number);
            let text = service(&format!("s{number}"), "udp", address, 53, "nat", 2);
            text.replace("[[service.real]]", &format!("[[service.real]]\nweight = {weight}"))
        })
        .collect()
}

fn service(name: &str, protocol: &str, address: Ipv4Addr, port: u16, method: &str, reals: u8) -> String {
    let mut text = format!(
        "[[service]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"{address}:{port}\"\nscheduler = \
         \"rr\"\nmethod = \"{method}\"\n"
    );
    for real in network(reals).reals {
        // NAT may change the port; the other methods have the service's.
        let port = if method == "nat" { real.address.port() } else { port };
        text += &format!("[[service.real]]\naddress = \"{}:{port}\"\n", real.address.ip());
    }
    text
}

/// The sections of sluice.toml for this network: ports on these two devices, neighbours, the route to the clients.
pub fn ports_and_neighbours(wan: &str, lan: &str, network: &Network) -> String {
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    let mut text = String::new();
    for (name, device, address, own) in
        [("wan", wan, DIRECTOR_WAN, network.director_wan_mac), ("lan", lan, DIRECTOR_LAN, network.director_lan_mac)]
    {
        text += &format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nmac = \"{}\"\naddresses = [\"{address}/24\"]\n",
            mac(own)
        );
    }
    text += &format!("[[route]]\nprefix = \"0.0.0.0/0\"\nport = \"wan\"\nvia = \"{ROUTER}\"\n");
    let router = [(ROUTER, "wan", network.router_mac)];
    let reals = network.reals.iter().map(|real| (*real.address.ip(), "lan", real.mac));
    for (address, port, of) in router.into_iter().chain(reals) {
        text += &format!("[[neighbor]]\naddress = \"{address}\"\nport = \"{port}\"\nmac = \"{}\"\n", mac(of));
    }
    text
}
