use super::line::{self, Head};
use super::*;
use crate::layout::Layout;
use crate::model::MacAddress;
use crate::port::PortDescription;
use crate::region::{ControlLink, DataplaneLink};
use crate::strategies;
use proptest::prelude::*;

const LAYOUT: Layout = Layout { workers: 2, ports: 1, services: 4, reals: 8 };

struct Ends {
    _place: tempfile::TempDir,
    dataplane: DataplaneLink,
    control: ControlLink,
}

impl Ends {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sluice.link");
        let port = PortDescription {
            name: "wan".into(),
            device: "none".into(),
            driver: "none".into(),
            mac: MacAddress([2, 0, 0, 0, 1, 1]),
            mtu: 1500,
            kernel_interface: None,
            addresses: vec![],
            queues: Default::default(),
        };
        let dataplane = DataplaneLink::create(&path, &LAYOUT, &[port]).unwrap();
        let control = ControlLink::attach(&path).unwrap();
        Self { _place: place, dataplane, control }
    }

    fn ring(&self, worker: u16) -> (CaptureWriter, CaptureReader) {
        (self.dataplane.capture_writer(worker).unwrap(), self.control.capture_reader(worker).unwrap())
    }
}

const FORWARDED: Decision = Decision::of(PacketVerdict::Forwarded { port: 1 });

proptest! {
    // A case of some makes a file of megabytes.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_decision_comes_back_as_it_was(decision in strategies::decision(), ticket: u32, number: u64, tsc: u64) {
        let line = line::decision(ticket, number, tsc, &decision);
        prop_assert_eq!(line::read(&line), Some(Head::Decision { ticket, number, tsc, decision }));
    }

    #[test]
    fn packets_come_back_as_they_were_cut_to_the_snaplen(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20),
        snaplen in 1u32..300,
    ) {
        let ends = Ends::new();
        let (mut writer, mut reader) = ends.ring(1);
        writer.begin(7, snaplen);
        for (number, bytes) in (1u64..).zip(&frames) {
            prop_assert!(writer.frame(FramePlace::In, 0, bytes));
            if number == 1 {
                prop_assert_eq!(reader.next(7), None, "nothing is shown before the decision");
            }
            prop_assert!(writer.finish(number * 10, &FORWARDED));
        }
        for (number, bytes) in (1u64..).zip(&frames) {
            let stored = bytes[..bytes.len().min(snaplen as usize)].to_vec();
            let frame = CapturedFrame { place: FramePlace::In, port: 0, length: bytes.len() as u32, bytes: stored };
            let packet = CapturedPacket { number, tsc: number * 10, frames: vec![frame], decision: FORWARDED };
            prop_assert_eq!(reader.next(7), Some(packet));
        }
        prop_assert_eq!(reader.next(7), None);
        prop_assert_eq!(reader.garbage(), 0);
    }

    /// Whatever stands in the ring, the reader comes to its end.
    #[test]
    fn a_hostile_writer_is_survived(lines in proptest::collection::vec(any::<[u8; 8]>(), 1..400)) {
        let ends = Ends::new();
        let (mut writer, mut reader) = ends.ring(0);
        writer.begin(1, MAX_SNAPLEN);
        for bytes in &lines {
            // Kinds and lengths that are nearly right.
            let [kind, a, b, c, d, e, f, g] = *bytes;
            let head = u64::from_le_bytes([kind % 11, a % 8, b % 50, c % 4, 1, 0, 0, 0]);
            let lengths = u64::from_le_bytes([d, e % 4, 0, 0, f, g, 0, 0]);
            writer.put_line([head, lengths, 0, 0, 0, 0, 0, 0]);
        }
        writer.show();
        while reader.next(1).is_some() {}
        writer.begin(2, MAX_SNAPLEN);
        prop_assert!(writer.frame(FramePlace::Out, 0, b"after") && writer.finish(1, &FORWARDED));
        prop_assert_eq!(reader.next(2).map(|packet| packet.frames.len()), Some(1), "it goes on with what is right");
    }
}

#[test]
fn a_full_ring_takes_no_more_and_what_it_has_stays_whole() {
    let ends = Ends::new();
    let (mut writer, mut reader) = ends.ring(0);
    writer.begin(3, 1000);
    let packet = [7u8; 1000];
    let mut shown = 0;
    while writer.frame(FramePlace::In, 0, &packet) && writer.frame(FramePlace::Out, 0, &packet) {
        assert!(writer.finish(0, &FORWARDED), "room for the decision is kept");
        shown += 1;
    }
    writer.abandon();
    assert_eq!(shown, u64::from(LINES) / (2 * 17 + 1));
    assert!(reader.next(3).is_some());
    assert!(writer.frame(FramePlace::In, 0, &packet), "what was read makes room");
    writer.abandon();
    let rest = std::iter::from_fn(|| reader.next(3)).map(|packet| packet.frames.len());
    assert_eq!(rest.collect::<Vec<_>>(), vec![2; shown as usize - 1]);
}

