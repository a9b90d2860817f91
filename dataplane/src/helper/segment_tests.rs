use super::*;
use crate::connection::accounts::tests::accounts;
use crate::connection::{Endpoint, Expected, Identity};
use crate::helper::Helpers;
use crate::helper::stream::PATIENCE;
use link::model::{ForwardMethod, Protocol};
use link::region::DataplaneLink;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::build::{Frame, eth};

const CLIENT: &str = "202.100.1.2";
const SERVICE: &str = "202.103.106.5";
const REAL: &str = "172.16.0.2";

const PASSIVE: &str = "227 Entering Passive Mode (172,16,0,2,200,10).\r\n";
const PASSIVE_WANT: &str = "227 Entering Passive Mode (202,103,106,5,200,10).\r\n";

/// One control connection, as the pipeline treats its packets.
struct Line {
    helpers: Helpers,
    place: u32,
    expected: Arc<Expected>,
    _link: DataplaneLink,
    read: Read,
    announced: u8,
    room: usize,
}

fn identity() -> Identity {
    let end =
        |address: &str, port| Endpoint { address: address.parse::<std::net::Ipv4Addr>().unwrap().to_bits(), port };
    Identity {
        protocol: Protocol::Tcp,
        method: ForwardMethod::Nat,
        client: end(CLIENT, 40_001),
        service: end(SERVICE, 21),
        real: end(REAL, 2121),
        real_slot: 0,
        real_generation: 1,
    }
}

/// What a packet says: sequence number, acknowledgment, payload, flags.
type Said = (u32, u32, String, Flags);

impl Line {
    fn new() -> Self {
        let (accounts, link) = accounts();
        let expected = Arc::new(Expected::reproducible(8, accounts));
        let mut helpers = Helpers::of_worker(&expected, 0, 1);
        let place = helpers.begin().expect("a free place");
        Self { helpers, place, expected, _link: link, read: Read::default(), announced: 0, room: 1500 }
    }

    /// After the client's PASV, which ends at sequence number 1006.
    fn passive() -> Self {
        let mut line = Self::new();
        line.client(1000, 1, b"PASV\r\n");
        line
    }

    fn client(&mut self, sequence: u32, ack: u32, payload: &[u8]) -> Said {
        self.client_frame(eth().ipv4(CLIENT, REAL).tcp(40_001, 2121).seq(sequence).acking(ack).payload(payload))
    }

    fn client_frame(&mut self, frame: Frame) -> Said {
        let mut packet = frame.packet();
        let segment = Segment::parse(&packet, 20).expect("a right checksum");
        let (conversation, mut lines) = self.helpers.reader(self.place, &identity(), 0).expect("a state");
        self.read = conversation.client_segment(&mut packet, &segment, Some(&mut lines));
        self.announced = lines.announced();
        said(&packet)
    }

    fn real(&mut self, sequence: u32, payload: &str) -> Said {
        self.real_frame(eth().ipv4(REAL, CLIENT).tcp(2121, 40_001).seq(sequence).acking(7).payload(payload.as_bytes()))
    }

    fn real_frame(&mut self, frame: Frame) -> Said {
        let mut packet = frame.packet();
        let segment = Segment::parse(&packet, 20).expect("a right checksum");
        let (conversation, mut lines) = self.helpers.reader(self.place, &identity(), 0).expect("a state");
        let (plan, read) = conversation.plan(&packet, &segment, Some(&mut lines), self.room);
        self.read = read;
        packet.resize(packet.len().max(plan.working_length()), 0);
        conversation.carry_out(&mut packet, &segment, &plan);
        packet.truncate(plan.length);
        said(&packet)
    }
}

fn said(packet: &[u8]) -> Said {
    let ip = Ipv4::parse(packet).expect("a packet");
    let segment = Tcp::parse(ip.payload()).expect("a segment");
    assert!(ip.checksum_is_valid() && segment.checksum_is_valid(ip.source(), ip.destination()), "a checksum is wrong");
    let text = String::from_utf8_lossy(segment.payload()).into_owned();
    (segment.sequence(), segment.acknowledgment(), text, segment.flags())
}

/// Sequence number and text.
fn text((sequence, _, text, _): Said) -> (u32, String) {
    (sequence, text)
}

fn want(sequence: u32, text: &str) -> (u32, String) {
    (sequence, text.to_owned())
}

#[test]
fn a_segment_with_a_wrong_checksum_is_not_taken_apart() {
    let frame = || eth().ipv4(REAL, CLIENT).tcp(2121, 40_001).payload(b"227 x");
    assert!(Segment::parse(&frame().packet(), 20).is_some());
    assert_eq!(Segment::parse(&frame().bad_checksum().packet(), 20), None);
}

