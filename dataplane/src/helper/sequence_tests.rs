use super::*;
use proptest::prelude::*;

fn text(bytes: &[u8]) -> Text {
    Text::new(bytes).expect("short")
}

/// Bytes 1010 to 1013 become five, 1100 to 1103 become one.
fn two_changes() -> Changes {
    let mut changes = Changes::default();
    assert!(changes.is_none());
    assert!(changes.replace(1010, 4, text(b"ABCDE")));
    assert!(changes.replace(1100, 4, text(b"F")));
    changes
}

#[test]
fn numbers_behind_a_change_are_shifted_and_come_back() {
    let changes = two_changes();
    for (sender, receiver) in [(900, 900), (1010, 1010), (1014, 1015), (1100, 1101), (1104, 1102), (9000, 8998)] {
        assert_eq!(changes.to_receiver(sender), receiver, "{sender}");
        assert_eq!(changes.to_sender(receiver, Within::Begin), sender, "{receiver}");
        assert_eq!(changes.to_sender(receiver, Within::End), sender, "{receiver}");
    }
}

#[test]
fn a_number_within_an_old_text_is_behind_the_new_one_and_one_within_a_new_text_is_at_an_end_of_the_old() {
    let changes = two_changes();
    assert_eq!([1011, 1013].map(|number| changes.to_receiver(number)), [1015; 2]);
    assert_eq!([1011, 1014].map(|number| changes.to_sender(number, Within::Begin)), [1010; 2]);
    assert_eq!([1011, 1014].map(|number| changes.to_sender(number, Within::End)), [1014; 2]);
}

#[test]
fn numbers_may_wrap() {
    let mut changes = Changes::default();
    assert!(changes.replace(u32::MAX - 1, 4, text(b"ABCDEF")));
    assert_eq!((changes.to_receiver(u32::MAX - 1), changes.to_receiver(2)), (u32::MAX - 1, 4));
    assert_eq!((changes.to_sender(4, Within::Begin), changes.to_sender(1, Within::Begin)), (2, u32::MAX - 1));
}

#[test]
fn no_more_changes_are_outstanding_than_can_be_remembered() {
    let mut changes = Changes::default();
    for n in 0..CHANGES as u32 {
        assert!(changes.replace(1000 + n * 100, 4, text(b"ABCDE")));
    }
    let full = changes;
    assert!(!changes.replace(2000, 4, text(b"ABCDE")), "nothing is acknowledged");
    assert_eq!(changes.to_receiver(3000), full.to_receiver(3000));
    // The receiver has all of the first new text but its last byte, then all of it.
    assert_eq!(changes.acknowledge(1004), 1000);
    assert!(!changes.replace(2000, 4, text(b"ABCDE")));
    assert_eq!(changes.acknowledge(1005), 1004);
    assert!(changes.replace(2000, 4, text(b"ABCDE")));
    assert_eq!(changes.to_receiver(2004), 2009);
    assert_eq!(changes.to_receiver(1100), 1101, "what was forgotten still shifts what is behind it");
}

#[test]
fn a_change_that_lies_far_back_is_forgotten_before_its_numbers_come_round() {
    let mut changes = two_changes();
    changes.age(1014 + FAR);
    assert_eq!(changes.edits(1000, 200).count(), 2);
    changes.age(1104 + FAR + 1);
    assert_eq!(changes.edits(1000, 200).count(), 0);
    assert_eq!(changes.to_receiver(1000), 998);
}

#[test]
fn numbers_are_written_without_leading_zeros() {
    for number in [0, 7, 10, 99, 100, 255, 1024, 65_535] {
        let mut text = Text::default();
        text.push_number(number);
        assert_eq!(text.bytes(), number.to_string().as_bytes());
    }
    let mut full = text(&[b'x'; MAX_TEXT]);
    full.push(b"y");
    assert_eq!(full.bytes(), [b'x'; MAX_TEXT]);
    assert_eq!(Text::new(&[0; MAX_TEXT + 1]), None);
}

/// Applies the edits of a segment to its payload, as its forwarder does.
fn edited(changes: &Changes, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = payload.to_vec();
    for (range, text) in changes.edits(sequence, payload.len()) {
        out.splice(range, text.iter().copied());
    }
    out
}

proptest! {
    /// However a stream is cut into segments, and whatever is sent again, the receiver can put together one text.
    #[test]
    fn any_segment_of_a_changed_stream_fits_where_its_number_says(
        origin: u32,
        plan in prop::collection::vec((0..40u32, 1..12u32, prop::collection::vec(any::<u8>(), 0..MAX_TEXT)), 1..=CHANGES),
        segments in prop::collection::vec((0..400u32, 1..80usize), 1..60),
    ) {
        let mut changes = Changes::default();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for (before, length, new) in &plan {
            let same: Vec<u8> = (0..*before).map(|byte| byte as u8).collect();
            sent.extend_from_slice(&same);
            received.extend_from_slice(&same);
            prop_assert!(changes.replace(origin.wrapping_add(sent.len() as u32), *length, text(new)));
            sent.extend((0..*length).map(|_| 0xee));
            received.extend_from_slice(new);
        }
        sent.extend_from_slice(&[1, 2, 3, 4]);
        received.extend_from_slice(&[1, 2, 3, 4]);
        for (offset, length) in segments {
            let begin = offset as usize % sent.len();
            let end = (begin + length).min(sent.len());
            let number = origin.wrapping_add(begin as u32);
            let got = edited(&changes, number, &sent[begin..end]);
            let at = changes.to_receiver(number).wrapping_sub(origin) as usize;
            prop_assert_eq!(received.get(at..at + got.len()), Some(&got[..]), "{}..{}", begin, end);
            // Acknowledged as a whole, the sender learns that at least this segment has arrived.
            let next = changes.to_sender(changes.to_receiver(number).wrapping_add(got.len() as u32), Within::Begin);
            let beyond = next.wrapping_sub(number) as i32;
            prop_assert!(beyond >= 0, "{} acknowledged as {}", begin, beyond);
        }
    }
}
