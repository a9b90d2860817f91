//! The values of options: numbers, addresses, names.

use super::Resolver;
use link::model::Protocol;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A decimal number within a range: blanks before it and a plus sign are allowed, nothing behind it.
pub(super) fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

/// The same for the numbers that the table holds.
pub(super) fn unsigned(text: &str, least: u32, most: u32) -> Option<u32> {
    number(text, least.into(), most.into()).and_then(|number| u32::try_from(number).ok())
}

/// An IPv4 address as inet_aton(3) reads it: one to four numbers, each decimal, octal (`0`) or hexadecimal (`0x`); the
/// last one fills all bytes that are left.
pub(super) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, bytes) = parts.split_last()?;
    if bytes.len() > 3 || bytes.iter().any(|byte| *byte > 255) {
        return None;
    }
    let shift = |at: usize| 24 - 8 * u32::try_from(at).unwrap_or(0);
    let left = u64::from(shift(bytes.len())) + 8;
    if u64::from(*last) >> left != 0 {
        return None;
    }
    let high = bytes.iter().enumerate().fold(0, |bits, (at, byte)| bits | byte << shift(at));
    Some(Ipv4Addr::from_bits(high | last))
}

fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

/// The host of `host[:port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    V4(Ipv4Addr),
    /// An IPv6 address, well formed.
    V6,
}

/// `host[:port]`; a host may be a name, and so may a port where a protocol is given.
pub(super) fn endpoint(text: &str, protocol: Option<Protocol>, resolver: &dyn Resolver) -> Option<(Host, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once("]:")?;
        address.parse::<Ipv6Addr>().ok()?;
        return Some((Host::V6, Some(self::port(port, protocol, resolver)?)));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((Host::V6, None));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if host.is_empty() {
        return None;
    }
    let host = ipv4(host).or_else(|| resolver.address(host))?;
    let port = match port {
        Some(text) => Some(self::port(text, protocol, resolver)?),
        None => None,
    };
    Some((Host::V4(host), port))
}

fn port(text: &str, protocol: Option<Protocol>, resolver: &dyn Resolver) -> Option<u16> {
    match number(text, 0, 65_535) {
        Some(number) => u16::try_from(number).ok(),
        None => resolver.port(text, protocol?),
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, endpoint, ipv4, number};
    use crate::ipvsadm::NoNames;
    use std::net::Ipv4Addr;

    #[test]
    fn numbers_are_read_as_strtol_reads_them_to_the_end() {
        for (text, want) in [("80", Some(80)), (" 7", Some(7)), ("+8", Some(8)), ("010", Some(10)), ("0", Some(0))] {
            assert_eq!(number(text, 0, 100), want, "{text:?}");
        }
        for text in ["", " ", "x", "5x", "0x10", "-1", "101", "99999999999999999999", "+-5", "7 "] {
            assert_eq!(number(text, 0, 100), None, "{text:?}");
        }
        assert_eq!(number("-1", -1, 1), Some(-1));
    }

    #[test]
    fn addresses_have_one_to_four_parts() {
        for (text, want) in [
            ("10.9.0.1", [10, 9, 0, 1]),
            ("10.9", [10, 0, 0, 9]),
            ("10.9.1", [10, 9, 0, 1]),
            ("0x0a090003", [10, 9, 0, 3]),
            ("167772163", [10, 0, 0, 3]),
            ("010.011.0.9", [8, 9, 0, 9]),
            ("255.255.255.255", [255; 4]),
            ("4294967295", [255; 4]),
        ] {
            assert_eq!(ipv4(text), Some(Ipv4Addr::from(want)), "{text}");
        }
        for text in ["", ".", "1.", "1..2", "256.1.1.1", "1.1.1.256", "1.1.1.1.1", "09", "0x", "4294967296", "+1", "-1"]
        {
            assert_eq!(ipv4(text), None, "{text}");
        }
    }

    #[test]
    fn ipv6_is_told_from_what_is_malformed() {
        assert_eq!(endpoint("[fd00::1]:80", None, &NoNames), Some((Host::V6, Some(80))));
        assert_eq!(endpoint("fe80::1", None, &NoNames), Some((Host::V6, None)));
        for text in ["[fd00::1]", "[fd00::1", "[x]:80", ":80", "10.0.0.1:", "10.0.0.1:80:90", ""] {
            assert_eq!(endpoint(text, None, &NoNames), None, "{text}");
        }
    }
}