#[test]
fn what_is_behind_a_longer_text_is_shifted_in_both_directions() {
    let mut line = Line::passive();
    assert_eq!(text(line.real(1, PASSIVE)), want(1, PASSIVE_WANT));
    assert_eq!((line.read.replaced, line.expected.len()), (1, 1));
    let (old, new) = (PASSIVE.len() as u32, PASSIVE_WANT.len() as u32);
    assert_eq!(new, old + 3);
    assert_eq!(text(line.real(1 + old, "150 ok\r\n")), want(1 + new, "150 ok\r\n"));
    assert_eq!(line.client(1006, 1 + new, b"").1, 1 + old);
    assert_eq!(line.client(1006, 1 + new + 8, b"").1, 1 + old + 8);
    // What the client had before it acknowledges as it came.
    assert_eq!(line.client(1006, 1, b"").1, 1);
}

#[test]
fn a_repeated_segment_gets_the_same_change_and_announces_nothing_new() {
    let mut line = Line::passive();
    for replaced in [1, 0, 0] {
        assert_eq!(text(line.real(1, PASSIVE)), want(1, PASSIVE_WANT));
        assert_eq!((line.read.replaced, line.expected.len()), (replaced, 1));
    }
}

#[test]
fn a_repeated_segment_may_be_cut_in_other_places() {
    let mut line = Line::passive();
    line.real(1, PASSIVE);
    let address = PASSIVE.find("172").unwrap();
    let (head, tail) = PASSIVE.split_at(address + 5);
    let head_want = format!("{}202,103,106,5,200,10", &PASSIVE[..address]);
    assert_eq!(text(line.real(1, head)), want(1, &head_want));
    assert_eq!(text(line.real(1 + head.len() as u32, tail)), want(1 + head_want.len() as u32, ").\r\n"));
}

#[test]
fn blocks_of_selective_acknowledgments_are_translated() {
    let mut line = Line::passive();
    line.real(1, PASSIVE);
    let (old, new) = (PASSIVE.len() as u32, PASSIVE_WANT.len() as u32);
    let frame = |edges: [u32; 2]| {
        let options = [&[1, 1, 5, 10][..], &edges.map(u32::to_be_bytes).concat()].concat();
        eth().ipv4(CLIENT, REAL).tcp(40_001, 2121).seq(1006).acking(1).tcp_options(&options)
    };
    let mut packet = frame([1 + new, 9 + new]).packet();
    let segment = Segment::parse(&packet, 20).unwrap();
    let (conversation, _) = line.helpers.reader(line.place, &identity(), 0).unwrap();
    conversation.client_segment(&mut packet, &segment, None);
    assert_eq!(packet, frame([1 + old, 9 + old]).packet());
}

#[test]
fn a_line_in_two_segments_is_changed_where_its_text_is_in_the_second() {
    let mut line = Line::passive();
    let (head, tail) = PASSIVE.split_at(PASSIVE.find("172").unwrap());
    assert_eq!(text(line.real(1, head)), want(1, head));
    assert_eq!(text(line.real(1 + head.len() as u32, tail)), want(27 + 1, "202,103,106,5,200,10).\r\n"));
}

#[test]
fn a_text_that_is_cut_in_two_passes_when_its_sender_repeats_it() {
    let mut line = Line::passive();
    let address = PASSIVE.find("172").unwrap();
    let (head, tail) = PASSIVE.split_at(address + 5);
    // As if the end of the first segment had been lost.
    assert_eq!(text(line.real(1, head)), want(1, &PASSIVE[..address]));
    // The second one shows what is meant.
    let (sequence, rest) = text(line.real(1 + head.len() as u32, tail));
    assert_eq!(rest, ").\r\n");
    // The first one again.
    let (_, again) = text(line.real(1, head));
    assert_eq!(again + &rest, PASSIVE_WANT);
    assert_eq!(sequence as usize, 1 + PASSIVE_WANT.len() - rest.len());
    assert_eq!((line.expected.len(), line.read.refused), (1, 0));
}

#[test]
fn a_line_that_does_not_go_on_passes_after_some_repetitions() {
    let mut line = Line::passive();
    let address = PASSIVE.find("172").unwrap();
    let begun = &PASSIVE[..address + 5];
    for _ in 0..PATIENCE {
        assert_eq!(text(line.real(1, begun)), want(1, &PASSIVE[..address]));
    }
    assert_eq!(text(line.real(1, begun)), want(1, begun));
    assert_eq!(line.read.refused, 1);
    let rest = &PASSIVE[begun.len()..];
    assert_eq!(text(line.real(1 + begun.len() as u32, rest)), want(1 + begun.len() as u32, rest));
    assert_eq!(line.expected.len(), 0);
}

