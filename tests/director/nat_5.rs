//! NAT-5: packets to the VIP's other ports are rejected: a RST for TCP, port unreachable for UDP.

use std::net::SocketAddrV4;
use std::time::Duration;

use lab::{NAT_VIP, Result};

use crate::support::{drops, paper, url};

/// A client that is answered knows at once; one that is not waits for its time-out.
const AT_ONCE: Duration = Duration::from_millis(900);

#[test]
fn a_port_without_service_refuses_tcp_and_udp_and_the_others_serve() -> Result<()> {
    let lab = paper()?;
    let (_, answered_before) = drops(&lab, "no_service")?;

    let tcp = lab.client().get(&format!("http://{NAT_VIP}:81/"), 1)?.remove(0);
    assert!(tcp.status == 0 && tcp.latency < AT_ONCE && tcp.error.contains("connect to"), "{tcp:?}");
    let udp = lab.client().ask_udp(SocketAddrV4::new(NAT_VIP, 9), 1)?.remove(0);
    assert!(udp.status == 0 && udp.error.contains("Connection refused"), "{udp:?}");

    assert_eq!(drops(&lab, "no_service")?.1, answered_before + 2);
    assert!(lab.client().curl(&url(NAT_VIP))?.is_ok());
    Ok(())
}
