//! A program ends with status 0. It runs in a process group of its own, which is killed whole when its time is over.

use super::{Failure, Stage};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// So much of what a program prints is shown.
const SHOWN: usize = 200;

/// A program in a process group of its own. Dropped before its end, the group is killed.
pub(in crate::health) struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    /// Starts `command`, a program and its arguments, with this environment added.
    ///
    /// # Errors
    /// It can't be started; in words.
    pub(in crate::health) fn start(
        command: &[String],
        environment: &[(&'static str, String)],
    ) -> Result<Self, Failure> {
        let (program, arguments) = command.split_first().ok_or("there is no program")?;
        let mut start = Command::new(program);
        start.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        start.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        start.process_group(0).kill_on_drop(true);
        let child = start.spawn().map_err(|error| format!("{program} can't be started: {error}"))?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, leader })
    }

    /// Waits for its end: its status, and the beginning of what it printed.
    ///
    /// # Errors
    /// The system refuses.
    pub(in crate::health) async fn end(&mut self) -> Result<(ExitStatus, String), Failure> {
        let (mut shown, mut buffer) = (Vec::new(), [0; 1024]);
        let mut output = self.child.stdout.take();
        let status = loop {
            // What it prints is read away, so that it never waits for that; a child of its own may hold the pipe open.
            let reads = async {
                match &mut output {
                    Some(output) => output.read(&mut buffer).await.unwrap_or(0),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                length = reads => {
                    let room = SHOWN.saturating_sub(shown.len());
                    shown.extend_from_slice(buffer.get(..length.min(room)).unwrap_or_default());
                    if length == 0 {
                        output = None;
                    }
                }
                status = self.child.wait() => break status,
            }
        };
        let status = status.map_err(|error| format!("its end was not seen: {error}"))?;
        self.leader = None;
        Ok((status, String::from_utf8_lossy(&shown).trim().to_owned()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // It may just have ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

pub(super) async fn check(
    command: &[String],
    exit_weight: bool,
    environment: &[(&'static str, String)],
    stage: &Stage,
) -> Result<Option<u32>, Failure> {
    stage.reach("the program did not end, and was killed,");
    let (status, text) = Group::start(command, environment)?.end().await?;
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    let program = command.first().map_or("", String::as_str);
    match status.code() {
        Some(0) => Ok(None),
        Some(code) if exit_weight && code >= 2 => Ok(u32::try_from(code - 2).ok()),
        Some(code) => Err(format!("{program} ended with status {code}{said}")),
        None => Err(format!("{program} was ended by a signal ({status}){said}")),
    }
}
