//! The words for what becomes of a packet: of `explain` (what would), `capture` and `trace` (what did).

use link::model::{ForwardMethod, Protocol};
use std::net::SocketAddrV4;

/// Of a packet for the kernel.
pub(super) const KERNEL: &str = "handed to the kernel: the director does not balance it";

/// Of one that goes to a real.
pub(super) fn to_real(method: ForwardMethod, real: SocketAddrV4) -> String {
    match method {
        ForwardMethod::Nat => format!("forwarded to real {real}, which becomes its destination"),
        ForwardMethod::Tunnel => format!("forwarded to real {} in an IP-in-IP tunnel", real.ip()),
        ForwardMethod::Direct => format!("forwarded to real {} unchanged but for its MAC address", real.ip()),
    }
}

/// Of a real's reply.
pub(super) fn to_client(real: SocketAddrV4, service: Option<SocketAddrV4>) -> String {
    let service = service.map_or_else(String::new, |address| format!(", with source {address}"));
    format!("sent on to the client as the reply of real {real}{service}")
}

/// Of one that is answered, for this reason.
pub(super) fn answered(protocol: Option<Protocol>, reason: &str) -> String {
    format!("answered with {}: {reason}", answer(protocol, reason))
}

/// Of one that is dropped, for this reason.
pub(super) fn dropped(reason: &str) -> String {
    format!("dropped: {reason}")
}

/// What the director answers with.
fn answer(protocol: Option<Protocol>, reason: &str) -> &'static str {
    match (reason, protocol) {
        ("no_service" | "no_connection", Some(Protocol::Tcp)) => "a TCP reset",
        ("no_service" | "no_connection", Some(Protocol::Udp)) | ("no_real", _) => "ICMP port unreachable",
        ("ttl_exceeded", _) => "ICMP time exceeded",
        ("fragmentation_needed" | "mtu_too_small", _) => "ICMP fragmentation needed",
        ("no_route" | "no_neighbor", _) => "ICMP host unreachable",
        _ => "an ICMP error",
    }
}

/// `removed after 60s without a packet`.
pub(super) fn lifetime(milliseconds: u32) -> String {
    format!("removed after {}s without a packet", milliseconds / 1000)
}

/// Who chose a real.
pub(super) const HAS_CONNECTION: &str = "has the connection";
/// The same.
pub(super) const HAS_TEMPLATE: &str = "has the client's earlier connections (persistence)";

#[cfg(test)]
mod tests {
    use super::{Protocol, answer};

    #[test]
    fn each_reason_has_the_answer_that_the_dataplane_sends() {
        for (reason, protocol, want) in [
            ("no_service", Protocol::Tcp, "a TCP reset"),
            ("no_service", Protocol::Udp, "ICMP port unreachable"),
            ("no_real", Protocol::Tcp, "ICMP port unreachable"),
            ("ttl_exceeded", Protocol::Tcp, "ICMP time exceeded"),
            ("mtu_too_small", Protocol::Udp, "ICMP fragmentation needed"),
            ("no_route", Protocol::Tcp, "ICMP host unreachable"),
            ("no_neighbor", Protocol::Udp, "ICMP host unreachable"),
        ] {
            assert_eq!(answer(Some(protocol), reason), want, "{reason}");
        }
    }
}
