//! Answers to ARP requests (RFC 826), for a port that has no kernel interface to do it.

use wire::arp::{Arp, operation};
use wire::ethernet::{Ethernet, ether_type, is_group};

/// Bytes of a frame with an ARP packet for Ethernet and IPv4, unpadded.
pub const FRAME_LEN: usize = wire::ethernet::HEADER_LEN + wire::arp::LEN;

/// Turns a frame that asks for an address of ours into the reply, in place: we have it, at `mac`. False, with the frame
/// as it was, if it is anything else.
///
/// `is_ours` takes an address in host byte order. A probe (sender 0.0.0.0, RFC 5227) is answered: whoever sends it must
/// not take the address. An announcement (sender = target) asks nothing and is not.
#[inline]
pub fn answer(frame: &mut [u8], mac: [u8; 6], is_ours: impl Fn(u32) -> bool) -> bool {
    let Ok(mut frame) = Ethernet::parse(frame) else { return false };
    if frame.ether_type() != ether_type::ARP {
        return false;
    }
    let Ok(mut request) = Arp::parse(frame.payload_mut()) else { return false };
    let (asker, asker_mac, target) = (request.sender(), request.sender_mac(), request.target());
    let asks = request.operation() == operation::REQUEST && asker != target;
    if !asks || is_group(asker_mac) || asker.is_multicast() || asker.is_broadcast() || !is_ours(target.to_bits()) {
        return false;
    }
    request.answer(mac);
    frame.set_destination(asker_mac);
    frame.set_source(mac);
    true
}

#[cfg(test)]
mod tests {
    use super::answer;
    use wire::build::{Frame, describe, eth};

    const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];

    fn is_ours(address: u32) -> bool {
        [0x0a00_0101, 0x0ac8_0101].contains(&address)
    }

    fn request(sender: &str, target: &str) -> Frame {
        eth().from("02:00:00:00:01:fe").arp_request(sender, target)
    }

    fn refused(frame: Frame) -> bool {
        let mut bytes = frame.bytes();
        let before = bytes.clone();
        !answer(&mut bytes, OWN_MAC, is_ours) && bytes == before
    }

    #[test]
    fn request_for_an_own_address_is_answered_to_the_asker() {
        let mut frame = request("10.0.1.254", "10.0.1.1").padded().bytes();
        assert!(answer(&mut frame, OWN_MAC, is_ours));
        assert_eq!(frame.len(), 60);
        assert_eq!(
            describe(&frame),
            "02:00:00:00:01:01 > 02:00:00:00:01:fe arp 10.0.1.1 is at 02:00:00:00:01:01 told to 10.0.1.254"
        );
    }

    #[test]
    fn probe_is_answered_and_announcement_is_not() {
        let mut probe = request("0.0.0.0", "10.200.1.1").bytes();
        assert!(answer(&mut probe, OWN_MAC, is_ours));
        assert!(refused(request("10.200.1.1", "10.200.1.1")));
    }

    #[test]
    fn what_asks_nothing_of_ours_is_left_alone() {
        assert!(refused(request("10.0.1.254", "10.0.1.2")), "another's address");
        assert!(refused(eth().arp_reply("10.0.1.1", "10.0.1.254")), "a reply");
        assert!(refused(request("224.0.0.1", "10.0.1.1")), "an asker who can't be one");
        assert!(refused(request("10.0.1.254", "10.0.1.1").from([3, 0, 0, 0, 0, 1])), "an asker with a group address");
        assert!(refused(eth().raw(0x0806, &[0; 27])), "cut short");
        assert!(refused(eth().raw(0x0806, &[0; 28])), "not for IPv4 over Ethernet");
        assert!(refused(eth().ipv4("10.0.1.254", "10.0.1.1").udp(1, 2)), "not ARP");
        assert!(!answer(&mut [0; 13], OWN_MAC, is_ours), "no frame");
    }
}
