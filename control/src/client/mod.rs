//! The command line `sluice`: turns arguments into a request, sends it to `sluiced`, prints the answer.

mod arguments;
mod capture;
mod check;
mod connection;
mod explain;
mod health;
mod ipvsadm;
mod local;
mod perf;
mod rate;
mod show;
mod table;
mod top;
mod words;

pub use top::on_screen;

use crate::protocol::{
    Changed, ConnectionRow, Count, DEFAULT_SOCKET, Drops, EventRow, Explained, GroupRow, PortRow, Request, ServiceRow,
    SettingRow, Status, Totals, payload,
};
use arguments::{Arguments, Format, Task};
use clap::Parser;
use connection::Connection;
use ipvsadm::Program;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// `sluiced` said no.
    #[error("{0}")]
    Failed(#[from] crate::protocol::Failure),
    /// `sluiced` can't be reached, or went away.
    #[error("{0}")]
    Unreachable(String),
    /// `sluiced` answered in a form that this version does not know.
    #[error("The answer of sluiced was not understood: {0}. Are sluice and sluiced of the same version?")]
    NotUnderstood(#[from] serde_json::Error),
    /// Standard output can't be written.
    #[error("The output cannot be written: {0}.")]
    Output(#[from] io::Error),
}

/// Exit code: done.
pub const DONE: u8 = 0;
/// Exit code: refused, nothing changed.
pub const REFUSED: u8 = 1;
/// Exit code: wrong usage.
pub const USAGE: u8 = 2;
/// Exit code: something named does not exist.
pub const NOT_FOUND: u8 = 3;
/// Exit code: `sluiced`, or the dataplane where the command needs it, is not reachable.
pub const UNREACHABLE: u8 = 4;
/// Exit code: the reader of the output closed it; as a program that SIGPIPE ends.
pub const CLOSED_PIPE: u8 = 141;

impl Stop {
    fn exit_code(&self) -> u8 {
        use crate::protocol::Code;
        match self {
            Self::Failed(failure) => match failure.code {
                Code::Refused => REFUSED,
                Code::Usage => USAGE,
                Code::NotFound => NOT_FOUND,
                Code::Unavailable => UNREACHABLE,
            },
            Self::Unreachable(_) | Self::NotUnderstood(_) => UNREACHABLE,
            Self::Output(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED_PIPE,
            Self::Output(_) => REFUSED,
        }
    }
}

/// Runs `sluice` with these arguments (the first is the program's name); returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write, errors: &mut dyn Write) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(program) = arguments.first().and_then(|name| Program::called(name)) {
        let socket = std::env::var_os("SLUICE_SOCKET").map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from);
        let words = words(arguments.get(1..).unwrap_or_default());
        let outcome = program.run(&words, &socket, out, errors);
        return finish(outcome, out, errors);
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output; nothing is left to do where that is closed.
            let text = error.render();
            let _ = if error.use_stderr() { write!(errors, "{text}") } else { write!(out, "{text}") };
            let _ = out.flush();
            return u8::try_from(error.exit_code()).unwrap_or(USAGE);
        }
    };
    let outcome = execute(&arguments, out, errors);
    finish(outcome, out, errors)
}

