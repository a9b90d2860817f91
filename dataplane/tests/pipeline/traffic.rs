//! Frames of every kind that the pipeline knows, from a few clients, so that their connections meet.

use crate::rig::{LAN, WAN};
use wire::build::{Frame, eth};

pub(crate) const VIP: &str = "202.103.106.5";
const CLIENT: &str = "202.100.1.2";
const ROUTER: &str = "10.55.0.1";

/// A frame and the port it comes in on.
pub(crate) type Incoming = (u16, Vec<u8>);

pub(crate) fn wan() -> Frame {
    eth().from("02:00:00:00:01:fe").to("02:00:00:00:01:01")
}

pub(crate) fn lan() -> Frame {
    eth().from("02:00:00:00:02:02").to("02:00:00:00:02:01")
}

/// TCP of a client to a port of the VIP.
pub(crate) fn tcp(client_port: u16, port: u16) -> Frame {
    wan().ipv4(CLIENT, VIP).tcp(client_port, port)
}

/// UDP of a client to a port of the VIP.
pub(crate) fn udp(client_port: u16, port: u16) -> Frame {
    wan().ipv4(CLIENT, VIP).udp(client_port, port)
}

/// TCP of a real server to a client.
pub(crate) fn reply(real: &str, port: u16, client_port: u16) -> Frame {
    lan().ipv4(real, CLIENT).tcp(port, client_port)
}

/// UDP of a real server to a client.
pub(crate) fn udp_reply(client_port: u16) -> Frame {
    lan().ipv4("172.16.0.2", CLIENT).udp(5353, client_port)
}

/// All kinds, of the clients with these ports.
pub(crate) fn all(client_ports: &[u16]) -> Vec<Incoming> {
    let mut frames = Vec::new();
    for port in client_ports {
        frames.extend(requests(*port).into_iter().map(|frame| (WAN, frame.bytes())));
        frames.extend(replies(*port).into_iter().map(|frame| (LAN, frame.bytes())));
        frames.extend(errors(*port));
        frames.extend(fragments(*port));
    }
    frames.extend(strangers());
    frames.extend(malformed().into_iter().map(|frame| (WAN, frame)));
    frames
}

fn requests(client: u16) -> Vec<Frame> {
    let mut frames = Vec::new();
    for port in [80, 82, 83] {
        let tcp = tcp(client, port);
        frames.extend([
            tcp.clone().syn().padded(),
            tcp.clone().acking(1),
            tcp.clone().acking(1).payload_len(100),
            tcp.clone().fin().acking(1),
            tcp.clone().rst(),
            tcp.clone(),
            tcp.clone().syn().ttl(1),
            tcp.clone().acking(1).df().payload_len(961),
            tcp.acking(1).id(7).payload_len(1400),
        ]);
    }
    frames.extend([
        udp(client, 53).payload_len(30),
        udp(client, 53).no_checksum().payload_len(31),
        udp(client, 53).id(9).payload_len(1200),
        udp(client, 53).ttl(1),
        udp(client, 53).options(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        udp(client, 53).options(&[7, 1, 4, 0]),
        udp(client, 53).more_fragments().payload_len(64),
        udp(client, 87),
        udp(client, 99).payload_len(20),
        tcp(client, 85).syn(),
        tcp(client, 86).syn(),
        tcp(client, 99).syn(),
    ]);
    frames.extend(commands(client));
    frames
}

/// A control connection of FTP.
fn commands(client: u16) -> Vec<Frame> {
    let control = || tcp(client, 21).acking(1);
    vec![
        tcp(client, 21).syn(),
        control().seq(1),
        control().seq(1).payload(b"PASV\r\n"),
        control().seq(7).payload(b"PORT 202,100,1,2,200,9\r\n"),
        control().seq(7).payload(b"PORT 202,100,1,7,0,9\r\n"),
        control().seq(1).payload(b"PAS").bad_checksum(),
        tcp(client, 0xc801).syn(),
    ]
}

fn replies(client: u16) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (real, port) in [("172.16.0.2", 80), ("172.16.0.3", 8000)] {
        let tcp = reply(real, port, client);
        frames.extend([
            tcp.clone().syn().acking(1),
            tcp.clone().acking(1).payload_len(100),
            tcp.clone().fin().acking(1),
            tcp.clone().rst(),
            tcp.clone().acking(1).ttl(1),
            tcp.clone().acking(1).df().payload_len(1300),
            tcp.acking(1).payload_len(1300),
        ]);
    }
    let control = || reply("172.16.0.2", 2121, client).acking(1);
    frames.extend([
        control().syn(),
        control().seq(1).payload(b"227 (172,16,0,2,200,1)\r\n"),
        control().seq(1).payload(b"227 (172,"),
        control().seq(25).payload(b"226 ok\r\n"),
        reply("172.16.0.2", 2120, 0xc809).syn(),
    ]);
    frames.extend([udp_reply(client).payload_len(12), udp_reply(client).no_checksum()]);
    frames
}

