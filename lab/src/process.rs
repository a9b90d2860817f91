//! Programs that run in the background of a laboratory.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::command;
use crate::{LabError, Result};

/// How many lines of a log an error shows.
const LOG_TAIL: usize = 20;

/// A program in the background with its output in a log file. Dropping it ends the program, unless the laboratory is
/// kept.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    log: PathBuf,
    keep: Arc<AtomicBool>,
}

impl Process {
    /// Starts `command` outside of a laboratory, in a process group of its own, output appended to `log`. `label` is what
    /// errors call it.
    ///
    /// # Errors
    /// The program is missing, or the log cannot be opened.
    pub fn spawn(command: Command, label: impl Into<String>, log: PathBuf) -> Result<Self> {
        Self::start(command, label.into(), log, Arc::default())
    }

    /// Starts `command` in a process group of its own, output appended to `log`.
    pub(crate) fn start(mut command: Command, label: String, log: PathBuf, keep: Arc<AtomicBool>) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(LabError::io(format!("opening {}", log.display())))?;
        let copy = file.try_clone().map_err(LabError::io(format!("opening {}", log.display())))?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy).process_group(0);
        let child = command::start(&mut command)?;
        Ok(Self { label, child, log, keep })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file that takes its standard output and standard error.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All it has printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// # Errors
    /// [`LabError::Ended`], with the end of its log, if it no longer runs.
    pub fn check_running(&mut self) -> Result<()> {
        let status = match self.child.try_wait() {
            Ok(None) => return Ok(()),
            Ok(Some(status)) => command::describe(status),
            Err(error) => error.to_string(),
        };
        let log = tail(&self.log(), LOG_TAIL);
        Err(LabError::Ended { what: self.label.clone(), status, log })
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It no longer runs.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.check_running()?;
        send(self.pid(), signal).map_err(LabError::io(format!("signal to {}", self.label)))
    }

    /// Waits for its end and gives the exit code; `None` if a signal ended it.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        let status = command::wait(&mut self.child, limit);
        match status.map_err(LabError::io(format!("waiting for {}", self.label)))? {
            Some(status) => Ok(status.code()),
            None => Err(LabError::TimedOut {
                what: format!("the end of {}", self.label),
                limit,
                seen: format!("its log ends with:\n{}", tail(&self.log(), LOG_TAIL)),
            }),
        }
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Errors
    /// It had ended already.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(Duration::from_secs(10)).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) {
            command::end(&mut self.child);
        }
    }
}

/// Sends `signal` to the process `pid`.
pub(crate) fn send(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// The last `count` lines of `text`.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let log = std::env::temp_dir().join(format!("sluice-{name}-{}.log", std::process::id()));
        Process::start(command, "the script".into(), log, Arc::default()).expect("sh runs")
    }

    #[test]
    fn a_program_that_ended_is_told_with_its_last_words() {
        let mut process = shell("last-words", "echo last words; exit 7");
        assert_eq!(process.wait(Duration::from_secs(10)).expect("it ends"), Some(7));
        let error = process.check_running().expect_err("it has ended").to_string();
        assert!(error.starts_with("the script ended (exit code 7)") && error.contains("last words"), "{error}");
        drop(fs::remove_file(process.log_path()));
    }

    #[test]
    fn a_running_program_is_killed_once() {
        let mut process = shell("killed-once", "exec sleep 60");
        assert!(process.is_running());
        process.kill().expect("it ran");
        assert!(!process.is_running() && process.kill().is_err());
        drop(fs::remove_file(process.log_path()));
    }

    #[test]
    fn tail_gives_the_last_lines_only() {
        assert_eq!((tail("a\nb\nc\n", 2), tail("a", 2), tail("", 2)), ("b\nc".into(), "a".into(), String::new()));
    }
}
