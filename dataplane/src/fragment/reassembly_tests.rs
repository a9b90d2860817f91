use super::*;
use crate::fragment::{split, split_as_cut};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::build::{Frame, eth};

const CLIENT: &str = "192.168.1.1";
const VIP: &str = "10.9.0.1";

/// A datagram; its first payload byte belongs to the UDP header.
fn datagram(len: usize) -> Frame {
    eth().ipv4(CLIENT, VIP).id(7).udp(20_000, 53).payload_len(len)
}

fn pieces(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
    split(packet, mtu).map(|piece| [piece.header(), piece.payload()].concat()).collect()
}

/// Bytes `from..to` of the datagram's IPv4 payload as a fragment.
fn part(whole: &[u8], from: usize, to: usize, more: bool) -> Vec<u8> {
    let fragment = eth().ipv4(CLIENT, VIP).id(7).protocol(17).fragment_offset(from as u16);
    let fragment = if more { fragment.more_fragments() } else { fragment };
    fragment.payload(&whole[20 + from..20 + to]).packet()
}

struct Table {
    table: Reassembly,
    lost: Vec<(DropReason, u64)>,
    now: Milliseconds,
}

impl Table {
    fn new() -> Self {
        Self { table: Reassembly::default(), lost: Vec::new(), now: 0 }
    }

    fn insert(&mut self, fragment: &[u8]) -> Inserted {
        let fragment = Ipv4::parse(fragment).unwrap();
        self.table.insert(&fragment, self.now, |reason, count| self.lost.push((reason, count)))
    }

    /// The whole packet, if that was its last fragment.
    fn whole(&mut self, fragment: &[u8]) -> Option<(Vec<u8>, Cuts)> {
        let Inserted::Complete(place) = self.insert(fragment) else { return None };
        let mut whole = vec![0; self.table.whole_len(place)];
        self.table.write_whole(place, &mut whole);
        let cuts = self.table.cuts(place).unwrap();
        self.table.remove(place);
        Some((whole, cuts))
    }

    fn all(&mut self, fragments: &[Vec<u8>]) -> Vec<Inserted> {
        fragments.iter().map(|fragment| self.insert(fragment)).collect()
    }
}

#[test]
fn packet_is_complete_with_its_last_missing_fragment_in_any_order() {
    let packet = datagram(2992).packet();
    let fragments = pieces(&packet, 1500);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let mut table = Table::new();
        let [first, second, third] = order.map(|index: usize| table.whole(&fragments[index]));
        assert_eq!((first, second), (None, None));
        let (whole, cuts) = third.unwrap();
        assert_eq!(whole, packet);
        assert_eq!((cuts.largest, cuts.sizes()), (1500, &[1480, 1480, 40][..]));
        assert_eq!((table.table.fragments(), table.lost.len()), (0, 0));
    }
}

#[test]
fn packets_that_differ_in_anything_that_tells_them_apart_are_not_mixed() {
    let first = |frame: Frame| frame.more_fragments().payload_len(16).packet();
    let last = |frame: Frame| frame.fragment_offset(16).payload_len(16).packet();
    let one = || eth().ipv4(CLIENT, VIP).id(7).protocol(17);
    let others = [
        eth().ipv4("192.168.1.2", VIP).id(7).protocol(17),
        eth().ipv4(CLIENT, "10.9.0.2").id(7).protocol(17),
        one().id(8),
        one().protocol(6),
    ];
    let mut table = Table::new();
    assert_eq!(table.insert(&first(one())), Inserted::Kept);
    for other in others {
        assert_eq!(table.insert(&last(other)), Inserted::Kept);
    }
    assert!(matches!(table.insert(&last(one())), Inserted::Complete(_)));
}

#[test]
fn fragment_that_has_come_is_a_duplicate_and_the_packet_goes_on() {
    let packet = datagram(392).packet();
    let mut table = Table::new();
    table.all(&[part(&packet, 0, 200, true), part(&packet, 200, 304, true)]);
    for duplicate in [(0, 200), (208, 256), (104, 200)] {
        let again = table.insert(&part(&packet, duplicate.0, duplicate.1, true));
        assert_eq!(again, Inserted::Refused(DropReason::FragmentDuplicate));
    }
    assert_eq!(table.whole(&part(&packet, 304, 400, false)).unwrap().0, packet);
}

