//! IPv4 options (RFC 791 section 3.1), as the reference treats those of packets that it balances: what is malformed is
//! told to the sender, a source route is refused, a record of the route is gone on with, all else passes.
//!
//! Timestamps pass as they are: the packet path has no time of day.

use wire::ipv4::{HEADER_LEN, Ipv4};

mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NO_OPERATION: u8 = 1;
    pub(super) const RECORD_ROUTE: u8 = 7;
    pub(super) const TIMESTAMP: u8 = 68;
    pub(super) const LOOSE_SOURCE_ROUTE: u8 = 131;
    pub(super) const STRICT_SOURCE_ROUTE: u8 = 137;
}

/// Bytes of kind, length and pointer, which come before the data of a route.
const ROUTE_HEADER: usize = 3;
const ADDRESS: usize = 4;
/// Bytes of kind, length, pointer, and overflow with flag, of a timestamp option.
const TIMESTAMP_HEADER: usize = 4;
/// Hosts without room for their timestamp, as the option counts them.
const OVERFLOW: u8 = 0xf0;

/// What is wrong with a packet's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The sender chooses the way: nobody's business here.
    SourceRoute,
    /// The byte of the header with this offset makes no sense (RFC 792, parameter problem).
    Malformed {
        /// Counted from the header's start.
        pointer: u8,
    },
}

/// Options that are well formed. Offsets count from the header's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A record of the route that has room.
    pub record: Option<usize>,
    /// The byte that ends the options: what follows means nothing.
    pub end: Option<usize>,
}

/// Looks at the options of an IPv4 header.
///
/// # Errors
/// The first thing that is wrong. A source route counts only if all is well formed.
pub fn check(header: &[u8]) -> Result<Options, Wrong> {
    let malformed = |at: usize| Wrong::Malformed { pointer: at as u8 };
    let (mut known, mut records, mut timestamps, mut is_routed) = (Options::default(), 0, 0, false);
    let mut at = HEADER_LEN;
    while let Some(&[kind, ref rest @ ..]) = header.get(at..) {
        let len = match kind {
            kind::END => {
                known.end = Some(at);
                break;
            }
            kind::NO_OPERATION => 1,
            _ => rest.first().map_or(0, |len| usize::from(*len)),
        };
        let option = header.get(at..at + len).filter(|option| option.len() > 1 || kind == kind::NO_OPERATION);
        let option = option.ok_or(malformed(at))?;
        match kind {
            kind::RECORD_ROUTE => {
                records += 1;
                if records > 1 {
                    return Err(malformed(at));
                }
                known.record = route_room(option).map_err(|within| malformed(at + within))?.then_some(at);
            }
            kind::LOOSE_SOURCE_ROUTE | kind::STRICT_SOURCE_ROUTE => {
                if is_routed {
                    return Err(malformed(at));
                }
                route_room(option).map_err(|within| malformed(at + within))?;
                is_routed = true;
            }
            kind::TIMESTAMP => {
                timestamps += 1;
                if timestamps > 1 {
                    return Err(malformed(at));
                }
                check_timestamp(option).map_err(|within| malformed(at + within))?;
            }
            _ => {}
        }
        at += len;
    }
    if is_routed { Err(Wrong::SourceRoute) } else { Ok(known) }
}

/// Whether a route has room for an address; else the offset of what is wrong with it.
fn route_room(option: &[u8]) -> Result<bool, usize> {
    let (Some(&len), Some(&pointer)) = (option.get(1), option.get(2)) else { return Err(1) };
    if usize::from(pointer) <= ROUTE_HEADER {
        return Err(2);
    }
    if pointer > len {
        return Ok(false);
    }
    if usize::from(pointer) - 1 + ADDRESS > usize::from(len) { Err(2) } else { Ok(true) }
}

fn check_timestamp(option: &[u8]) -> Result<(), usize> {
    let Some(&[_, len, pointer, overflow, ..]) = option.get(..TIMESTAMP_HEADER) else { return Err(1) };
    if usize::from(pointer) <= TIMESTAMP_HEADER {
        return Err(2);
    }
    if pointer > len { if overflow & OVERFLOW == OVERFLOW { Err(3) } else { Ok(()) } } else { Ok(()) }
}

/// Clears what stands behind the end of the options at offset `end`, which [`check`] gave.
pub fn clear_padding(packet: &mut [u8], end: usize) {
    let Ok(header_len) = Ipv4::parse_quoted(&*packet).map(|packet| packet.header_len()) else { return };
    let Some(header) = packet.get_mut(..header_len) else { return };
    let Some(padding) = header.get_mut(end..).filter(|padding| padding.iter().any(|byte| *byte != 0)) else { return };
    padding.fill(0);
    if let Ok(mut header) = Ipv4::parse_quoted(header) {
        header.fill_checksum();
    }
}

