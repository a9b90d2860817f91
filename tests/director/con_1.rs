//! CON-1: later packets of a connection go to the same real, however many there are and whichever way they go.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lab::{Lab, NAT_VIP, Result};

use crate::support::{METHODS, Random, in_all_methods, serve_on_all, service, with_services};

/// The length of a transfer, bytes.
const LENGTH: usize = 10 << 20;
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn ten_megabytes_come_down_through_nat_unharmed() -> Result<()> {
    let lab = with_services(&service("web", "tcp", NAT_VIP, 80, "nat"))?;
    let sum = make_file(&lab, "down")?;
    for real in 1..=lab::REALS.len() {
        lab.client().shell(&format!("cp {0}/down {0}/real{real}/large", lab.folder().display()))?;
    }
    lab.client().wait_for_answer(&format!("http://{NAT_VIP}/"), LIMIT)?;
    for _ in 0..lab::REALS.len() {
        let fetch = format!("curl -sf -m 60 http://{NAT_VIP}/large | sha256sum");
        assert_eq!(lab.client().capture_with("sh", ["-c", &fetch], "", LIMIT)?.stdout, sum);
    }
    Ok(())
}

#[test]
fn ten_megabytes_go_up_unharmed_by_nat_tunnel_and_direct_routing() -> Result<()> {
    const PORT: u16 = 9001;
    let lab = with_services(&in_all_methods("tcp", PORT))?;
    let _servers = serve_on_all(&lab, PORT, "sha256sum")?;
    let sum = make_file(&lab, "up")?;
    for (method, vip) in METHODS {
        let said = upload(&lab, vip, PORT)?;
        assert_eq!(said.split_once('\n').map(|(_, sum)| sum), Some(sum.as_str()), "{method}: {said}");
    }
    Ok(())
}

/// What the server says: its name and the digest of what it got.
fn upload(lab: &Lab, vip: Ipv4Addr, port: u16) -> Result<String> {
    let address = SocketAddrV4::new(vip, port);
    let script = format!("socat -t 30 - TCP4:{address} < {}/up", lab.folder().display());
    Ok(lab.client().capture_with("sh", ["-c", &script], "", LIMIT)?.stdout)
}

/// A file of [`LENGTH`] bytes that do not repeat, in the laboratory's folder, and what `sha256sum` says of it.
fn make_file(lab: &Lab, name: &str) -> Result<String> {
    let path = lab.folder().join(name);
    let mut random = Random::new(LENGTH as u64);
    let bytes: Vec<u8> = (0..LENGTH / 8).flat_map(|_| random.next().to_ne_bytes()).collect();
    fs::write(&path, bytes).expect("the laboratory's folder can be written");
    Ok(lab.client().shell(&format!("sha256sum < {}", path.display()))?.stdout)
}