/// What the reference does with each: nothing leaves, and later fragments begin anew.
#[test]
fn overlap_in_part_spoils_the_packet() {
    let packet = datagram(392).packet();
    for (from, to) in [(192, 304), (0, 208), (192, 400), (96, 312)] {
        let mut table = Table::new();
        table.all(&[part(&packet, 0, 104, true), part(&packet, 104, 200, true), part(&packet, 304, 400, false)]);
        let refused = table.insert(&part(&packet, from, to, to != 400));
        assert_eq!(refused, Inserted::Refused(DropReason::FragmentOverlap), "{from} to {to}");
        assert_eq!(table.lost, [(DropReason::FragmentOverlap, 3)]);
        assert_eq!(table.table.fragments(), 0);
        assert_eq!(table.insert(&part(&packet, 200, 304, true)), Inserted::Kept, "of a packet that begins here");
    }
}

#[test]
fn fragments_that_disagree_on_the_end_spoil_the_packet() {
    let packet = datagram(492).packet();
    let last = |from, to| part(&packet, from, to, false);
    let middle = |from, to| part(&packet, from, to, true);
    for (before, after) in [
        (last(200, 400), last(200, 408)),
        (last(200, 400), last(200, 392)),
        (last(200, 400), middle(400, 408)),
        (middle(200, 408), last(208, 400)),
    ] {
        let mut table = Table::new();
        assert_eq!(table.insert(&before), Inserted::Kept);
        assert_eq!(table.insert(&after), Inserted::Refused(DropReason::Fragment));
        assert_eq!((table.lost, table.table.fragments()), (vec![(DropReason::Fragment, 1)], 0));
    }
    let mut table = Table::new();
    table.all(&[last(200, 400), last(200, 400), middle(0, 104)]);
    assert!(table.whole(&middle(104, 200)).is_some(), "one that agrees is only a duplicate");
}

#[test]
fn fragment_without_payload_spoils_its_packet() {
    let packet = datagram(392).packet();
    let mut table = Table::new();
    table.insert(&part(&packet, 0, 400, true));
    assert_eq!(table.insert(&part(&packet, 400, 400, false)), Inserted::Refused(DropReason::Fragment));
    assert_eq!(table.lost, [(DropReason::Fragment, 1)]);
    let seven = part(&packet, 0, 7, true);
    assert_eq!(table.insert(&seven), Inserted::Refused(DropReason::Fragment), "7 bytes are none, but in the last");
    assert_eq!(table.insert(&part(&packet, 393, 400, false)), Inserted::Kept);
}

#[test]
fn end_that_is_no_multiple_of_eight_is_cut_unless_it_is_the_last() {
    let packet = datagram(392).packet();
    let mut table = Table::new();
    table.insert(&part(&packet, 0, 203, true));
    let (whole, cuts) = table.whole(&part(&packet, 200, 400, false)).unwrap();
    assert_eq!((whole, cuts.sizes(), cuts.largest), (packet, &[200, 200][..], 220));
}

#[test]
fn longest_packet_is_put_together_and_a_longer_one_is_not() {
    let longest = datagram(MAX_PAYLOAD - 8).packet();
    let fragments = pieces(&longest, 1500);
    let mut table = Table::new();
    let (last, others) = fragments.split_last().unwrap();
    assert!(table.all(others).iter().all(|inserted| *inserted == Inserted::Kept));
    let (whole, cuts) = table.whole(last).unwrap();
    assert_eq!((whole.len(), whole == longest, cuts.sizes().len()), (20 + MAX_PAYLOAD, true, 45));
    for beyond in [MAX_PAYLOAD, 65_528] {
        table.insert(&fragments[0]);
        let fragment = eth().ipv4(CLIENT, VIP).id(7).protocol(17).fragment_offset(beyond as u16).payload_len(8);
        assert_eq!(table.insert(&fragment.packet()), Inserted::Refused(DropReason::FragmentTooLarge));
    }
    assert_eq!(table.lost, [(DropReason::FragmentTooLarge, 1); 2]);
    assert_eq!(table.table.fragments(), 0);
}

#[test]
fn smallest_fragments_are_put_together_too_and_their_cuts_are_forgotten() {
    let packet = datagram(2992).packet();
    let mut table = Table::new();
    let fragments: Vec<_> = (0..375).map(|n| part(&packet, n * 8, n * 8 + 8, n != 374)).collect();
    let (last, others) = fragments.split_last().unwrap();
    table.all(others);
    let (whole, cuts) = table.whole(last).unwrap();
    assert_eq!((whole, cuts.sizes(), cuts.largest), (packet, &[][..], 28));
}

