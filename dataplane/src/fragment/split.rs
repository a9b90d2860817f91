//! Fragmentation of a packet on its way out (RFC 791 section 3.2).

use super::Cuts;
use wire::ipv4::{DONT_FRAGMENT, HEADER_LEN, Ipv4, MAX_HEADER_LEN, MORE_FRAGMENTS};

/// Options with this bit in their kind are copied into every fragment (RFC 791 section 3.1).
const COPIED: u8 = 0x80;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;

/// One fragment: a header of its own and a part of the packet's payload.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    header: [u8; MAX_HEADER_LEN],
    header_len: usize,
    payload: &'a [u8],
}

impl<'a> Piece<'a> {
    /// The IPv4 header, 20 to 60 bytes, checksum right.
    pub fn header(&self) -> &[u8] {
        self.header.get(..self.header_len).unwrap_or(&self.header)
    }

    /// What follows it.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// The fragments of a packet, in order.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    /// The header of the next fragment, but for length, offset and checksum.
    header: [u8; MAX_HEADER_LEN],
    header_len: usize,
    /// What is still to be sent.
    rest: &'a [u8],
    /// Payload bytes that fit, unless it is the last.
    step: usize,
    /// Payload bytes of each, instead of `step`; a piece after these takes what is left.
    cuts: &'a [u16],
    /// Where `rest` begins in the unfragmented packet, in units of 8 bytes.
    offset: u16,
    /// The packet was a fragment itself, and not the last.
    more_follow: bool,
    /// Each piece says "don't fragment" if the packet does.
    keeps_dont_fragment: bool,
}

/// Splits `packet` so that no fragment is longer than `mtu` bytes, header included. A packet that fits is one piece.
///
/// As the reference: all fragments keep the header's length; in later ones the options that must not be copied are
/// overwritten with "no operation". A packet that is a fragment itself keeps its place and its "more fragments". There
/// are no pieces if the bytes are no IPv4 packet or the header and 8 bytes do not fit (an MTU of 68 always suffices).
/// The caller has looked at DF.
pub fn split(packet: &[u8], mtu: u16) -> Pieces<'_> {
    let mut pieces = Pieces {
        header: [0; MAX_HEADER_LEN],
        header_len: 0,
        rest: &[],
        step: 0,
        cuts: &[],
        offset: 0,
        more_follow: false,
        keeps_dont_fragment: false,
    };
    let Ok(view) = Ipv4::parse(packet) else { return pieces };
    let room = usize::from(mtu).saturating_sub(view.header_len());
    // From the packet, not from the view: the pieces outlive the view.
    let Some(payload) = packet.get(view.header_len()..view.total_len()) else { return pieces };
    if room < 8 {
        return pieces;
    }
    for (to, from) in pieces.header.iter_mut().zip(view.header()) {
        *to = *from;
    }
    pieces.header_len = view.header_len();
    pieces.rest = payload;
    pieces.step = if payload.len() <= room { payload.len() } else { room & !7 };
    pieces.offset = (view.fragment_offset() / 8) as u16;
    pieces.more_follow = view.more_fragments();
    pieces
}

/// Splits a packet that came in fragments and was put together: no fragment is larger than `mtu` bytes, nor than the
/// largest of those that came. Where these still fit the packet leaves just as it came, as the reference's does.
pub fn split_as_cut<'a>(packet: &'a [u8], mtu: u16, cuts: &'a Cuts) -> Pieces<'a> {
    let mtu = mtu.min(cuts.largest);
    let mut pieces = split(packet, mtu);
    // Its fragments were sent so, so as to find how large they may be; it is for the next router to complain.
    pieces.keeps_dont_fragment = Ipv4::parse(packet).is_ok_and(|packet| packet.dont_fragment());
    let sizes = cuts.sizes();
    let room = usize::from(mtu).saturating_sub(pieces.header_len);
    let whole: usize = sizes.iter().copied().map(usize::from).sum();
    if whole == pieces.rest.len() && sizes.iter().all(|size| usize::from(*size) <= room) {
        pieces.cuts = sizes;
    }
    pieces
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let size = match self.cuts.split_first() {
            Some((size, others)) => {
                self.cuts = others;
                usize::from(*size)
            }
            None => self.step,
        };
        let payload = self.rest.get(..size.min(self.rest.len())).filter(|payload| !payload.is_empty())?;
        self.rest = self.rest.get(payload.len()..).unwrap_or(&[]);
        let mut piece = Piece { header: self.header, header_len: self.header_len, payload };
        let more = if self.more_follow || !self.rest.is_empty() { MORE_FRAGMENTS } else { 0 };
        let fixed = if self.keeps_dont_fragment { DONT_FRAGMENT } else { 0 };
        piece.fill(self.offset | more | fixed);
        self.offset = self.offset.wrapping_add((payload.len() / 8) as u16);
        keep_copied_options(self.header.get_mut(HEADER_LEN..self.header_len).unwrap_or(&mut []));
        Some(piece)
    }
}

