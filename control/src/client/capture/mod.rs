//! `sluice capture`: packets from the workers, into a file or as text; and `sluice trace`.

mod describe;
mod file;
mod filter;
mod frame;
mod options;
pub(super) mod trace;

pub(super) use options::CaptureOptions;
pub(super) use trace::TraceOptions;

use super::connection::Connection;
use super::{Format, Stop};
use crate::protocol::{CaptureEnd, CaptureRow, CapturedPacket, EndedBy, Request, payload};
use file::CaptureFile;
use frame::Seen;
use link::capture::FramePlace;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Raised by the first of these signals; the second ends the program at once.
fn interrupted() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Where packets go.
enum Sink<'a> {
    File(CaptureFile<Box<dyn Write + 'a>>),
    Text { out: &'a mut dyn Write, ports: Vec<String>, began: Option<u64> },
    Json(&'a mut dyn Write),
}

/// Runs `sluice capture`.
pub(super) fn run(
    socket: &Path,
    options: &CaptureOptions,
    format: Format,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), Stop> {
    let request = options.request()?;
    let stop = interrupted()?;
    let mut connection = Connection::open(socket)?;
    let mut out = Some(out);
    let mut sink = None;
    let end: CaptureEnd = connection.follow(&Request::Capture(request), &stop, |row| {
        match payload::<CaptureRow>(row)? {
            CaptureRow::Begun { ports } => sink = Some(Sink::open(options, format, ports, out.take())?),
            CaptureRow::Packet(packet) => {
                if let Some(sink) = &mut sink {
                    sink.add(&packet)?;
                }
            }
            CaptureRow::Waiting(_) => {
                if let Some(sink) = &mut sink {
                    sink.flush()?;
                }
            }
        }
        Ok(())
    })?;
    if let Some(mut sink) = sink {
        sink.flush()?;
    }
    writeln!(errors, "{}", summary(&end))?;
    Ok(())
}

impl<'a> Sink<'a> {
    fn open(
        options: &CaptureOptions,
        format: Format,
        ports: Vec<String>,
        out: Option<&'a mut dyn Write>,
    ) -> Result<Self, Stop> {
        let closed = || Stop::Output(io::ErrorKind::BrokenPipe.into());
        let to: Box<dyn Write + 'a> = match &options.write {
            Some(path) if path.as_os_str() == "-" => Box::new(out.ok_or_else(closed)?),
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|error| named(path, &error))?)),
            None if format == Format::Json => return Ok(Self::Json(out.ok_or_else(closed)?)),
            None => return Ok(Self::Text { out: out.ok_or_else(closed)?, ports, began: None }),
        };
        // What reads from a pipe sees the begin at once.
        let mut file = CaptureFile::begin(to, &ports, options.snaplen)?;
        file.out().flush()?;
        Ok(Self::File(file))
    }

    fn add(&mut self, packet: &CapturedPacket) -> Result<(), Stop> {
        match self {
            Self::File(file) => file.add(packet),
            Self::Json(out) => super::json(packet, out),
            Self::Text { out, ports, began } => {
                let since = packet.time_nanoseconds.saturating_sub(*began.get_or_insert(packet.time_nanoseconds));
                Ok(show(packet, ports, since, out)?)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.out().flush(),
            Self::Text { out, .. } | Self::Json(out) => out.flush(),
        }
    }
}

fn named(path: &Path, error: &io::Error) -> Stop {
    Stop::Output(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// `0.001234`.
fn seconds(nanoseconds: u64) -> String {
    format!("{}.{:06}", nanoseconds / 1_000_000_000, nanoseconds / 1_000 % 1_000_000)
}

/// A line for each frame, and one for what became of the packet.
fn show(packet: &CapturedPacket, ports: &[String], since: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut time = seconds(since);
    for frame in &packet.frames {
        let port = ports.get(usize::from(frame.port)).map_or("?", String::as_str);
        let place = match frame.place {
            FramePlace::In => "in",
            FramePlace::Out => "out",
            FramePlace::Kernel => "kernel",
        };
        let said = Seen::of(&frame.bytes).map_or_else(|| "a cut frame".to_owned(), |seen| seen.to_string());
        writeln!(out, "{time:>12}  {port} {place}: {said}, {} bytes", frame.length)?;
        time.clear();
    }
    writeln!(out, "{time:>12}    {}", describe::comment(packet))
}

/// What there was, and why it ended.
fn summary(end: &CaptureEnd) -> String {
    let CaptureEnd { packets, counts, ended_by } = end;
    let why = match ended_by {
        EndedBy::Packets => "--count is reached",
        EndedBy::Seconds => "its --seconds are over",
        EndedBy::Client => "it was ended",
    };
    let missed = match counts.missed {
        0 => String::new(),
        missed => {
            format!(" {missed} were missed, as they came faster than they were read: a narrower --filter shows all.")
        }
    };
    format!("{packets} packets of {} looked at, until {why}.{missed}", counts.seen)
}

#[cfg(test)]
mod tests;
