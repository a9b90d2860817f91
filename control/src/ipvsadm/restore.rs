//! A restore: command lines from standard input.
//!
//! Changes that follow one another are handed to the backend together, so that a large table is one change to the
//! director; each is still done or refused by itself, as in the reference.

use super::parse::{self, Command};
use super::{REFUSED, Run, Stop};
use crate::protocol::LvsChange;
use std::io::{self, BufRead, Read};

/// The longest line, in bytes.
const LONGEST: usize = 8192;

/// Changes that are handed over together at most.
const TOGETHER: usize = 10_000;

/// What was read of the input so far.
struct Progress {
    pending: Vec<LvsChange>,
    /// The outcome of the last line.
    code: u8,
}

impl Run<'_> {
    pub(super) fn restore(&mut self) -> io::Result<u8> {
        self.lines(Vec::new(), |_| true)
    }

    pub(super) fn restore_over_empty(&mut self) -> io::Result<u8> {
        self.lines(vec![LvsChange::Clear], |line| !line.starts_with('#'))
    }

    fn lines(&mut self, first: Vec<LvsChange>, wanted: impl Fn(&str) -> bool) -> io::Result<u8> {
        let mut progress = Progress { pending: first, code: 0 };
        for number in 1u64.. {
            let line = match line(self.input)? {
                Line::End => break,
                Line::Text(line) => line,
                Line::TooLong => {
                    let message = format!("line {number} is longer than the {LONGEST} characters allowed");
                    return self.end(&mut progress, &Stop::usage(message));
                }
            };
            if !wanted(&line) {
                continue;
            }
            let words = line.split_ascii_whitespace().skip_while(|word| *word == "ipvsadm").map(str::to_owned);
            let words: Vec<_> = words.collect();
            if words.is_empty() {
                continue;
            }
            if let Err(stop) = self.line(&words, &mut progress)? {
                return self.end(&mut progress, &stop);
            }
        }
        match self.hand_over(&mut progress)? {
            Ok(()) => self.out.flush().map(|()| progress.code),
            Err(stop) => self.end(&mut progress, &stop),
        }
    }

    /// One line; `Err` ends the restore.
    fn line(&mut self, words: &[String], progress: &mut Progress) -> io::Result<Result<(), Stop>> {
        let command = parse::parse(words, self.resolver, true);
        if let Ok(Command::Change(change)) = command {
            progress.pending.push(change);
            return if progress.pending.len() < TOGETHER { Ok(Ok(())) } else { self.hand_over(progress) };
        }
        if let Err(stop) = self.hand_over(progress)? {
            return Ok(Err(stop));
        }
        // These two end the original too.
        let is_last = matches!(command, Ok(Command::Help | Command::Version));
        let outcome = match command {
            Ok(command) => self.execute(&command)?,
            Err(stop) => Err(stop),
        };
        match outcome {
            Ok(()) if is_last => return Ok(Err(Stop::end(0, ""))),
            Ok(()) => progress.code = 0,
            Err(stop) if stop.ends => return Ok(Err(stop)),
            Err(stop) => {
                writeln!(self.errors, "{}", stop.message)?;
                progress.code = stop.code;
            }
        }
        Ok(Ok(()))
    }

    /// Does the pending changes and says which were refused.
    fn hand_over(&mut self, progress: &mut Progress) -> io::Result<Result<(), Stop>> {
        let pending = std::mem::take(&mut progress.pending);
        if pending.is_empty() {
            return Ok(Ok(()));
        }
        let refusals = match self.backend.change(&pending) {
            Ok(refusals) => refusals,
            Err(why) => return Ok(Err(Stop::unreachable(why))),
        };
        for refusal in refusals.iter().flatten() {
            writeln!(self.errors, "{refusal}")?;
        }
        progress.code = match refusals.last() {
            Some(Some(_)) => REFUSED,
            _ => 0,
        };
        Ok(Ok(()))
    }

    /// Does what is pending, says why the restore ends, and returns its exit code.
    fn end(&mut self, progress: &mut Progress, stop: &Stop) -> io::Result<u8> {
        let handed_over = self.hand_over(progress)?;
        let stop = handed_over.as_ref().err().unwrap_or(stop);
        self.out.flush()?;
        if !stop.message.is_empty() {
            writeln!(self.errors, "{}", stop.message)?;
        }
        Ok(stop.code)
    }
}

enum Line {
    Text(String),
    TooLong,
    End,
}

/// The next line of `input`; of one that is too long nothing more is kept.
fn line(input: &mut dyn BufRead) -> io::Result<Line> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
    let read = input.take(bound).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() > LONGEST { Ok(Line::TooLong) } else { Ok(Line::Text(String::from_utf8_lossy(&bytes).into_owned())) }
}