fn words(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Prints why it was not done, if it was not; returns the exit code.
fn finish(outcome: Result<u8, Stop>, out: &mut dyn Write, errors: &mut dyn Write) -> u8 {
    match outcome.and_then(|code| out.flush().map(|()| code).map_err(Stop::from)) {
        Ok(code) => code,
        Err(stop) => {
            let code = stop.exit_code();
            if code != CLOSED_PIPE {
                // What was listed before the failure comes first; a second failure has nowhere to go.
                let _ = out.flush();
                let _ = writeln!(errors, "{stop}");
            }
            code
        }
    }
}

fn execute(arguments: &Arguments, out: &mut dyn Write, errors: &mut dyn Write) -> Result<u8, Stop> {
    let task = arguments.command.task()?;
    if let Task::Ipvsadm { arguments: given } = &task {
        return Program::Ipvsadm.run(&words(given), &arguments.socket, out, errors);
    }
    if let Task::Top(top) = task {
        return top::run(&arguments.socket, top, out).map(|()| DONE);
    }
    if let Task::Local(command) = &task {
        return command.run(arguments.format, out);
    }
    if let Task::Capture(options) = &task {
        return capture::run(&arguments.socket, options, arguments.format, out, errors).map(|()| DONE);
    }
    if let Task::Trace(options) = &task {
        return capture::trace::run(&arguments.socket, options, arguments.format, out, errors).map(|()| DONE);
    }
    let mut connection = Connection::open(&arguments.socket)?;
    let json = arguments.format == Format::Json;
    match task {
        Task::Check => return check::check(&mut connection, json, out),
        Task::Rate { service } => rate(&mut connection, service, json, out)?,
        Task::Perf { interval, count } => perf::run(&mut connection, interval, count, json, out)?,
        Task::Drops { all } => drops(&mut connection, all, json, out)?,
        Task::Ask(request) => ask(&mut connection, &request, json, out)?,
        Task::Top(_) | Task::Ipvsadm { .. } | Task::Local(_) | Task::Capture(_) | Task::Trace(_) => {}
    }
    Ok(DONE)
}

fn ask(connection: &mut Connection, request: &Request, json: bool, out: &mut dyn Write) -> Result<(), Stop> {
    let streams = matches!(request, Request::ServiceList | Request::ConnectionList(_) | Request::Stats { .. });
    if json && matches!(request, Request::Events { .. }) {
        return events_json(connection, request, out);
    }
    if json {
        return if streams { json_list(connection, request, out) } else { json_result(connection, request, out) };
    }
    match request {
        Request::ConnectionList(_) => connections(connection, request, out)?,
        Request::Events { .. } => events(connection, request, out)?,
        Request::ServiceList => show::services(&connection.list::<ServiceRow, Count>(request)?.0, out)?,
        Request::Stats { .. } => {
            let (services, totals) = connection.list::<ServiceRow, Totals>(request)?;
            show::stats(&services, &totals, out)?;
        }
        Request::Status => show::status(&connection.ask::<Status>(request)?, out)?,
        Request::ServiceShow { .. } => show::service(&connection.ask::<ServiceRow>(request)?, out)?,
        Request::ConnectionCount(_) => writeln!(out, "{}", connection.ask::<Count>(request)?.count)?,
        Request::ConnectionFlush(_) => show::flushed(connection.ask::<Count>(request)?, out)?,
        Request::Drops => show::drops(&connection.ask::<Drops>(request)?, false, out)?,
        Request::Ports => show::ports(&connection.ask::<Vec<PortRow>>(request)?, out)?,
        Request::Explain { .. } => explain::explain(&connection.ask::<Explained>(request)?, out)?,
        Request::GroupList => show::groups(&connection.ask::<Vec<GroupRow>>(request)?, out)?,
        // ipvsadm, top, perf and capture show these.
        Request::Perf
        | Request::Capture(_)
        | Request::History { .. }
        | Request::LvsServices
        | Request::LvsTimeouts
        | Request::LvsChange { .. } => {
            return json_result(connection, request, out);
        }
        Request::Settings => show::settings(&connection.ask::<Vec<SettingRow>>(request)?, out)?,
        Request::Timeouts => show::timeouts(&connection.ask::<BTreeMap<String, u64>>(request)?, out)?,
        Request::Apply { .. } | Request::Reload { .. } => {
            show::changed(&connection.ask::<Changed>(request)?, true, out)?;
        }
        Request::ServiceAdd(_)
        | Request::ServiceSet { .. }
        | Request::ServiceRemove { .. }
        | Request::RealAdd(_)
        | Request::RealSet(_)
        | Request::RealRemove { .. }
        | Request::RealDrain(_)
        | Request::RealEnable { .. }
        | Request::GroupSet { .. }
        | Request::GroupRemove { .. }
        | Request::SettingsSet { .. }
        | Request::TimeoutsSet { .. } => show::changed(&connection.ask::<Changed>(request)?, false, out)?,
    }
    Ok(())
}

/// Rows are printed while they arrive, so that a long list needs no memory.
fn connections(connection: &mut Connection, request: &Request, out: &mut dyn Write) -> Result<(), Stop> {
    let mut first = true;
    let Count { count } = connection.stream(request, |row| {
        if std::mem::take(&mut first) {
            show::connections_header(out)?;
        }
        Ok(show::connection(&payload::<ConnectionRow>(row)?, out)?)
    })?;
    if count == 0 {
        writeln!(out, "No connections.")?;
    }
    Ok(())
}

/// Events are printed as they come; who follows them waits for each.
fn events(connection: &mut Connection, request: &Request, out: &mut dyn Write) -> Result<(), Stop> {
    connection.wait_without_end()?;
    let Count { count } = connection.stream(request, |row| {
        health::event(&payload::<EventRow>(row)?, out)?;
        Ok(out.flush()?)
    })?;
    if count == 0 {
        writeln!(out, "No events since sluiced started.")?;
    }
    Ok(())
}

/// One event a line, so that a program can follow them.
fn events_json(connection: &mut Connection, request: &Request, out: &mut dyn Write) -> Result<(), Stop> {
    connection.wait_without_end()?;
    let _: Count = connection.stream(request, |row| {
        writeln!(out, "{row}")?;
        Ok(out.flush()?)
    })?;
    Ok(())
}

fn json_result(connection: &mut Connection, request: &Request, out: &mut dyn Write) -> Result<(), Stop> {
    let result = connection.ask::<Box<RawValue>>(request)?;
    Ok(writeln!(out, "{result}")?)
}

/// A list as a JSON array, one row a line, written while it arrives. `stats` gives an object that has the array as
/// `services` beside the totals.
fn json_list(connection: &mut Connection, request: &Request, out: &mut dyn Write) -> Result<(), Stop> {
    let totals = matches!(request, Request::Stats { .. });
    let start = if totals { "{\"services\":[\n" } else { "[\n" };
    let mut before = start;
    let end: Box<RawValue> = connection.stream(request, |row| {
        write!(out, "{before}{row}")?;
        before = ",\n";
        Ok(())
    })?;
    write!(out, "{}", if before == start { start } else { "\n" })?;
    if totals {
        writeln!(out, "],\"totals\":{end}}}")?
    } else {
        writeln!(out, "]")?
    }
    Ok(())
}

fn json<T: Serialize>(value: &T, out: &mut dyn Write) -> Result<(), Stop> {
    Ok(writeln!(out, "{}", serde_json::to_string(value)?)?)
}

fn drops(connection: &mut Connection, all: bool, as_json: bool, out: &mut dyn Write) -> Result<(), Stop> {
    if as_json {
        return json_result(connection, &Request::Drops, out);
    }
    Ok(show::drops(&connection.ask::<Drops>(&Request::Drops)?, all, out)?)
}

/// Two samples of the counters, a second apart.
fn rate(connection: &mut Connection, service: Option<String>, as_json: bool, out: &mut dyn Write) -> Result<(), Stop> {
    let request = Request::Stats { service };
    let before = connection.list::<ServiceRow, Totals>(&request)?;
    std::thread::sleep(Duration::from_secs(1));
    let after = connection.list::<ServiceRow, Totals>(&request)?;
    let rates = rate::between(&before, &after);
    if as_json { json(&rates, out) } else { Ok(rate::show(&rates, out)?) }
}

#[cfg(test)]
mod tests;
