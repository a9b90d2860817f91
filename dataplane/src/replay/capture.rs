//! Capture files in and out.

use super::ReplayError;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A frame of an input file.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Index of the port it comes in on.
    pub(super) port: u16,
    /// Its place in its file, from 0.
    pub(super) index: u64,
    /// Its time stamp.
    pub(super) time: Duration,
    pub(super) bytes: Vec<u8>,
}

/// One input file, a frame at a time.
struct Input {
    path: PathBuf,
    port: u16,
    reader: PcapReader<BufReader<File>>,
    next: Option<Frame>,
    count: u64,
}

impl Input {
    fn open(path: &Path, port: u16) -> Result<Self, ReplayError> {
        let file = File::open(path).map_err(|error| ReplayError::file("read", path, error))?;
        let reader = PcapReader::new(BufReader::new(file)).map_err(|error| ReplayError::file("read", path, error))?;
        let link = reader.header().datalink;
        if link != DataLink::ETHERNET {
            return Err(ReplayError::file("read", path, format!("link type {link:?}, allowed: Ethernet")));
        }
        let mut input = Self { path: path.to_owned(), port, reader, next: None, count: 0 };
        input.advance()?;
        Ok(input)
    }

    fn advance(&mut self) -> Result<Option<Frame>, ReplayError> {
        let next = match self.reader.next_packet() {
            None => None,
            Some(Err(error)) => {
                return Err(ReplayError::file("read", &self.path, format!("frame {}: {error}", self.count)));
            }
            Some(Ok(packet)) => Some(Frame {
                port: self.port,
                index: self.count,
                time: packet.timestamp,
                bytes: packet.data.into_owned(),
            }),
        };
        self.count += u64::from(next.is_some());
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// All input files, merged by time stamp; at equal times in the order given.
pub(super) struct Inputs {
    inputs: Vec<Input>,
}

impl Inputs {
    pub(super) fn open(files: &[(u16, PathBuf)]) -> Result<Self, ReplayError> {
        let inputs = files.iter().map(|(port, path)| Input::open(path, *port)).collect::<Result<_, _>>()?;
        Ok(Self { inputs })
    }

    /// The time stamp resolution of the first file; outputs have the same.
    pub(super) fn resolution(&self) -> TsResolution {
        self.inputs.first().map_or(TsResolution::MicroSecond, |input| input.reader.header().ts_resolution)
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame>, ReplayError> {
        let time = |input: &Input| input.next.as_ref().map(|frame| frame.time);
        let earliest = self.inputs.iter().enumerate().filter_map(|(at, input)| Some((time(input)?, at))).min();
        match earliest {
            Some((_, at)) => self.inputs.get_mut(at).map_or(Ok(None), Input::advance),
            None => Ok(None),
        }
    }
}

/// One output file, or a port nobody listens to.
pub(super) struct OutputFile {
    path: PathBuf,
    writer: PcapWriter<BufWriter<File>>,
}

impl OutputFile {
    pub(super) fn create(path: &Path, ts_resolution: TsResolution) -> Result<Self, ReplayError> {
        let file = File::create(path).map_err(|error| ReplayError::file("write", path, error))?;
        let header = PcapHeader { datalink: DataLink::ETHERNET, ts_resolution, ..PcapHeader::default() };
        let writer = PcapWriter::with_header(BufWriter::new(file), header)
            .map_err(|error| ReplayError::file("write", path, error))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    pub(super) fn write(&mut self, time: Duration, bytes: &[u8]) -> Result<(), ReplayError> {
        let packet = PcapPacket::new(time, bytes.len() as u32, bytes);
        self.writer.write_packet(&packet).map_err(|error| ReplayError::file("write", &self.path, error))?;
        Ok(())
    }

    /// Writes what is buffered; a full disk is an error, not a shorter file.
    pub(super) fn finish(self) -> Result<(), ReplayError> {
        use std::io::Write;
        self.writer.into_writer().flush().map_err(|error| ReplayError::file("write", &self.path, error))
    }
}
