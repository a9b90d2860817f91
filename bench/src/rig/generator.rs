//! The generator as a process.

use super::last_words::ended;
use super::{Cores, Memory, before_others, memif_servers};
use crate::generator::commands::{Answer, Command as Order};
use crate::generator::outcome::Outcome;
use crate::generator::plan::Run;
use crate::generator::search::{Found, Search};
use lab::{LabError, Result};
use rustix::process::{Pid, Signal, kill_process, setpriority_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How long a link may take, once the other end runs.
const LINK_SECONDS: u64 = 20;

/// A generator that waits for commands. It ends when this is dropped.
#[derive(Debug)]
pub struct GeneratorProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: PathBuf,
}

impl GeneratorProcess {
    /// Starts it, with both ports open for the other ends of their cables. Its socket and its log are in `folder`. It goes
    /// before others that share its core.
    ///
    /// # Errors
    /// It is not built, or its ports can't be opened; the message has its words.
    pub fn start(folder: &Path, memory: Memory, cores: Cores, reals: u8) -> Result<Self> {
        drop(std::fs::remove_file(folder.join("memif.sock")));
        let log = folder.join("generator.log");
        let file = File::create(&log).map_err(io("its log"))?;
        let mut command = before_others(Command::new(lab::program("bench")?).arg("generator"));
        command.arg("--device");
        command.args(memif_servers(folder)).args([format!("--core={}", cores.generator), format!("--reals={reals}")]);
        command.args(memory.eal().iter().map(|word| format!("--eal={word}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).process_group(0);
        let mut child = command.spawn().map_err(io("starting it"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let Some(output) = output else { return Err(failed("it has no output".into())) };
        let mut process = Self { child, input, output: BufReader::new(output), log };
        process.answer()?;
        Ok(process)
    }

    /// Holds it where it is: others connect to its ports, and wait for its answer.
    pub fn hold(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id() {
            // It is this process's child, and not waited for yet: the number is its own.
            let _ = kill_process(id, signal);
        }
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// From now on it goes before nobody: what else runs on its core gets its part.
    pub fn share_its_core(&self) {
        // Where it fails, others on that core are slower than they could be.
        let _ = setpriority_process(self.id(), 0);
    }

    /// Waits until the other ends are connected.
    ///
    /// # Errors
    /// They are not in time.
    pub fn wait_for_link(&mut self) -> Result<()> {
        self.ask(&Order::Link(LINK_SECONDS)).map(drop)
    }

    /// Does one run.
    ///
    /// # Errors
    /// It is not possible, or the generator ended.
    pub fn run(&mut self, run: &Run) -> Result<Outcome> {
        self.begin(run)?;
        self.outcome()
    }

    /// Begins a run; [`GeneratorProcess::outcome`] waits for its end.
    ///
    /// # Errors
    /// The generator ended.
    pub fn begin(&mut self, run: &Run) -> Result<()> {
        self.say(&Order::Run(run.clone()))
    }

    /// The outcome of the run that was begun.
    ///
    /// # Errors
    /// As [`GeneratorProcess::run`].
    pub fn outcome(&mut self) -> Result<Outcome> {
        match self.answer()? {
            Answer::Ran(outcome) => Ok(*outcome),
            other => Err(failed(format!("unexpected answer {other:?}"))),
        }
    }

    /// Searches the highest rate without loss.
    ///
    /// # Errors
    /// As [`GeneratorProcess::run`].
    pub fn search(&mut self, search: &Search) -> Result<Found> {
        match self.ask(&Order::Search(search.clone()))? {
            Answer::Found(found) => Ok(found),
            other => Err(failed(format!("unexpected answer {other:?}"))),
        }
    }

    /// Forgets which real each flow goes to.
    ///
    /// # Errors
    /// The generator ended.
    pub fn forget(&mut self) -> Result<()> {
        self.ask(&Order::Forget).map(drop)
    }

    fn ask(&mut self, order: &Order) -> Result<Answer> {
        self.say(order)?;
        self.answer()
    }

    fn say(&mut self, order: &Order) -> Result<()> {
        let line = serde_json::to_string(order).map_err(|error| failed(error.to_string()))?;
        let Some(input) = &mut self.input else { return Err(failed("its input is closed".into())) };
        writeln!(input, "{line}").map_err(io("a command"))
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).map_err(io("its answer"))?;
        if length == 0 {
            drop(self.input.take());
            let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(ended("the generator", status, &self.log));
        }
        match serde_json::from_str(&line).map_err(|error| failed(format!("{error}: {line}")))? {
            Answer::Failed(why) => Err(failed(why)),
            answer => Ok(answer),
        }
    }
}

impl Drop for GeneratorProcess {
    fn drop(&mut self) {
        // Without input it ends by itself, between two commands.
        drop(self.input.take());
        drop(self.child.wait());
    }
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> LabError + use<> {
    let what = format!("the generator: {what}");
    move |source| LabError::Io { what, source }
}

fn failed(said: String) -> LabError {
    LabError::Failed { command: "bench generator".into(), status: "an error".into(), said }
}
