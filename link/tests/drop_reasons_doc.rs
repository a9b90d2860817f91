//! docs/drop-reasons.md has one row for each drop reason, in the order of the counters, and no other.

use link::DropReason;

const DOC: &str = include_str!("../../docs/drop-reasons.md");

/// The cells of each row of the document's table, without its head.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = DOC.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_reason_has_its_row_in_the_order_of_the_counters() {
    let documented: Vec<&str> = rows().into_iter().map(|row| row[0].trim_matches('`')).collect();
    let reasons: Vec<&str> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(documented, reasons);
}

#[test]
fn every_row_says_when_what_the_sender_gets_and_what_to_do() {
    for row in rows() {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}
