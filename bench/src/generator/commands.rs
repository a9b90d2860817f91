//! The generator as a process: a command a line on standard input, an answer a line on standard output, both JSON.

use super::outcome::Outcome;
use super::plan::Run;
use super::run::Generator;
use super::search::{Found, Search};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use std::time::Duration;

/// What the generator is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Wait until both ports have a link, at most so many seconds.
    Link(u64),
    /// One run.
    Run(Run),
    /// A search for the highest rate without a loss.
    Search(Search),
    /// Forget which real each flow goes to.
    Forget,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Nothing to tell.
    Done,
    /// Of a run.
    Ran(Box<Outcome>),
    /// Of a search.
    Found(Found),
    /// It was not possible; why.
    Failed(String),
}

/// Serves commands until standard input ends. Says [`Answer::Done`] first: both ports are started.
///
/// # Errors
/// Standard input or output fails.
pub fn serve(generator: &mut Generator) -> io::Result<()> {
    let mut output = io::stdout().lock();
    say(&mut output, &Answer::Done)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str(&line) {
            Ok(command) => answer(generator, &command),
            Err(error) => Answer::Failed(format!("no command: {error}")),
        };
        say(&mut output, &answer)?;
    }
    Ok(())
}

fn say(output: &mut impl Write, answer: &Answer) -> io::Result<()> {
    serde_json::to_writer(&mut *output, answer)?;
    writeln!(output)?;
    output.flush()
}

fn answer(generator: &mut Generator, command: &Command) -> Answer {
    let failed = |error: super::run::GeneratorError| Answer::Failed(error.to_string());
    match command {
        Command::Link(seconds) => {
            generator.wait_for_link(Duration::from_secs(*seconds)).map_or_else(failed, |()| Answer::Done)
        }
        Command::Run(run) => generator.run(run).map_or_else(failed, |outcome| Answer::Ran(Box::new(outcome))),
        Command::Search(search) => generator.search(search).map_or_else(failed, Answer::Found),
        Command::Forget => {
            generator.forget();
            Answer::Done
        }
    }
}
