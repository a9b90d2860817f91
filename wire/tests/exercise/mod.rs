//! The one entry of the fuzz targets and of their stable stand-in, `any_bytes.rs`: reads and writes everything that
//! can be read and written of any bytes. It must not panic; what `parse` promises must hold.

use wire::arp::Arp;
use wire::build::describe;
use wire::ethernet::Ethernet;
use wire::icmp::Icmp;
use wire::ipv4::{Ipv4, protocol};
use wire::tcp::{Flags, Tcp};
use wire::udp::Udp;
use wire::vlan::Vlan;

/// Runs every view over the bytes, as a frame and as each kind of header.
pub(crate) fn every_view(bytes: &[u8]) {
    frame(bytes);
    packet(bytes);
    arp(bytes);
    tcp(bytes);
    udp(bytes);
    icmp(bytes);
    let _ = describe(bytes);
}

fn frame(bytes: &[u8]) {
    let mut copy = bytes.to_vec();
    if let Ok(mut view) = Ethernet::parse(&mut copy[..]) {
        assert_eq!(view.payload().len() + 14, bytes.len());
        view.set_source(view.destination());
        view.set_ether_type(!view.ether_type());
        view.payload_mut().fill(0);
    }
    if let Ok(mut view) = Vlan::parse(&mut copy[..]) {
        assert!(view.id() < 4096 && view.priority() < 8);
        view.set_control(!view.id(), !view.priority(), !view.drop_eligible());
        view.set_ether_type(view.payload().len() as u16);
    }
}

fn packet(bytes: &[u8]) {
    let mut copy = bytes.to_vec();
    if let Ok(view) = Ipv4::parse_quoted(bytes) {
        assert!(view.header().len() + view.payload().len() <= bytes.len());
        let _ = (view.packet(), view.checksum_is_valid());
    }
    let Ok(mut view) = Ipv4::parse(&mut copy[..]) else { return };
    assert!((20..=60).contains(&view.header_len()));
    assert_eq!(view.header().len() + view.payload().len(), view.total_len());
    assert_eq!(view.options().len() + 20, view.header_len());
    match view.protocol() {
        protocol::TCP => tcp(view.payload()),
        protocol::UDP => udp(view.payload()),
        protocol::ICMP => icmp(view.payload()),
        _ => {}
    }
    let proved = (view.header_len(), view.total_len());
    view.set_tos(view.ttl());
    view.set_ttl(view.tos());
    view.set_protocol(!view.protocol());
    view.set_identification(!view.identification());
    view.set_flags_and_offset(!view.flags_and_offset());
    view.set_source(view.destination());
    view.set_destination(view.source());
    view.options_mut().fill(0xff);
    view.payload_mut().fill(0xff);
    view.fill_checksum();
    assert!(view.checksum_is_valid());
    assert_eq!(proved, (view.header_len(), view.total_len()), "a setter broke what parse proved");
}

fn arp(bytes: &[u8]) {
    if let Ok(mut view) = Arp::parse(bytes.to_vec()) {
        let (asked, asker) = (view.target(), view.sender());
        view.answer([2, 0, 0, 0, 0, 9]);
        assert_eq!((view.sender(), view.target()), (asked, asker));
    }
}

fn tcp(bytes: &[u8]) {
    let Ok(mut view) = Tcp::parse(bytes.to_vec()) else { return };
    assert_eq!(view.header_len() + view.payload().len(), bytes.len());
    assert!(view.options().count() <= 40, "options end");
    assert!(view.sequence_len() as usize <= view.payload().len() + 2);
    let (from, to) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let _ = (view.checksum_is_valid(from, to), view.flags().to_string(), view.urgent());
    view.set_flags(Flags(!view.flags().0));
    view.set_source_port(view.destination_port());
    view.set_sequence(!view.acknowledgment());
    view.set_acknowledgment(!view.sequence());
    view.set_window(!view.window());
    view.map_selective_acknowledgments(|[left, right]| [!right, !left]);
    view.payload_mut().fill(0);
    view.fill_checksum(from, to);
    assert!(view.checksum_is_valid(from, to));
}

fn udp(bytes: &[u8]) {
    if let Ok(view) = Udp::parse_start(bytes) {
        assert!(view.payload().len() + 8 <= bytes.len());
    }
    let Ok(mut view) = Udp::parse(bytes.to_vec()) else { return };
    assert_eq!(view.payload().len() + 8, view.length());
    let (from, to) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let _ = view.checksum_is_valid(from, to);
    view.set_destination_port(view.source_port());
    view.payload_mut().fill(0);
    view.fill_checksum(from, to);
    assert!(view.checksum_is_valid(from, to) && view.checksum() != 0);
}

fn icmp(bytes: &[u8]) {
    let Ok(mut view) = Icmp::parse(bytes.to_vec()) else { return };
    let _ = (view.mtu(), view.rest_of_header(), view.checksum_is_valid());
    if let Some(quoted) = view.quoted() {
        assert_eq!(quoted.len() + 8, bytes.len());
    }
    view.set_kind(!view.kind(), view.code());
    view.set_rest_of_header([0; 4]);
    view.payload_mut().fill(0);
    view.fill_checksum();
    assert!(view.checksum_is_valid());
}
