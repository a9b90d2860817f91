//! Log lines: one an event, on standard error, for the journal or for a terminal.
//!
//! Where standard error is the journal, a line begins with its priority as journald takes it (`<3>`, sd-daemon(3)), and
//! has no time of its own; else with time, level and part. What is logged is chosen by `RUST_LOG`, default `info`.

use env_logger::fmt::Formatter;
use log::{Level, Record};
use rustix::fs::fstat;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};

/// Begins to log. To be called once, first of all.
pub fn start() {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"));
    if goes_to_journal() {
        builder.write_style(env_logger::WriteStyle::Never).format(for_journal);
    } else {
        builder.format(for_people);
    }
    builder.init();
}

/// Says on standard error why `program` ends, whatever `RUST_LOG` is.
pub fn failure(program: &str, why: &dyn Display) {
    let why = why.to_string();
    let why = in_one_line(&why);
    let priority = if goes_to_journal() { format!("<{}>", priority(Level::Error)) } else { String::new() };
    // Nobody to tell where even this can't be written.
    let _ = writeln!(io::stderr(), "{priority}{program}: {why}");
}

fn for_journal(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let text = record.args().to_string();
    writeln!(out, "<{}>{}", priority(record.level()), in_one_line(&text))
}

fn for_people(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level, text) = (out.timestamp(), record.level(), record.args().to_string());
    let style = out.default_level_style(level);
    writeln!(out, "[{time} {style}{level:<5}{style:#} {}] {}", record.target(), in_one_line(&text))
}

/// Priorities of syslog(3), which journald shares.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// An event is a line: what others wrote into a message (file names, answers) can't begin a second one.
fn in_one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim_end();
    if !text.contains(char::is_control) {
        return text.into();
    }
    let shown = |c: char| match c {
        '\n' => "; ".chars().collect::<Vec<_>>(),
        '\t' => vec![' '],
        c if c.is_control() => c.escape_default().collect(),
        c => vec![c],
    };
    text.chars().flat_map(shown).collect::<String>().into()
}

/// Whether standard error is the stream that systemd connected with the journal, and not a file or pipe that somebody
/// put in its place.
fn goes_to_journal() -> bool {
    let Ok(stat) = fstat(rustix::stdio::stderr()) else { return false };
    std::env::var_os("JOURNAL_STREAM").is_some_and(|stream| is_stream(&stream, stat.st_dev, stat.st_ino))
}

/// Whether `device:inode` is this device and inode.
fn is_stream(stream: &OsStr, device: u64, inode: u64) -> bool {
    stream
        .to_str()
        .and_then(|text| text.split_once(':'))
        .is_some_and(|(its_device, its_inode)| its_device.parse() == Ok(device) && its_inode.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(in_one_line("the link: fine"), "the link: fine");
        assert_eq!(in_one_line("line 1\nline 2\n"), "line 1; line 2");
        assert_eq!(in_one_line("a\u{1b}[31mb\tc"), "a\\u{1b}[31mb c");
    }

    #[test]
    fn priorities_are_those_of_syslog() {
        let all = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        assert_eq!(all.map(priority), [3, 4, 6, 7, 7]);
    }

    #[test]
    fn only_the_journals_own_stream_counts() {
        assert!(is_stream("12:345".as_ref(), 12, 345));
        for other in ["12:346", "13:345", "12", "", "a:b"] {
            assert!(!is_stream(other.as_ref(), 12, 345), "{other}");
        }
    }
}
