//! Commands that are waited for.

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{LabError, Result};

/// The time a command may take if nothing else is said.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// What a command that ended left.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, bytes that are not UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with exit code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Runs `command` with `input` on its standard input and waits for its end. Any exit code is an `Ok`.
///
/// # Errors
/// The program is missing or cannot start, or it still runs after `limit` (it is then ended).
pub(crate) fn capture(mut command: Command, input: &str, limit: Duration) -> Result<Output> {
    let line = line(&command);
    let standard_input = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(standard_input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start(&mut command)?;
    let writer = child.stdin.take().map(|mut pipe| {
        let input = input.to_owned();
        // A program may end without reading all of it: its exit code tells.
        thread::spawn(move || drop(pipe.write_all(input.as_bytes())))
    });
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let status = wait(&mut child, limit).map_err(LabError::io(format!("waiting for `{line}`")))?;
    if status.is_none() {
        end(&mut child);
    }
    if let Some(writer) = writer {
        drop(writer.join());
    }
    let (stdout, stderr) = (joined(stdout), joined(stderr));
    match status {
        Some(status) => Ok(Output { code: status.code(), stdout, stderr }),
        None => Err(LabError::TimedOut { what: format!("the end of `{line}`"), limit, seen: stderr.trim().into() }),
    }
}

/// Runs `command` with `input` on its standard input and waits for its end, at most for `limit`.
///
/// # Errors
/// The program is missing or cannot start, it still runs after `limit` (it is then ended), or it ends with another exit
/// code than 0.
pub fn run(command: Command, input: &str, limit: Duration) -> Result<Output> {
    let line = line(&command);
    let output = capture(command, input, limit)?;
    if output.success() {
        return Ok(output);
    }
    let status = output.code.map_or_else(|| "a signal".into(), |code| format!("exit code {code}"));
    let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
    Err(LabError::Failed { command: line, status, said })
}

/// Checks that programs are in `$PATH`: `ip netns exec` would tell later and less clearly.
pub(crate) fn require_programs(programs: &[&str]) -> Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing = programs.iter().find(|program| !env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    missing.map_or(Ok(()), |program| Err(LabError::MissingProgram { program: (*program).into() }))
}

/// Starts a command; a program that is not there is named.
pub(crate) fn start(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|source| {
        let program = command.get_program().to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound => LabError::MissingProgram { program },
            _ => LabError::Io { what: format!("starting {program}"), source },
        }
    })
}

/// Waits for the child's end; `None` if it still runs after `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Ends the child and takes its exit status off the system.
pub(crate) fn end(child: &mut Child) {
    // Both fail only when it has ended already.
    drop(child.kill());
    drop(child.wait());
}

/// `exit code 1`, `signal 9`.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".into(),
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a read error is still worth showing.
        drop(pipe.read_to_end(&mut bytes));
        bytes
    })
}

fn joined(reader: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn input_output_and_exit_code_come_back() {
        let output = capture(shell("cat; echo no >&2; exit 3"), "hello", COMMAND_LIMIT).expect("sh runs");
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(3), "hello", "no\n"));
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let error = run(shell("exec sleep 60"), "", Duration::from_millis(50)).expect_err("60 s are too long");
        assert!(matches!(error, LabError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = run(shell("echo why >&2; exit 1"), "", COMMAND_LIMIT).expect_err("exit code 1");
        assert_eq!(error.to_string(), "`sh -c echo why >&2; exit 1` ended with exit code 1: why");
        assert_eq!(run(shell("echo fine"), "", COMMAND_LIMIT).expect("exit code 0").stdout, "fine\n");
    }

    #[test]
    fn a_missing_program_is_named() {
        assert!(require_programs(&["sh", "cat"]).is_ok());
        assert!(require_programs(&["sh", "no-such-program"]).is_err());
        let error = run(Command::new("no-such-program"), "", COMMAND_LIMIT).expect_err("not installed");
        assert!(error.to_string().starts_with("program no-such-program not found: run `make setup`"), "{error}");
    }
}