#[test]
fn a_client_command_is_read_however_it_is_cut_and_never_changed() {
    let command = "PORT 202,100,1,2,156,80\r\n";
    for cut in 1..command.len() {
        let mut line = Line::new();
        let (head, tail) = command.split_at(cut);
        assert_eq!(text(line.client(1000, 1, head.as_bytes())), want(1000, head));
        assert_eq!(line.expected.len(), 0);
        assert_eq!(text(line.client(1000 + cut as u32, 1, tail.as_bytes())), want(1000 + cut as u32, tail));
        assert_eq!(line.expected.len(), 1, "cut at {cut}");
    }
}

#[test]
fn several_commands_of_one_segment_are_all_read() {
    let mut line = Line::new();
    line.client(1000, 1, b"TYPE I\r\nPORT 202,100,1,2,156,80\r\nPORT 202,100,1,77,156,80\r\nPASV\r\n");
    assert_eq!((line.expected.len(), line.read.refused), (1, 1));
    let two = format!("200 ok\r\n{PASSIVE}150 ok\r\n");
    assert_eq!(text(line.real(1, &two)), want(1, &format!("200 ok\r\n{PASSIVE_WANT}150 ok\r\n")));
}

#[test]
fn text_of_a_real_behind_a_gap_is_cut_off_until_the_gap_is_filled() {
    let mut line = Line::passive();
    assert_eq!(text(line.real(1, "220 hi\r\n")), want(1, "220 hi\r\n"));
    let at = 9 + PASSIVE.len() as u32;
    let (_, _, text_behind, flags) =
        line.real_frame(eth().ipv4(REAL, CLIENT).tcp(2121, 40_001).seq(at).acking(7).fin().payload(b"150 ok\r\n"));
    assert_eq!((text_behind.as_str(), flags.fin()), ("", false));
    assert_eq!(text(line.real(9, PASSIVE)), want(9, PASSIVE_WANT));
    assert_eq!(text(line.real(at, "150 ok\r\n")), want(at + 3, "150 ok\r\n"));
    // A gap that is never filled is passed over.
    for _ in 0..PATIENCE {
        assert_eq!(text(line.real(at + 100, "226 ok\r\n")).1, "");
    }
    assert_eq!(text(line.real(at + 100, "226 ok\r\n")), want(at + 103, "226 ok\r\n"));
}

#[test]
fn a_line_of_ten_thousand_bytes_passes_unread_and_the_next_is_read() {
    let mut line = Line::new();
    let mut sequence = 1000;
    let mut refused = 0;
    for part in [&b"PORT "[..], &[b'1'; 1000]].into_iter().chain([&[b','; 1000][..]; 9]).chain([&b"\r\n"[..]]) {
        assert_eq!(line.client(sequence, 1, part).2.len(), part.len());
        sequence += part.len() as u32;
        refused += line.read.refused;
    }
    assert_eq!((refused, line.expected.len()), (1, 0));
    line.client(sequence, 1, b"PORT 202,100,1,2,156,80\r\n");
    assert_eq!(line.expected.len(), 1);
}

#[test]
fn a_text_that_finds_no_room_is_cut_off_at_its_end() {
    let mut line = Line::passive();
    let long = format!("{PASSIVE}{}", "x".repeat(100));
    line.room = 40 + long.len() + 1;
    let whole = format!("{PASSIVE_WANT}{}", "x".repeat(100));
    let (sequence, begin) = text(line.real(1, &long));
    assert_eq!((sequence, begin.as_str()), (1, &whole[..whole.len() - 2]));
    // It is repeated from there.
    assert_eq!(text(line.real(1 + long.len() as u32 - 2, "xx")), want(1 + whole.len() as u32 - 2, "xx"));
}

#[test]
fn no_more_is_announced_at_one_time_than_four() {
    let mut line = Line::new();
    let mut sequence = 1000;
    for port in 0..50 {
        let command = format!("PORT 202,100,1,2,156,{port}\r\n");
        line.client(sequence, 1, command.as_bytes());
        sequence += command.len() as u32;
    }
    assert_eq!((line.expected.len(), line.expected.holds(line.place)), (4, 4));
    line.helpers.end(line.place);
    assert_eq!((line.expected.len(), line.expected.holds(0)), (0, 0));
}

#[test]
fn one_segment_announces_no_more_than_is_kept() {
    let mut line = Line::new();
    let commands: Vec<String> = (0..50).map(|port| format!("PORT 202,100,1,2,156,{port}\r\n")).collect();
    line.client(1000, 1, commands.concat().as_bytes());
    assert_eq!((line.announced, line.read.refused, line.expected.len()), (4, 46, 4));
    // The next segment counts anew.
    line.client(1000 + commands.concat().len() as u32, 1, b"PORT 202,100,1,2,157,1\r\n");
    assert_eq!((line.announced, line.read.refused, line.expected.len()), (1, 0, 4));
}