impl Piece<'_> {
    /// Fills in the header's length, flags, offset and checksum.
    fn fill(&mut self, flags_and_offset: u16) {
        let total_len = (self.header_len + self.payload.len()) as u16;
        if let Some(field) = self.header.get_mut(2..4) {
            field.copy_from_slice(&total_len.to_be_bytes());
        }
        if let Some(Ok(mut header)) = self.header.get_mut(..self.header_len).map(Ipv4::parse_quoted) {
            header.set_flags_and_offset(flags_and_offset);
            header.fill_checksum();
        }
    }
}

/// Overwrites the options that only the first fragment carries.
fn keep_copied_options(mut options: &mut [u8]) {
    while let Some(&kind) = options.first() {
        let len = match kind {
            END_OF_OPTIONS => return,
            NO_OPERATION => 1,
            _ => options.get(1).map_or(0, |len| usize::from(*len)),
        };
        let Some((option, rest)) = options.split_at_mut_checked(len).filter(|(option, _)| !option.is_empty()) else {
            return;
        };
        if kind & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        options = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use wire::build::eth;

    fn fragments(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
        split(packet, mtu).map(|piece| [piece.header(), piece.payload()].concat()).collect()
    }

    #[test]
    fn packet_is_split_at_multiples_of_eight() {
        let frame = eth().ipv4("192.168.1.1", "10.0.2.2").ttl(63).id(7).udp(31341, 5353).payload_len(1200);
        let want: Vec<_> = frame.fragments(976).into_iter().map(|frame| frame[14..].to_vec()).collect();
        assert_eq!(fragments(&frame.packet(), 1000), want);
        assert_eq!(want.iter().map(Vec::len).collect::<Vec<_>>(), [996, 252]);
    }

    #[test]
    fn packet_that_just_fits_is_one_piece_and_one_byte_more_is_two() {
        let frame = eth().ipv4("192.168.1.1", "10.0.2.2").udp(1, 2);
        let fits = frame.clone().payload_len(972).packet();
        assert_eq!(fragments(&fits, 1000), [fits]);
        assert_eq!(fragments(&frame.payload_len(973).packet(), 1000).len(), 2);
    }

    /// What Linux 6.1 IPVS sent for this packet on a way with an MTU of 1000, but for the Record Route option, which it
    /// fills in.
    #[test]
    fn options_that_are_not_copied_become_no_operation_in_later_fragments() {
        let route_and_security = [7, 7, 4, 0, 0, 0, 0, 1, 130, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        let frame = eth().ipv4("192.168.1.1", "10.0.2.2").id(8).ttl(63).options(&route_and_security);
        let pieces = fragments(&frame.udp(31341, 5353).payload_len(1200).packet(), 1000);
        let [first, second] = pieces.try_into().unwrap();
        assert_eq!((first.len(), &first[20..40]), (1000, &route_and_security[..]));
        assert_eq!(
            (second.len(), &second[20..40]),
            (288, &[1, 1, 1, 1, 1, 1, 1, 1, 130, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0][..])
        );
        assert_eq!(second[..12], [0x4a, 0, 1, 0x20, 0, 8, 0, 0x78, 63, 17, 0x0d, 0x83]);
    }

    #[test]
    fn fragment_keeps_its_place_and_that_more_follow() {
        let middle = eth().ipv4("10.0.0.1", "10.0.0.2").id(3).more_fragments().fragment_offset(1480).payload_len(1480);
        let offsets: Vec<_> = fragments(&middle.packet(), 1000)
            .into_iter()
            .map(|fragment| Ipv4::parse(fragment).unwrap())
            .map(|fragment| (fragment.fragment_offset(), fragment.more_fragments()))
            .collect();
        assert_eq!(offsets, [(1480, true), (2456, true)]);
    }

    #[test]
    fn no_room_or_no_packet_is_no_piece() {
        let packet = eth().ipv4("10.0.0.1", "10.0.0.2").options(&[1; 40]).payload_len(100).packet();
        assert_eq!(fragments(&packet, 68).len(), 13);
        assert_eq!(fragments(&packet, 67).len(), 0);
        assert_eq!(fragments(&packet[..50], 1500).len(), 0);
        assert_eq!(fragments(&[], 1500).len(), 0);
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_packet(
            len in 1usize..3000, mtu in 68u16..1600, options in vec(any::<u8>(), 0..=40),
        ) {
            let packet = eth().ipv4("10.0.0.1", "10.0.0.2").id(5).options(&options).payload_len(len).packet();
            let whole = Ipv4::parse(&packet[..]).unwrap();
            let mut joined = Vec::new();
            for bytes in fragments(&packet, mtu) {
                prop_assert!(bytes.len() <= usize::from(mtu));
                let fragment = Ipv4::parse(&bytes[..]).unwrap();
                prop_assert!(fragment.checksum_is_valid() && fragment.total_len() == bytes.len());
                prop_assert_eq!((fragment.fragment_offset(), fragment.identification()), (joined.len(), 5));
                joined.extend_from_slice(fragment.payload());
                prop_assert_eq!(fragment.more_fragments(), joined.len() < len);
            }
            prop_assert_eq!(joined, whole.payload());
        }

        #[test]
        fn any_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..200), mtu: u16) {
            if let Some(first) = bytes.first_mut() {
                *first = 0x40 | (*first & 0x0f);
            }
            let _ = fragments(&bytes, mtu);
        }
    }
}
