//! A restore: command lines from standard input.
//!
//! Changes that follow one another are handed to the backend together, so that a large table is one change to the
//! director; each is still done or refused by itself, as in the reference.

use super::parse::{self, Command};
use super::{REFUSED, Run, Stop};
use crate::protocol::{LvsChange, MAX_LVS_CHANGES};
use std::io::{self, BufRead, Read};

/// The longest line, in bytes.
const LONGEST: usize = 8192;

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
            return if progress.pending.len() < MAX_LVS_CHANGES { Ok(Ok(())) } else { self.hand_over(progress) };
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

#[cfg(test)]
mod tests {
    use super::LONGEST;
    use crate::ipvsadm::{Backend, Connection, Memory, NoNames, Run};
    use crate::protocol::{LvsChange, LvsService, LvsTimeouts};
    use config::Services;
    use std::io;

    /// Notes how many changes came together.
    struct Counted(Memory, Vec<usize>);

    impl Backend for Counted {
        fn change(&mut self, changes: &[LvsChange]) -> Result<Vec<Option<String>>, String> {
            self.1.push(changes.len());
            self.0.change(changes)
        }

        fn services(&mut self) -> Result<Vec<LvsService>, String> {
            self.0.services()
        }

        fn timeouts(&mut self) -> Result<LvsTimeouts, String> {
            self.0.timeouts()
        }

        fn connections(&mut self, each: &mut dyn FnMut(&Connection) -> io::Result<()>) -> Result<(), String> {
            self.0.connections(each)
        }
    }

    /// Restores `input` into an empty table: the exit code, the messages, how many changes came together, and how many
    /// services there are then.
    fn restored(input: &str) -> (u8, String, Vec<usize>, usize) {
        let mut backend = Counted(Memory::new(Services::default()), Vec::new());
        let (mut out, mut errors, mut input) = (Vec::new(), Vec::new(), input.as_bytes());
        let mut run =
            Run { backend: &mut backend, resolver: &NoNames, input: &mut input, out: &mut out, errors: &mut errors };
        let code = run.ipvsadm(&["-R".to_owned()]).expect("a Vec takes all");
        let Counted(Memory { services, .. }, together) = backend;
        (code, String::from_utf8(errors).expect("UTF-8"), together, services.services.len())
    }

    #[test]
    fn changes_that_follow_one_another_come_together() {
        let lines: String = (1..=12_000).map(|port| format!("-A -t 10.9.0.1:{port}\n")).collect();
        assert_eq!(restored(&lines), (0, String::new(), vec![10_000, 2000], 12_000));
        let lines = "-A -t 10.9.0.1:1\n-A -t 10.9.0.1:1\n-L\n-A -t 10.9.0.1:2\n";
        assert_eq!(restored(lines), (0, "Service already exists\n".to_owned(), vec![2, 1], 2));
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_restore_and_what_came_before_it_is_done() {
        const LINE: &str = "-A -t 10.9.0.1:2";
        let padded = |length: usize| format!("{LINE}{}\n", " ".repeat(length - LINE.len()));
        let input = |length| format!("-A -t 10.9.0.1:1\n{}-A -t 10.9.0.1:3", padded(length));
        assert_eq!(restored(&input(LONGEST)), (0, String::new(), vec![3], 3));
        for length in [LONGEST + 1, 10_000, 1_000_000] {
            let message = "line 2 is longer than the 8192 characters allowed\n".to_owned();
            assert_eq!(restored(&input(length)), (2, message, vec![1], 1), "{length}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_as_any_other_word() {
        assert_eq!(restored("-A -t \u{fffd}\u{0}:80\n").0, 2);
        assert_eq!(restored("\n \t \nipvsadm\n").0, 0);
    }
}