/// Puts an address (host byte order) into the record of the route at offset `at`, which [`check`] gave.
pub fn record_route(packet: &mut [u8], at: usize, address: u32) {
    let Ok(header_len) = Ipv4::parse_quoted(&*packet).map(|packet| packet.header_len()) else { return };
    let Some(header) = packet.get_mut(..header_len) else { return };
    let Some(pointer) = header.get(at + 2).copied() else { return };
    let Some(room) = header.get_mut(at + usize::from(pointer).saturating_sub(1)..).and_then(<[u8]>::first_chunk_mut)
    else {
        return;
    };
    *room = address.to_be_bytes();
    if let Some(field) = header.get_mut(at + 2) {
        *field = pointer.wrapping_add(ADDRESS as u8);
    }
    if let Ok(mut header) = Ipv4::parse_quoted(header) {
        header.fill_checksum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use wire::build::eth;

    fn packet(options: &[u8]) -> Vec<u8> {
        eth().ipv4("192.168.1.1", "10.9.0.1").options(options).udp(1, 53).packet()
    }

    fn checked(options: &[u8]) -> Result<Options, Wrong> {
        let packet = packet(options);
        check(&packet[..usize::from(packet[0] & 15) * 4])
    }

    /// The pointers are those that Linux 6.1 named.
    #[test]
    fn malformed_options_are_refused_where_the_reference_says() {
        let malformed: [(&[u8], u8); 6] = [
            (&[7, 1, 4, 0], 20),
            (&[7, 39, 4, 0], 20),
            (&[7, 7, 3, 0, 0, 0, 0, 0], 22),
            (&[7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0, 0], 27),
            (&[68, 8, 9, 0xf0, 1, 1, 1, 1], 23),
            (&[7, 9, 8, 0, 0, 0, 0, 0, 0], 22),
        ];
        for (options, pointer) in malformed {
            assert_eq!(checked(options), Err(Wrong::Malformed { pointer }), "{options:?}");
        }
    }

    #[test]
    fn source_routes_are_refused_even_when_they_have_been_used_up() {
        for options in [[131, 7, 4, 10, 0, 2, 9, 0], [137, 7, 4, 10, 0, 2, 9, 0], [131, 7, 8, 10, 0, 2, 9, 0]] {
            assert_eq!(checked(&options), Err(Wrong::SourceRoute));
        }
    }

    #[test]
    fn other_options_pass() {
        let fine: [&[u8]; 6] = [
            &[],
            &[1, 1, 1, 1],
            &[148, 4, 0, 0],
            &[0x99, 4, 1, 2],
            &[130, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0],
            &[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for options in fine {
            assert_eq!(checked(options), Ok(Options::default()), "{options:?}");
        }
        let full = Options { record: None, end: Some(27) };
        assert_eq!(checked(&[7, 7, 8, 1, 2, 3, 4, 0]), Ok(full), "a route that is full");
    }

    #[test]
    fn what_stands_behind_the_end_is_cleared() {
        let options = [1, 0, 9, 9];
        assert_eq!(checked(&options), Ok(Options { record: None, end: Some(21) }));
        let mut cleared = packet(&options);
        clear_padding(&mut cleared, 21);
        assert_eq!(cleared, packet(&[1, 0, 0, 0]));
    }

    #[test]
    fn route_is_recorded_where_there_is_room() {
        let options = [1, 7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(checked(&options), Ok(Options { record: Some(21), end: None }));
        let mut packet = packet(&options);
        record_route(&mut packet, 21, 0x0a09_0001);
        assert_eq!(packet[20..32], [1, 7, 11, 8, 10, 9, 0, 1, 0, 0, 0, 0]);
        assert!(Ipv4::parse(&packet[..]).unwrap().checksum_is_valid());
    }

    proptest! {
        #[test]
        fn any_options_do_not_panic(options in vec(any::<u8>(), 0..=40), address: u32) {
            let mut packet = packet(&options);
            let payload = packet[usize::from(packet[0] & 15) * 4..].to_vec();
            if let Ok(known) = checked(&options) {
                known.record.into_iter().for_each(|at| record_route(&mut packet, at, address));
                known.end.into_iter().for_each(|at| clear_padding(&mut packet, at));
                prop_assert!(Ipv4::parse(&packet[..]).unwrap().checksum_is_valid());
            }
            prop_assert!(packet.ends_with(&payload));
        }
    }
}
