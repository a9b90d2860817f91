use super::*;

/// Keeps the lines, and replaces the numbers of those that begin with `!`.
#[derive(Default)]
struct Kept(Vec<String>);

impl Reader for Kept {
    fn line(&mut self, line: &[u8]) -> Action {
        self.0.push(String::from_utf8_lossy(line).into_owned());
        match line {
            [b'?', ..] => Action::Refuse,
            [b'!', rest @ ..] => Action::Replace(1..rest.len(), Text::new(b"new").unwrap()),
            _ => Action::Pass,
        }
    }

    fn may_replace(&self, beginning: &[u8]) -> Option<usize> {
        beginning.starts_with(b"!").then_some(1)
    }

    fn concerns(&self, beginning: &[u8]) -> bool {
        beginning.starts_with(b"!")
    }
}

#[test]
fn lines_are_put_together_and_each_is_read_once() {
    let (mut stream, mut kept) = (Stream::new(Side::Client), Kept::default());
    for (sequence, text) in [(10, "ab"), (12, "c\nde\n"), (10, "abc\nde\n"), (15, "e\nf"), (18, "\n?\n")] {
        assert_eq!(stream.read(sequence, text.as_bytes(), &mut kept).passes, text.len());
    }
    assert_eq!(kept.0, ["abc\n", "de\n", "f\n", "?\n"]);
}

#[test]
fn a_gap_in_a_clients_text_begins_a_new_line() {
    let (mut stream, mut kept) = (Stream::new(Side::Client), Kept::default());
    stream.read(10, b"ab", &mut kept);
    assert_eq!(stream.read(20, b"c\n", &mut kept).passes, 2);
    assert_eq!(kept.0, ["c\n"]);
}

#[test]
fn a_number_far_ahead_begins_anew_at_once() {
    let (mut stream, mut kept) = (Stream::new(Side::Real), Kept::default());
    stream.read(10, b"ab", &mut kept);
    assert_eq!(stream.read(13, b"c\n", &mut kept).passes, 0, "a gap");
    assert_eq!(stream.read(13 + MAX_GAP, b"c\n", &mut kept).passes, 2, "no gap");
    assert_eq!(kept.0, ["c\n"]);
}

#[test]
fn a_line_of_the_longest_length_is_read_and_a_longer_one_is_not() {
    for (length, read, refused) in [(MAX_LINE, 1, 0), (MAX_LINE + 1, 0, 1)] {
        let (mut stream, mut kept) = (Stream::new(Side::Real), Kept::default());
        let line = ["!".to_owned(), "x".repeat(length - 2), "\n".to_owned()].concat();
        let result = stream.read(10, line.as_bytes(), &mut kept);
        assert_eq!((kept.0.len(), result.refused, result.passes), (read, refused, length), "{length}");
    }
}

#[test]
fn more_lines_of_one_segment_may_be_refused_than_are_counted() {
    for (lines, refused) in [(200, 201), (255, 255), (300, 255)] {
        let (mut stream, mut kept) = (Stream::new(Side::Client), Kept::default());
        let text = ["?\n".repeat(lines), "!".repeat(MAX_LINE + 1)].concat();
        assert_eq!(stream.read(10, text.as_bytes(), &mut kept).refused, refused, "{lines}");
    }
}

#[test]
fn a_clients_text_is_never_replaced() {
    let (mut stream, mut kept) = (Stream::new(Side::Client), Kept::default());
    let read = stream.read(10, b"!old\n", &mut kept);
    assert_eq!((read.passes, read.replaced, read.refused), (5, 0, 1));
    assert!(stream.changes.is_none());
    assert_eq!(stream.read(15, b"!ol", &mut kept).passes, 3);
}
