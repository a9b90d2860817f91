//! The example of the paper "Linux Virtual Server for Scalable Network Services", figure 3, with its addresses; and
//! beside it a VIP for tunnel and one for direct routing.

use std::net::Ipv4Addr;

use crate::command::require_programs;
use crate::{Lab, LabError, Node, Result};

/// The client of the paper's example.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(202, 100, 1, 2);
/// The router's address on the director's WAN side.
pub const ROUTER_WAN: Ipv4Addr = Ipv4Addr::new(202, 103, 106, 254);
/// The router's address on the reals' segment: the way of answers in tunnel and direct routing.
pub const ROUTER_LAN: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 254);
/// The director's own address on its WAN port.
pub const DIRECTOR_WAN: Ipv4Addr = Ipv4Addr::new(202, 103, 106, 1);
/// The director's own address on its LAN port: the reals' default gateway.
pub const DIRECTOR_LAN: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
/// The paper's virtual address, forwarded by NAT.
pub const NAT_VIP: Ipv4Addr = Ipv4Addr::new(202, 103, 106, 5);
/// A virtual address forwarded by tunnel; every real has it too.
pub const TUNNEL_VIP: Ipv4Addr = Ipv4Addr::new(202, 103, 106, 6);
/// A virtual address forwarded by direct routing; every real has it too.
pub const DIRECT_VIP: Ipv4Addr = Ipv4Addr::new(202, 103, 106, 7);
/// The real servers.
pub const REALS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(172, 16, 0, 2), Ipv4Addr::new(172, 16, 0, 3), Ipv4Addr::new(172, 16, 0, 4)];

/// The services: the paper's table (80 to two reals 1:2, 21 to one) and a UDP echo by NAT, HTTP by tunnel and by direct
/// routing.
pub const PAPER_SERVICES: &str = include_str!("paper-services.toml");

const ROUTER_CLIENT_SIDE: Ipv4Addr = Ipv4Addr::new(202, 100, 1, 1);
/// The routing table of packets that a real sends from a VIP.
const VIP_TABLE: u32 = 100;

impl Lab {
    /// The paper's laboratory, servers running on the reals, ready for [`Lab::start_director`].
    ///
    /// Each real serves HTTP on 80 and 8000, a UDP echo on 7 and an FTP greeting on 21, on its own address and on the
    /// VIPs of tunnel and direct routing. Answers begin with the real's name.
    ///
    /// # Errors
    /// As [`Lab::new`]; or nginx is missing, or a helper binary is not built.
    pub fn paper_example() -> Result<Self> {
        require_programs(&["ip", "nginx", "curl", "stdbuf"])?;
        let mut lab = Self::new(REALS.len())?;
        lab.wire_client_and_router()?;
        for (real, address) in lab.reals.clone().iter().zip(REALS) {
            lab.wire_real(real, address)?;
            let mut servers = lab.start_servers(real, address)?;
            lab.servers.append(&mut servers);
        }
        Ok(lab)
    }

    fn wire_client_and_router(&self) -> Result<()> {
        self.connect(&self.client, "eth0", &self.router, "client0")?;
        self.connect_to_segment(&self.router, "uplink0")?;
        self.client.ip(&format!("addr add {CLIENT}/24 dev eth0\nroute add default via {ROUTER_CLIENT_SIDE}\n"))?;
        self.router
            .ip(&format!("addr add {ROUTER_CLIENT_SIDE}/24 dev client0\naddr add {ROUTER_LAN}/24 dev uplink0\n"))?;
        for node in [&self.router, &self.director] {
            node.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")?;
        }
        Ok(())
    }

    /// NAT: the director is the gateway. Tunnel and direct: the VIP is an address of the real that it does not tell of
    /// by ARP, and packets from it go straight to the router.
    fn wire_real(&self, real: &Node, address: Ipv4Addr) -> Result<()> {
        self.connect_to_segment(real, "eth0")?;
        real.shell("cd /proc/sys/net/ipv4/conf/all; echo 1 > arp_ignore; echo 2 > arp_announce")?;
        real.ip(&format!(
            "addr add {address}/24 dev eth0
route add default via {DIRECTOR_LAN}
addr add {TUNNEL_VIP}/32 dev lo
addr add {DIRECT_VIP}/32 dev lo
route add default via {ROUTER_LAN} dev eth0 table {VIP_TABLE}
rule add from {TUNNEL_VIP} table {VIP_TABLE}
rule add from {DIRECT_VIP} table {VIP_TABLE}
"
        ))
    }

    /// Real server `number`, from 1.
    ///
    /// # Errors
    /// There are fewer.
    pub fn require_real(&self, number: usize) -> Result<&Node> {
        self.real(number)
            .ok_or_else(|| LabError::Unreadable { what: "number of a real".into(), text: number.to_string() })
    }
}