/// Congestion is kept; a mixture of those who know ECN and those who don't is refused (RFC 3168 section 5.3).
#[test]
fn ecn_of_the_fragments_is_joined() {
    let tos_of = |first: u8, last: u8| {
        let fragment = |tos| eth().ipv4(CLIENT, VIP).id(7).protocol(17).tos(tos).payload_len(16);
        let mut table = Table::new();
        table.insert(&fragment(first).more_fragments().packet());
        table.whole(&fragment(last).fragment_offset(16).packet()).map(|(whole, _)| whole[1])
    };
    for (first, last, whole) in [
        (0x20, 0x48, Some(0x20)),
        (0x22, 0x03, Some(0x23)),
        (0x03, 0x01, Some(0x03)),
        (0x02, 0x01, Some(0x02)),
        (0x03, 0x03, Some(0x03)),
        (0x00, 0x03, None),
        (0x02, 0x00, None),
        (0x00, 0x01, None),
    ] {
        assert_eq!(tos_of(first, last), whole, "{first:#x} and {last:#x}");
    }
}

/// "Don't fragment" is of the whole if a fragment of the largest size had it.
#[test]
fn dont_fragment_counts_if_a_largest_fragment_has_it() {
    let flags = |first: (usize, bool), last: (usize, bool)| {
        let fragment = |(len, df): (usize, bool)| {
            let fragment = eth().ipv4(CLIENT, VIP).id(7).protocol(17).payload_len(len);
            if df { fragment.df() } else { fragment }
        };
        let mut table = Table::new();
        table.insert(&fragment(first).more_fragments().packet());
        let (whole, cuts) = table.whole(&fragment(last).fragment_offset(first.0 as u16).packet()).unwrap();
        let pieces: Vec<_> = split_as_cut(&whole, 1500, &cuts).map(|piece| piece.header()[6] & 0x40 != 0).collect();
        assert_eq!(pieces, [whole[6] & 0x40 != 0; 2], "its pieces say the same");
        whole[6] & 0x40 != 0
    };
    assert!(flags((200, true), (200, true)) && flags((200, false), (200, true)) && flags((200, true), (96, false)));
    assert!(!flags((200, false), (96, true)) && !flags((200, false), (200, false)));
}

#[test]
fn time_to_live_and_options_are_those_of_the_first_fragment() {
    let fragment = |ttl| eth().ipv4(CLIENT, VIP).id(7).protocol(17).ttl(ttl).payload_len(16);
    let mut table = Table::new();
    table.insert(&fragment(64).fragment_offset(16).packet());
    let first = fragment(10).options(&[7, 7, 4, 0, 0, 0, 0, 0]).more_fragments().packet();
    let (whole, cuts) = table.whole(&first).unwrap();
    let whole = Ipv4::parse(&whole[..]).unwrap();
    assert_eq!((whole.ttl(), whole.header_len(), whole.payload().len(), cuts.largest), (10, 28, 32, 44));
    assert!(whole.checksum_is_valid());
}

#[test]
fn incomplete_packet_is_overdue_after_thirty_seconds_from_its_first_fragment() {
    let packet = datagram(392).packet();
    let mut table = Table::new();
    table.insert(&part(&packet, 0, 203, true));
    table.now = 10_000;
    table.insert(&part(&packet, 304, 400, false));
    let overdue = |table: &mut Table, now| (0..=SETS).find_map(|_| table.table.overdue(now));
    assert_eq!(overdue(&mut table, 29_999), None);
    let place = overdue(&mut table, 30_000).unwrap();
    let mut first = vec![0; table.table.first_len(place).unwrap()];
    table.table.write_first(place, &mut first);
    assert_eq!(first, part(&packet, 0, 200, true), "as much of it as was kept");
    assert_eq!((table.table.remove(place), table.table.fragments()), (2, 0));
    assert_eq!(overdue(&mut table, 90_000), None);
}

#[test]
fn packet_without_its_first_fragment_has_none_to_show() {
    let packet = datagram(392).packet();
    let mut table = Table::new();
    table.insert(&part(&packet, 200, 400, false));
    let place = (0..=SETS).find_map(|_| table.table.overdue(30_000)).unwrap();
    assert_eq!(table.table.first_len(place), None);
}

fn first_of(id: u16, source: u32, len: usize) -> Vec<u8> {
    eth().ipv4(source.to_be_bytes(), VIP).id(id).protocol(17).more_fragments().payload_len(len).packet()
}

