//! The socket to `sluiced`.

use super::Stop;
use crate::protocol::{Line, Request, decode_line, encode_request, payload};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long `sluiced` may be silent in the middle of an answer, or take nothing of a request.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often one that follows looks whether to stop.
const TICK: Duration = Duration::from_millis(100);

/// A connection to `sluiced`.
pub(super) struct Connection {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Connection {
    /// Connects to the socket at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, Stop> {
        let stream = UnixStream::connect(path).map_err(|error| unreachable(path, &error))?;
        let timeouts = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        timeouts.map_err(|error| unreachable(path, &error))?;
        Ok(Self { path: path.to_owned(), stream: BufReader::with_capacity(64 * 1024, stream), line: Vec::new() })
    }

    /// From now on an answer may take as long as it likes: events come when something happens.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn wait_without_end(&mut self) -> Result<(), Stop> {
        self.stream.get_ref().set_read_timeout(None).map_err(|error| unreachable(&self.path, &error))
    }

    /// Sends a request and reads its answer; `row` gets the rows of a list while they arrive.
    pub(super) fn stream<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        row: impl FnMut(&RawValue) -> Result<(), Stop>,
    ) -> Result<T, Stop> {
        self.send(request)?;
        self.answer(None, row)
    }

    /// The same, for rows that come until somebody has enough: `sluiced` is told as soon as `stop` is raised, and what it
    /// still sends is read. Nothing else can be asked on this connection then.
    pub(super) fn follow<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        stop: &AtomicBool,
        row: impl FnMut(&RawValue) -> Result<(), Stop>,
    ) -> Result<T, Stop> {
        self.send(request)?;
        self.stream.get_ref().set_read_timeout(Some(TICK)).map_err(|error| unreachable(&self.path, &error))?;
        self.answer(Some(stop), row)
    }

    fn send(&mut self, request: &Request) -> Result<(), Stop> {
        let sent = self.stream.get_mut().write_all(&encode_request(request)?);
        // A refusal may be waiting although not all could be sent (a request that is too long).
        match sent {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) if is_timeout(&error) => {
                Err(self.gone(&format!("it did not take the request within {} seconds", PATIENCE.as_secs())))
            }
            Err(error) => Err(unreachable(&self.path, &error)),
        }
    }

    fn answer<T: DeserializeOwned>(
        &mut self,
        mut stop: Option<&AtomicBool>,
        mut row: impl FnMut(&RawValue) -> Result<(), Stop>,
    ) -> Result<T, Stop> {
        let (follows, mut heard) = (stop.is_some(), Instant::now());
        self.line.clear();
        loop {
            if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                stop = None;
                // It may have gone by itself, which shows when its answer is read.
                let _ = self.stream.get_ref().shutdown(Shutdown::Write);
            }
            match self.stream.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(self.gone("it closed the connection before it had answered")),
                Ok(_) => {}
                // What has come of the line stays.
                Err(error) if follows && is_timeout(&error) && heard.elapsed() < PATIENCE => continue,
                Err(error) if is_timeout(&error) => {
                    return Err(self.gone(&format!("it did not answer within {} seconds", PATIENCE.as_secs())));
                }
                Err(error) => return Err(unreachable(&self.path, &error)),
            }
            heard = Instant::now();
            let line = std::mem::take(&mut self.line);
            match decode_line(&line)? {
                Line::Row(value) => row(value)?,
                Line::Done(result) => return Ok(payload(result)?),
                Line::Failed(failure) => return Err(failure.into()),
            }
            // Its room is used again.
            self.line = line;
            self.line.clear();
        }
    }

    /// Sends a request that has no rows.
    pub(super) fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, Stop> {
        self.stream(request, |_| Ok(()))
    }

    /// Sends a request and collects its rows.
    pub(super) fn list<R, T>(&mut self, request: &Request) -> Result<(Vec<R>, T), Stop>
    where
        R: DeserializeOwned,
        T: DeserializeOwned,
    {
        let mut rows = Vec::new();
        let end = self.stream(request, |row| {
            rows.push(payload(row)?);
            Ok(())
        })?;
        Ok((rows, end))
    }

    fn gone(&self, why: &str) -> Stop {
        let path = self.path.display();
        Stop::Unreachable(format!("sluiced at {path} is not reachable: {why}. Its log says why."))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn unreachable(path: &Path, error: &io::Error) -> Stop {
    let next = match error.kind() {
        ErrorKind::PermissionDenied => "Run sluice as root or as a member of the socket's group.",
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "Start sluiced, or name its socket with --socket.",
        _ => "The log of sluiced may say why.",
    };
    Stop::Unreachable(format!("sluiced at {} is not reachable: {error}. {next}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Connection, Duration, PATIENCE, Request, Stop};
    use crate::client::UNREACHABLE;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_sluiced_that_reads_nothing_does_not_hold_the_client_for_ever() {
        let path = std::env::temp_dir().join(format!("sluice-deaf-{}.sock", std::process::id()));
        let _listener = UnixListener::bind(&path).expect("a socket in the temporary directory");
        let mut connection = Connection::open(&path).expect("connected, though never accepted");
        let _ = std::fs::remove_file(&path);
        assert_eq!(connection.stream.get_ref().write_timeout().expect("an option"), Some(PATIENCE));
        assert_eq!(connection.stream.get_ref().read_timeout().expect("an option"), Some(PATIENCE));
        // The same without the minute.
        connection.stream.get_ref().set_write_timeout(Some(Duration::from_millis(50))).expect("set");
        let request = Request::Apply { text: "#".repeat(1 << 20), file: "services.toml".to_owned(), dry_run: false };
        match connection.ask::<()>(&request) {
            Err(Stop::Unreachable(text)) => assert!(text.contains("it did not take the request"), "{text}"),
            _ => panic!("nobody can have answered; the exit code would not be {UNREACHABLE}"),
        }
    }
}