#[test]
fn a_flood_of_replies_is_changed_as_far_as_it_is_acknowledged() {
    let mut line = Line::new();
    line.client(1000, 1, "PASV\r\n".repeat(10).as_bytes());
    let (_, _, got, _) = line.real(1, &PASSIVE.repeat(6));
    assert_eq!(got, format!("{}{}", PASSIVE_WANT.repeat(4), PASSIVE.repeat(2)));
    assert_eq!((line.read.replaced, line.read.refused), (4, 2));
    // Acknowledged, there is room for others.
    line.client(1060, 1 + got.len() as u32, b"");
    assert_eq!(line.real(1 + PASSIVE.len() as u32 * 6, PASSIVE).2, PASSIVE_WANT);
}

/// The receiver's half of TCP: keeps what comes, acknowledges what is whole.
#[derive(Default)]
struct Receiver(BTreeMap<u32, Vec<u8>>);

impl Receiver {
    fn take(&mut self, sequence: u32, bytes: &[u8]) {
        let longest = self.0.get(&sequence).map_or(0, Vec::len);
        if bytes.len() > longest {
            self.0.insert(sequence, bytes.to_vec());
        }
    }

    fn whole(&self) -> Vec<u8> {
        let mut whole: Vec<u8> = Vec::new();
        for (sequence, bytes) in &self.0 {
            let at = *sequence as usize - 1;
            if at > whole.len() {
                break;
            }
            let known = (whole.len() - at).min(bytes.len());
            assert_eq!(&whole[at..at + known], &bytes[..known], "two segments contradict each other at {at}");
            whole.extend_from_slice(&bytes[known..]);
        }
        whole
    }
}

proptest! {
    /// A real sends its text in segments of any size over a way that loses some; it repeats from what is acknowledged, cut
    /// in other places. In the end the client has the changed text, nothing else.
    #[test]
    fn any_way_of_sending_gives_the_same_text(
        replies in prop::collection::vec(prop_oneof![Just("200 ok\r\n"), Just(PASSIVE), Just("227-x 1,2\r\n")], 1..6),
        sends in prop::collection::vec((1..90usize, 0..4u8, 0..3usize), 10..40),
    ) {
        let sent = replies.concat();
        let passive = replies.iter().filter(|reply| **reply == PASSIVE).count();
        prop_assume!(passive <= 4);
        let mut line = Line::new();
        line.client(1000, 1, "PASV\r\n".repeat(passive.max(1)).as_bytes());
        let wanted = replies.iter().map(|reply| if *reply == PASSIVE { PASSIVE_WANT } else { reply }).collect::<String>();
        let (mut receiver, mut acknowledged) = (Receiver::default(), 1u32);
        // After some losses every segment arrives, one at a time, each acknowledged.
        let calm = std::iter::repeat_n((40usize, 0u8, 0usize), 2 * sent.len());
        for (length, loss, ahead) in sends.into_iter().chain(calm) {
            let mut begin = (acknowledged - 1) as usize;
            for _ in 0..=ahead {
                let end = (begin + length).min(sent.len());
                let (sequence, _, text, _) = line.real(begin as u32 + 1, &sent[begin..end]);
                if loss == 0 || ahead > 0 && begin as u32 + 1 != acknowledged {
                    receiver.take(sequence, text.as_bytes());
                }
                begin = end;
            }
            let whole = receiver.whole();
            prop_assert!(wanted.as_bytes().starts_with(&whole), "{}", String::from_utf8_lossy(&whole));
            let (_, ack, _, _) = line.client(9000, whole.len() as u32 + 1, b"");
            prop_assert!(ack >= acknowledged && ack as usize <= sent.len() + 1, "{acknowledged} then {ack}");
            acknowledged = ack;
        }
        prop_assert_eq!(String::from_utf8(receiver.whole()).unwrap(), wanted);
    }

    #[test]
    fn any_segments_do_not_panic_and_stay_packets(
        segments in prop::collection::vec((any::<bool>(), 0..2000u32, "(PASV\r\n|227 (172,16,0,2,9,9)\r\n|227 1|\r\n|x|PORT 1)"), 1..40),
        room in 40..400usize,
    ) {
        let mut line = Line::passive();
        line.room = room;
        for (from_real, sequence, text) in segments {
            if from_real {
                line.real(sequence, &text);
            } else {
                line.client(sequence, sequence, text.as_bytes());
            }
            prop_assert!(line.expected.len() <= 4);
        }
    }
}
