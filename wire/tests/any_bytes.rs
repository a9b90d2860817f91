//! No bytes make a view panic or break its promise: random ones, and good frames with bytes changed or cut off. The
//! same entry as the fuzz targets, on the stable compiler.

mod exercise;

use exercise::every_view;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::build::{Frame, eth};

fn good_frames() -> Vec<Frame> {
    let ip = || eth().ipv4("192.168.1.1", "10.200.1.1");
    let tcp = ip().options(&[7, 7, 4, 0, 0, 0, 0]).tcp(31337, 80).syn().tcp_options(&[2, 4, 5, 180, 1, 3, 3, 7]);
    let udp = ip().udp(31337, 53).payload(b"hello");
    vec![
        udp.clone().vlan(7),
        ip().more_fragments().udp(1, 2).payload_len(8),
        ip().icmp(3, 4).mtu(1480).quoting(&tcp),
        ip().icmp(3, 3).quoting(&ip().ipip(&udp)),
        ip().echo_request(1, 2).payload_len(48),
        eth().ipv4("10.0.2.1", "10.0.2.2").ipip(&tcp),
        eth().arp_request("10.0.1.254", "10.0.1.1").padded(),
        tcp,
        udp,
    ]
}

#[test]
fn good_frames_hold_at_every_length() {
    for frame in good_frames() {
        let bytes = frame.bytes();
        for len in 0..=bytes.len() {
            every_view(&bytes[..len]);
            every_view(&bytes[bytes.len() - len..]);
        }
    }
}

#[test]
fn every_single_byte_may_take_every_value() {
    for frame in good_frames() {
        let bytes = frame.bytes();
        for at in 12..bytes.len().min(70) {
            for value in [0, 1, 0x0f, 0x40, 0x44, 0x4f, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                every_view(&changed);
                every_view(&changed[14..]);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_hold(bytes in vec(any::<u8>(), 0..200)) {
        every_view(&bytes);
    }

    #[test]
    fn random_bytes_that_begin_like_ipv4_hold(first in 0x44u8..0x50, mut bytes in vec(any::<u8>(), 1..200)) {
        let len = bytes.len() as u8;
        bytes[0] = first;
        for (at, value) in [(2, 0), (3, len)] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        every_view(&bytes);
    }

    #[test]
    fn frames_with_several_bytes_changed_hold(
        pick in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let frames = good_frames();
        let mut bytes = frames[pick.index(frames.len())].bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        every_view(&bytes);
        every_view(&bytes[14..]);
    }
}