#[test]
fn what_is_left_of_another_capture_is_skipped() {
    let ends = Ends::new();
    let (mut writer, mut reader) = ends.ring(0);
    for ticket in [1, 2] {
        writer.begin(ticket, 100);
        assert!(writer.frame(FramePlace::In, 0, &[ticket as u8]) && writer.finish(0, &FORWARDED));
    }
    let packet = reader.next(2).expect("the one of this ticket");
    assert_eq!((packet.number, packet.frames[0].bytes.as_slice()), (1, &[2u8][..]));
    drop(reader);
    writer.begin(3, 100);
    assert!(writer.finish(0, &FORWARDED));
    let mut late = ends.control.capture_reader(0).unwrap();
    assert_eq!(late.next(3), None, "a reader begins with what is written from then on");
}

#[test]
fn a_reader_that_claims_the_impossible_makes_the_ring_full_and_no_more() {
    let ends = Ends::new();
    let (mut writer, _) = ends.ring(0);
    writer.begin(1, 64);
    writer.ring_head().store(u32::MAX / 2);
    assert!(writer.frame(FramePlace::In, 0, &[1; 64]), "what was known to be free is used");
    while writer.frame(FramePlace::In, 0, &[1; 64]) {}
    assert!(!writer.frame(FramePlace::In, 0, &[1; 64]));
    writer.ring_head().store(0);
    writer.abandon();
    assert!(writer.frame(FramePlace::In, 0, &[1; 64]));
}

#[test]
fn times_follow_from_the_last_reading_of_both_clocks_in_both_directions() {
    let clock = CaptureClock { tsc: 10_000, unix_ns: 1_800_000_000_000_000_000, hertz: 2_500_000_000 };
    assert_eq!(clock.at(10_000), clock.unix_ns);
    assert_eq!(clock.at(10_000 + 2_500_000_000), clock.unix_ns + 1_000_000_000);
    assert_eq!(clock.at(10_000 - 5_000), clock.unix_ns - 2_000);
    let ends = Ends::new();
    ends.dataplane.set_capture_clock(clock);
    assert_eq!(ends.control.view().capture_clock(), Some(clock));
}

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const RETURN: Instruction = step(0x06, 0, 0, 1);

#[test]
fn a_program_ends_for_every_packet_or_is_refused() {
    let ordinary = [step(0x28, 0, 0, 12), step(0x15, 0, 1, 0x800), RETURN, step(0x06, 0, 0, 0)];
    assert_eq!(Program::new(&ordinary).unwrap().instructions(), ordinary);
    let refused = |instructions: &[Instruction]| Program::new(instructions).unwrap_err();
    assert_eq!(refused(&[]), ProgramError::Length(0));
    assert_eq!(refused(&[RETURN; MAX_INSTRUCTIONS + 1]), ProgramError::Length(MAX_INSTRUCTIONS + 1));
    assert!(Program::new(&[RETURN; MAX_INSTRUCTIONS]).is_ok());
    assert_eq!(refused(&[step(0x20, 0, 0, 0)]), ProgramError::Endless);
    assert_eq!(refused(&[step(0x15, 1, 0, 0), RETURN]), ProgramError::Jump { place: 0 });
    assert_eq!(refused(&[step(0x15, 0, 255, 0), RETURN]), ProgramError::Jump { place: 0 });
    assert_eq!(refused(&[step(0x05, 0, 0, u32::MAX), RETURN]), ProgramError::Jump { place: 0 });
    assert!(Program::new(&[step(0x05, 0, 0, 0), RETURN]).is_ok());
    for (code, k) in [(0x34, 0), (0x94, 0), (0x64, 32), (0x60, 16), (0x02, 16), (0xff, 0), (0x06 | 0x8, 0)] {
        assert_eq!(refused(&[step(code, 0, 0, k), RETURN]), ProgramError::Unknown { place: 0, code, k });
    }
}

#[test]
fn a_filter_travels_in_parts() {
    use crate::message::FilterPart;
    let program = Program::new(&[RETURN; 14]).unwrap();
    let parts: Vec<_> = FilterPart::of(&program).map(|part| (part.first, part.count)).collect();
    assert_eq!(parts, [(0, 6), (6, 6), (12, 2)]);
}