#[test]
fn flood_of_one_sender_pushes_out_its_own_oldest_and_nobody_else_s() {
    let mut table = Table::new();
    let others: Vec<u32> =
        (0..8).map(|n| 0xc0a8_0100 + n).filter(|other| spread(*other) != spread(0x0a00_0001)).collect();
    assert!(others.len() > 4);
    for other in &others {
        table.insert(&first_of(1, *other, 1480));
    }
    for id in 0..1000 {
        table.now += 1;
        assert_eq!(table.insert(&first_of(id, 0x0a00_0001, 1480)), Inserted::Kept);
    }
    let kept = PACKETS_OF_SET as u64;
    assert_eq!(table.lost.len() as u64, 1000 - kept);
    assert!(table.lost.iter().all(|lost| *lost == (DropReason::FragmentEvicted, 1)));
    assert_eq!(table.table.fragments(), kept + others.len() as u64);
    for other in others {
        let last = eth().ipv4(other.to_be_bytes(), VIP).id(1).protocol(17).fragment_offset(1480).payload_len(8);
        assert!(table.whole(&last.packet()).is_some(), "the other's packet is still there");
    }
    let newest = eth().ipv4([10, 0, 0, 1], VIP).id(999).protocol(17).fragment_offset(1480).payload_len(8);
    assert!(table.whole(&newest.packet()).is_some(), "so is the flooder's newest");
}

fn spread(source: u32) -> usize {
    let key = PacketKey { source, destination: 0x0a09_0001, ..PacketKey::default() };
    set_of(&key)
}

#[test]
fn long_packets_push_out_the_oldest_by_the_memory_that_they_take() {
    let mut table = Table::new();
    for id in 0..3 {
        let packet = datagram(30_000).id(id).packet();
        let (_, others) =
            pieces(&packet, 1500).split_last().map(|(last, others)| (last.clone(), others.to_vec())).unwrap();
        table.now += 1;
        table.all(&others);
    }
    assert_eq!(table.lost, [(DropReason::FragmentEvicted, 20)], "two of them fit in 64 blocks, the first had to go");
}

/// All of memory is given back, whatever happens: the table still takes as much as in the beginning.
#[test]
fn nothing_is_left_behind() {
    let mut table = Table::new();
    let packet = datagram(MAX_PAYLOAD - 8).packet();
    let fragments = pieces(&packet, 1500);
    for _ in 0..3 {
        for (from, to) in [(0, 200), (192, 304), (0, 0)] {
            table.insert(&part(&packet, from, to, true));
        }
        let (last, others) = fragments.split_last().unwrap();
        table.all(others);
        assert!(table.whole(last).is_some());
        assert_eq!(table.table.fragments(), 0);
    }
}

proptest! {
    #[test]
    fn any_order_gives_the_packet_and_its_pieces_again(
        len in 1usize..5000, mtu in 68u16..1500, order in any::<u64>(), duplicates in vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let packet = datagram(len).packet();
        let fragments = pieces(&packet, mtu);
        prop_assume!(fragments.len() > 1);
        let mut shuffled = fragments.clone();
        fastrand::Rng::with_seed(order).shuffle(&mut shuffled);
        let last = shuffled.pop().unwrap();
        let mut table = Table::new();
        for fragment in &shuffled {
            prop_assert_eq!(table.insert(fragment), Inserted::Kept);
        }
        for index in duplicates {
            let again = table.insert(&shuffled[index.index(shuffled.len())]);
            prop_assert_eq!(again, Inserted::Refused(DropReason::FragmentDuplicate));
        }
        let (whole, cuts) = table.whole(&last).unwrap();
        prop_assert_eq!(&whole, &packet);
        let leaving: Vec<_> = split_as_cut(&whole, 1500, &cuts).map(|piece| [piece.header(), piece.payload()].concat()).collect();
        prop_assert_eq!(leaving, fragments);
    }

    /// Whatever ranges come of one packet's bytes: what is put together is the packet.
    #[test]
    fn any_fragments_of_a_packet_give_that_packet_or_nothing(
        units in 2usize..40, ranges in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..60),
    ) {
        let packet = datagram(units * 8 - 8).packet();
        let mut table = Table::new();
        let mut came = 0;
        for (a, b) in ranges {
            let (a, b) = (a.index(units + 1), b.index(units + 1));
            let (from, to) = (a.min(b) * 8, a.max(b) * 8);
            came += 1;
            if let Some((whole, _)) = table.whole(&part(&packet, from, to, to != units * 8)) {
                prop_assert_eq!(&whole, &packet);
                came = 0;
            }
            prop_assert!(table.table.fragments() <= came);
        }
    }

    #[test]
    fn any_bytes_do_not_panic(packets in vec(vec(any::<u8>(), 20..120), 0..40)) {
        let mut table = Table::new();
        for mut bytes in packets {
            let len = bytes.len() as u16;
            bytes[0] = 0x45 + (bytes[0] & 1);
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 9, 0, 1]);
            bytes[4] = 0;
            bytes[5] &= 3;
            if Ipv4::parse(&bytes[..]).is_ok_and(|packet| packet.is_fragment()) {
                let _ = table.whole(&bytes);
            }
            prop_assert!(table.table.fragments() <= 40);
        }
    }
}