/// A large datagram of a client, and one to it, in fragments.
fn fragments(client: u16) -> Vec<Incoming> {
    let requests = udp(client, 53).id(client).payload_len(1100).fragments(400);
    let replies = udp_reply(client).id(client).payload_len(3000).fragments(1200);
    let requests = requests.into_iter().map(|frame| (WAN, frame));
    requests.chain(replies.into_iter().map(|frame| (LAN, frame))).collect()
}

/// ICMP errors about the packets of a client, from both sides and from a tunnel's way.
fn errors(client: u16) -> Vec<Incoming> {
    let mut frames = Vec::new();
    for port in [80, 82, 83] {
        let about = eth().ipv4(VIP, CLIENT).tcp(port, client).syn();
        let error = wan().ipv4(ROUTER, VIP).icmp(3, 4).mtu(900);
        frames.push((WAN, error.clone().quoting_briefly(&about).bytes()));
        frames.push((WAN, error.ttl(1).quoting(&about).bytes()));
    }
    let about = eth().ipv4(CLIENT, "172.16.0.3").tcp(client, 8000);
    frames.push((LAN, lan().ipv4("172.16.0.3", CLIENT).icmp(3, 3).quoting(&about).bytes()));
    let inner = eth().ipv4(CLIENT, VIP).df().tcp(client, 82).acking(1).payload_len(60);
    let outer = eth().ipv4("172.16.0.1", "172.16.0.2").ipip(&inner);
    frames.push((LAN, lan().ipv4("172.16.0.254", "172.16.0.1").icmp(3, 4).mtu(900).quoting(&outer).bytes()));
    frames
}

/// What is no connection's.
fn strangers() -> Vec<Incoming> {
    vec![
        (WAN, wan().ipv4(CLIENT, VIP).echo_request(1, 1).bytes()),
        (WAN, wan().ipv4(CLIENT, "10.0.1.1").tcp(5, 22).syn().bytes()),
        (WAN, wan().vlan(7).ipv4(CLIENT, VIP).tcp(5, 80).syn().bytes()),
        (WAN, wan().raw(0x86dd, &[0x60; 60]).bytes()),
        (WAN, eth().from("02:00:00:00:01:fe").arp_request("10.0.1.254", "10.0.1.1").bytes()),
        (LAN, eth().from("02:00:00:00:02:02").arp_request("172.16.0.2", "172.16.0.1").padded().bytes()),
        (LAN, lan().ipv4("172.16.0.2", "172.16.0.1").echo_request(1, 1).payload_len(56).bytes()),
        (LAN, lan().ipv4("172.16.0.2", "8.8.8.8").udp(5, 53).bytes()),
        (WAN, wan().ipv4(CLIENT, VIP).icmp(5, 0).quoting(&eth().ipv4(VIP, CLIENT).tcp(80, 5)).bytes()),
        (WAN, wan().ipv4(ROUTER, VIP).icmp(3, 3).bad_checksum().quoting(&eth().ipv4(VIP, CLIENT).tcp(80, 5)).bytes()),
        (WAN, wan().ipv4(CLIENT, VIP).id(3).more_fragments().udp(5, 53).payload_len(64).bytes()),
        (WAN, wan().ipv4("224.0.0.1", VIP).udp(5, 99).bytes()),
    ]
}

fn malformed() -> Vec<Vec<u8>> {
    let tcp = || wan().ipv4(CLIENT, VIP).tcp(5, 80).syn();
    vec![
        Vec::new(),
        vec![2; 13],
        tcp().bytes()[..20].to_vec(),
        tcp().to("02:00:00:00:99:99").bytes(),
        tcp().version_and_length(0x65).bytes(),
        tcp().version_and_length(0x4f).bytes(),
        tcp().total_len(2000).bytes(),
        tcp().bad_ip_checksum().bytes(),
        tcp().data_offset(15).bytes(),
        tcp().total_len(30).bytes(),
        wan().ipv4(CLIENT, VIP).udp(5, 53).udp_length(7).bytes(),
        wan().ipv4(CLIENT, VIP).icmp(3, 3).total_len(24).bytes(),
    ]
}
